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
    /// START, START_ACK, START_CONFIRM (specification, 3.3).
    #[serde(rename = "start3")]
    Start3,
}

impl Mode {
    /// All modes, in the specification's order.
    pub const ALL: [Self; 3] = [Self::Legacy, Self::ThreeWay, Self::Start3];

    /// The mode's name as files and flags spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::ThreeWay => "3way",
            Self::Start3 => "start3",
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

/// The modes that an endpoint offers at once: one or more, each once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Modes(u8);

impl Modes {
    const fn bit(mode: Mode) -> u8 {
        1 << mode as u8
    }

    /// Whether `mode` is among them.
    #[must_use]
    pub const fn contains(self, mode: Mode) -> bool {
        self.0 & Self::bit(mode) != 0
    }

    /// These and one more.
    #[must_use]
    pub const fn with(self, mode: Mode) -> Self {
        Self(self.0 | Self::bit(mode))
    }

    /// The modes in the specification's order.
    pub fn iter(self) -> impl Iterator<Item = Mode> {
        Mode::ALL
            .into_iter()
            .filter(move |mode| self.contains(*mode))
    }

    /// The mode, if there is only one.
    #[must_use]
    pub fn only(self) -> Option<Mode> {
        let mut modes = self.iter();
        modes.next().filter(|_| modes.next().is_none())
    }
}

impl From<Mode> for Modes {
    fn from(mode: Mode) -> Self {
        Self(Self::bit(mode))
    }
}

impl std::fmt::Display for Modes {
    /// Their names in the specification's order, with commas.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> = self.iter().map(Mode::name).collect();
        f.pad(&names.join(","))
    }
}

impl std::str::FromStr for Modes {
    type Err = String;

    /// Reads `3way,start3`, in any order.
    fn from_str(names: &str) -> Result<Self, Self::Err> {
        let mut modes = 0;
        for name in names.split(',') {
            let bit = Self::bit(name.parse()?);
            if modes & bit != 0 {
                return Err(format!("mode {name} stands twice in {names:?}"));
            }
            modes |= bit;
        }
        Ok(Self(modes))
    }
}

/// Which forms an endpoint knows. Everything else that arrives is unknown to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Grammar {
    /// The 5-byte `START` token.
    pub start_token: bool,
    /// The 4-byte `JOIN` token.
    pub join_token: bool,
    /// SYN, SYN-ACK and ACK.
    pub handshake: bool,
    /// START, START_ACK, START_CONFIRM and ERROR.
    pub start3: bool,
}

impl Grammar {
    /// The forms of a mode, or of several at once; `compatible` adds the `START` token to `3way`
    /// (AllowLegacyStart) and `start3` (compatibility), and means nothing in `legacy`, which
    /// always has it.
    #[must_use]
    pub fn new(modes: impl Into<Modes>, compatible: bool) -> Self {
        let modes = modes.into();
        Self {
            start_token: compatible || modes.contains(Mode::Legacy),
            join_token: false,
            handshake: modes.contains(Mode::ThreeWay),
            start3: modes.contains(Mode::Start3),
        }
    }

    /// The same for a `legacy` server that takes uploads: it knows the `JOIN` token.
    #[must_use]
    pub const fn with_uploads(self) -> Self {
        Self {
            join_token: true,
            ..self
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
            let is_known = match flag {
                flag::SYN..=flag::ACK => self.handshake,
                flag::START..=flag::START_CONFIRM | flag::ERROR => self.start3,
                _ => true,
            };
            if !is_known {
                return Err(Rejection::UnknownFlag { flag });
            }
        }
        match Frame::decode(datagram)? {
            Some(Frame::StartToken) if !self.start_token => Err(Rejection::StartNotAllowed),
            Some(Frame::JoinToken) if !self.join_token => Err(unknown_flag(datagram)),
            Some(frame) => Ok(frame),
            None => Err(unknown_flag(datagram)),
        }
    }
}

fn unknown_flag(datagram: &[u8]) -> Rejection {
    let flag = datagram.first_chunk::<2>().copied().unwrap_or_default();
    Rejection::UnknownFlag {
        flag: u16::from_le_bytes(flag),
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
    UnknownFlag { flag: u16 },
    /// The `START` token where AllowLegacyStart is off (MS-H-20).
    #[error("the START token is not allowed here")]
    StartNotAllowed,
    /// The form is known and the datagram breaks its rules (MS-W-03, MS-W-05, MS-W-07, MS-W-14).
    #[error("malformed: {0}")]
    Malformed(#[from] DecodeError),
}
