use serde::{Deserialize, Serialize};
use shakedown_wire::DecodeError;

use super::frame::{Frame, MAX_DATAGRAM, flag};

/// A way to start a stream.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Mode {
    /// The `START` token, then media (specification, 3.1). The default of every endpoint (MS-L-07).
    #[default]
    #[serde(rename = "legacy")]
    Legacy,
    /// SYN, SYN-ACK, ACK (specification, 3.2).
    #[serde(rename = "3way")]
    ThreeWay,
}

impl Mode {
    /// All modes, in the specification's order.
    pub const ALL: [Self; 2] = [Self::Legacy, Self::ThreeWay];

    /// The mode's name as files and flags spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::ThreeWay => "3way",
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

impl std::str::FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|mode| mode.name() == name);
        found.ok_or_else(|| format!("no mode of mediastream is called {name:?}"))
    }
}

/// Which forms an endpoint knows. Everything else that arrives is unknown to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grammar {
    /// The 5-byte `START` token.
    pub start_token: bool,
    /// SYN, SYN-ACK and ACK.
    pub handshake: bool,
}

impl Grammar {
    /// The forms of a mode; `allow_legacy_start` adds the token to `3way` and means nothing in
    /// `legacy`, which always has it.
    #[must_use]
    pub const fn new(mode: Mode, allow_legacy_start: bool) -> Self {
        match mode {
            Mode::Legacy => Self {
                start_token: true,
                handshake: false,
            },
            Mode::ThreeWay => Self {
                start_token: allow_legacy_start,
                handshake: true,
            },
        }
    }

    /// Sorts a received datagram into its form, in the specification's order.
    ///
    /// # Errors
    /// [`Rejection`] if it has none, or is malformed: the receiver drops and counts it.
    #[inline]
    pub fn classify<'a>(&self, datagram: &'a [u8]) -> Result<Frame<'a>, Rejection> {
        if datagram.is_empty() {
            return Err(Rejection::Empty);
        }
        if datagram.len() > MAX_DATAGRAM {
            return Err(Rejection::Oversized {
                length: datagram.len(),
            });
        }
        // A flag of an unknown form is unknown even where the datagram is too short for the form.
        if let Some(flag) = datagram.first_chunk::<2>().map(|b| u16::from_le_bytes(*b)) {
            let is_handshake = matches!(flag, flag::SYN..=flag::ACK);
            if is_handshake && !self.handshake {
                return Err(Rejection::UnknownFlag { flag });
            }
        }
        match Frame::decode(datagram)? {
            Some(Frame::StartToken) if !self.start_token => Err(Rejection::StartNotAllowed),
            Some(frame) => Ok(frame),
            None => Err(Rejection::UnknownFlag {
                flag: u16::from_le_bytes([datagram[0], datagram[1]]),
            }),
        }
    }
}

/// Why a received datagram is dropped before any session sees it. Each cause has its counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A datagram of 0 bytes.
    #[error("the datagram is empty")]
    Empty,
    /// Longer than UDP over IPv4 can carry (MS-W-18).
    #[error("the datagram has {length} bytes, more than {MAX_DATAGRAM}")]
    Oversized {
        /// Length of the datagram in bytes.
        length: usize,
    },
    /// The flag belongs to no form that this endpoint knows (MS-W-08).
    #[error("ProtocolFlag {flag:#06x} is unknown here")]
    UnknownFlag {
        /// The flag.
        flag: u16,
    },
    /// The `START` token where AllowLegacyStart is off (MS-H-20).
    #[error("the START token is not allowed here")]
    StartNotAllowed,
    /// The form is known and the datagram breaks its rules (MS-W-03, MS-W-05, MS-W-07, MS-W-14).
    #[error("malformed: {0}")]
    Malformed(#[from] DecodeError),
}
