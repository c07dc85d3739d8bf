//! One tuple: the session that lives on it, and the next one that is being asked for.

use std::net::SocketAddr;

use super::ack;
use super::candidate::Candidate;
use super::control;
use super::endian;
use super::handshake::{Answer, Handshake};
use super::ledger::{Bench, Evidence, Ledger, Parties};
use super::order::Origin;
use super::rule::Rule;
use super::session::{Before, Mode, Next, Session, World};
use super::start3;
use super::starts::Starts;
use super::syn::Syn;
use super::syn_ack;
use super::time::{ANSWER, Moment};
use super::view::{ControlView, Kind, Media, View, view};
use crate::mediastream::frame::{ConnectionId, ConnectionIdFrame};
use crate::mediastream::{Mode as Spoken, Modes};
use crate::monitor::{Observation, Packet};
use crate::requirement::Role;

/// One tuple with a session on it.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) parties: Parties,
    pub(super) session: Session,
    pub(super) ledger: Ledger,
    /// A SYN that may restart the session (MS-H-23): it does once it is accepted.
    attempt: Option<Handshake>,
    /// A START of another session: it opens it once it is granted.
    pub(super) rival: Option<start3::Rival>,
    pub(super) last: Moment,
    /// Whether the initiator was seen to send anything.
    initiator_spoke: bool,
}

impl Flow {
    pub(super) fn new(parties: Parties, session: Session, at: &Moment) -> Self {
        Self {
            parties,
            session,
            ledger: Ledger::default(),
            attempt: None,
            rival: None,
            last: *at,
            initiator_spoke: false,
        }
    }

    /// The first datagram of the tuple's first session is the START token.
    pub(super) fn begin_with_start(
        &mut self,
        packet: &Packet<'_>,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        self.common(packet, Role::Initiator, at, world);
        self.opened_by_start(at, world);
    }

    /// The first datagram of the tuple's first session is a SYN.
    pub(super) fn begin_with_syn(
        &mut self,
        packet: &Packet<'_>,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        let view = self.common(packet, Role::Initiator, at, world);
        if let View::Control(kind, control) = view {
            control::see(kind, &control, Role::Initiator, at, &mut self.bench(world));
            self.opened_by_syn(packet, &control, at, world);
        }
    }

    /// The first datagram of the tuple is an ACK.
    ///
    /// MS-H-01: a breach in a supervised capture; else the handshake may have gone before.
    pub(super) fn begin_with_ack(&mut self, at: &Moment, world: &mut World<'_>) {
        let mut bench = self.bench(world);
        let evidence = || Evidence::at(at, "a SYN first", "an ACK").field("ProtocolFlag", 0, 2);
        if bench.settings.supervised {
            bench.breach(Rule::H01, Role::Initiator, evidence);
        } else {
            let why = "the capture may have begun later";
            bench.doubt(Rule::H01, Role::Initiator, why, evidence);
        }
    }

    /// The session that media opened began with a connection-id, if `candidate` has one.
    ///
    /// MS-L-01, any vantage: the tuple's first datagram is the initiator's and not the START token,
    /// and a connection-id and media answer it. If the initiator is not seen to speak at all, it is
    /// a doubt: the capture may have begun later, or show one direction only.
    pub(super) fn begin_with_media(&mut self, candidate: &Candidate, world: &mut World<'_>) {
        let is_asked = candidate.first_from == self.parties.initiator;
        let mut bench = self.bench(world);
        if candidate.name.is_none() || bench.speaks(Spoken::Legacy) == Some(false) {
            return;
        }
        let first = candidate.first;
        if is_asked {
            // MS-L-01
            bench.breach(Rule::L01, Role::Initiator, || {
                Evidence::at(&first, "the START token first", "another datagram")
            });
        } else {
            let why = "the capture may have begun later";
            bench.doubt(Rule::L01, Role::Initiator, why, || {
                Evidence::at(&first, "the START token first", "a connection-id first")
            });
        }
    }

    /// The next datagram of the tuple.
    pub(super) fn see(&mut self, packet: &Packet<'_>, at: &Moment, world: &mut World<'_>) {
        self.last = *at;
        let from = if packet.source == self.parties.initiator {
            Role::Initiator
        } else {
            Role::Responder
        };
        let seen = self.common(packet, from, at, world);
        let is_upload = self.session.is_upload;
        let mut bench = self.bench(world);
        match (seen, from) {
            (View::Start, Role::Initiator) => self.start(at, world),
            (View::Join, Role::Initiator) => self.join(at, world),
            (View::Start3(kind, view), _) => {
                self.start3(kind, &view, packet, from, at, world);
            }
            (View::Media(media), Role::Initiator) if is_upload => {
                let (session, _, mut bench) = self.split(world);
                session.upload(&media, at, &mut bench);
            }
            (View::Control(kind @ Kind::Syn, control), Role::Initiator) => {
                control::see(kind, &control, from, at, &mut bench);
                self.syn(packet, &control, at, world);
            }
            (View::Control(kind @ Kind::SynAck, control), Role::Responder) => {
                control::see(kind, &control, from, at, &mut bench);
                self.syn_ack(&control, at, world);
            }
            (View::Control(kind @ Kind::Ack, control), Role::Initiator) => {
                control::see(kind, &control, from, at, &mut bench);
                self.ack(&control, at, world);
            }
            (View::Name(Some(field)), Role::Responder) => {
                let id = ConnectionId::from_bytes(*field);
                if id.is_terminated() {
                    self.name(id, at, world);
                }
            }
            (View::Name(None), Role::Responder)
                if packet.length >= ConnectionIdFrame::MIN_LENGTH =>
            {
                let (session, _, mut bench) = self.split(world);
                session.name_cut(at, &mut bench);
            }
            (View::Media(media), Role::Responder) => {
                self.media(&media, at, world);
            }
            (View::Start | View::Control(Kind::Syn, _), Role::Responder) => {
                // Who never spoke as the initiator may be none: what came before went astray.
                if !self.initiator_spoke || self.session.stream.is_over(at, world.settings) {
                    self.turn_round(packet, at, world);
                }
            }
            // Forms that this side does not send, and what is no form: judged by scenarios.
            (
                View::Control(Kind::SynAck | Kind::Ack, _)
                | View::Name(_)
                | View::Media(_)
                | View::Join
                | View::Other,
                _,
            ) => {
                let starts = self.session.starts.as_mut();
                if let Some(starts) = starts.filter(|_| from == Role::Responder) {
                    starts.obscured();
                }
                self.unexpected(from.peer());
            }
        }
    }

    /// Whether the initiator never spoke: what came before may have gone astray.
    pub(super) const fn is_silent_initiator(&self) -> bool {
        !self.initiator_spoke
    }

    /// The SYN of this flow seems to be answered by another address. The id that it assigns counts:
    /// what is wrong is the address alone.
    pub(super) fn answered_by(&mut self, syn_ack: &Packet<'_>, at: &Moment) {
        let handshake = self.attempt.as_mut().unwrap_or(&mut self.session.handshake);
        let View::Control(_, control) = view(syn_ack) else {
            return;
        };
        if handshake.answered.is_none()
            && let Some(syn) = &mut handshake.syn
        {
            syn.answered_by.get_or_insert((syn_ack.source, at.packet));
            let id = control.connection_id().filter(|_| control.accepts());
            if let Some(id) = id.filter(|id| !id.is_empty() && id.is_terminated()) {
                handshake.offered.add(id);
            }
        }
    }

    /// The initiator of this flow sends an ACK to another address: where that one answered for this
    /// flow it is this session's ACK.
    pub(super) fn acked_elsewhere(
        &mut self,
        packet: &Packet<'_>,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        let (session, attempt, mut bench) = self.split(world);
        let handshake = attempt.as_mut().unwrap_or(&mut session.handshake);
        let answered_by = handshake.syn.as_ref().and_then(|syn| syn.answered_by);
        let is_ours = answered_by.is_some_and(|(other, _)| other == packet.destination);
        if let View::Control(_, control) = view(packet)
            && is_ours
            && handshake.answered.is_none()
        {
            ack::see(handshake, &control, None, at, &mut bench);
        }
    }

    /// Media for this flow's initiator comes from another address, under the id `id`.
    pub(super) fn streamed_by(&mut self, other: SocketAddr, id: Option<ConnectionId>, at: &Moment) {
        let handshake = &self.session.handshake;
        let is_ours = match id {
            Some(id) => handshake.offered.contains(&id),
            None => other.ip() == self.parties.responder.ip(),
        };
        if is_ours && handshake.acked.is_some() && !self.session.stream.has_begun() {
            self.session.streamed_by.get_or_insert((other, *at));
        }
    }

    /// Closes and reports the session.
    pub(super) fn close(&mut self, now: &Moment, is_restarted: bool, world: &mut World<'_>) {
        let (session, attempt, mut bench) = self.split(world);
        session.close(now, is_restarted, &mut bench);
        if let Some(attempt) = attempt.as_mut().filter(|_| !is_restarted) {
            attempt.close(now, &mut bench);
        }
        let report = self.session.report(&self.parties, &self.ledger);
        (world.say)(Observation::Session(report));
    }

    /// What every datagram of the flow is judged by; gives what it was meant to be.
    pub(super) fn common<'p>(
        &mut self,
        packet: &Packet<'p>,
        from: Role,
        at: &Moment,
        world: &mut World<'_>,
    ) -> View<'p> {
        self.session.datagrams += 1;
        self.initiator_spoke |= from == Role::Initiator;
        let handshake = self.attempt.as_ref().unwrap_or(&self.session.handshake);
        let (seen, swapped) = endian::meant(packet, view(packet), from, &handshake.offered);
        let exchange = self.session.start3.as_ref();
        let granted = exchange.and_then(|exchange| exchange.max_datagram());
        let granted = granted.filter(|_| from == Role::Responder);
        let mut bench = self.bench(world);
        Session::size(packet, granted, from, at, &mut bench);
        bench.exercised(Rule::W01);
        if let Some(field) = swapped {
            // MS-W-01
            bench.breach(Rule::W01, from, || {
                let got = format!("{} that makes sense big-endian only", field.name);
                Evidence::at(at, "little-endian integers", got).field(
                    field.name,
                    field.offset,
                    field.length,
                )
            });
        }
        seen
    }

    fn syn(
        &mut self,
        packet: &Packet<'_>,
        control: &ControlView<'_>,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        if let (_, Some(attempt), mut bench) = self.split(world)
            && let Some(syn) = &attempt.syn
            && Some(syn.id) == control.connection_id()
        {
            attempt.syn_again(packet, at, &mut bench);
            return;
        }
        let is_over = self.session.stream.is_over(at, world.settings);
        let next = self.session.next_for(packet, control, is_over, at);
        match next {
            Next::Copy => {
                let (session, _, mut bench) = self.split(world);
                session.handshake.syn_again(packet, at, &mut bench);
            }
            Next::Stray => {
                Syn::new(packet, control, at, &mut self.bench(world));
            }
            Next::Attempt => {
                let syn = Syn::new(packet, control, at, &mut self.bench(world));
                world.responders.asked(self.parties.responder, at);
                self.attempt = Some(Handshake::with(syn));
            }
            Next::Session => {
                let (session, _, mut bench) = self.split(world);
                if session.handshake.answer == Answer::Rejected {
                    ack::repeated_syn(&session.handshake, packet, at, &mut bench);
                } else if session.handshake.answered.is_none()
                    && let Some(syn) = &session.handshake.syn
                {
                    syn.replaced(at, &mut bench);
                }
                self.reopen(Mode::ThreeWay, Origin::Start, at, world);
                self.opened_by_syn(packet, control, at, world);
            }
        }
    }

    fn syn_ack(&mut self, control: &ControlView<'_>, at: &Moment, world: &mut World<'_>) {
        world.responders.answers(self.parties.responder);
        let is_known = self.session.handshake.has_offered(control);
        let is_old = is_known && !self.session.stream.is_over(at, world.settings);
        let mut may_be_copy = false;
        if let Some(mut attempt) = self.attempt.take() {
            if is_old || !control.is_valid() || !control.accepts() {
                let (session, _, mut bench) = self.split(world);
                let handshake = if is_old {
                    &mut session.handshake
                } else {
                    &mut attempt
                };
                syn_ack::see(handshake, control, at, &mut bench);
                if is_old {
                    // It may answer the attempt's SYN too: nothing says which one it answers.
                    attempt.answered.get_or_insert(*at);
                }
                let is_other_wish = attempt.wishes_another(&self.session.handshake);
                self.attempt = (!is_old || is_other_wish).then_some(attempt);
                return;
            }
            // The session may be half-open still, though its stream is over.
            may_be_copy = is_known && self.session.handshake.acked.is_none();
            self.reopen(Mode::ThreeWay, Origin::Start, at, world);
            self.session.handshake = attempt;
            self.session.datagrams += 1;
        }
        if self.session.mode != Mode::ThreeWay {
            return;
        }
        let half_open = self.session.before.half_open;
        may_be_copy |= self.session.handshake.waiting.is_none()
            && half_open.is_some_and(|id| control.connection_id() == Some(id));
        let (session, _, mut bench) = self.split(world);
        session.handshake.lapse(at, &mut bench);
        syn_ack::see(&mut session.handshake, control, at, &mut bench);
        if let Some(waiting) = session.handshake.waiting.as_mut().filter(|_| may_be_copy) {
            waiting.is_by_timer = false;
        }
        session.id = session.id.or(session.handshake.offered.first());
    }

    fn ack(&mut self, control: &ControlView<'_>, at: &Moment, world: &mut World<'_>) {
        let is_known = self.session.handshake.has_offered(control);
        let (session, attempt, mut bench) = self.split(world);
        if let Some(attempt) = attempt.as_mut().filter(|_| !is_known) {
            ack::see(attempt, control, session.id, at, &mut bench);
        } else if session.mode == Mode::ThreeWay {
            let before = session.before.id;
            ack::see(&mut session.handshake, control, before, at, &mut bench);
            session.handshake.lapse(at, &mut bench);
        }
    }

    fn name(&mut self, id: ConnectionId, at: &Moment, world: &mut World<'_>) {
        if self.session.is_upload {
            self.session.welcomed(id, at);
            return;
        }
        self.token_was_served(true, at, world);
        let handshake = &self.session.handshake;
        if let Some(asked) = handshake.start_after
            && !at.is_past(&asked, ANSWER)
            && self.attempt.is_none()
            && !handshake.offered.contains(&id)
            && !self.session.before.ids.contains(&id)
        {
            // That START was served: the 3way session had ended, or never begun.
            self.reopen(Mode::Legacy, Origin::Start, at, world);
            self.opened_by_start(&asked, world);
        }
        let is_other = self.session.id.is_some_and(|known| known != id);
        let is_by_token = matches!(self.session.mode, Mode::Legacy | Mode::Unknown);
        if is_other && is_by_token && self.session.stream.has_begun() {
            let mode = self.session.mode;
            // A START so soon after the stream's end that it looked like a copy of the first.
            let starts = self.session.starts.as_ref();
            let starts = starts.and_then(Starts::of_the_next_session);
            self.reopen(mode, Origin::Start, at, world);
            self.session.starts = starts;
        }
        let (session, _, mut bench) = self.split(world);
        session.lapse(at, &mut bench);
        session.name(id, at, &mut bench);
        if self.attempt.is_some() {
            // It may be that of the restart, whose SYN-ACK it overtook.
            self.session.misnamed = None;
        }
    }

    fn media(&mut self, media: &Media<'_>, at: &Moment, world: &mut World<'_>) {
        if self.session.is_upload {
            return;
        }
        self.token_was_served(false, at, world);
        let restarts = self.session.mode == Mode::Unknown && media.sequence == Some(1);
        if restarts
            && self.session.stream.highest() > 1
            && self.session.stream.is_over(at, world.settings)
        {
            self.reopen(Mode::Unknown, Origin::Middle, at, world);
        }
        let (session, _, mut bench) = self.split(world);
        session.lapse(at, &mut bench);
        session.media(media, at, &mut bench);
    }

    /// The other side asks for a stream now.
    pub(super) fn turn_round(&mut self, packet: &Packet<'_>, at: &Moment, world: &mut World<'_>) {
        self.close(at, true, world);
        self.attempt = None;
        self.rival = None;
        self.ledger = Ledger::default();
        self.parties = Parties {
            initiator: packet.source,
            responder: packet.destination,
        };
        match view(packet) {
            View::Control(_, control) => {
                self.session = Session::new(Mode::ThreeWay, Origin::Start, at, Before::default());
                self.opened_by_syn(packet, &control, at, world);
            }
            View::Start3(_, view) => {
                self.session = Session::new(Mode::Start3, Origin::Start, at, Before::default());
                self.opened_by_start3(&view, at, world);
            }
            View::Start | View::Join | View::Media(_) | View::Name(_) | View::Other => {
                self.session = Session::new(Mode::Legacy, Origin::Start, at, Before::default());
                self.opened_by_start(at, world);
            }
        }
        self.session.datagrams = 1;
    }

    /// The session's first datagram is a SYN.
    pub(super) fn opened_by_syn(
        &mut self,
        packet: &Packet<'_>,
        control: &ControlView<'_>,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        world.responders.asked(self.parties.responder, at);
        let (session, _, mut bench) = self.split(world);
        bench.exercised(Rule::H01);
        if bench.modes().and_then(Modes::only) == Some(Spoken::Legacy) {
            // MS-L-01
            bench.breach(Rule::L01, Role::Initiator, || {
                Evidence::at(at, "the START token first", "a SYN").field("ProtocolFlag", 0, 2)
            });
        }
        session.handshake = Handshake::with(Syn::new(packet, control, at, &mut bench));
    }

    pub(super) fn reopen(
        &mut self,
        mode: Mode,
        origin: Origin,
        at: &Moment,
        world: &mut World<'_>,
    ) {
        self.session.datagrams = self.session.datagrams.saturating_sub(1);
        self.close(at, true, world);
        self.attempt = None;
        self.rival = None;
        let is_over = self.session.stream.is_over(at, world.settings);
        let highest = self.session.stream.highest();
        let mut ids = self.session.before.ids;
        ids.join(&self.session.handshake.offered);
        if let Some(id) = self.session.id {
            ids.add(id);
        }
        let start_ack = self.session.before.start_ack;
        let start_ack = match &self.session.start3 {
            Some(exchange) => exchange.mark(start_ack),
            None => start_ack,
        };
        let before = Before {
            id: self.session.id,
            ids,
            highest: (!is_over && highest > 0).then_some(highest),
            start_ack,
            half_open: self
                .session
                .handshake
                .half_open(self.session.before.half_open),
        };
        self.session = Session::new(mode, origin, at, before);
        self.ledger = Ledger::default();
        self.session.datagrams = 1;
    }

    pub(super) fn bench<'w>(&'w mut self, world: &'w mut World<'_>) -> Bench<'w> {
        self.split(world).2
    }

    pub(super) fn split<'w>(
        &'w mut self,
        world: &'w mut World<'_>,
    ) -> (&'w mut Session, &'w mut Option<Handshake>, Bench<'w>) {
        let sender = if self.session.is_upload {
            Role::Initiator
        } else {
            Role::Responder
        };
        let bench = Bench {
            settings: world.settings,
            parties: self.parties,
            sender,
            stream: self.session.stream.parameters(world.settings),
            responders: world.responders,
            ledger: &mut self.ledger,
            say: world.say,
        };
        (&mut self.session, &mut self.attempt, bench)
    }
}
