//! One session: its handshake, its media, and what is said about it.

use super::handshake::{Answer, Handshake, Offered};
use super::ledger::{Bench, Evidence, Ledger, Parties};
use super::order::Origin;
use super::pace::Start;
use super::responders::Responders;
use super::rule::Rule;
use super::start3::{Exchange, Mark};
use super::starts::Starts;
use super::stream::Stream;
use super::syn_ack;
use super::time::{CROSSING, Moment};
use super::view::{ControlView, Media};
use crate::MonitorSettings;
use crate::mediastream::frame::{ConnectionId, MAX_DATAGRAM};
use crate::monitor::{Observation, Packet};
use crate::requirement::Role;

/// What all sessions share.
pub(super) struct World<'a> {
    pub(super) settings: &'a MonitorSettings,
    pub(super) responders: &'a mut Responders,
    pub(super) say: &'a mut dyn FnMut(Observation),
}

/// How a session began, as far as the capture shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// With the START token.
    Legacy,
    /// With SYN, SYN-ACK or ACK.
    ThreeWay,
    /// With START, START_ACK or START_CONFIRM.
    Start3,
    /// Before the capture did, or out of its sight.
    Unknown,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::ThreeWay => "3way",
            Self::Start3 => "start3",
            Self::Unknown => "unknown",
        }
    }
}

/// The session before on the same tuple.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before {
    pub(super) id: Option<ConnectionId>,
    /// The ids of earlier ones too; beyond three, any id may be one.
    pub(super) ids: Offered,
    /// The number with which its media ended, if that may still be on its way.
    pub(super) highest: Option<u64>,
    /// The last START_ACK whose session the responder may still keep.
    pub(super) start_ack: Option<Mark>,
    /// The id of the last SYN-ACK that waited for its ACK when its session ended in the capture: the
    /// responder may still keep it, and know nothing of another one.
    pub(super) half_open: Option<ConnectionId>,
}

/// A connection-id of the responder with an id that it assigned to no session of the tuple.
#[derive(Debug, Clone, Copy)]
pub(super) struct Misnamed {
    id: ConnectionId,
    packet: u64,
    /// It came after the stream had ended.
    is_after_the_end: bool,
}

impl Misnamed {
    /// Media that follows it.
    ///
    /// MS-H-15, any vantage, for no network changes an id: the first media after a connection-id
    /// whose id no matching ACK confirmed, in a session that SYN began and an ACK completed. The
    /// connection-id alone licenses nothing and is not found. An id of an earlier session of the
    /// tuple came late; while a restart is asked for, and after a START, an id may be theirs. Before
    /// the ACK it is MS-H-16, unless optimistic start is known to be off. Away from the sender a doubt
    /// after the stream has ended: a handshake may have gone by unseen.
    fn media(self, offered: &Offered, at: &Moment, bench: &mut Bench<'_>) {
        if offered.contains(&self.id) {
            return;
        }
        let evidence = || {
            let assigned = offered.first().map(|id| id.to_string());
            let want = format!(
                "media under the id that an ACK confirmed, \"{}\"",
                assigned.unwrap_or_default()
            );
            let got = format!(
                "media under \"{}\", as packet {} says",
                self.id, self.packet
            );
            Evidence::at(at, want, got)
        };
        // MS-H-15
        if self.is_after_the_end {
            bench.breach_unless_network(Rule::H15, Role::Responder, evidence);
        } else {
            bench.breach(Rule::H15, Role::Responder, evidence);
        }
    }
}

/// What a SYN on a tuple with a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A copy of the session's SYN.
    Copy,
    /// Nothing that a responder acts upon.
    Stray,
    /// The wish to restart a session that lives (MS-H-23).
    Attempt,
    /// The first datagram of a new session.
    Session,
}

/// One session of a tuple.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) mode: Mode,
    pub(super) first: Moment,
    pub(super) datagrams: u64,
    pub(super) id: Option<ConnectionId>,
    pub(super) before: Before,
    pub(super) starts: Option<Starts>,
    pub(super) handshake: Handshake,
    /// The exchange of 3.3 that opened it.
    pub(super) start3: Option<Box<Exchange>>,
    /// It began with the JOIN token: the initiator sends the media.
    pub(super) is_upload: bool,
    pub(super) stream: Stream,
    /// When the responder named the session in answer to START.
    named: Option<Moment>,
    /// A connection-id with an id that no handshake of the tuple knows, until one that is known.
    pub(super) misnamed: Option<Misnamed>,
    /// Where the media came from that the handshake promised.
    pub(super) streamed_by: Option<(std::net::SocketAddr, Moment)>,
}

impl Session {
    pub(super) fn new(mode: Mode, origin: Origin, first: &Moment, before: Before) -> Self {
        let origin = match (origin, before.highest) {
            (Origin::Start, Some(highest)) => Origin::After(highest),
            (origin, _) => origin,
        };
        Self {
            mode,
            first: *first,
            datagrams: 0,
            id: None,
            before,
            starts: None,
            handshake: Handshake::default(),
            start3: None,
            is_upload: false,
            stream: Stream::new(origin),
            named: None,
            misnamed: None,
            streamed_by: None,
        }
    }

    /// MS-W-18, any vantage: a datagram above 65,507 bytes, or above the configured maximum;
    /// of a start3 responder also one above the MaxDatagram that it `granted`.
    pub(super) fn size(
        packet: &Packet<'_>,
        granted: Option<usize>,
        from: Role,
        at: &Moment,
        bench: &mut Bench<'_>,
    ) {
        bench.exercised(Rule::W18);
        let most = bench
            .settings
            .max_datagram
            .unwrap_or(MAX_DATAGRAM)
            .min(granted.unwrap_or(MAX_DATAGRAM))
            .min(MAX_DATAGRAM);
        if packet.length > most {
            // MS-W-18
            bench.breach(Rule::W18, from, || {
                let got = format!("{} bytes", packet.length);
                Evidence::at(at, format!("a datagram of at most {most} bytes"), got)
            });
        }
    }

    /// Connection-id from the responder.
    pub(super) fn name(&mut self, id: ConnectionId, at: &Moment, bench: &mut Bench<'_>) {
        if let Some(starts) = &mut self.starts {
            starts.answered(true, at, bench);
            self.named.get_or_insert(*at);
        }
        if self.mode == Mode::ThreeWay {
            if self.handshake.answer == Answer::Rejected {
                syn_ack::after_rejection(&self.handshake, "connection-id", at, bench);
                return;
            }
            if self.is_early() {
                let Handshake { early, offered, .. } = &mut self.handshake;
                early.name(id, offered, self.before.id, at, bench);
            }
        }
        self.misnamed = self.misnamed(id, at, bench);
        self.stream.name(at, bench);
        self.id.get_or_insert(id);
        if self.mode != Mode::ThreeWay {
            self.id = Some(id);
        }
    }

    /// Connection-id of which the capture keeps too little to read.
    pub(super) fn name_cut(&mut self, at: &Moment, bench: &mut Bench<'_>) {
        if let Some(starts) = &mut self.starts {
            starts.answered(true, at, bench);
            self.named.get_or_insert(*at);
        }
        self.handshake.early.name_cut();
    }

    /// Media from the responder.
    pub(super) fn media(&mut self, media: &Media<'_>, at: &Moment, bench: &mut Bench<'_>) {
        if self.is_of_the_session_before(media, at) {
            self.before.highest = self.before.highest.max(media.sequence);
            self.stream.goes_on_after(self.before.highest);
            return;
        }
        if let Some(starts) = &mut self.starts {
            match media.payload_length {
                Some(1..) => starts.answered(false, at, bench),
                None | Some(0) => starts.obscured(),
            }
        }
        let start = self.start();
        if let Some(exchange) = &mut self.start3 {
            if !exchange.media(media, at, bench) {
                return;
            }
            if exchange.goes_on(bench.stream) {
                self.stream.held_back();
            }
        }
        if self.mode == Mode::ThreeWay {
            if self.handshake.answer == Answer::Rejected {
                syn_ack::after_rejection(&self.handshake, "media", at, bench);
                return;
            }
            self.handshake.streams(bench);
            if self.handshake.acked.is_some() {
                self.handshake.is_ack_late = false;
                if let Some(misnamed) = self.misnamed.take() {
                    misnamed.media(&self.handshake.offered, at, bench);
                }
            }
            if self.is_early() {
                let Handshake { early, offered, .. } = &mut self.handshake;
                early.media(media, offered.first().is_some(), at, bench);
            } else if self.handshake.early.goes_on(bench.stream) {
                self.stream.held_back();
            } else if self.handshake.acked.is_some() && !self.stream.has_begun() {
                bench.exercised(Rule::H15);
            }
        }
        self.stream.see(media, at, start.as_ref(), bench);
    }

    /// Media of the initiator, in an upload.
    pub(super) fn upload(&mut self, media: &Media<'_>, at: &Moment, bench: &mut Bench<'_>) {
        let start = self.named.map(|at| Start { at, asked: at });
        self.stream.see(media, at, start.as_ref(), bench);
    }

    /// Connection-id of the responder, in an upload.
    pub(super) fn welcomed(&mut self, id: ConnectionId, at: &Moment) {
        self.named.get_or_insert(*at);
        self.id = Some(id);
    }

    /// Whether the responder named it.
    pub(super) const fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// Time went on to `now`.
    pub(super) fn lapse(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        self.handshake.lapse(now, bench);
        if let Some(exchange) = &mut self.start3 {
            exchange.lapse(now, bench);
        }
    }

    /// What a SYN is that comes now; `is_over` if the session's stream has ended.
    pub(super) fn next_for(
        &self,
        packet: &Packet<'_>,
        control: &ControlView<'_>,
        is_over: bool,
        at: &Moment,
    ) -> Next {
        // A START that was answered is a session before its first media too.
        // An exchange of 3.3 too: a responder of that mode alone drops the SYN.
        let asks = self
            .start3
            .as_ref()
            .is_some_and(|exchange| !exchange.is_ended());
        let lives = (self.stream.has_begun() || self.named.is_some() || asks) && !is_over;
        let Some(syn) = self
            .handshake
            .syn
            .as_ref()
            .filter(|_| self.mode == Mode::ThreeWay)
        else {
            return if lives { Next::Attempt } else { Next::Session };
        };
        if control.connection_id() != Some(syn.id) && !control.is_valid() && !control.is_cut {
            return Next::Stray;
        }
        let is_same = control.connection_id() == Some(syn.id);
        let is_confirmed = self.handshake.acked.is_some() && self.stream.has_begun();
        match self.handshake.answer {
            Answer::Rejected => {
                let crossed = self
                    .handshake
                    .answered
                    .is_some_and(|answered| !at.is_past(&answered, CROSSING));
                if crossed && syn.is_same(packet) {
                    Next::Copy
                } else {
                    Next::Session
                }
            }
            Answer::None if is_same && !syn.is_exhausted(at) => Next::Copy,
            Answer::None => Next::Session,
            // Once it streams confirmed, the answer tells: the same id, or that of the next session (MS-H-08).
            Answer::Accepted if is_same && !is_over && !is_confirmed => Next::Copy,
            Answer::Accepted => Next::Attempt,
        }
    }

    /// The session is over: at `now` nothing more belongs to it.
    pub(super) fn close(&mut self, now: &Moment, is_restarted: bool, bench: &mut Bench<'_>) {
        if let Some(starts) = &mut self.starts {
            starts.close(now, self.stream.interval(bench.settings), bench);
        }
        self.handshake.close(now, bench);
        let mut may_stop = false;
        if let Some(exchange) = &mut self.start3 {
            exchange.close(now, bench);
            may_stop = exchange.may_stop();
        }
        if let Some((other, at)) = self.streamed_by.filter(|_| !self.stream.has_begun()) {
            // MS-H-05
            let responder = bench.parties.responder;
            bench.breach(Rule::H05, Role::Responder, || {
                let want = format!("media from {responder}, which sent the SYN-ACK");
                Evidence::at(&at, want, format!("media from {other}"))
            });
        }
        // Dropped half-open, an optimistic stream ends without being complete.
        let is_ended = is_restarted || may_stop || self.handshake.may_be_dropped();
        self.stream.close(now, is_ended, bench);
    }

    /// What it was.
    pub(super) fn report(&self, parties: &Parties, ledger: &Ledger) -> crate::monitor::Session {
        let exchange = self.start3.as_ref();
        let stream_id = exchange.map(|exchange| format!("{:016x}", exchange.key.stream_id));
        crate::monitor::Session {
            protocol: "mediastream",
            mode: self.mode.name(),
            initiator: parties.initiator,
            responder: parties.responder,
            connection_id: stream_id.or_else(|| self.id.map(|id| id.to_string())),
            frames: self.stream.frames(),
            datagrams: self.datagrams,
            first_packet: self.first.packet,
            network: self.stream.network(),
            judged: ledger.judged(self.is_upload),
            more_breaches: ledger.more(),
        }
    }

    /// Whether the responder still has no matching ACK, in a handshake that the capture shows.
    fn is_early(&self) -> bool {
        self.handshake.syn.is_some() && self.handshake.acked.is_none()
    }

    /// What a connection-id means that carries `id`. Judged of a session that SYN began and whose
    /// SYN-ACK was seen, except what MS-H-16 judges already.
    fn misnamed(&self, id: ConnectionId, at: &Moment, bench: &Bench<'_>) -> Option<Misnamed> {
        let Handshake { syn, offered, .. } = &self.handshake;
        let is_judged = self.mode == Mode::ThreeWay && syn.is_some() && offered.first().is_some();
        let is_known = offered.contains(&id) || self.before.ids.contains(&id);
        let is_h16 = self.is_early() && bench.option("optimistic_start") != Some(false);
        let is_misnamed = is_judged && !is_known && !is_h16;
        is_misnamed.then(|| Misnamed {
            id,
            packet: at.packet,
            is_after_the_end: self.stream.is_over(at, bench.settings),
        })
    }

    /// When the session started, if that was seen and media was not allowed before. An ACK that comes
    /// when the responder may have dropped the session may start nothing: a later one does.
    fn start(&self) -> Option<Start> {
        match self.mode {
            Mode::Legacy => {
                let starts = self.starts.as_ref();
                let first = starts.map(|starts| starts.first);
                let at = self.named.or(first)?;
                let asked = starts.map_or(at, |starts| starts.last);
                Some(Start { at, asked })
            }
            Mode::ThreeWay => {
                let early = &self.handshake.early;
                let is_free = early.was_used() || early.is_named();
                let acked = self.handshake.acked;
                acked
                    .filter(|_| !is_free && !self.handshake.is_ack_late)
                    .map(|at| Start { at, asked: at })
            }
            Mode::Start3 => self.start3.as_ref()?.start(),
            Mode::Unknown => None,
        }
    }

    /// Media that goes on where the session before ended, before this one's media begins. Until
    /// the ACK it is the earlier session's; soon after, it was on its way.
    fn is_of_the_session_before(&self, media: &Media<'_>, at: &Moment) -> bool {
        let (Some(highest), Some(sequence)) = (self.before.highest, media.sequence) else {
            return false;
        };
        if self.stream.has_begun() || sequence <= 1 || sequence.abs_diff(highest) > 64 {
            return false;
        }
        let began = match self.mode {
            Mode::ThreeWay => self.handshake.acked,
            Mode::Start3 => self.start3.as_ref().and_then(|exchange| exchange.confirmed),
            Mode::Legacy | Mode::Unknown => self.named,
        };
        began.is_none_or(|began| !at.is_past(&began, CROSSING))
    }
}
