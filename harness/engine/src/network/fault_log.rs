use std::collections::BTreeMap;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

use super::{Effects, Fault, FaultKind, Impairment};

/// Most faults that are kept.
const MAX_FAULTS: usize = 4_096;

/// What a network did, at random or not, as the exact faults that do the same.
#[derive(Debug, Default)]
pub struct FaultLog {
    sent: BTreeMap<(Role, &'static str), u32>,
    faults: Vec<Fault>,
}

impl FaultLog {
    /// A log for a network with random faults; others need none.
    #[must_use]
    pub fn of(impair: &Impairment) -> Option<Self> {
        impair.has_random_faults().then(Self::default)
    }

    /// The frame's name and its number among frames of that name, for [`Self::note`]; `None` if it
    /// does not decode. Call it once for each datagram, before it is sent.
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

    /// Logs what the network did to a datagram.
    pub fn note(&mut self, from: Role, (frame, nth): (&str, u32), effects: Effects) {
        let kinds = [
            effects.lost.map(|_| FaultKind::Drop),
            effects.duplicated.then_some(FaultKind::Duplicate),
            effects.reordered.then_some(FaultKind::Reorder(1)),
            effects.corrupted_bit.map(FaultKind::Corrupt),
        ];
        for kind in kinds.into_iter().flatten() {
            if self.faults.len() < MAX_FAULTS {
                self.faults.push(Fault {
                    frame: frame.to_owned(),
                    nth,
                    from: Some(from),
                    kind,
                });
            }
        }
    }

    /// The faults, in the order of the datagrams.
    #[must_use]
    pub fn into_faults(self) -> Vec<Fault> {
        self.faults
    }
}

impl Impairment {
    /// The same, drawn from another seed if it was drawn before; `seed` is that of the run.
    #[must_use]
    pub fn drawn_again(&self, seed: u64, times: u32) -> Self {
        let own = self.seed.unwrap_or(seed);
        Self {
            seed: match times {
                0 => self.seed,
                times => Some(own.wrapping_add(times.into())),
            },
            ..self.clone()
        }
    }

    /// Whether datagrams are lost, duplicated, reordered or corrupted at random.
    #[must_use]
    pub fn has_random_faults(&self) -> bool {
        let shares = [
            self.loss,
            self.duplicate,
            self.reorder,
            self.corrupt,
            self.checksum,
        ];
        shares.into_iter().any(|share| share > 0.0)
    }

    fn has_random_delay(&self) -> bool {
        self.delay.most > self.delay.least || !self.jitter.is_zero()
    }

    /// Whether anything about it is random.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.has_random_faults() || self.has_random_delay()
    }

    /// The same network with `happened` in place of random faults, outages and exact faults. Delays
    /// stay as they are.
    #[must_use]
    pub fn with_exact_faults(&self, happened: &[Fault]) -> Self {
        let stays = |fault: &&Fault| match fault.kind {
            FaultKind::Delay(_) | FaultKind::Reorder(_) => true,
            FaultKind::Drop | FaultKind::Duplicate | FaultKind::Corrupt(_) => false,
        };
        let faults = self.faults.iter().filter(stays).chain(happened);
        Self {
            from: self.from,
            delay: self.delay,
            jitter: self.jitter,
            rate: self.rate,
            faults: faults.cloned().collect(),
            seed: self.seed.filter(|_| self.has_random_delay()),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use shakedown_protocol::event_loop::Link as _;
    use std::time::Duration;

    use serde_json::json;
    use shakedown_protocol::mediastream::PROTOCOL;

    use super::*;
    use crate::network::{Arrival, Network};

    /// What arrives of 40 SYNs of one side and as many ACKs of each, and the fault_log.
    fn played(impair: &Impairment) -> (Vec<Arrival<u32>>, Option<Vec<Fault>>) {
        let vocabulary = PROTOCOL.vocabulary;
        let mut network = Network::new(impair.clone(), vocabulary, 5);
        let mut fault_log = FaultLog::of(impair);
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
                let fault_log = &mut fault_log;
                let named = fault_log
                    .as_mut()
                    .map(|it| it.count(vocabulary, from, &payload));
                let effects = network.send(now, from, n, payload);
                if let (Some(fault_log), Some(Some(named))) = (fault_log, named) {
                    fault_log.note(from, named, effects);
                }
            }
            arrivals.extend(std::iter::from_fn(|| network.arrive(now)));
        }
        arrivals.extend(std::iter::from_fn(|| network.arrive(Duration::MAX)));
        (arrivals, fault_log.map(FaultLog::into_faults))
    }

    #[test]
    fn the_exact_faults_of_a_fault_log_do_what_chance_did() {
        let impair = "loss=0.2,duplicate=0.2,corrupt=0.2,checksum=0.05,outage=50ms..90ms,\
                      delay=1ms..9ms,jitter=30ms,drop=SYN#3,delay=ACK#4+20ms,seed=7";
        let impair: Impairment = impair.parse().unwrap();
        let (by_chance, happened) = played(&impair);
        let exactly = impair.with_exact_faults(&happened.unwrap());
        assert!(!exactly.has_random_faults());
        assert!(exactly.outage.is_empty());
        let (by_fault, nothing) = played(&exactly);
        assert_eq!(by_fault, by_chance);
        assert_eq!(nothing, None);
    }

    #[test]
    fn what_does_not_decode_has_no_name_and_what_happens_to_nobody_is_no_fault() {
        let mut fault_log = FaultLog::default();
        let none = fault_log.count(PROTOCOL.vocabulary, Role::Initiator, b"\xff\xff");
        assert_eq!(none, None);
        fault_log.note(Role::Initiator, ("SYN", 1), Effects::default());
        assert_eq!(fault_log.into_faults(), []);
    }
}
