//! One tuple: the session that lives on it, and what each datagram is to it.

use std::net::SocketAddr;

use super::candidate::{Candidate, Opening};
use super::control;
use super::endian;
use super::order::Origin;
use super::rule::Rule;
use super::scope::{Context, Evidence, Findings, Parties, Scope};
use super::session::{PreviousSession, Session};
use super::starts::StartTokens;
use super::time::Moment;
use super::view::{ControlView, Media, PROTOCOL_FLAG, View, view};
use crate::mediastream::Mode;
use crate::mediastream::frame::{ConnectionId, ConnectionIdFrame, flag};
use crate::monitor::{Datagram, Observation};
use crate::requirement::Role;

/// One tuple with a session on it.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) parties: Parties,
    pub(super) session: Session,
    findings: Findings,
    pub(super) last: Moment,
    /// Whether the initiator was seen to send anything.
    initiator_spoke: bool,
}

impl Flow {
    pub(super) fn new(parties: Parties, session: Session, now: &Moment) -> Self {
        Self {
            parties,
            session,
            findings: Findings::default(),
            last: *now,
            initiator_spoke: false,
        }
    }

    /// The datagram that made a flow of `candidate`.
    pub(super) fn begin(
        &mut self,
        opening: Opening,
        candidate: &Candidate,
        packet: &Datagram<'_>,
        context: &mut Context<'_>,
    ) {
        match opening {
            Opening::Start | Opening::Frame(flag::SYN | flag::START) => {
                match self.common(packet, context) {
                    View::Control(view) => {
                        self.opened_by_request(&view, context);
                        self.control_rules(&view, context);
                    }
                    _ => self.opened_by_token(context),
                }
                return;
            }
            Opening::Frame(flag::ACK) => self.began_with_ack(context),
            Opening::Media => self.began_with_media(candidate, context),
            Opening::Join | Opening::Frame(_) => {}
        }
        self.observe(packet, context);
    }

    /// MS-H-01: the first datagram of the tuple is an ACK, a breach in a supervised capture; else the
    /// handshake may have gone before.
    fn began_with_ack(&mut self, context: &mut Context<'_>) {
        let mut scope = self.scope(context);
        let evidence = || Evidence::new("a SYN first", "an ACK").field(PROTOCOL_FLAG);
        if scope.settings.supervised {
            scope.breach(Rule::H01, evidence);
        } else {
            scope.doubt(Rule::H01, "the capture may have begun later", evidence);
        }
    }

    /// The session that media opened began with a connection-id, if `candidate` has one.
    ///
    /// MS-L-01, any vantage: the tuple's first datagram is the initiator's and not the START token,
    /// and a connection-id and media answer it. If the initiator is not seen to speak at all, it is
    /// a doubt: the capture may have begun later, or show one direction only.
    fn began_with_media(&mut self, candidate: &Candidate, context: &mut Context<'_>) {
        let is_asked = candidate.first_from == self.parties.initiator;
        let mut scope = self.scope(context);
        if candidate.name.is_none() || scope.is_without(Mode::Legacy) {
            return;
        }
        let evidence = |got| Evidence::new("the START token first", got).at(&candidate.first);
        if is_asked {
            // MS-L-01
            scope.breach(Rule::L01, || evidence("another datagram"));
        } else {
            let why = "the capture may have begun later";
            scope.doubt(Rule::L01, why, || evidence("a connection-id first"));
        }
    }

    /// The next datagram of the tuple.
    pub(super) fn observe(&mut self, packet: &Datagram<'_>, context: &mut Context<'_>) {
        self.last = context.now;
        let seen = self.common(packet, context);
        let from = self.from(context);
        let is_upload = self.session.is_upload;
        match (seen, from) {
            (View::Control(view), _) => {
                self.control(&view, packet, context);
                self.control_rules(&view, context);
            }
            (View::Start, Role::Initiator) => self.start_token(context),
            (View::Start, Role::Responder) => self.asked_by_responder(packet, context),
            (View::Join, Role::Initiator) => self.join_token(context),
            (View::Media(media), Role::Initiator) if is_upload => {
                let (session, mut scope) = self.parts(context);
                session.upload(&media, &mut scope);
            }
            (View::Media(media), Role::Responder) => self.media(&media, context),
            // Who waits for a name to begin an upload need not know a big-endian flag.
            (View::Name(_), Role::Responder)
                if is_upload && !matches!(view(packet), View::Name(_)) =>
            {
                self.unexpected(from);
            }
            (View::Name(Some(field)), Role::Responder) => {
                let id = ConnectionId::from_bytes(*field);
                if id.is_terminated() {
                    self.name(id, context);
                }
            }
            (View::Name(None), Role::Responder)
                if packet.length >= ConnectionIdFrame::MIN_LENGTH =>
            {
                let (session, mut scope) = self.parts(context);
                session.name_cut(&mut scope);
            }
            // Forms that this side does not send, and what is no form: judged by scenarios.
            (View::Name(_) | View::Media(_) | View::Join | View::Other, _) => {
                self.unexpected(from);
            }
        }
    }

    /// A datagram of `from` that the other side may answer by an ERROR.
    pub(super) fn unexpected(&mut self, from: Role) {
        if let (Role::Responder, Some(starts)) = (from, &mut self.session.starts) {
            starts.obscured();
        }
        self.session.handshake.provoked(from.peer());
    }

    /// The responder asks for a stream: it is the initiator now, unless the other one spoke as such in a
    /// session that lives. If not, what came before may have gone astray.
    pub(super) fn asked_by_responder(&mut self, packet: &Datagram<'_>, context: &mut Context<'_>) {
        let is_malformed = match view(packet) {
            View::Control(view) => !view.may_be_valid(),
            _ => false,
        };
        if is_malformed || (self.initiator_spoke && !self.is_over(context)) {
            return self.unexpected(Role::Responder);
        }
        self.close(true, context);
        self.findings = Findings::default();
        self.parties = Parties {
            initiator: packet.source,
            responder: packet.destination,
        };
        let before = PreviousSession {
            // Who answers, as it shows now, has spoken before.
            was_reversed: self.initiator_spoke,
            ..PreviousSession::default()
        };
        let session = |mode| Session::new(Some(mode), Origin::Start, &context.now, before);
        match view(packet) {
            View::Control(view) => {
                let mode = match view.is_start3() {
                    true => Mode::Start3,
                    false => Mode::ThreeWay,
                };
                self.session = session(mode);
                self.opened_by_request(&view, context);
            }
            _ => {
                self.session = session(Mode::Legacy);
                self.opened_by_token(context);
            }
        }
        self.session.datagrams = 1;
    }

    /// Media for this flow's initiator comes from another address, under the id `id`.
    pub(super) fn streamed_by(
        &mut self,
        other: SocketAddr,
        id: Option<ConnectionId>,
        now: &Moment,
    ) {
        let handshake = &self.session.handshake;
        let is_ours = match id {
            Some(id) => handshake.offered.contains(&id),
            None => other.ip() == self.parties.responder.ip(),
        };
        if is_ours && handshake.confirmed.is_some() && !self.session.stream.has_begun() {
            self.session.streamed_by.get_or_insert((other, *now));
        }
    }

    /// Closes and reports the session.
    pub(super) fn close(&mut self, is_restarted: bool, context: &mut Context<'_>) {
        let (session, mut scope) = self.parts(context);
        session.close(is_restarted, &mut scope);
        let report = self.session.report(&self.parties, &self.findings);
        (context.emit)(Observation::Session(report));
    }

    /// The next session of the tuple begins.
    pub(super) fn reopen(&mut self, mode: Option<Mode>, origin: Origin, context: &mut Context<'_>) {
        self.session.datagrams = self.session.datagrams.saturating_sub(1);
        self.close(true, context);
        let before = self.session.leaves(self.is_over(context));
        self.session = Session::new(mode, origin, &context.now, before);
        self.findings = Findings::default();
        self.session.datagrams = 1;
    }

    /// Whether the session's stream has ended.
    pub(super) fn is_over(&self, context: &Context<'_>) -> bool {
        self.session.stream.is_over(&context.now, context.settings)
    }

    /// Whether its last frame was seen.
    pub(super) fn is_complete(&self, context: &Context<'_>) -> bool {
        self.session.stream.is_complete(context.settings)
    }

    pub(super) fn scope<'w>(&'w mut self, context: &'w mut Context<'_>) -> Scope<'w> {
        self.parts(context).1
    }

    pub(super) fn parts<'w>(
        &'w mut self,
        context: &'w mut Context<'_>,
    ) -> (&'w mut Session, Scope<'w>) {
        let scope = Scope {
            settings: context.settings,
            now: context.now,
            parties: self.parties,
            from: self.from(context),
            sender: match self.session.is_upload {
                true => Role::Initiator,
                false => Role::Responder,
            },
            stream: self.session.stream.parameters(context.settings),
            responders: context.responders,
            findings: &mut self.findings,
            emit: context.emit,
        };
        (&mut self.session, scope)
    }

    pub(super) fn from(&self, context: &Context<'_>) -> Role {
        if context.source == Some(self.parties.initiator) {
            Role::Initiator
        } else {
            Role::Responder
        }
    }

    /// What every datagram of the flow is judged by; gives what it was meant to be.
    fn common<'p>(&mut self, packet: &Datagram<'p>, context: &mut Context<'_>) -> View<'p> {
        let from = self.from(context);
        self.session.datagrams += 1;
        self.initiator_spoke |= from == Role::Initiator;
        let offered = &self.session.asking().offered;
        let (seen, swapped) = endian::meant(packet, view(packet), from, offered);
        let granted = self.session.handshake.max_datagram();
        let granted = granted.filter(|_| from == Role::Responder);
        let mut scope = self.scope(context);
        Session::size(packet, granted, &mut scope);
        scope.exercised(Rule::W01);
        if let Some(field) = swapped {
            // MS-W-01
            scope.breach(Rule::W01, || {
                let got = format!("{} that makes sense big-endian only", field.name);
                Evidence::new("little-endian integers", got).field(field)
            });
        }
        seen
    }

    fn control_rules(&mut self, view: &ControlView<'_>, context: &mut Context<'_>) {
        let is_known = !view.is_start3() || self.session.handshake.start3.is_some();
        control::observe(view, is_known, &mut self.scope(context));
    }

    fn name(&mut self, id: ConnectionId, context: &mut Context<'_>) {
        if self.session.is_upload {
            self.session.welcomed(id, &context.now);
            return;
        }
        self.token_was_served(Some(id), context);
        let handshake = &mut self.session.handshake;
        handshake.named_since = handshake.doubtful_token().map(|_| id);
        let is_other = self.session.id.is_some_and(|known| known != id);
        let mode = self.session.mode;
        let is_by_token = matches!(mode, Some(Mode::Legacy) | None);
        if is_other && is_by_token && self.session.stream.has_begun() {
            // A START so soon after the stream's end that it looked like a copy of the first.
            let starts = self.session.starts.as_ref();
            let starts = starts.and_then(StartTokens::of_the_next_session);
            self.reopen(mode, Origin::Start, context);
            self.session.starts = starts;
        }
        let (session, mut scope) = self.parts(context);
        session.handshake.lapse(&mut scope);
        session.name(id, &mut scope);
    }

    fn media(&mut self, media: &Media<'_>, context: &mut Context<'_>) {
        if self.session.is_upload {
            return;
        }
        self.token_was_served(None, context);
        self.token_opens_now(media, context);
        let restarts = self.session.mode.is_none() && media.sequence == Some(1);
        if restarts && self.session.stream.highest() > 1 && self.is_over(context) {
            self.reopen(None, Origin::Middle, context);
        }
        let (session, mut scope) = self.parts(context);
        session.handshake.lapse(&mut scope);
        session.media(media, &mut scope);
    }
}
