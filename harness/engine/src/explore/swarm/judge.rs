use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::exploration::Exploration;
use shakedown_protocol::machine::Tally;
use shakedown_protocol::monitor::Observation;
use shakedown_protocol::pair::{Demanded, Pairs, Sign};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, StreamParameters};

use super::{Ending, Profile, Side};
use crate::explore::Violation;
use crate::explore::counters::Traffic;

/// What clocks and the network may add.
const MARGIN: Duration = Duration::from_secs(1);

/// Watches both sides at once, which no monitor can: ends, counters, and whether they come together.
/// What a capture shows is judged by the monitors at both edges.
pub(super) struct Judge {
    exploration: &'static Exploration,
    pairs: Option<Pairs>,
    asks: Side,
    demanded: Demanded,
    corrupts: bool,
    stream: Duration,
    has_moved: bool,
    /// Whether the network has healed and nothing from before is on its way.
    is_clean: bool,
    fell_back: bool,
    /// When the initiator asked for what it must get.
    asked: Option<Duration>,
    initiator: &'static str,
    /// What came to the initiator last.
    latest: Vec<u8>,
    /// What made it believe in its session.
    accepted: Option<Vec<u8>>,
    /// When the responder sent that again to an initiator that must answer it.
    repeated: Option<Repeated>,
    sessions: BTreeMap<SocketAddr, &'static str>,
    one_sided_since: Option<Duration>,
    traffic: [Traffic; 2],
    violations: Vec<Violation>,
}

/// An answer that was sent again.
#[derive(Debug, Clone, Copy)]
struct Repeated {
    at: Duration,
    /// Whether the initiator said anything since.
    is_answered: bool,
}

impl Judge {
    pub(super) fn new(
        protocol: &'static Protocol,
        exploration: &'static Exploration,
        initiator: &Side,
        demanded: Demanded,
        profile: &Profile,
        stream: StreamParameters,
    ) -> Self {
        Self {
            exploration,
            pairs: protocol.pairs,
            asks: initiator.clone(),
            demanded,
            corrupts: profile.corrupts(),
            stream: Duration::from_secs(u64::from(stream.seconds)),
            has_moved: false,
            is_clean: false,
            fell_back: false,
            asked: None,
            initiator: exploration.states.closed,
            latest: Vec::new(),
            accepted: None,
            repeated: None,
            sessions: BTreeMap::new(),
            one_sided_since: None,
            traffic: [Traffic::default(); 2],
            violations: Vec::new(),
        }
    }

    /// The initiator has another address: what it asked for goes to the old one.
    pub(super) const fn moved(&mut self) {
        self.has_moved = true;
        self.asked = None;
        self.repeated = None;
    }

    pub(super) const fn is_clean(&mut self) {
        self.is_clean = true;
    }

    pub(super) const fn fell_back(&self) -> bool {
        self.fell_back
    }

    pub(super) fn sent(&mut self, now: Duration, role: Role, payload: &[u8]) {
        self.traffic[role as usize].sent.add(payload);
        if role == Role::Responder {
            self.repeats(now, payload);
            return;
        }
        if let Some(repeated) = &mut self.repeated {
            repeated.is_answered = true;
        }
        let sign = self
            .pairs
            .and_then(|pairs| pairs.sign(&self.asks.offer(), role, payload));
        let is_promised = match sign {
            Some(Sign::Asks) => self.demanded == Demanded::Streams,
            Some(Sign::FallsBack) => {
                self.fell_back = true;
                self.demanded == Demanded::FallsBack
            }
            Some(Sign::Refuses(_) | Sign::Breaks(_) | Sign::Grants { .. } | Sign::Came(_))
            | None => false,
        };
        if is_promised && self.is_clean && !self.corrupts {
            self.asked.get_or_insert(now);
        }
    }

    /// A responder that still waits for a confirmation has one, once the network carries it.
    fn repeats(&mut self, now: Duration, payload: &[u8]) {
        let is_believed = self.is_agreed()
            && self.accepted.as_deref() == Some(payload)
            && self
                .sessions
                .values()
                .all(|state| !self.exploration.states.confirmed.contains(state));
        if is_believed && self.is_clean && !self.corrupts && !self.has_moved {
            self.repeated.get_or_insert(Repeated {
                at: now,
                is_answered: false,
            });
        }
    }

    pub(super) fn delivered(&mut self, to: Role, payload: &[u8]) {
        self.traffic[to as usize].received.add(payload);
        if to == Role::Initiator {
            self.latest = payload.to_vec();
        }
    }

    pub(super) fn transition(
        &mut self,
        now: Duration,
        role: Role,
        peer: SocketAddr,
        from: &'static str,
        to: &'static str,
    ) {
        let states = &self.exploration.states;
        match role {
            Role::Initiator => {
                self.initiator = to;
                if states.agreed.contains(&to) {
                    self.asked = None;
                    if !states.agreed.contains(&from) {
                        self.accepted = Some(self.latest.clone());
                    }
                } else {
                    // It gave up before the answer could reach it.
                    let is_late = |repeated: &Repeated| now < repeated.at + MARGIN;
                    self.repeated = self.repeated.filter(|repeated| !is_late(repeated));
                }
            }
            Role::Responder if to == states.closed => {
                self.sessions.remove(&peer);
            }
            Role::Responder => {
                self.sessions.insert(peer, to);
                if states.confirmed.contains(&to) {
                    self.repeated = None;
                }
                if states.idle.contains(&from) {
                    // Another session has timers of its own.
                    self.one_sided_since = self.one_sided_since.map(|_| now);
                }
            }
        }
    }

    /// Compares both sides after everything that happened by `now`.
    pub(super) fn look(&mut self, now: Duration) {
        let is_agreed = self.is_agreed();
        let is_over = !is_agreed && self.is_finished();
        let confirmed = self
            .sessions
            .values()
            .any(|state| self.exploration.states.confirmed.contains(state));
        let is_one_sided = (is_agreed && self.sessions.is_empty()) || (is_over && confirmed);
        if !is_one_sided {
            self.one_sided_since = None;
            return;
        }
        let since = *self.one_sided_since.get_or_insert(now);
        let longest = self.exploration.buffer_period.max(self.stream) + MARGIN;
        if now.saturating_sub(since) > longest {
            let property = format!(
                "both stream or both close: the initiator is {}, the responder has {} sessions, for \
                 longer than {longest:?}",
                self.initiator,
                self.sessions.len()
            );
            self.violate(self.convergence(), None, now, property);
        }
    }

    /// What the monitor at the edge of a side says counts where it is about that side.
    pub(super) fn observe(&mut self, role: Role, own: SocketAddr, observation: Observation) {
        if let Observation::Finding(finding) = observation
            && finding.address == own
        {
            let (expected, got) = (&finding.expected, &finding.got);
            let property = format!("expected {expected}; got {got}");
            self.violate(finding.requirement, Some(role), finding.time, property);
        }
    }

    /// Compares what a side counted with what it was given and gave.
    pub(super) fn count(&mut self, role: Role, tally: &Tally) {
        if let Some(property) = self.traffic[role as usize].differ(tally) {
            self.violations.push(Violation {
                requirement: self.exploration.counters.to_owned(),
                party: Some(role),
                at: None,
                property: format!("{property}: {tally:?}"),
            });
        }
    }

    pub(super) fn never_ends(&mut self, now: Duration) {
        let property = format!("both sides close: they still run after {now:?}");
        self.violate(self.convergence(), None, now, property);
    }

    /// Everything that does not hold, in the order in which it showed.
    pub(super) fn violations(mut self, now: Duration, ending: Ending) -> Vec<Violation> {
        if let Some(asked) = self.asked {
            let property = format!(
                "what is asked of a network that has healed is answered: the initiator asked at \
                 {asked:?} and had no session"
            );
            self.violate(self.convergence(), Some(Role::Responder), now, property);
        }
        if let Some(Repeated { at, is_answered }) = self.repeated {
            let (requirement, party) = match is_answered {
                false => (
                    (self.exploration.confirmation)(&self.asks.mode),
                    Role::Initiator,
                ),
                true => (self.convergence(), Role::Responder),
            };
            let property = format!(
                "a responder that repeats its answer over a network that has healed is confirmed: it \
                 did so at {at:?} and was not"
            );
            self.violate(requirement, Some(party), now, property);
        }
        if ending == Ending::Stuck {
            let property =
                "both sides close: nothing is left to happen, and one is open".to_owned();
            self.violate(self.convergence(), None, now, property);
        }
        self.violations
            .sort_by_key(|violation| violation.at.unwrap_or(u64::MAX));
        self.violations
    }

    fn violate(&mut self, requirement: &str, party: Option<Role>, at: Duration, property: String) {
        let is_known = |known: &Violation| known.requirement == requirement && known.party == party;
        if !self.violations.iter().any(is_known) {
            self.violations.push(Violation {
                requirement: requirement.to_owned(),
                party,
                at: u64::try_from(at.as_nanos()).ok(),
                property,
            });
        }
    }

    /// Whether the initiator is done.
    fn is_finished(&self) -> bool {
        let finished = self.exploration.states.finished;
        finished.contains(&self.initiator) && !self.traffic[0].sent.is_empty()
    }

    /// Whether the initiator believes in a session.
    fn is_agreed(&self) -> bool {
        self.exploration.states.agreed.contains(&self.initiator)
    }

    /// The requirement that both sides stream or both close, in the mode of the initiator.
    fn convergence(&self) -> &'static str {
        (self.exploration.convergence)(&self.asks.mode)
    }
}
