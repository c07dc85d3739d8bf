use std::collections::BTreeMap;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

use super::{Fate, Fault, Impair, Mishap};

/// Most faults that are remembered.
const MOST: usize = 4_096;

/// What a network did, by chance or not, as the exact faults that do the same.
#[derive(Debug, Default)]
pub struct Chronicle {
    sent: BTreeMap<(Role, &'static str), u32>,
    faults: Vec<Fault>,
}

impl Chronicle {
    /// One for a network that leaves something to chance; there is nothing to tell of another.
    #[must_use]
    pub fn of(impair: &Impair) -> Option<Self> {
        impair.has_chance().then(Self::default)
    }

    /// The frame's name, and which of its kind it is, if it has one.
    ///
    /// It is asked for before the datagram is sent, and its answer is told afterwards.
    pub fn count(
        &mut self,
        vocabulary: &dyn Vocabulary,
        from: Role,
        payload: &[u8],
    ) -> Option<(&'static str, u32)> {
        let described = vocabulary.decode(payload).ok().flatten()?;
        let sent = self.sent.entry((from, described.frame)).or_default();
        *sent += 1;
        Some((described.frame, *sent))
    }

    /// Remembers what became of a datagram.
    pub fn note(&mut self, from: Role, (frame, nth): (&str, u32), fate: Fate) {
        let mishaps = [
            fate.lost.map(|_| Mishap::Lost),
            fate.twice.then_some(Mishap::Twice),
            fate.held.then_some(Mishap::After(1)),
            fate.flipped.map(Mishap::Flipped),
        ];
        for mishap in mishaps.into_iter().flatten() {
            if self.faults.len() < MOST {
                self.faults.push(Fault {
                    frame: frame.to_owned(),
                    nth,
                    from: Some(from),
                    mishap,
                });
            }
        }
    }

    /// What happened, in order.
    #[must_use]
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }
}

impl Impair {
    /// Whether it is left to chance which datagrams are lost, repeated, held back or changed.
    #[must_use]
    pub fn has_chance(&self) -> bool {
        let shares = [
            self.loss,
            self.duplicate,
            self.reorder,
            self.corrupt,
            self.checksum,
        ];
        shares.into_iter().any(|share| share > 0.0)
    }

    /// The same network with these faults in place of chance: `happened` is all that it did, be it
    /// by chance, in a cut or by an exact fault. How long datagrams take stays as it is.
    #[must_use]
    pub fn exactly(&self, happened: &[Fault]) -> Self {
        let stays = |fault: &&Fault| match fault.mishap {
            Mishap::Late(_) | Mishap::After(_) => true,
            Mishap::Lost | Mishap::Twice | Mishap::Flipped(_) => false,
        };
        let faults = self.faults.iter().filter(stays).chain(happened);
        let is_drawn = self.delay.most > self.delay.least || !self.jitter.is_zero();
        Self {
            from: self.from,
            delay: self.delay,
            jitter: self.jitter,
            rate: self.rate,
            faults: faults.cloned().collect(),
            seed: self.seed.filter(|_| is_drawn),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use shakedown_protocol::mediastream::PROTOCOL;

    use super::*;
    use crate::network::{Arrival, Network};

    /// What arrives of 40 SYNs of one side and as many ACKs of each, and the chronicle.
    fn played(impair: &Impair) -> (Vec<Arrival<u32>>, Option<Vec<Fault>>) {
        let vocabulary = PROTOCOL.vocabulary;
        let mut network = Network::new(impair.clone(), vocabulary, 5);
        let mut chronicle = Chronicle::of(impair);
        let mut arrivals = Vec::new();
        for n in 0..40 {
            let now = Duration::from_millis(10 * u64::from(n));
            for (from, frame) in [
                (Role::Initiator, "SYN"),
                (Role::Initiator, "ACK"),
                (Role::Responder, "ACK"),
            ] {
                let fields = json!({ "connection_id": n.to_string() });
                let payload = vocabulary.encode(frame, fields.as_object().unwrap());
                let payload = payload.unwrap();
                let chronicle = &mut chronicle;
                let named = chronicle
                    .as_mut()
                    .map(|it| it.count(vocabulary, from, &payload));
                let fate = network.send(now, from, n, payload);
                if let (Some(chronicle), Some(Some(named))) = (chronicle, named) {
                    chronicle.note(from, named, fate);
                }
            }
            arrivals.extend(std::iter::from_fn(|| network.arrive(now)));
        }
        arrivals.extend(std::iter::from_fn(|| network.arrive(Duration::MAX)));
        (arrivals, chronicle.map(Chronicle::into_faults))
    }

    #[test]
    fn the_exact_faults_of_a_chronicle_do_what_chance_did() {
        let impair = "loss=0.2,duplicate=0.2,corrupt=0.2,checksum=0.05,cut=50ms..90ms,\
                      delay=1ms..9ms,jitter=30ms,lose=SYN#3,late=ACK#4+20ms,seed=7";
        let impair: Impair = impair.parse().unwrap();
        let (by_chance, happened) = played(&impair);
        let exactly = impair.exactly(&happened.unwrap());
        assert!(!exactly.has_chance());
        assert!(exactly.cut.is_empty());
        let (by_fault, nothing) = played(&exactly);
        assert_eq!(by_fault, by_chance);
        assert_eq!(nothing, None);
    }

    #[test]
    fn what_does_not_decode_has_no_name_and_what_happens_to_nobody_is_no_fault() {
        let mut chronicle = Chronicle::default();
        let none = chronicle.count(PROTOCOL.vocabulary, Role::Initiator, b"\xff\xff");
        assert_eq!(none, None);
        chronicle.note(Role::Initiator, ("SYN", 1), Fate::default());
        assert_eq!(chronicle.into_faults(), []);
    }
}
