//! What must hold in every state and at every step, each rule with its requirement.

use std::time::Duration;

use shakedown_protocol::machine::Tally;
use shakedown_protocol::requirement::Role;

use super::datagram::Said;
use super::facts::{Agreed, Asking, Basis, Facts, Half, SENDS, Served};

/// How long one side may hold what the other one does not know, if nothing reaches it: the three
/// sends of a handshake, the longest wait that the specification gives (MS-H-03, MS-H-18). A
/// buffer period and the stream of an exploration are shorter.
pub(super) const TIMERS: Duration = Duration::from_millis(3_500);

/// When a run must be over: long after the last timer of any number of sessions that the budgets
/// allow.
pub(super) const LONGEST_RUN: Duration = Duration::from_secs(600);

/// What an exploration checks: in words, and by which requirements.
pub const PROPERTIES: [(&str, &[&str]); 8] = [
    (
        "no media before it may flow",
        &["MS-L-03", "MS-H-15", "MS-H-16", "MS-S-04"],
    ),
    (
        "both sides agree on the id or the nonces",
        &["MS-H-09", "MS-H-12", "MS-H-16", "MS-S-03"],
    ),
    (
        "what is repeated gets the same answer, and no second session",
        &["MS-L-04", "MS-H-08", "MS-H-11", "MS-S-11", "MS-S-12"],
    ),
    (
        "what answers nothing is not answered",
        &["MS-H-13", "MS-H-14", "MS-H-24"],
    ),
    (
        "numbers of frames begin at 1 and have no gaps",
        &["MS-D-01", "MS-D-07"],
    ),
    (
        "no state is stuck, and nobody gives up early",
        &["MS-H-03", "MS-H-18", "MS-S-08", "MS-S-13"],
    ),
    (
        "both stream or both close within the timers, and the run ends",
        &["MS-L-05", "MS-H-25", "MS-S-18"],
    ),
    ("counters add up", &["MS-W-08"]),
];

/// What is broken where both sides wait in vain.
pub(super) const STUCK: &str =
    "nothing is on its way, a side waits, and nobody will ever send again";

/// A rule that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) requirement: &'static str,
    pub(super) party: Option<Role>,
    pub(super) property: &'static str,
}

impl Broken {
    const fn by(party: Role, requirement: &'static str, property: &'static str) -> Self {
        Self {
            requirement,
            party: Some(party),
            property,
        }
    }
}

/// What a side has to do about a datagram that reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Whatever it likes.
    Anything,
    /// To send this, or else.
    Answer(Said, Broken),
    /// To send nothing, and to begin and end nothing.
    Silence(Broken),
    /// To begin and end nothing.
    NoOther(Broken),
}

/// What a side did about a datagram.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) sent: Vec<Said>,
    /// A session began, ended or went to another state.
    pub(super) changed: bool,
    /// A session began or ended.
    pub(super) restarted: bool,
}

impl Due {
    /// What `to` has to do about `said`, which reaches it now.
    pub(super) fn of(facts: &Facts, to: Role, said: Said) -> Self {
        match to {
            Role::Initiator => Self::of_initiator(facts.initiator, said),
            Role::Responder => Self::of_responder(&facts.responder, said),
        }
    }

    fn of_initiator(asking: Asking, said: Said) -> Self {
        let broken = |requirement, property| Broken::by(Role::Initiator, requirement, property);
        match (said, asking) {
            (Said::SynAck(id), Asking::Syn { .. }) => Self::Answer(
                Said::Ack(id),
                broken("MS-H-09", "SYN-ACK is answered by an ACK with its id"),
            ),
            (Said::SynAck(id), Asking::Session(Some(Agreed::Id(agreed)))) if id == agreed => {
                Self::Answer(
                    Said::Ack(id),
                    broken("MS-H-11", "a repeated SYN-ACK is answered by the same ACK"),
                )
            }
            (Said::SynAck(_), _) => Self::Silence(broken(
                "MS-H-14",
                "a SYN-ACK that answers no SYN of this session is not answered",
            )),
            (Said::StartAck { asked, named, .. }, Asking::Start { asked: own, .. })
                if asked == own =>
            {
                Self::Answer(
                    Said::StartConfirm(named),
                    broken("MS-S-03", "START_ACK is answered by a START_CONFIRM of it"),
                )
            }
            (Said::StartAck { named, .. }, Asking::Session(Some(Agreed::Stream(agreed))))
                if named == agreed =>
            {
                Self::Answer(
                    Said::StartConfirm(named),
                    broken(
                        "MS-S-12",
                        "a repeated START_ACK is answered by the same START_CONFIRM",
                    ),
                )
            }
            (Said::Name(_) | Said::Media(_), Asking::Syn { .. }) => Self::Silence(broken(
                "MS-H-24",
                "what comes before the SYN-ACK neither fails the session nor is answered",
            )),
            _ => Self::Anything,
        }
    }

    fn of_responder(served: &Served, said: Said) -> Self {
        let broken = |requirement, property| Broken::by(Role::Responder, requirement, property);
        match (said, served.basis) {
            (Said::Token, Basis::Token) => Self::NoOther(broken(
                "MS-L-04",
                "a START from a tuple that streams starts nothing",
            )),
            (
                Said::Token,
                Basis::Syn {
                    state: Half::Confirmed,
                    ..
                },
            ) => Self::NoOther(broken(
                "MS-L-04",
                "a START from a tuple that streams starts nothing",
            )),
            (Said::Syn(wish), Basis::Syn { wish: own, id, .. }) if wish == own => Self::Answer(
                Said::SynAck(id),
                broken("MS-H-08", "a repeated SYN gets the same SYN-ACK"),
            ),
            (Said::Ack(_), Basis::Nothing) => Self::Silence(broken(
                "MS-H-13",
                "an ACK without a pending handshake creates nothing and gets no answer",
            )),
            (
                Said::Ack(other),
                Basis::Syn {
                    id,
                    state: Half::Open { .. },
                    ..
                },
            ) if other != id => Self::Silence(broken(
                "MS-H-12",
                "an ACK with another id than the assigned one completes nothing",
            )),
            (
                Said::Start(asked),
                Basis::Start {
                    asked: own,
                    named,
                    begins,
                    ..
                },
            ) if asked == own => Self::Answer(
                Said::StartAck {
                    asked,
                    named,
                    begins,
                },
                broken("MS-S-11", "a repeated START gets the same START_ACK"),
            ),
            _ => Self::Anything,
        }
    }

    /// What is broken, if this was the reply.
    pub(super) fn judge(&self, reply: &Reply) -> Option<Broken> {
        let (holds, broken) = match self {
            Self::Anything => return None,
            Self::Answer(said, broken) => (reply.sent.contains(said), broken),
            Self::Silence(broken) => (reply.sent.is_empty() && !reply.changed, broken),
            Self::NoOther(broken) => (!reply.restarted, broken),
        };
        (!holds).then_some(*broken)
    }
}

/// What is broken when the responder sends this now.
pub(super) fn responder_sends(served: &Served, said: Said, optimistic: bool) -> Option<Broken> {
    let broken = |requirement, property| Some(Broken::by(Role::Responder, requirement, property));
    let open = |half| matches!(half, Half::Open { .. });
    match (said, served.basis) {
        (Said::Media(_), Basis::Nothing) => broken("MS-D-07", "media belongs to a session"),
        (Said::Media(_), Basis::Token) if !served.is_named => broken(
            "MS-L-03",
            "a connection-id comes before the media of a START",
        ),
        (Said::Media(_), Basis::Syn { state, .. }) if open(state) && !optimistic => {
            broken("MS-H-15", "no media before a matching ACK")
        }
        (Said::Media(_), Basis::Syn { state, .. }) if open(state) && !served.is_named => broken(
            "MS-H-16",
            "a connection-id comes before media that does not wait for the ACK",
        ),
        (Said::Media(_), Basis::Start { state, begins, .. }) if open(state) && !begins => {
            broken("MS-S-04", "no media before a matching START_CONFIRM")
        }
        (Said::Media(number), _) if number != served.frames + 1 => broken(
            "MS-D-01",
            "each frame of a session has the next number, from 1",
        ),
        (Said::Name(name), Basis::Syn { id, .. }) if name != id => {
            broken("MS-H-16", "the connection-id is the one that was assigned")
        }
        _ => None,
    }
}

/// What is broken when the initiator sends this now, because of `cause` if a datagram came in.
pub(super) fn initiator_sends(asking: Asking, said: Said, cause: Option<Said>) -> Option<Broken> {
    match (said, cause) {
        (Said::Ack(id), cause) if cause != Some(Said::SynAck(id)) => Some(Broken::by(
            Role::Initiator,
            "MS-H-09",
            "an ACK carries exactly the id of the SYN-ACK",
        )),
        (Said::Token, _) => gives_up_early(asking),
        _ => None,
    }
}

/// What is broken when the initiator falls back, or fails with a timeout.
pub(super) fn gives_up_early(asking: Asking) -> Option<Broken> {
    let property = "an unanswered request is sent 3 times before its sender gives up";
    match asking {
        Asking::Syn { sends, .. } if sends < SENDS => {
            Some(Broken::by(Role::Initiator, "MS-H-03", property))
        }
        Asking::Start { sends, .. } if sends < SENDS => {
            Some(Broken::by(Role::Initiator, "MS-S-08", property))
        }
        _ => None,
    }
}

/// What is broken when the responder drops a session because no confirmation came.
pub(super) fn drops_early(served: &Served) -> Option<Broken> {
    let is_early = served.sends().is_some_and(|sends| sends < SENDS);
    let requirement = match served.basis {
        Basis::Start { .. } => "MS-S-13",
        Basis::Nothing | Basis::Token | Basis::Syn { .. } => "MS-H-18",
    };
    let property = "an answer that is not confirmed is sent 3 times before the session is dropped";
    is_early.then_some(Broken::by(Role::Responder, requirement, property))
}

/// Who waits in vain, in a state in which nothing is on its way and no timer will send anything.
/// `None` if the one who waits has sent as often as it may.
pub(super) fn stuck(facts: &Facts) -> Option<Broken> {
    let property = STUCK;
    let waits = |sends: Option<u8>| sends.is_some_and(|sends| sends < SENDS);
    if waits(facts.responder.sends()) {
        let requirement = match facts.responder.basis {
            Basis::Start { .. } => "MS-S-13",
            Basis::Nothing | Basis::Token | Basis::Syn { .. } => "MS-H-18",
        };
        return Some(Broken::by(Role::Responder, requirement, property));
    }
    if waits(facts.initiator.sends()) {
        let requirement = match facts.initiator {
            Asking::Start { .. } => "MS-S-08",
            _ => "MS-H-03",
        };
        return Some(Broken::by(Role::Initiator, requirement, property));
    }
    None
}

/// The requirement that both sides stream or both close, by the mode of the initiator.
pub(super) fn together(mode: &str) -> &'static str {
    match mode {
        "3way" => "MS-H-25",
        "start3" => "MS-S-18",
        _ => "MS-L-05",
    }
}

/// What the network took from one side, and delivered to it, in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Carried {
    pub(super) sent: u64,
    pub(super) sent_bytes: u64,
    pub(super) arrived: u64,
    pub(super) arrived_bytes: u64,
}

/// What is broken in the counters of `party` around one step: what holds at the beginning and at
/// every step holds in every run.
pub(super) fn counted(
    party: Role,
    before: &Tally,
    after: &Tally,
    carried: &Carried,
) -> Option<Broken> {
    let known = after.succeeded + after.failed + after.open;
    let sent = (
        before.sent_datagrams + carried.sent,
        before.sent_bytes + carried.sent_bytes,
    );
    let received = (
        before.received_datagrams + carried.arrived,
        before.received_bytes + carried.arrived_bytes,
    );
    let property = if after.attempted != known {
        "handshakes attempted are those that succeeded, failed and are open"
    } else if (after.sent_datagrams, after.sent_bytes) != sent {
        "what a side counts as sent is what the network took"
    } else if (after.received_datagrams, after.received_bytes) != received {
        "what a side counts as received is what the network delivered"
    } else {
        return None;
    };
    Some(Broken::by(party, "MS-W-08", property))
}
