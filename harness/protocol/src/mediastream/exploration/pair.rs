use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::{COUNTERS, by_mode, convergence};
use crate::StreamParameters;
use crate::exploration::{Breach, RunEnd, RunFacts, SideSettings, Traffic};
use crate::machine::{Machine, Outcome};
use crate::mediastream::PAIRS;
use crate::pair::{DemandedEnd, Offer, TrafficEvent};
use crate::requirement::Role;

/// What clocks and the network may add.
const MARGIN: Duration = Duration::from_secs(1);

/// How long an initiator waits for media by default.
const BUFFER_PERIOD: Duration = Duration::from_secs(3);

/// The states in which an initiator believes in a session.
const AGREED: [&str; 3] = ["Established", "AwaitingStartConfirm", "Streaming"];
/// Those in which it is done.
const FINISHED: [&str; 3] = ["Closed", "Rejected", "TimedOut"];
/// Those in which a responder's session has been confirmed.
const CONFIRMED: [&str; 2] = ["Established", "Streaming"];
/// Those from which a responder's session begins.
const IDLE: [&str; 3] = ["Listen", "Idle", "Closed"];
/// That in which it is over.
const CLOSED: &str = "Closed";

/// What is known of an initiator and a responder: ends, counters, and whether they come together.
///
/// | property | requirement | holds |
/// |---|---|---|
/// | one side has a session of which the other knows nothing for no longer than the timers | convergence | always: all timers are local |
/// | both sides close | convergence | always |
/// | an initiator that asks over a network that has healed gets an answer, where the pair is one that streams | convergence | unless a bit was flipped: a flipped id begins another session, which may stand in the way |
/// | an answer that is repeated over a network that has healed is confirmed | confirmation | likewise |
/// | the counters add up | counters | always |
///
/// After a change of address the new tuple has no session: the old session goes on to the old
/// address until its stream or its timers end, and nothing more is demanded of it.
pub(super) struct PairFacts {
    asks: SideSettings,
    demanded: DemandedEnd,
    /// How long the stream is.
    stream: Duration,
    has_moved: bool,
    /// Whether the network has healed and nothing from before is on its way.
    is_clean: bool,
    fell_back: bool,
    is_complete: bool,
    /// Why the initiator failed.
    failure: Option<&'static str>,
    /// When the initiator asked for what it must get.
    asked: Option<Duration>,
    /// The state of the initiator.
    initiator: &'static str,
    /// The last datagram to the initiator.
    latest: Vec<u8>,
    /// What made it believe in its session.
    accepted: Option<Vec<u8>>,
    /// When the responder sent that again to an initiator that must answer it.
    repeated: Option<Repeated>,
    sessions: BTreeMap<SocketAddr, &'static str>,
    one_sided_since: Option<Duration>,
    traffic: [Traffic; 2],
    breaches: Vec<Breach>,
}

/// An answer that was sent again.
#[derive(Debug, Clone, Copy)]
struct Repeated {
    at: Duration,
    /// Whether the initiator sent anything since.
    is_answered: bool,
}

impl PairFacts {
    pub(super) fn new(
        initiator: &SideSettings,
        responder: &SideSettings,
        stream: StreamParameters,
    ) -> Self {
        Self {
            demanded: (PAIRS.demand)(&offer(initiator), &offer(responder)).end,
            asks: initiator.clone(),
            stream: Duration::from_secs(u64::from(stream.seconds)),
            has_moved: false,
            is_clean: false,
            fell_back: false,
            is_complete: false,
            failure: None,
            asked: None,
            initiator: CLOSED,
            latest: Vec::new(),
            accepted: None,
            repeated: None,
            sessions: BTreeMap::new(),
            one_sided_since: None,
            traffic: [Traffic::default(); 2],
            breaches: Vec::new(),
        }
    }

    /// A responder that still waits for a confirmation has one, once the network carries it.
    fn repeats(&mut self, now: Duration, payload: &[u8]) {
        let is_believed = self.is_agreed()
            && self.accepted.as_deref() == Some(payload)
            && self
                .sessions
                .values()
                .all(|state| !CONFIRMED.contains(state));
        if is_believed && self.is_clean && !self.has_moved {
            self.repeated.get_or_insert(Repeated {
                at: now,
                is_answered: false,
            });
        }
    }

    /// Whether the initiator is done.
    fn is_finished(&self) -> bool {
        FINISHED.contains(&self.initiator) && !self.traffic[0].sent.is_empty()
    }

    /// Whether the initiator believes in a session.
    fn is_agreed(&self) -> bool {
        AGREED.contains(&self.initiator)
    }

    fn converges(&self) -> &'static str {
        convergence(&self.asks.mode)
    }

    fn breaks(
        &mut self,
        requirement: &'static str,
        party: Option<Role>,
        at: Option<Duration>,
        property: String,
    ) {
        let is_known = |known: &Breach| known.requirement == requirement && known.party == party;
        if !self.breaches.iter().any(is_known) {
            self.breaches.push(Breach {
                requirement,
                party,
                at,
                property,
            });
        }
    }

    /// What was asked for and never came, when all is over.
    fn is_left(&mut self, now: Duration) {
        if let Some(asked) = self.asked {
            let property = format!(
                "what is asked of a network that has healed is answered: the initiator asked at \
                 {asked:?} and had no session"
            );
            self.breaks(self.converges(), Some(Role::Responder), Some(now), property);
        }
        if let Some(Repeated { at, is_answered }) = self.repeated {
            let confirmation = by_mode(&self.asks.mode, ["MS-S-12", "MS-H-11", "MS-S-12"]);
            let (requirement, party) = match is_answered {
                false => (confirmation, Role::Initiator),
                true => (self.converges(), Role::Responder),
            };
            let property = format!(
                "a responder that repeats its answer over a network that has healed is confirmed: it \
                 did so at {at:?} and was not"
            );
            self.breaks(requirement, Some(party), Some(now), property);
        }
    }
}

impl RunFacts for PairFacts {
    fn sent(&mut self, now: Duration, by: Role, payload: &[u8]) {
        self.traffic[by as usize].sent.add(payload);
        if by == Role::Responder {
            self.repeats(now, payload);
            return;
        }
        if let Some(repeated) = &mut self.repeated {
            repeated.is_answered = true;
        }
        let is_promised = match PAIRS.event(&offer(&self.asks), by, payload) {
            Some(TrafficEvent::Requests) => self.demanded == DemandedEnd::Streams,
            Some(TrafficEvent::FallsBack) => {
                self.fell_back = true;
                self.demanded == DemandedEnd::FallsBack
            }
            Some(
                TrafficEvent::Refuses(_)
                | TrafficEvent::Aborts(_)
                | TrafficEvent::Grants { .. }
                | TrafficEvent::Received(_),
            )
            | None => false,
        };
        if is_promised && self.is_clean {
            self.asked.get_or_insert(now);
        }
    }

    fn delivered(&mut self, to: Role, payload: &[u8]) {
        self.traffic[to as usize].received.add(payload);
        if to == Role::Initiator {
            self.latest = payload.to_vec();
        }
    }

    fn changes(
        &mut self,
        now: Duration,
        side: Role,
        peer: SocketAddr,
        from: &'static str,
        to: &'static str,
    ) {
        match side {
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
            Role::Responder if to == CLOSED => {
                self.sessions.remove(&peer);
            }
            Role::Responder => {
                self.sessions.insert(peer, to);
                if CONFIRMED.contains(&to) {
                    self.repeated = None;
                }
                if IDLE.contains(&from) {
                    // Another session has its own timers.
                    self.one_sided_since = self.one_sided_since.map(|_| now);
                }
            }
        }
    }

    fn ends(&mut self, side: Role, outcome: &Outcome) {
        match (side, outcome) {
            (Role::Initiator, Outcome::Completed) => self.is_complete = true,
            (Role::Initiator, Outcome::Failed(failure)) => self.failure = Some(failure.cause),
            (Role::Responder, _) => {}
        }
    }

    /// What it asked for goes to the old address.
    fn moved(&mut self) {
        self.has_moved = true;
        self.asked = None;
        self.repeated = None;
    }

    fn healed(&mut self) {
        self.is_clean = true;
    }

    fn settled(&mut self, now: Duration) {
        let is_agreed = self.is_agreed();
        let is_over = !is_agreed && self.is_finished();
        let mut sessions = self.sessions.values();
        let confirmed = sessions.any(|state| CONFIRMED.contains(state));
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
            self.breaks(self.converges(), None, Some(now), property);
        }
    }

    fn finish(&mut self, now: Duration, machines: &[&dyn Machine]) -> RunEnd {
        let mut is_open = false;
        for machine in machines {
            let (role, tally) = (machine.role(), machine.tally());
            is_open |= match role {
                Role::Initiator => !machine.is_finished(),
                Role::Responder => tally.sessions > 0,
            };
            if let Some(property) = self.traffic[role as usize].differ(&tally) {
                let property = format!("{property}: {tally:?}");
                self.breaks(COUNTERS, Some(role), None, property);
            }
        }
        self.is_left(now);
        if is_open {
            let property = "both sides close: nothing is left to happen, and one is open";
            self.breaks(self.converges(), None, Some(now), property.to_owned());
        }
        RunEnd {
            ending: match (is_open, self.is_complete) {
                (true, _) => "stuck",
                (false, true) if self.fell_back => "fell-back",
                (false, true) => "streamed",
                (false, false) => "both-closed",
            },
            failure: self.failure,
            breaches: std::mem::take(&mut self.breaches),
        }
    }
}

fn offer(side: &SideSettings) -> Offer<'_> {
    Offer {
        mode: &side.mode,
        options: &side.options,
        is_second: false,
    }
}
