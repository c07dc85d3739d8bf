//! Traffic of which it is not known yet whether it is ours.

use std::net::SocketAddr;

use super::endian;
use super::scope::{Context, Parties};
use super::time::Moment;
use super::view::{ControlView, Media, View, is_plausible_id, view};
use crate::mediastream::Mode;
use crate::mediastream::frame::{ConnectionId, ConnectionIdFrame, Header, flag};
use crate::monitor::Datagram;

/// How many data headers in a row must fit together, where nothing else shows a session.
const RUN: u32 = 4;

/// How far numbers may be apart in such a row.
const STEP: u64 = 64;

/// The magic cookie of STUN, whose requests begin like a SYN.
const STUN: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What opens a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Start,
    Join,
    /// The frame of a handshake with this flag; the capture may lack what comes before.
    Frame(u16),
    /// Media, after a connection-id or as a row of datagrams that fit together.
    Media,
}

impl Opening {
    /// The mode of a session that begins so.
    pub(super) const fn mode(self) -> Option<Mode> {
        match self {
            Self::Start | Self::Join => Some(Mode::Legacy),
            Self::Frame(flag) if flag < flag::START => Some(Mode::ThreeWay),
            Self::Frame(_) => Some(Mode::Start3),
            Self::Media => None,
        }
    }

    /// Whether the session begins with it.
    pub(super) const fn is_first(self) -> bool {
        match self {
            Self::Start | Self::Join => true,
            Self::Frame(flag) => matches!(flag, flag::SYN | flag::START),
            Self::Media => false,
        }
    }

    /// Who is who, given the packet that opened it.
    pub(super) const fn parties(self, packet: &Datagram<'_>) -> Parties {
        let is_of_responder = match self {
            Self::Start | Self::Join => false,
            Self::Frame(flag) => matches!(flag, flag::SYN_ACK | flag::START_ACK),
            Self::Media => true,
        };
        let (initiator, responder) = match is_of_responder {
            true => (packet.destination, packet.source),
            false => (packet.source, packet.destination),
        };
        Parties {
            initiator,
            responder,
        }
    }
}

/// A tuple whose traffic may become a session.
///
/// A session is opened by: the START or the JOIN token, exactly; a control frame of full length that
/// bears at least three of its four marks (zeros in the header, version 1, nothing reserved, a
/// terminated and printable id) and is no STUN; likewise START, START_ACK or START_CONFIRM (whose
/// fourth mark is a StreamId other than 0, with sound extensions); media that follows a connection-id with printable text; or
/// four data datagrams in a row with the same QPF other than 0, numbers that rise by small steps
/// and a QPC that does not fall.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) first: Moment,
    pub(super) first_from: SocketAddr,
    pub(super) last: Moment,
    pub(super) datagrams: u64,
    pub(super) name: Option<(SocketAddr, ConnectionId)>,
    run: Option<Run>,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    from: SocketAddr,
    sequence: u64,
    qpc: u64,
    qpf: u64,
    length: u32,
}

impl Candidate {
    pub(super) fn new(packet: &Datagram<'_>, at: &Moment) -> Self {
        Self {
            first: *at,
            first_from: packet.source,
            last: *at,
            datagrams: 0,
            name: None,
            run: None,
        }
    }

    /// The next datagram of the tuple; what it opens, if it opens a session. In a supervised capture
    /// media that nobody asked for opens none.
    pub(super) fn observe(
        &mut self,
        packet: &Datagram<'_>,
        context: &Context<'_>,
    ) -> Option<Opening> {
        self.last = context.now;
        let is_complete = context.settings.supervised;
        self.datagrams += 1;
        match view(packet) {
            View::Start => Some(Opening::Start),
            View::Join => Some(Opening::Join),
            View::Control(view) if is_evident(packet, &view) => {
                Some(Opening::Frame(view.flag())).filter(|_| view.flag() != flag::ERROR)
            }
            View::Media(_) if endian::is_swapped_syn(packet) => Some(Opening::Frame(flag::SYN)),
            View::Other if endian::is_swapped_start(packet) => Some(Opening::Frame(flag::START)),
            View::Media(_) if is_complete && self.first_from == packet.source => None,
            View::Media(media) => self.media(packet.source, &media),
            View::Name(Some(field)) if packet.length >= ConnectionIdFrame::MIN_LENGTH => {
                if is_plausible_id(field) && field[0] != 0 {
                    self.name = Some((packet.source, ConnectionId::from_bytes(*field)));
                }
                None
            }
            View::Control(_) | View::Name(_) | View::Other => None,
        }
    }

    /// The number of the newest data datagram that `from` sent, if several fitted together.
    pub(super) fn highest(&self, from: SocketAddr) -> Option<u64> {
        let run = self.run.filter(|run| run.from == from && run.length > 1);
        run.map(|run| run.sequence)
    }

    fn media(&mut self, from: SocketAddr, media: &Media<'_>) -> Option<Opening> {
        let (Some(sequence), Some((qpc, qpf))) = (media.sequence, media.clock) else {
            return None;
        };
        if media.length < Header::LENGTH {
            return None;
        }
        if self.name.is_some_and(|(name, _)| name == from) {
            return Some(Opening::Media);
        }
        let length = match self.run {
            Some(run) if run.from == from && run.fits(sequence, qpc, qpf) => run.length + 1,
            Some(_) | None => 1,
        };
        self.run = Some(Run {
            from,
            sequence,
            qpc,
            qpf,
            length,
        });
        (length >= RUN).then_some(Opening::Media)
    }
}

impl Run {
    fn fits(&self, sequence: u64, qpc: u64, qpf: u64) -> bool {
        let step = sequence.checked_sub(self.sequence);
        qpf != 0
            && qpf == self.qpf
            && sequence != 0
            && qpc >= self.qpc
            && step.is_some_and(|step| step <= STEP)
    }
}

/// Whether a frame of a handshake is one beyond doubt.
fn is_evident(packet: &Datagram<'_>, view: &ControlView<'_>) -> bool {
    if packet.length < view.min_length() {
        return false;
    }
    let is_start3 = view.is_start3();
    let is_stun = !is_start3 && packet.payload.get(4..8) == Some(&STUN);
    let is_likely = !is_start3 && view.is_cut && view.has_no_header();
    !is_stun && (view.marks() >= 3 || is_likely)
}
