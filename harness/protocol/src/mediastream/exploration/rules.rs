//! What must hold at every step, each rule with its requirement.

use super::digested::DigestedFrame;
use super::state::{Agreed, Asking, Basis, Half, Reply, SENDS, Served};
use crate::exploration::{RuleViolation, STUCK};
use crate::requirement::Role;

impl RuleViolation {
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
    Anything,
    /// To send this, or else.
    Answer(DigestedFrame, RuleViolation),
    /// To send nothing, and to begin and end nothing.
    Silence(RuleViolation),
    /// To begin and end nothing.
    NoOther(RuleViolation),
}

impl Due {
    /// What `to` has to do about `said`, which it receives now.
    pub(super) fn of(initiator: Asking, responder: &Served, to: Role, said: DigestedFrame) -> Self {
        match to {
            Role::Initiator => Self::of_initiator(initiator, said),
            Role::Responder => Self::of_responder(responder, said),
        }
    }

    fn of_initiator(asking: Asking, said: DigestedFrame) -> Self {
        let broken =
            |requirement, property| RuleViolation::by(Role::Initiator, requirement, property);
        match (said, asking) {
            (DigestedFrame::SynAck(id), Asking::Syn { .. }) => Self::Answer(
                DigestedFrame::Ack(id),
                broken("MS-H-09", "SYN-ACK is answered by an ACK with its id"),
            ),
            (DigestedFrame::SynAck(id), Asking::Session(Some(Agreed::Id(agreed))))
                if id == agreed =>
            {
                Self::Answer(
                    DigestedFrame::Ack(id),
                    broken("MS-H-11", "a repeated SYN-ACK is answered by the same ACK"),
                )
            }
            (DigestedFrame::SynAck(_), _) => Self::Silence(broken(
                "MS-H-14",
                "a SYN-ACK that answers no SYN of this session is not answered",
            )),
            (DigestedFrame::StartAck { asked, named, .. }, Asking::Start { asked: own, .. })
                if asked == own =>
            {
                Self::Answer(
                    DigestedFrame::StartConfirm(named),
                    broken("MS-S-03", "START_ACK is answered by a START_CONFIRM of it"),
                )
            }
            (
                DigestedFrame::StartAck { named, .. },
                Asking::Session(Some(Agreed::Stream(agreed))),
            ) if named == agreed => Self::Answer(
                DigestedFrame::StartConfirm(named),
                broken(
                    "MS-S-12",
                    "a repeated START_ACK is answered by the same START_CONFIRM",
                ),
            ),
            (DigestedFrame::Name(_) | DigestedFrame::Media(_), Asking::Syn { .. }) => {
                Self::Silence(broken(
                    "MS-H-24",
                    "what comes before the SYN-ACK neither fails the session nor is answered",
                ))
            }
            _ => Self::Anything,
        }
    }

    fn of_responder(served: &Served, said: DigestedFrame) -> Self {
        let broken =
            |requirement, property| RuleViolation::by(Role::Responder, requirement, property);
        match (said, served.basis) {
            (DigestedFrame::Token, Basis::Token) => Self::NoOther(broken(
                "MS-L-04",
                "a START from a tuple that streams starts nothing",
            )),
            (
                DigestedFrame::Token,
                Basis::Syn {
                    state: Half::Confirmed,
                    ..
                },
            ) => Self::NoOther(broken(
                "MS-L-04",
                "a START from a tuple that streams starts nothing",
            )),
            (DigestedFrame::Syn(wish), Basis::Syn { wish: own, id, .. }) if wish == own => {
                Self::Answer(
                    DigestedFrame::SynAck(id),
                    broken("MS-H-08", "a repeated SYN gets the same SYN-ACK"),
                )
            }
            (DigestedFrame::Ack(_), Basis::Nothing) => Self::Silence(broken(
                "MS-H-13",
                "an ACK without a pending handshake creates nothing and gets no answer",
            )),
            (
                DigestedFrame::Ack(other),
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
                DigestedFrame::Start(asked),
                Basis::Start {
                    asked: own,
                    named,
                    begins,
                    ..
                },
            ) if asked == own => Self::Answer(
                DigestedFrame::StartAck {
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
    pub(super) fn judge(&self, reply: Reply) -> Option<RuleViolation> {
        let (holds, broken) = match self {
            Self::Anything => return None,
            Self::Answer(_, broken) => (reply.answered, broken),
            Self::Silence(broken) => (!reply.spoke && !reply.changed, broken),
            Self::NoOther(broken) => (!reply.restarted, broken),
        };
        (!holds).then_some(*broken)
    }
}

/// What is broken when the responder sends this now.
pub(super) fn responder_sends(
    served: &Served,
    said: DigestedFrame,
    optimistic: bool,
) -> Option<RuleViolation> {
    let broken =
        |requirement, property| Some(RuleViolation::by(Role::Responder, requirement, property));
    let open = |half| matches!(half, Half::Open { .. });
    match (said, served.basis) {
        (DigestedFrame::Media(_), Basis::Nothing) => {
            broken("MS-D-07", "media belongs to a session")
        }
        (DigestedFrame::Media(_), Basis::Token) if !served.is_named => broken(
            "MS-L-03",
            "a connection-id comes before the media of a START",
        ),
        (DigestedFrame::Media(_), Basis::Syn { state, .. }) if open(state) && !optimistic => {
            broken("MS-H-15", "no media before a matching ACK")
        }
        (DigestedFrame::Media(_), Basis::Syn { state, .. }) if open(state) && !served.is_named => {
            broken(
                "MS-H-16",
                "a connection-id comes before media that does not wait for the ACK",
            )
        }
        (DigestedFrame::Media(_), Basis::Start { state, begins, .. }) if open(state) && !begins => {
            broken("MS-S-04", "no media before a matching START_CONFIRM")
        }
        (DigestedFrame::Media(number), _) if number != served.frames + 1 => broken(
            "MS-D-01",
            "each frame of a session has the next number, from 1",
        ),
        (DigestedFrame::Name(name), Basis::Syn { id, .. }) if name != id => {
            broken("MS-H-16", "the connection-id is the one that was assigned")
        }
        _ => None,
    }
}

/// What is broken when the initiator sends this now, because of `cause` if a datagram came in.
pub(super) fn initiator_sends(
    asking: Asking,
    said: DigestedFrame,
    cause: Option<DigestedFrame>,
) -> Option<RuleViolation> {
    match (said, cause) {
        (DigestedFrame::Ack(id), cause) if cause != Some(DigestedFrame::SynAck(id)) => {
            Some(RuleViolation::by(
                Role::Initiator,
                "MS-H-09",
                "an ACK carries exactly the id of the SYN-ACK",
            ))
        }
        (DigestedFrame::Token, _) => gives_up_early(asking),
        _ => None,
    }
}

/// What is broken when the initiator falls back, or fails with a timeout.
pub(super) fn gives_up_early(asking: Asking) -> Option<RuleViolation> {
    let property = "an unanswered request is sent 3 times before its sender gives up";
    match asking {
        Asking::Syn { sends, .. } if sends < SENDS => {
            Some(RuleViolation::by(Role::Initiator, "MS-H-03", property))
        }
        Asking::Start { sends, .. } if sends < SENDS => {
            Some(RuleViolation::by(Role::Initiator, "MS-S-08", property))
        }
        _ => None,
    }
}

/// What is broken when the responder drops a session because no confirmation came.
pub(super) fn drops_early(served: &Served) -> Option<RuleViolation> {
    let is_early = served.sends().is_some_and(|sends| sends < SENDS);
    let requirement = match served.basis {
        Basis::Start { .. } => "MS-S-13",
        Basis::Nothing | Basis::Token | Basis::Syn { .. } => "MS-H-18",
    };
    let property = "an answer that is not confirmed is sent 3 times before the session is dropped";
    is_early.then_some(RuleViolation::by(Role::Responder, requirement, property))
}

/// Which side is deadlocked, in a state in which nothing is in flight and no timer will send
/// anything. `None` if that side has used all its retransmissions.
pub(super) fn stuck(initiator: Asking, responder: &Served) -> Option<RuleViolation> {
    let property = STUCK;
    let waits = |sends: Option<u8>| sends.is_some_and(|sends| sends < SENDS);
    if waits(responder.sends()) {
        let requirement = match responder.basis {
            Basis::Start { .. } => "MS-S-13",
            Basis::Nothing | Basis::Token | Basis::Syn { .. } => "MS-H-18",
        };
        return Some(RuleViolation::by(Role::Responder, requirement, property));
    }
    if waits(initiator.sends()) {
        let requirement = match initiator {
            Asking::Start { .. } => "MS-S-08",
            _ => "MS-H-03",
        };
        return Some(RuleViolation::by(Role::Initiator, requirement, property));
    }
    None
}
