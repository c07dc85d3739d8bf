use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::machine::Tally;
use shakedown_protocol::monitor::Observation;
use shakedown_protocol::pair::{Demanded, Sign};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, StreamParameters};

use super::{Ending, Profile, Side, offer};
use crate::explore::Violation;

/// States in which an initiator believes in a session.
const AGREED: [&str; 3] = ["Established", "AwaitingStartConfirm", "Streaming"];
/// States in which a responder has been confirmed.
const CONFIRMED: [&str; 2] = ["Established", "Streaming"];
/// States from which a responder's session begins, and in which it is over.
const NOBODY: [&str; 3] = ["Listen", "Idle", "Closed"];
/// How long an initiator waits for media, by default.
const BUFFER_PERIOD: Duration = Duration::from_secs(3);
/// What clocks and the network may add.
const MARGIN: Duration = Duration::from_secs(1);

/// Watches both sides at once, which no monitor can.
pub(super) struct Judge {
    protocol: &'static Protocol,
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
    /// The responder's sessions.
    sessions: BTreeMap<SocketAddr, &'static str>,
    one_sided_since: Option<Duration>,
    sent: [Sum; 2],
    delivered: [Sum; 2],
    violations: Vec<Violation>,
}

/// An answer that was sent again.
#[derive(Debug, Clone, Copy)]
struct Repeated {
    at: Duration,
    /// Whether the initiator said anything since.
    is_answered: bool,
}

/// Datagrams and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    datagrams: u64,
    bytes: u64,
}

impl Sum {
    fn add(&mut self, payload: &[u8]) {
        self.datagrams += 1;
        self.bytes += payload.len() as u64;
    }
}

impl Judge {
    pub(super) fn new(
        protocol: &'static Protocol,
        initiator: &Side,
        demanded: Demanded,
        profile: &Profile,
        stream: StreamParameters,
    ) -> Self {
        Self {
            protocol,
            asks: initiator.clone(),
            demanded,
            corrupts: profile.corrupts(),
            stream: Duration::from_secs(u64::from(stream.seconds)),
            has_moved: false,
            is_clean: false,
            fell_back: false,
            asked: None,
            initiator: "Closed",
            latest: Vec::new(),
            accepted: None,
            repeated: None,
            sessions: BTreeMap::new(),
            one_sided_since: None,
            sent: [Sum::default(); 2],
            delivered: [Sum::default(); 2],
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
        self.sent[index(role)].add(payload);
        if role == Role::Responder {
            self.repeats(now, payload);
            return;
        }
        if let Some(repeated) = &mut self.repeated {
            repeated.is_answered = true;
        }
        let pairs = self.protocol.pairs;
        let sign = pairs.and_then(|pairs| (pairs.sign)(&offer(&self.asks), role, payload));
        let is_promised = match sign {
            Some(Sign::Asks) => self.demanded == Demanded::Streams,
            Some(Sign::FallsBack) => {
                self.fell_back = true;
                self.demanded == Demanded::FallsBack
            }
            Some(Sign::Refuses(_) | Sign::Grants { .. } | Sign::Media(_)) | None => false,
        };
        if is_promised && self.is_clean && !self.corrupts {
            self.asked.get_or_insert(now);
        }
    }

    /// A responder that still waits for a confirmation has one, once the network carries it.
    fn repeats(&mut self, now: Duration, payload: &[u8]) {
        let is_believed = AGREED.contains(&self.initiator)
            && self.accepted.as_deref() == Some(payload)
            && self
                .sessions
                .values()
                .all(|state| !CONFIRMED.contains(state));
        if is_believed && self.is_clean && !self.corrupts && !self.has_moved {
            self.repeated.get_or_insert(Repeated {
                at: now,
                is_answered: false,
            });
        }
    }

    pub(super) fn delivered(&mut self, to: Role, payload: &[u8]) {
        self.delivered[index(to)].add(payload);
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
        match role {
            Role::Initiator => {
                self.initiator = to;
                if AGREED.contains(&to) {
                    self.asked = None;
                    if !AGREED.contains(&from) {
                        self.accepted = Some(self.latest.clone());
                    }
                } else {
                    // It gave up before the answer could reach it.
                    let is_late = |repeated: &Repeated| now < repeated.at + MARGIN;
                    self.repeated = self.repeated.filter(|repeated| !is_late(repeated));
                }
            }
            Role::Responder if to == "Closed" => {
                self.sessions.remove(&peer);
            }
            Role::Responder => {
                self.sessions.insert(peer, to);
                if CONFIRMED.contains(&to) {
                    self.repeated = None;
                }
                if NOBODY.contains(&from) {
                    // Another session has timers of its own.
                    self.one_sided_since = self.one_sided_since.map(|_| now);
                }
            }
        }
    }

    /// Compares both sides after everything that happened by `now`.
    pub(super) fn look(&mut self, now: Duration) {
        let is_agreed = AGREED.contains(&self.initiator);
        let is_over = !is_agreed && self.is_finished();
        let confirmed = self
            .sessions
            .values()
            .any(|state| CONFIRMED.contains(state));
        let is_one_sided = (is_agreed && self.sessions.is_empty()) || (is_over && confirmed);
        if !is_one_sided {
            self.one_sided_since = None;
            return;
        }
        let since = *self.one_sided_since.get_or_insert(now);
        let longest = BUFFER_PERIOD.max(self.stream) + MARGIN;
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
        let counted = Sum {
            datagrams: tally.received_datagrams,
            bytes: tally.received_bytes,
        };
        let (sent, delivered) = (self.sent[index(role)], self.delivered[index(role)]);
        let sums = [
            ("received", counted, delivered),
            (
                "sent",
                Sum {
                    datagrams: tally.sent_datagrams,
                    bytes: tally.sent_bytes,
                },
                sent,
            ),
        ];
        for (what, counted, is) in sums {
            if counted != is {
                let property = format!("{what} counts {counted:?}, but it was {is:?}");
                self.miscounted(role, property);
            }
        }
        let handshakes = tally.succeeded + tally.failed + tally.open;
        if tally.attempted != handshakes {
            let property = format!("handshakes do not add up: {tally:?}");
            self.miscounted(role, property);
        }
    }

    fn miscounted(&mut self, role: Role, property: String) {
        self.violations.push(Violation {
            requirement: self.convergence().to_owned(),
            party: Some(role),
            at: None,
            property: format!("the counters of section 6 add up: {property}"),
        });
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
            let (requirement, party) = match (is_answered, self.asks.mode.as_str()) {
                (false, "3way") => ("MS-H-11", Role::Initiator),
                (false, _) => ("MS-S-12", Role::Initiator),
                (true, _) => (self.convergence(), Role::Responder),
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
        ["Closed", "Rejected", "TimedOut"].contains(&self.initiator) && self.sent[0].datagrams > 0
    }

    /// The requirement that both sides stream or both close, in the mode of the initiator.
    fn convergence(&self) -> &'static str {
        match self.asks.mode.as_str() {
            "3way" => "MS-H-25",
            "start3" => "MS-S-18",
            _ => "MS-L-05",
        }
    }
}

const fn index(role: Role) -> usize {
    match role {
        Role::Initiator => 0,
        Role::Responder => 1,
    }
}
