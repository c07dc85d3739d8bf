//! One session: its handshake, its media, and what is said about it.

use std::net::SocketAddr;

use super::handshake::{Handshake, Mark, Offered, UnconfirmedMedia};
use super::order::Origin;
use super::pace::Start;
use super::rule::Rule;
use super::scope::{Evidence, Findings, Parties, Scope};
use super::starts::StartTokens;
use super::stream::Stream;
use super::time::{CROSSING, Moment};
use super::view::Media;
use crate::MonitorSettings;
use crate::mediastream::Mode;
use crate::mediastream::frame::{ConnectionId, MAX_DATAGRAM};
use crate::monitor::{Datagram, Session as Report};

/// The session before on the same tuple.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PreviousSession {
    pub(super) id: Option<ConnectionId>,
    /// The ids of earlier ones too; beyond three, any id may be one.
    pub(super) ids: Offered,
    /// The number with which its media ended, if that may still be on its way.
    pub(super) highest: Option<u64>,
    /// The number with which it ended, whenever that was.
    pub(super) last: Option<u64>,
    /// Media that went out without a confirmation.
    pub(super) unconfirmed: Option<UnconfirmedMedia>,
    /// The last START_ACK whose session the responder may still keep.
    pub(super) start_ack: Option<Mark>,
    /// The id of the last SYN-ACK that waited for its ACK when its session ended in the capture: the
    /// responder may still keep it, and know nothing of another one.
    pub(super) half_open: Option<ConnectionId>,
    /// The parties were taken for each other: the responder may keep a half-open session under any id.
    pub(super) was_reversed: bool,
}

/// A connection-id of the responder with an id that it assigned to no session of the tuple.
#[derive(Debug, Clone, Copy)]
struct UnassignedId {
    id: ConnectionId,
    packet: u64,
    /// It came after the stream had ended.
    is_after_the_end: bool,
}

impl UnassignedId {
    /// Media that follows it.
    ///
    /// MS-H-15, any vantage, for no network changes an id: the first media after a connection-id
    /// whose id no matching ACK confirmed, in a session that SYN began and an ACK completed. The
    /// connection-id alone licenses nothing and is not found. An id of an earlier session of the
    /// tuple came late, but not at the sender after the ACK; while a restart is asked for, and after a START, an id may be theirs. Before
    /// the ACK it is MS-H-16, unless optimistic start is known to be off. Away from the sender a doubt
    /// after the stream has ended: a handshake may have gone by unseen.
    fn media(self, offered: &Offered, scope: &mut Scope<'_>) {
        if offered.contains(&self.id) {
            return;
        }
        let evidence = || {
            let assigned = offered.first().unwrap_or(ConnectionId::EMPTY);
            let want = format!("media under the id that an ACK confirmed, \"{assigned}\"");
            let (id, packet) = (self.id, self.packet);
            Evidence::new(
                want,
                format!("media under \"{id}\", as packet {packet} says"),
            )
        };
        // MS-H-15
        if self.is_after_the_end {
            scope.breach_unless_network(Rule::H15, evidence);
        } else {
            scope.breach(Rule::H15, evidence);
        }
    }
}

/// One session of a tuple.
#[derive(Debug)]
pub(super) struct Session {
    /// How it began, as far as the capture shows it.
    pub(super) mode: Option<Mode>,
    first: Moment,
    pub(super) datagrams: u64,
    pub(super) id: Option<ConnectionId>,
    pub(super) before: PreviousSession,
    pub(super) starts: Option<StartTokens>,
    pub(super) handshake: Handshake,
    /// A SYN that may restart the session (MS-H-23): it does once it is accepted.
    pub(super) attempt: Option<Box<Handshake>>,
    /// A START of another session: it opens it once it is granted.
    pub(super) rival: Option<Box<Handshake>>,
    /// It began with the JOIN token: the initiator sends the media.
    pub(super) is_upload: bool,
    pub(super) stream: Stream,
    /// When the responder named the session in answer to START.
    named: Option<Moment>,
    /// Until an id comes that is known.
    misnamed: Option<UnassignedId>,
    /// Where the media came from that the handshake promised.
    pub(super) streamed_by: Option<(SocketAddr, Moment)>,
}

impl Session {
    pub(super) fn new(
        mode: Option<Mode>,
        origin: Origin,
        first: &Moment,
        before: PreviousSession,
    ) -> Self {
        // The responder may know a session of 3.2 still whose stream is over (MS-H-23).
        let last = match mode {
            Some(Mode::ThreeWay) => before.last,
            Some(Mode::Legacy | Mode::Start3) | None => before.highest,
        };
        let origin = match (origin, last) {
            (Origin::Start, Some(last)) => Origin::After(last),
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
            attempt: None,
            rival: None,
            is_upload: false,
            stream: Stream::new(origin),
            named: None,
            misnamed: None,
            streamed_by: None,
        }
    }

    /// It is opened by this exchange.
    pub(super) fn handle_handshake(&mut self, handshake: Handshake, settings: &MonitorSettings) {
        self.stream.agree(handshake.agreed(settings.stream));
        self.handshake = handshake;
        self.handshake.early.goes_on_after(self.before.unconfirmed);
    }

    /// The handshake of 3.2 that is under way: that of the restart, if one is asked for.
    pub(super) fn asking(&mut self) -> &mut Handshake {
        self.attempt.as_deref_mut().unwrap_or(&mut self.handshake)
    }

    /// Whether the responder named it.
    pub(super) const fn is_named(&self) -> bool {
        self.named.is_some()
    }

    /// MS-W-18, any vantage: a datagram above 65,507 bytes, or above the configured maximum;
    /// of a start3 responder also one above the MaxDatagram that it `granted`.
    pub(super) fn size(packet: &Datagram<'_>, granted: Option<usize>, scope: &mut Scope<'_>) {
        scope.exercised(Rule::W18);
        let configured = scope.settings.max_datagram.unwrap_or(MAX_DATAGRAM);
        let most = configured
            .min(granted.unwrap_or(MAX_DATAGRAM))
            .min(MAX_DATAGRAM);
        if packet.length > most {
            // MS-W-18
            scope.breach(Rule::W18, || {
                let want = format!("a datagram of at most {most} bytes");
                Evidence::new(want, format!("{} bytes", packet.length))
            });
        }
    }

    /// Connection-id from the responder.
    pub(super) fn name(&mut self, id: ConnectionId, scope: &mut Scope<'_>) {
        self.is_answered_by_name(scope);
        if self.handshake.is_rejected("connection-id", scope) {
            return;
        }
        if self.mode == Some(Mode::ThreeWay) && self.handshake.is_early() {
            self.handshake.name(id, self.before.id, scope);
        }
        // While a restart is asked for it may be its id, whose SYN-ACK it overtook.
        let misnamed = self.misnamed(id, scope);
        self.misnamed = misnamed.filter(|_| self.attempt.is_none());
        self.stream.name(scope);
        if self.mode != Some(Mode::ThreeWay) || self.id.is_none() {
            self.id = Some(id);
        }
    }

    /// Connection-id of which the capture keeps too little to read.
    pub(super) fn name_cut(&mut self, scope: &mut Scope<'_>) {
        self.is_answered_by_name(scope);
        self.handshake.early.name_cut();
    }

    /// Media from the responder.
    pub(super) fn media(&mut self, media: &Media<'_>, scope: &mut Scope<'_>) {
        if self.is_of_the_session_before(media, &scope.now) {
            self.before.highest = self.before.highest.max(media.sequence);
            let is_confirmed = self.handshake.confirmed.is_some();
            self.stream.goes_on_after(self.before.highest, is_confirmed);
            return;
        }
        if let Some(starts) = &mut self.starts {
            match media.payload_length {
                Some(1..) => starts.answered(false, scope),
                None | Some(0) => starts.obscured(),
            }
        }
        let start = self.start();
        if !self.handshake.media(media, self.stream.has_begun(), scope) {
            return;
        }
        if self.handshake.confirmed.is_some()
            && let Some(misnamed) = self.misnamed.take()
        {
            misnamed.media(&self.handshake.offered, scope);
        }
        if self.handshake.goes_on(scope.stream) {
            self.stream.held_back();
        }
        self.stream.observe(media, start.as_ref(), scope);
    }

    /// Media of the initiator, in an upload.
    pub(super) fn upload(&mut self, media: &Media<'_>, scope: &mut Scope<'_>) {
        let start = self.named.map(|at| Start { at, asked: at });
        self.stream.observe(media, start.as_ref(), scope);
    }

    /// Connection-id of the responder, in an upload.
    pub(super) fn welcomed(&mut self, id: ConnectionId, now: &Moment) {
        self.named.get_or_insert(*now);
        self.id = Some(id);
    }

    /// The session is over: nothing more belongs to it.
    pub(super) fn close(&mut self, is_restarted: bool, scope: &mut Scope<'_>) {
        if let Some(starts) = &mut self.starts {
            starts.close(self.stream.interval(scope.settings), scope);
        }
        self.handshake.close(scope);
        if let Some((other, at)) = self.streamed_by.filter(|_| !self.stream.has_begun()) {
            let responder = scope.parties.responder;
            // MS-H-05
            scope.breach(Rule::H05, || {
                let want = format!("media from {responder}, which sent the SYN-ACK");
                Evidence::new(want, format!("media from {other}")).at(&at)
            });
        }
        // Dropped half-open, an optimistic stream ends without being complete.
        let may_stop = is_restarted || self.handshake.may_stop();
        self.stream.close(may_stop, scope);
        if let Some(attempt) = self.attempt.as_mut().filter(|_| !is_restarted) {
            attempt.close(scope);
        }
    }

    /// What it leaves to the next one on the tuple; its stream `is_over` or not.
    pub(super) fn leaves(&self, is_over: bool) -> PreviousSession {
        let mut ids = self.before.ids;
        ids.join(&self.handshake.offered);
        if let Some(id) = self.id {
            ids.add(id);
        }
        // Where it had no media of its own, that of the session before it may still come.
        let (highest, last) = match self.stream.highest() {
            0 => (
                self.before.highest,
                self.before.last.max(self.before.highest),
            ),
            own => ((!is_over).then_some(own), Some(own)),
        };
        PreviousSession {
            id: self.id,
            ids,
            highest,
            last,
            unconfirmed: self
                .handshake
                .unconfirmed()
                .or(match self.handshake.confirmed {
                    Some(_) => None,
                    None => self.before.unconfirmed,
                }),
            start_ack: self.handshake.mark(self.before.start_ack),
            half_open: self.handshake.half_open(self.before.half_open),
            was_reversed: self.before.was_reversed && self.handshake.waiting.is_none(),
        }
    }

    pub(super) fn report(&self, parties: &Parties, findings: &Findings) -> Report {
        let key = self.handshake.key();
        let stream_id = key.map(|key| format!("{:016x}", key.stream_id));
        Report {
            protocol: "mediastream",
            mode: self.mode.map_or("unknown", Mode::name),
            initiator: parties.initiator,
            responder: parties.responder,
            connection_id: stream_id.or_else(|| self.id.map(|id| id.to_string())),
            frames: self.stream.frames(),
            datagrams: self.datagrams,
            first_packet: self.first.packet,
            network: self.stream.network(),
            judged: findings.judged(self.is_upload),
            more_breaches: findings.more,
        }
    }

    fn is_answered_by_name(&mut self, scope: &mut Scope<'_>) {
        if let Some(starts) = &mut self.starts {
            starts.answered(true, scope);
            self.named.get_or_insert(scope.now);
        }
    }

    /// What a connection-id means that carries `id`. Judged of a session that SYN began and whose
    /// SYN-ACK was seen, except what MS-H-16 judges already.
    fn misnamed(&self, id: ConnectionId, scope: &Scope<'_>) -> Option<UnassignedId> {
        let Handshake {
            request, offered, ..
        } = &self.handshake;
        let is_judged = request.is_some() && offered.first().is_some();
        let may_be_late = scope.is_on_the_path() || self.handshake.confirmed.is_none();
        let is_known = offered.contains(&id) || may_be_late && self.before.ids.contains(&id);
        let is_h16 = self.handshake.is_early() && scope.option("optimistic_start") != Some(false);
        let is_misnamed = is_judged && !is_known && !is_h16;
        is_misnamed.then(|| UnassignedId {
            id,
            packet: scope.now.packet,
            is_after_the_end: self.stream.is_over(&scope.now, scope.settings),
        })
    }

    /// When the session started, if that was seen and media was not allowed before.
    fn start(&self) -> Option<Start> {
        match self.mode {
            Some(Mode::Legacy) => {
                let starts = self.starts.as_ref();
                let first = starts.map(|starts| starts.first);
                let at = self.named.or(first)?;
                let asked = starts.map_or(at, |starts| starts.last);
                Some(Start { at, asked })
            }
            Some(Mode::ThreeWay | Mode::Start3) => self.handshake.start(),
            None => None,
        }
    }

    /// Media that goes on where the session before ended, before this one's media begins. Until
    /// the confirmation it is the earlier session's; soon after, it was on its way.
    fn is_of_the_session_before(&self, media: &Media<'_>, now: &Moment) -> bool {
        let (Some(highest), Some(sequence)) = (self.before.highest, media.sequence) else {
            return false;
        };
        if self.stream.has_begun() || sequence <= 1 || sequence.abs_diff(highest) > 64 {
            return false;
        }
        let began = match self.mode {
            Some(Mode::ThreeWay | Mode::Start3) => self.handshake.confirmed,
            Some(Mode::Legacy) | None => self.named,
        };
        began.is_none_or(|began| !now.is_past(&began, CROSSING))
    }
}
