//! What a frame of a handshake is to a tuple with a session: its own, or that of the next one.

use super::flow::Flow;
use super::handshake::{Answer, Handshake};
use super::order::Origin;
use super::rule::Rule;
use super::scope::{Context, Evidence, Scope};
use super::session::Session;
use super::starts::StartTokens;
use super::time::{CROSSING, Moment};
use super::view::{ControlView, PROTOCOL_FLAG, View, view};
use crate::mediastream::Mode;
use crate::mediastream::frame::flag;
use crate::monitor::Datagram;
use crate::requirement::Role;

/// What a request on a tuple with a session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A copy of the session's request.
    Copy,
    /// Nothing that a responder acts upon.
    Stray,
    /// The wish for another session while this one lives: it opens it once it is granted.
    Attempt,
    /// The first datagram of a new session.
    Session,
}

impl Flow {
    /// The session's first datagram is a SYN or START.
    pub(super) fn opened_by_request(&mut self, view: &ControlView<'_>, context: &mut Context<'_>) {
        let (responder, now) = (self.parties.responder, &context.now);
        context.responders.asked(responder, now, context.settings);
        let (session, mut scope) = self.parts(context);
        let handshake = if view.is_start3() {
            Handshake::with_start(view, &mut scope)
        } else {
            scope.exercised(Rule::H01);
            if scope.speaks_only(Mode::Legacy) {
                // MS-L-01
                scope.breach(Rule::L01, || {
                    Evidence::new("the START token first", "a SYN").field(PROTOCOL_FLAG)
                });
            }
            Handshake::with_syn(view, &mut scope)
        };
        session.handle_handshake(handshake, scope.settings);
    }

    /// A frame of a handshake.
    pub(super) fn control(
        &mut self,
        view: &ControlView<'_>,
        packet: &Datagram<'_>,
        context: &mut Context<'_>,
    ) {
        let from = self.from(context);
        match (view.flag(), from) {
            (flag::SYN, Role::Initiator) => self.syn(view, context),
            (flag::SYN_ACK, Role::Responder) => self.syn_ack(view, context),
            (flag::ACK, Role::Initiator) => self.ack(view, context),
            (flag::START, Role::Initiator) => self.start(view, context),
            (flag::START_ACK, Role::Responder) => self.start_ack(view, context),
            (flag::START_CONFIRM, Role::Initiator) => self.start_confirm(view, context),
            (flag::ERROR, _) => {
                let (session, mut scope) = self.parts(context);
                if session.handshake.start3.is_some() {
                    session.handshake.lapse(&mut scope);
                    session.handshake.error(view, &mut scope);
                }
            }
            (flag::SYN | flag::START, Role::Responder) => self.asked_by_responder(packet, context),
            _ => self.unexpected(from),
        }
    }

    /// The SYN of this flow seems to be answered by another address.
    pub(super) fn answered_by(&mut self, syn_ack: &Datagram<'_>, now: &Moment) {
        if let View::Control(view) = view(syn_ack) {
            let handshake = self.session.asking();
            handshake.answered_by(syn_ack.source, &view, now);
        }
    }

    /// The initiator of this flow sends an ACK to another address: where that one answered for this
    /// flow it is this session's ACK.
    pub(super) fn acked_elsewhere(&mut self, packet: &Datagram<'_>, context: &mut Context<'_>) {
        let (session, mut scope) = self.parts(context);
        let handshake = session.asking();
        if let View::Control(view) = view(packet)
            && handshake.is_answered_by(packet.destination)
        {
            handshake.ack(&view, None, &mut scope);
        }
    }

    fn syn(&mut self, view: &ControlView<'_>, context: &mut Context<'_>) {
        let is_over = self.is_over(context);
        let (session, mut scope) = self.parts(context);
        if let Some(attempt) = session
            .attempt
            .as_mut()
            .filter(|attempt| attempt.wishes(view))
        {
            attempt.again(view, &mut scope);
            return;
        }
        match session.next_of_syn(view, is_over, &scope) {
            Next::Copy => session.handshake.again(view, &mut scope),
            Next::Stray => {
                Handshake::with_syn(view, &mut scope);
            }
            Next::Attempt => {
                session.attempt = Some(Box::new(Handshake::with_syn(view, &mut scope)));
                let (responder, now) = (self.parties.responder, &context.now);
                context.responders.asked(responder, now, context.settings);
            }
            Next::Session => {
                session.handshake.asked_again(view, &mut scope);
                // MS-X-02: a START token that waits for a slot is served later. MS-H-20: unless it was dropped.
                let is_off = scope.option("allow_legacy_start") == Some(false);
                let is_dropped = is_off && scope.speaks_only(Mode::ThreeWay);
                let starts = session.starts.as_ref().filter(|_| !is_dropped);
                let earlier = session.handshake.token;
                let earlier = earlier.filter(|_| session.handshake.answered.is_none());
                let waiting = starts.and_then(StartTokens::waiting).or(earlier);
                self.reopen(Some(Mode::ThreeWay), Origin::Start, context);
                self.opened_by_request(view, context);
                self.session.handshake.token = waiting;
            }
        }
    }

    fn syn_ack(&mut self, view: &ControlView<'_>, context: &mut Context<'_>) {
        context.responders.answers(self.parties.responder);
        let (is_silent, is_complete) = (self.is_over(context), self.is_complete(context));
        let (session, mut scope) = self.parts(context);
        let is_known = session.handshake.has_offered(view);
        let is_held = session.is_held(is_complete, &scope);
        let mut may_be_copy = false;
        if let Some(mut attempt) = session.attempt.take() {
            if is_known && (!is_silent || is_held) {
                let is_other_wish = attempt.wishes_another(&session.handshake);
                // A half-open session may give its own answer to another wish.
                let is_half_open = session.handshake.is_early() && attempt.answered.is_none();
                if !is_other_wish || is_half_open {
                    session.handshake.was_asked_by(&attempt);
                }
                let may_be_new = !is_other_wish && session.handshake.may_be_dropped(&scope);
                session.handshake.syn_ack(view, &mut scope);
                if may_be_new {
                    session.handshake.waits_anew(&scope);
                }
                // It may answer the attempt's SYN too: nothing says which one it answers.
                attempt.answered.get_or_insert(scope.now);
                session.attempt = is_other_wish.then_some(attempt);
                return;
            }
            if !view.is_valid() || !view.accepts() {
                attempt.syn_ack(view, &mut scope);
                session.attempt = Some(attempt);
                return;
            }
            // The session may be half-open still, though its stream is over.
            may_be_copy = is_known && session.handshake.confirmed.is_none();
            self.reopen(Some(Mode::ThreeWay), Origin::Start, context);
            self.session.handle_handshake(*attempt, context.settings);
            self.session.datagrams += 1;
        }
        let (session, mut scope) = self.parts(context);
        if session.mode != Some(Mode::ThreeWay) {
            return;
        }
        let is_known = session.handshake.has_offered(view);
        let id_before = session.before.half_open;
        if session.handshake.waiting.is_some() && !is_known && view.connection_id() == id_before {
            // Both sessions wait for their ACKs side by side: each repeats its own (MS-D-10, MS-H-18).
            return;
        }
        let half_open = id_before.filter(|_| session.handshake.waiting.is_none());
        may_be_copy |= half_open.is_some() && view.connection_id() == half_open;
        may_be_copy |= session.before.was_reversed && session.handshake.waiting.is_none();
        session.handshake.lapse(&mut scope);
        session.handshake.syn_ack(view, &mut scope);
        if let Some(waiting) = session.handshake.waiting.as_mut().filter(|_| may_be_copy) {
            waiting.is_by_timer = false;
            session.handshake.may_be_over = true;
        }
        session.id = session.id.or(session.handshake.offered.first());
    }

    fn ack(&mut self, view: &ControlView<'_>, context: &mut Context<'_>) {
        let (session, mut scope) = self.parts(context);
        let is_known = session.handshake.has_offered(view);
        if let Some(attempt) = session.attempt.as_mut().filter(|_| !is_known) {
            attempt.ack(view, session.id, &mut scope);
        } else if session.mode == Some(Mode::ThreeWay) {
            session.handshake.ack(view, session.before.id, &mut scope);
            session.handshake.lapse(&mut scope);
        }
    }

    fn start(&mut self, view: &ControlView<'_>, context: &mut Context<'_>) {
        let (is_silent, is_complete) = (self.is_over(context), self.is_complete(context));
        let (session, mut scope) = self.parts(context);
        if view.key().is_none() {
            return;
        }
        let is_over = is_silent && !session.is_held(is_complete, &scope);
        let is_own = session.handshake.key() == view.key();
        if session.handshake.start3.is_some() {
            session.handshake.lapse(&mut scope);
        }
        if is_own {
            session.handshake.is_after_the_end("START", &mut scope);
        } else if session.handshake.start3.is_some() {
            session.handshake.replaced(&mut scope);
            session.handshake.provoked(Role::Responder);
        }
        match session.next_of_start(view, is_over, &scope) {
            Next::Copy => session.handshake.again(view, &mut scope),
            Next::Session => {
                self.reopen(Some(Mode::Start3), Origin::Start, context);
                self.opened_by_request(view, context);
            }
            Next::Attempt | Next::Stray => {
                let rival = session.rival.as_ref();
                if rival.is_none_or(|rival| rival.key() != view.key()) {
                    session.rival = Some(Box::new(Handshake::with_start(view, &mut scope)));
                }
            }
        }
    }

    fn start_ack(&mut self, view: &ControlView<'_>, context: &mut Context<'_>) {
        let is_complete = self.is_complete(context);
        let session = &mut self.session;
        let rival = session.rival.take_if(|rival| rival.key() == view.key());
        let next = match rival {
            Some(rival) => Some((rival.request.as_ref().map(|start| start.first), *rival)),
            // The START came after the last frame, and opens a session under the same numbers.
            None => session
                .handshake
                .anew(view)
                .filter(|_| is_complete)
                .map(|next| (None, next)),
        };
        if let Some((asked, next)) = next {
            let at = asked.unwrap_or(context.now);
            self.reopen(Some(Mode::Start3), Origin::Start, &mut context.at(at));
            self.session.handle_handshake(next, context.settings);
        } else if session.handshake.start3.is_none() {
            if session.stream.has_begun() || session.mode != Some(Mode::Start3) {
                return;
            }
            session.handle_handshake(Handshake::without_start(view), context.settings);
        }
        let is_complete = self.is_complete(context);
        let (session, mut scope) = self.parts(context);
        session.handshake.lapse(&mut scope);
        if let Some(start3) = &mut session.handshake.start3 {
            start3.is_complete = is_complete;
        }
        session
            .handshake
            .start_ack(view, session.before.start_ack, &mut scope);
        session
            .stream
            .agree(session.handshake.agreed(scope.settings.stream));
    }

    fn start_confirm(&mut self, view: &ControlView<'_>, context: &mut Context<'_>) {
        let (session, mut scope) = self.parts(context);
        if session.mode != Some(Mode::Start3) {
            return;
        }
        if session.handshake.start3.is_none() {
            session.handle_handshake(Handshake::without_start(view), scope.settings);
        }
        session.handshake.lapse(&mut scope);
        session.handshake.start_confirm(view, &mut scope);
    }
}

impl Session {
    /// Whether its stream, if it is silent and not complete, waits for its ACK: it is not over (MS-H-22).
    pub(super) fn is_held(&self, is_complete: bool, scope: &Scope<'_>) -> bool {
        self.may_be_held(is_complete, scope) && !self.handshake.may_be_dropped(scope)
    }

    /// The same, or its responder has just dropped it.
    pub(super) fn may_be_held(&self, is_complete: bool, scope: &Scope<'_>) -> bool {
        let handshake = &self.handshake;
        let is_early = self.mode == Some(Mode::ThreeWay) && handshake.is_early();
        is_early && !is_complete && !handshake.is_dropped(scope)
    }

    /// What a SYN is that comes now; `is_over` if the session's stream has ended.
    fn next_of_syn(&self, view: &ControlView<'_>, is_over: bool, scope: &Scope<'_>) -> Next {
        let (handshake, now) = (&self.handshake, &scope.now);
        let is_three_way = self.mode == Some(Mode::ThreeWay);
        let is_same = handshake.wishes(view);
        if is_three_way && !is_same && !view.is_valid() && !view.is_cut {
            return Next::Stray;
        }
        if !is_three_way || handshake.request.is_none() {
            // A START token or START that was answered is a session before its first media too, and a
            // responder of start3 alone drops the SYN.
            let asks = handshake.start3.is_some() && !handshake.is_ended();
            let lives = self.stream.has_begun() || self.is_named() || asks;
            return if lives && !is_over {
                Next::Attempt
            } else {
                Next::Session
            };
        }
        let is_exhausted = handshake
            .request
            .as_ref()
            .is_some_and(|syn| syn.is_exhausted(now));
        match handshake.answer {
            Answer::Rejected => {
                let answered = handshake.answered.as_ref();
                let crossed = answered.is_some_and(|answered| !now.is_past(answered, CROSSING));
                match crossed && handshake.is_same(view) {
                    true => Next::Copy,
                    false => Next::Session,
                }
            }
            Answer::None if is_same && !is_exhausted => Next::Copy,
            Answer::None => Next::Session,
            // Once it streams confirmed, may have been dropped half-open, or was confirmed and may be over, the
            // answer tells: the same id, or that of the next session (MS-H-08).
            Answer::Accepted => {
                let is_confirmed = handshake.confirmed.is_some()
                    && (self.stream.has_begun() || handshake.may_start_nothing());
                match is_same && !is_over && !is_confirmed && !handshake.may_be_dropped(scope) {
                    true => Next::Copy,
                    false => Next::Attempt,
                }
            }
        }
    }

    /// What a START is that comes now; `is_over` if the session's stream has ended. One of another
    /// StreamId or Nonce on a tuple whose session lives most likely changes nothing (MS-S-11, MS-S-17).
    fn next_of_start(&self, view: &ControlView<'_>, is_over: bool, scope: &Scope<'_>) -> Next {
        let (handshake, has_begun) = (&self.handshake, self.stream.has_begun());
        let is_own = handshake.key() == view.key();
        let is_new = if handshake.start3.is_some() {
            // What came before it without its START was none of its session's.
            let is_first = is_own && handshake.request.is_none() && !has_begun;
            // A stream that falls silent does not answer START: its copies go on.
            let has_answer = handshake.answered.is_some() || handshake.confirmed.is_some();
            let is_waiting = handshake.waiting.is_some() && handshake.is_early();
            let is_half_open = is_waiting && !handshake.may_be_dropped(scope);
            let is_repeated = handshake.is_same(view) && (!has_answer || is_half_open);
            let is_left = handshake.is_ended() || handshake.is_given_up(&scope.now);
            is_first || is_left || (is_over && !is_repeated)
        } else {
            is_over || !(has_begun || self.is_named() || handshake.answer == Answer::Accepted)
        };
        match (is_new, is_own) {
            (true, _) => Next::Session,
            (false, true) => Next::Copy,
            (false, false) => Next::Attempt,
        }
    }
}
