//! What the machines did, remembered: a machine that is in the same state and gets the same input at
//! the same time does the same (the contract of [`Fork::digest`]), so it need not do it again. That
//! states with equal digests are one rests on the same contract.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use shakedown_protocol::machine::{Fork, Input, Outcome, Output};
use shakedown_protocol::requirement::Role;

use super::channel::Datagram;
use shakedown_protocol::exploration::Traffic;

/// The addresses of the two sides.
pub(super) const INITIATOR: SocketAddr = address(2, 50_000);
pub(super) const RESPONDER: SocketAddr = address(1, 4_444);

/// Shelves on which each kind of thing lies, so that threads seldom wait for each other.
const SHELVES: usize = 64;

const fn address(host: u8, port: u16) -> SocketAddr {
    let ip = std::net::Ipv4Addr::new(192, 0, 2, host);
    SocketAddr::V4(std::net::SocketAddrV4::new(ip, port))
}

/// A machine, and what is needed of it without asking again.
pub(super) struct Peer {
    machine: Box<dyn Fork>,
    pub(super) digest: u64,
    pub(super) deadline: Option<Duration>,
    pub(super) is_finished: bool,
    pub(super) sessions: u64,
}

/// What a machine did about one input.
pub(super) struct Step {
    pub(super) peer: Arc<Peer>,
    pub(super) effects: Vec<Effect>,
    /// What is wrong with its counters.
    pub(super) miscounted: Option<&'static str>,
}

/// One thing that a machine did.
pub(super) enum Effect {
    Sent(Arc<Datagram>),
    /// Its session went from one state to another.
    State(&'static str, &'static str),
    Ended(Outcome),
}

/// All machines of an exploration and what they did.
#[derive(Default)]
pub(super) struct Steps {
    peers: Memory<u64, Arc<Peer>>,
    steps: Memory<Key, Arc<Step>>,
}

/// The input of a step: the machine, the time and the datagram, if any.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    peer: u64,
    now: Duration,
    datagram: Option<u64>,
}

impl Steps {
    /// A machine, which is the one with its digest that is known already if there is one.
    pub(super) fn peer(&self, machine: Box<dyn Fork>) -> Arc<Peer> {
        let peer = Peer::new(machine);
        self.peers
            .get_or(peer.digest, peer.digest, || Arc::new(peer))
    }

    /// What the machine does when a datagram comes or, without one, its timer is due.
    pub(super) fn step(
        &self,
        peer: &Peer,
        now: Duration,
        datagram: Option<&Datagram>,
    ) -> Arc<Step> {
        let key = Key {
            peer: peer.digest,
            now,
            datagram: datagram.map(|datagram| datagram.digest),
        };
        let place = peer.digest ^ key.datagram.unwrap_or_default();
        self.steps
            .get_or(place, key, || Arc::new(self.take(peer, now, datagram)))
    }

    /// The machine takes the step.
    fn take(&self, peer: &Peer, now: Duration, datagram: Option<&Datagram>) -> Step {
        let mut machine = peer.machine.fork();
        let role = machine.role();
        let before = machine.tally();
        let mut counted = Traffic::counted(&before);
        let input = match datagram {
            Some(datagram) => {
                counted.received.add(&datagram.payload);
                Input::Datagram {
                    from: match role {
                        Role::Initiator => RESPONDER,
                        Role::Responder => INITIATOR,
                    },
                    payload: &datagram.payload,
                }
            }
            None => Input::Tick,
        };
        machine.handle(now, input);
        let mut effects = Vec::new();
        while let Some(output) = machine.poll() {
            effects.push(match output {
                Output::Send { payload, .. } => {
                    counted.sent.add(&payload);
                    Effect::Sent(Arc::new(Datagram::new(payload)))
                }
                Output::Transition { from, to, .. } => Effect::State(from, to),
                Output::Ended { outcome, .. } => Effect::Ended(outcome),
            });
        }
        Step {
            miscounted: counted.differ(&machine.tally()),
            peer: self.peer(machine),
            effects,
        }
    }
}

impl Peer {
    fn new(machine: Box<dyn Fork>) -> Self {
        let mut hasher = DefaultHasher::new();
        machine.role().hash(&mut hasher);
        machine.digest(&mut hasher);
        Self {
            digest: hasher.finish(),
            deadline: machine.deadline(),
            is_finished: machine.is_finished(),
            sessions: machine.tally().sessions,
            machine,
        }
    }
}

/// What was made once for each key.
struct Memory<K, V> {
    shelves: [Mutex<HashMap<K, V>>; SHELVES],
}

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self {
            shelves: std::array::from_fn(|_| Mutex::default()),
        }
    }
}

impl<K: Hash + Eq, V: Clone> Memory<K, V> {
    /// What there is for `key`, or else what `make` makes; `place` chooses the shelf and is the same
    /// for equal keys.
    fn get_or(&self, place: u64, key: K, make: impl FnOnce() -> V) -> V {
        let shelf = &self.shelves[place as usize % SHELVES];
        let known = shelf
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(known) = known {
            return known;
        }
        // Others may look something up on this shelf while it is made, and may make the same.
        let made = make();
        let mut shelf = shelf.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.entry(key).or_insert(made).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;
    use std::sync::atomic::{AtomicU64, Ordering};

    use shakedown_protocol::machine::{Machine, Tally};

    use super::*;

    /// Sends one datagram for each that comes, and counts `sent` for it.
    #[derive(Clone)]
    struct Echo {
        tally: Tally,
        sent: u64,
        owed: Vec<Output>,
        asked: Arc<AtomicU64>,
    }

    impl Machine for Echo {
        fn role(&self) -> Role {
            Role::Responder
        }

        fn handle(&mut self, _: Duration, input: Input<'_>) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if let Input::Datagram { from, payload } = input {
                let payload = payload.to_vec();
                self.tally.received_datagrams += 1;
                self.tally.received_bytes += payload.len() as u64;
                self.tally.sent_datagrams += self.sent;
                self.tally.sent_bytes += payload.len() as u64;
                self.owed.push(Output::Send { to: from, payload });
            }
        }

        fn poll(&mut self) -> Option<Output> {
            self.owed.pop()
        }

        fn deadline(&self) -> Option<Duration> {
            None
        }

        fn is_finished(&self) -> bool {
            false
        }

        fn counters(&self) -> serde_json::Value {
            serde_json::Value::Null
        }

        fn tally(&self) -> Tally {
            self.tally
        }
    }

    impl Hash for Echo {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    fn echo(sent: u64) -> (Box<dyn Fork>, Arc<AtomicU64>) {
        let asked = Arc::<AtomicU64>::default();
        let machine = Echo {
            tally: Tally::default(),
            sent,
            owed: Vec::new(),
            asked: Arc::clone(&asked),
        };
        (Box::new(machine), asked)
    }

    #[test]
    fn a_machine_does_once_what_it_does_at_the_same_time_about_the_same_datagram() {
        let (machine, asked) = echo(1);
        let steps = Steps::default();
        let peer = steps.peer(machine);
        let datagrams = [b"one", b"two"].map(|payload| Datagram::new(payload.to_vec()));
        let step = |now, datagram| steps.step(&peer, Duration::from_secs(now), datagram);
        let first = step(1, Some(&datagrams[0]));
        let again = step(1, Some(&datagrams[0]));
        assert!(Arc::ptr_eq(&first, &again));
        assert!(Arc::ptr_eq(&first.peer, &peer), "one digest, one machine");
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        for (now, datagram) in [
            (2, Some(&datagrams[0])),
            (1, Some(&datagrams[1])),
            (1, None),
        ] {
            step(now, datagram);
        }
        assert_eq!(asked.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn a_machine_that_counts_what_it_did_not_send_is_found() {
        let miscounted = |sent| {
            let steps = Steps::default();
            let peer = steps.peer(echo(sent).0);
            let datagram = Datagram::new(b"one".to_vec());
            let step = steps.step(&peer, Duration::ZERO, Some(&datagram));
            step.miscounted
        };
        assert_eq!(miscounted(1), None);
        assert_eq!(miscounted(2), Some(shakedown_protocol::exploration::SENT));
        assert_eq!(miscounted(0), Some(shakedown_protocol::exploration::SENT));
    }
}
