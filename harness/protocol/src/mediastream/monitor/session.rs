//! One session: its handshake, its media, and what is said about it.

use super::handshake::{Answer, Handshake};
use super::ledger::{Bench, Evidence, Ledger, Parties};
use super::order::Origin;
use super::pace::Start;
use super::responders::Responders;
use super::rule::Rule;
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
    /// Before the capture did, or out of its sight.
    Unknown,
}

impl Mode {
    const fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::ThreeWay => "3way",
            Self::Unknown => "unknown",
        }
    }
}

/// The session before on the same tuple.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Before {
    pub(super) id: Option<ConnectionId>,
    /// The number with which its media ended, if that may still be on its way.
    pub(super) highest: Option<u64>,
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
    pub(super) stream: Stream,
    /// When the responder named the session in answer to START.
    named: Option<Moment>,
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
            stream: Stream::new(origin),
            named: None,
            streamed_by: None,
        }
    }

    /// MS-W-18, any vantage: a datagram above 65,507 bytes, or above the configured maximum.
    pub(super) fn size(packet: &Packet<'_>, from: Role, at: &Moment, bench: &mut Bench<'_>) {
        bench.exercised(Rule::W18);
        let most = bench
            .settings
            .max_datagram
            .unwrap_or(MAX_DATAGRAM)
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
            starts.answered(false, at, bench);
        }
        if self.mode == Mode::ThreeWay {
            if self.handshake.answer == Answer::Rejected {
                syn_ack::after_rejection(&self.handshake, "media", at, bench);
                return;
            }
            if self.handshake.acked.is_some() {
                self.handshake.is_ack_late = false;
            }
            if self.is_early() {
                let Handshake { early, offered, .. } = &mut self.handshake;
                early.media(media, offered.first().is_some(), at, bench);
            } else if self.handshake.early.goes_on(bench.settings) {
                self.stream.held_back();
            } else if self.handshake.acked.is_some() && !self.stream.has_begun() {
                bench.exercised(Rule::H15);
            }
        }
        let start = self.start();
        self.stream.see(media, at, start.as_ref(), bench);
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
        let lives = (self.stream.has_begun() || self.named.is_some()) && !is_over;
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
            Answer::Accepted if is_same && !is_over => Next::Copy,
            Answer::Accepted => Next::Attempt,
        }
    }

    /// The session is over: at `now` nothing more belongs to it.
    pub(super) fn close(&mut self, now: &Moment, is_restarted: bool, bench: &mut Bench<'_>) {
        if let Some(starts) = &mut self.starts {
            starts.close(now, self.stream.interval(bench.settings), bench);
        }
        self.handshake.close(now, bench);
        if let Some((other, at)) = self.streamed_by.filter(|_| !self.stream.has_begun()) {
            // MS-H-05
            let responder = bench.parties.responder;
            bench.breach(Rule::H05, Role::Responder, || {
                let want = format!("media from {responder}, which sent the SYN-ACK");
                Evidence::at(&at, want, format!("media from {other}"))
            });
        }
        // Dropped half-open, an optimistic stream ends without being complete.
        let is_ended = is_restarted || self.handshake.may_be_dropped();
        self.stream.close(now, is_ended, bench);
    }

    /// What it was.
    pub(super) fn report(&self, parties: &Parties, ledger: &Ledger) -> crate::monitor::Session {
        crate::monitor::Session {
            protocol: "mediastream",
            mode: self.mode.name(),
            initiator: parties.initiator,
            responder: parties.responder,
            connection_id: self.id.map(|id| id.to_string()),
            frames: self.stream.frames(),
            datagrams: self.datagrams,
            first_packet: self.first.packet,
            network: self.stream.network(),
            judged: ledger.judged(),
            more_breaches: ledger.more(),
        }
    }

    /// Whether the responder still has no matching ACK, in a handshake that the capture shows.
    fn is_early(&self) -> bool {
        self.handshake.syn.is_some() && self.handshake.acked.is_none()
    }

    /// When the session started, if that was seen and media was not allowed before.
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
                let acked = self.handshake.acked;
                acked
                    .filter(|_| !early.was_used() && !early.is_named())
                    .map(|at| Start { at, asked: at })
            }
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
            Mode::Legacy | Mode::Unknown => self.named,
        };
        began.is_none_or(|began| !at.is_past(&began, CROSSING))
    }
}
