use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shakedown_capture::quic::{CloseCode, Packet};
use shakedown_protocol::streams::StreamId;

use super::Conditions;

/// What one side tells the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// The client wants to connect.
    Hello,
    /// The server refuses.
    Refused,
    /// The server admits: the client's handshake is done.
    Accepted,
    /// The client's handshake is done: so is the server's.
    Finished,
    /// Bytes of a stream from an offset.
    Bytes(StreamId, u64, Vec<u8>),
    /// The stream ends at an offset.
    Fin(StreamId, u64),
    /// The stream is broken off, with a code.
    Reset(StreamId, u64),
    /// No more of the stream is wanted, with a code.
    Stop(StreamId, u64),
    /// A datagram.
    Datagram(Vec<u8>),
    /// The other side may send bytes of the stream up to this offset.
    Credit(StreamId, u64),
    /// More would be sent on the stream than this offset permits.
    Blocked(StreamId, u64),
    /// The other side may open so many streams in all, bidirectional ones if true.
    MayOpen(bool, u64),
    /// The connection is closed.
    Closed(Close),
    /// The other side has lost the connection.
    StatelessReset,
    /// Nothing; it keeps the connection alive.
    Ping,
}

/// How a connection was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: CloseCode,
    pub(super) reason: String,
}

/// TLS's no_application_protocol as an error of QUIC (RFC 9001, section 8.1).
pub(super) const NO_PROTOCOL: u64 = 0x178;

/// A close by QUIC itself.
pub(super) const fn by_quic(code: u64) -> CloseCode {
    let frame_type = 0;
    CloseCode::Transport { code, frame_type }
}

impl Close {
    /// The handshake fails for want of a common protocol.
    pub(super) const fn no_protocol() -> Self {
        Self {
            code: by_quic(NO_PROTOCOL),
            reason: String::new(),
        }
    }
}

impl Message {
    /// Whether it is sent again until it arrives.
    pub(super) const fn must_arrive(&self) -> bool {
        match self {
            Self::Hello
            | Self::Accepted
            | Self::Finished
            | Self::Bytes(..)
            | Self::Fin(..)
            | Self::Reset(..)
            | Self::Stop(..)
            | Self::Credit(..)
            | Self::Blocked(..)
            | Self::MayOpen(..) => true,
            Self::Refused
            | Self::Datagram(_)
            | Self::Closed(_)
            | Self::StatelessReset
            | Self::Ping => false,
        }
    }

    /// Whether it means something to a connection only.
    pub(super) const fn is_of_streams(&self) -> bool {
        match self {
            Self::Bytes(..)
            | Self::Fin(..)
            | Self::Reset(..)
            | Self::Stop(..)
            | Self::Datagram(_)
            | Self::Credit(..)
            | Self::Blocked(..)
            | Self::MayOpen(..) => true,
            Self::Hello
            | Self::Refused
            | Self::Accepted
            | Self::Finished
            | Self::Closed(_)
            | Self::StatelessReset
            | Self::Ping => false,
        }
    }

    /// Whether it is of the handshake.
    pub(super) const fn is_of_handshake(&self) -> bool {
        match self {
            Self::Hello | Self::Refused | Self::Accepted | Self::Finished => true,
            Self::Bytes(..)
            | Self::Fin(..)
            | Self::Reset(..)
            | Self::Stop(..)
            | Self::Datagram(_)
            | Self::Credit(..)
            | Self::Blocked(..)
            | Self::MayOpen(..)
            | Self::Closed(_)
            | Self::StatelessReset
            | Self::Ping => false,
        }
    }

    /// Whether it ends what it is about, so that nobody answers it.
    pub(super) const fn ends(&self) -> bool {
        match self {
            Self::Refused | Self::Closed(_) | Self::StatelessReset => true,
            Self::Hello
            | Self::Accepted
            | Self::Finished
            | Self::Bytes(..)
            | Self::Fin(..)
            | Self::Reset(..)
            | Self::Stop(..)
            | Self::Datagram(_)
            | Self::Credit(..)
            | Self::Blocked(..)
            | Self::MayOpen(..)
            | Self::Ping => false,
        }
    }
}

/// How far one side of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It does not know of the connection yet.
    Nothing,
    /// The server's machine was asked.
    Asked,
    /// In the handshake.
    Shaking,
    Connected,
    /// Closed or lost.
    Over,
}

/// One side of a connection.
#[derive(Debug)]
pub(super) struct End {
    pub(super) phase: Phase,
    /// Its close, if it closed the connection: its answer to whatever comes still.
    pub(super) close: Option<Close>,
    /// Since when the idle timeout counts.
    idle_from: Duration,
    /// It sent something since it heard the other side.
    has_sent: bool,
    last_sent: Duration,
    /// Packets that it sent.
    pub(super) packets: u64,
    /// The largest number of a packet that came.
    pub(super) largest: Option<u64>,
    /// What came before the handshake was done.
    pub(super) early: Vec<(Message, Packet)>,
    pub(super) streams: BTreeMap<StreamId, Stream>,
    /// Bytes of each stream that it takes before they are read.
    pub(super) window: u64,
    /// Streams that this side may open in all: bidirectional, unidirectional.
    pub(super) may_open: [u64; 2],
    /// Streams that the other side may open in all.
    pub(super) grants: [u64; 2],
}

impl End {
    pub(super) fn new(
        phase: Phase,
        now: Duration,
        window: Option<u32>,
        conditions: &Conditions,
    ) -> Self {
        let streams = [conditions.bidirectional, conditions.unidirectional];
        Self {
            phase,
            close: None,
            idle_from: now,
            has_sent: false,
            last_sent: now,
            packets: 0,
            largest: None,
            early: Vec::new(),
            streams: BTreeMap::new(),
            window: window.map_or(conditions.window, u64::from),
            may_open: streams,
            grants: streams,
        }
    }

    pub(super) const fn hears(&mut self, now: Duration) {
        self.idle_from = now;
        self.has_sent = false;
    }

    pub(super) const fn sends(&mut self, now: Duration) {
        self.last_sent = now;
        if !self.has_sent {
            self.has_sent = true;
            self.idle_from = now;
        }
    }

    /// When the connection is lost if nothing is heard.
    pub(super) fn lost_at(&self, conditions: &Conditions) -> Option<Duration> {
        match self.phase {
            Phase::Asked | Phase::Shaking | Phase::Connected => {
                Some(self.idle_from + conditions.idle_timeout)
            }
            Phase::Nothing | Phase::Over => None,
        }
    }

    /// When it does something by itself.
    pub(super) fn due(&self, conditions: &Conditions) -> Option<Duration> {
        let lost = self.lost_at(conditions)?;
        match self.phase {
            Phase::Connected => Some(lost.min(self.last_sent + conditions.keep_alive)),
            Phase::Nothing | Phase::Asked | Phase::Shaking | Phase::Over => Some(lost),
        }
    }
}

/// A stream at one side.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// Bytes that have not been sent yet.
    pub(super) waiting: VecDeque<u8>,
    /// Where each write ends that the transport has not taken in full.
    pub(super) writes: VecDeque<u64>,
    /// Bytes that were written in all.
    pub(super) written: u64,
    /// Bytes that were sent in all.
    pub(super) sent: u64,
    /// How far the other side's window reaches.
    pub(super) credit: u64,
    /// It was said that this is not far enough.
    pub(super) is_blocked_at: Option<u64>,
    pub(super) ends: bool,
    pub(super) fin_sent: bool,
    /// Pieces that came, by their offsets.
    pub(super) pieces: BTreeMap<u64, Vec<u8>>,
    /// Up to where there is no gap.
    pub(super) whole: u64,
    /// Up to where the machine took it.
    pub(super) taken: u64,
    /// Up to where the other side was told that it may send.
    pub(super) granted: u64,
    /// Where the other side ended it.
    pub(super) end: Option<u64>,
    pub(super) end_seen: bool,
    /// The code with which the other side broke it off.
    pub(super) broken: Option<u64>,
    pub(super) fin_told: bool,
    /// The machine was told of its opening, or opened it.
    pub(super) is_told: bool,
    /// Both sides have ended it, and there is room for another.
    pub(super) is_replaced: bool,
}

impl Stream {
    /// `credit` is the other side's window, `granted` the own one.
    pub(super) fn new(credit: u64, granted: u64) -> Self {
        Self {
            credit,
            granted,
            ..Self::default()
        }
    }

    /// Nothing more is sent on it.
    pub(super) fn falls_silent(&mut self) {
        self.waiting.clear();
        self.writes.clear();
        self.ends = true;
        self.fin_sent = true;
    }

    /// The other side breaks it off; what it said before and was not taken is lost.
    pub(super) fn breaks(&mut self, code: u64) {
        if !self.fin_told {
            self.pieces.clear();
            self.broken.get_or_insert(code);
        }
    }

    /// Takes the bytes that make the stream whole further than it was.
    pub(super) fn grow(&mut self) -> Vec<u8> {
        let mut grown = Vec::new();
        while let Some(piece) = self.pieces.get(&self.whole) {
            self.whole += piece.len() as u64;
            grown.extend_from_slice(piece);
        }
        grown
    }

    /// Whether all of it is there now, and was not before.
    pub(super) fn ends_whole(&mut self) -> bool {
        let is_new = self.end == Some(self.whole) && !self.end_seen;
        self.end_seen |= is_new;
        is_new
    }

    /// The next piece for the machine, if there is no gap before it.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.remove(&self.taken)?;
        self.taken += piece.len() as u64;
        Some(piece)
    }

    /// Whether something waits for the machine.
    pub(super) fn has_news(&self) -> bool {
        let ends = self.broken.is_some() || self.end == Some(self.taken);
        self.pieces.contains_key(&self.taken) || (ends && !self.fin_told)
    }
}
