//! The states of both sides, by their traffic.

use super::digested::DigestedFrame;

/// How often a request or its answer is sent by the timers (MS-H-03, MS-H-18, MS-S-08, MS-S-13).
pub(super) const SENDS: u8 = 3;

/// What a side did about a datagram.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Reply {
    pub(super) spoke: bool,
    /// It sent what was due.
    pub(super) answered: bool,
    /// A session began, ended or went to another state.
    pub(super) changed: bool,
    /// A session began or ended.
    pub(super) restarted: bool,
}

/// Where the initiator is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Asking {
    Nothing,
    /// It asked by the START token.
    Token,
    /// It sent a SYN with this wished id, this often.
    Syn {
        wish: u64,
        sends: u8,
    },
    /// It asked by a START (`0x0200`) of this stream, so often.
    Start {
        asked: u64,
        sends: u8,
    },
    /// It confirmed this id or these numbers; `None` if it received nothing to confirm.
    Session(Option<Agreed>),
    Over,
}

/// What an initiator has confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Agreed {
    /// By an ACK with this id.
    Id(u64),
    /// By a START_CONFIRM of these numbers.
    Stream(u64),
}

/// The session that the responder has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Served {
    pub(super) basis: Basis,
    /// Whether its connection-id was sent.
    pub(super) is_named: bool,
    /// Frames of it that were sent.
    pub(super) frames: u64,
}

/// On what a session of the responder rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Basis {
    Nothing,
    Token,
    /// A SYN with this wished id, to which this id was assigned.
    Syn {
        wish: u64,
        id: u64,
        state: Half,
    },
    /// A START (`0x0200`) of this stream, which got these numbers.
    Start {
        asked: u64,
        named: u64,
        begins: bool,
        state: Half,
    },
}

/// Whether a session was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Half {
    /// Not yet; the answer was sent so often.
    Open {
        sends: u8,
    },
    Confirmed,
}

impl Asking {
    /// The initiator sends a datagram.
    pub(super) fn sent(&mut self, said: DigestedFrame) {
        *self = match (said, *self) {
            (DigestedFrame::Token, _) => Self::Token,
            (
                DigestedFrame::Syn(wish),
                Self::Syn {
                    wish: before,
                    sends,
                },
            ) if wish == before => Self::Syn {
                wish,
                sends: sends.saturating_add(1),
            },
            (DigestedFrame::Syn(wish), _) => Self::Syn { wish, sends: 1 },
            (
                DigestedFrame::Start(asked),
                Self::Start {
                    asked: before,
                    sends,
                },
            ) if asked == before => Self::Start {
                asked,
                sends: sends.saturating_add(1),
            },
            (DigestedFrame::Start(asked), _) => Self::Start { asked, sends: 1 },
            (DigestedFrame::Ack(id), _) => Self::Session(Some(Agreed::Id(id))),
            (DigestedFrame::StartConfirm(named), _) => Self::Session(Some(Agreed::Stream(named))),
            (
                DigestedFrame::SynAck(_)
                | DigestedFrame::StartAck { .. }
                | DigestedFrame::Name(_)
                | DigestedFrame::Media(_)
                | DigestedFrame::Other,
                same,
            ) => same,
        };
    }

    /// Its session goes to the state of this name.
    pub(super) fn entered(&mut self, state: &str) {
        if *self == Self::Token && ["Established", "Streaming"].contains(&state) {
            *self = Self::Session(None);
        }
    }

    /// How often it asked by a handshake that is not answered yet.
    pub(super) const fn sends(self) -> Option<u8> {
        match self {
            Self::Syn { sends, .. } | Self::Start { sends, .. } => Some(sends),
            Self::Nothing | Self::Token | Self::Session(_) | Self::Over => None,
        }
    }
}

impl Served {
    pub(super) const NONE: Self = Self::new(Basis::Nothing);

    /// A session of which nothing was sent.
    pub(super) const fn new(basis: Basis) -> Self {
        Self {
            basis,
            is_named: false,
            frames: 0,
        }
    }

    /// The initiator's datagram has reached the responder.
    pub(super) fn reached(&mut self, said: DigestedFrame) {
        match (&mut self.basis, said) {
            (Basis::Syn { id, state, .. }, DigestedFrame::Ack(confirmed)) if *id == confirmed => {
                *state = Half::Confirmed;
            }
            (Basis::Start { named, state, .. }, DigestedFrame::StartConfirm(confirmed))
                if *named == confirmed =>
            {
                *state = Half::Confirmed;
            }
            _ => {}
        }
    }

    /// The responder sends a datagram, because of `cause` if a datagram came in.
    pub(super) fn sent(&mut self, said: DigestedFrame, cause: Option<DigestedFrame>) {
        match (said, self.basis) {
            (DigestedFrame::SynAck(id), Basis::Syn { id: before, .. }) if id == before => {
                self.again()
            }
            (DigestedFrame::SynAck(id), _) => {
                let wish = match cause {
                    Some(DigestedFrame::Syn(wish)) => wish,
                    _ => 0,
                };
                let state = Half::Open { sends: 1 };
                *self = Self::new(Basis::Syn { wish, id, state });
            }
            (DigestedFrame::StartAck { named, .. }, Basis::Start { named: before, .. })
                if named == before =>
            {
                self.again();
            }
            (
                DigestedFrame::StartAck {
                    asked,
                    named,
                    begins,
                },
                _,
            ) => {
                let state = Half::Open { sends: 1 };
                *self = Self::new(Basis::Start {
                    asked,
                    named,
                    begins,
                    state,
                });
            }
            (DigestedFrame::Name(_), _) => self.is_named = true,
            (DigestedFrame::Media(number), _) => self.frames = number,
            (
                DigestedFrame::Token
                | DigestedFrame::Syn(_)
                | DigestedFrame::Ack(_)
                | DigestedFrame::Start(_)
                | DigestedFrame::StartConfirm(_)
                | DigestedFrame::Other,
                _,
            ) => {}
        }
    }

    /// A session leaves the state of this name, because of `cause` if a datagram came in. A START
    /// token has no response: that it is served shows here.
    pub(super) fn left(&mut self, state: &str, cause: Option<DigestedFrame>) {
        match (&mut self.basis, cause) {
            (Basis::Nothing, Some(DigestedFrame::Token)) if state == "Listen" => {
                *self = Self::new(Basis::Token);
            }
            (Basis::Syn { state: half, .. }, Some(DigestedFrame::Token))
                if state == "SynAckSent" =>
            {
                *half = Half::Confirmed;
            }
            _ => {}
        }
    }

    /// The answer that is not confirmed is sent again.
    fn again(&mut self) {
        if let Basis::Syn { state, .. } | Basis::Start { state, .. } = &mut self.basis
            && let Half::Open { sends } = state
        {
            *sends = sends.saturating_add(1).min(SENDS);
        }
    }

    /// How often the answer was sent that is not confirmed yet.
    pub(super) const fn sends(&self) -> Option<u8> {
        match self.basis {
            Basis::Syn { state, .. } | Basis::Start { state, .. } => match state {
                Half::Open { sends } => Some(sends),
                Half::Confirmed => None,
            },
            Basis::Nothing | Basis::Token => None,
        }
    }
}
