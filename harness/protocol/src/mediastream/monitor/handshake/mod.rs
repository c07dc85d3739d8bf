//! One exchange of request, answer and confirmation, as a capture shows it: SYN, SYN-ACK and ACK (3.2),
//! or START, START_ACK and START_CONFIRM (3.3).
//!
//! `repeated` judges what is sent again and when, `early` media before the confirmation, `three_way`,
//! `start3` and `start_ack` what stands in the frames, `ending` ERROR.

mod early;
mod ending;
mod repeated;
mod start3;
mod start_ack;
mod three_way;

use std::net::SocketAddr;

use super::pace::Start;
use super::rule::Rule;
use super::scope::Scope;
use super::time::Moment;
use super::view::{ControlView, Media};
use crate::StreamParameters;
use crate::mediastream::frame::ConnectionId;
use crate::requirement::Role;
use early::EarlyMedia;
pub(super) use early::UnconfirmedMedia;
use repeated::{RepeatedForm, Retransmissions, SENDS, print};
pub(super) use start_ack::Mark;
pub(super) use start3::Start3;
pub(super) use three_way::{Answer, Offered};

/// What is sent again in an exchange.
struct RepeatedForms {
    request: RepeatedForm,
    answer: RepeatedForm,
}

static THREE_WAY: RepeatedForms = RepeatedForms {
    request: RepeatedForm {
        name: "SYN",
        awaits: "SYN-ACK",
        rule: Rule::H03,
    },
    answer: RepeatedForm {
        name: "SYN-ACK",
        awaits: "ACK",
        rule: Rule::H18,
    },
};

static START3: RepeatedForms = RepeatedForms {
    request: RepeatedForm {
        name: "START",
        awaits: "START_ACK",
        rule: Rule::S08,
    },
    answer: RepeatedForm {
        name: "START_ACK",
        awaits: "START_CONFIRM",
        rule: Rule::S13,
    },
};

/// The exchange that opens one session; in `legacy` there is nothing in it.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    /// The request and its copies; `None` if the capture does not show it.
    pub(super) request: Option<Retransmissions>,
    /// What tells the request from others.
    print: u64,
    /// Requests, copies included, less answers that may answer one.
    unanswered: u32,
    /// When the first answer came, of any kind in 3.2.
    pub(super) answered: Option<Moment>,
    /// The first answer that wants a confirmation, and its copies.
    pub(super) waiting: Option<Retransmissions>,
    /// When the matching confirmation came.
    pub(super) confirmed: Option<Moment>,
    /// It came when the responder may have dropped the session, or ended it, and no media since shows that it
    /// had not.
    is_confirm_late: bool,
    /// It was the START token.
    is_by_start: bool,
    /// The connection-id that came after it, if its session may have been dropped before.
    pub(super) named_since: Option<ConnectionId>,
    /// What answered may be a copy of the answer of the session before, whose stream is over: a
    /// confirmation may be that one's, and start nothing.
    pub(super) may_be_over: bool,
    pub(super) early: EarlyMedia,
    /// The last START token that may open the next session, or be nothing (MS-L-04): what follows tells.
    pub(super) token: Option<Moment>,

    /// The id that SYN wishes.
    wish: Option<ConnectionId>,
    is_syn_valid: bool,
    pub(super) answer: Answer,
    pub(super) offered: Offered,
    /// Whether any ACK came, matching or not.
    has_ack: bool,
    /// The initiator turned to the START token.
    pub(super) fell_back: bool,
    /// Where a SYN-ACK came from instead of the address that was asked, and its packet.
    answered_by: Option<(SocketAddr, u64)>,
    /// That it was another address was told.
    is_misplaced: bool,

    /// What an exchange of 3.3 has besides.
    pub(super) start3: Option<Box<Start3>>,
}

impl Handshake {
    /// One that begins with this request.
    fn asked(forms: &'static RepeatedForms, view: &ControlView<'_>, scope: &Scope<'_>) -> Self {
        Self {
            request: Some(Retransmissions::new(&forms.request, &scope.now)),
            print: print(view.bytes),
            unanswered: 1,
            ..Self::default()
        }
    }

    /// Whether the request is there and `view` is a copy of it, byte for byte.
    pub(super) fn is_same(&self, view: &ControlView<'_>) -> bool {
        self.request.is_some() && self.print == print(view.bytes)
    }

    /// The request came again.
    pub(super) fn again(&mut self, view: &ControlView<'_>, scope: &mut Scope<'_>) {
        let (is_unanswered, is_same) = (self.is_unanswered(), self.is_same(view));
        if let Some(request) = &mut self.request {
            self.unanswered += 1;
            if is_unanswered {
                request.again(is_same, scope);
            } else {
                request.count(&scope.now);
            }
        }
        self.provoked(Role::Responder);
    }

    /// Another request came: a breach if nothing answered this one and its copy was due just then.
    pub(super) fn replaced(&self, scope: &mut Scope<'_>) {
        if let Some(request) = self.request.as_ref().filter(|_| self.is_unanswered())
            && request.sends < SENDS
            && request.is_due(scope)
        {
            request.changed(scope);
        }
    }

    /// What `attempt` asks was asked of this one.
    pub(super) const fn was_asked_by(&mut self, attempt: &Self) {
        self.unanswered += attempt.unanswered;
    }

    /// The START token of a tuple that streams already: no ACK is needed any more (MS-L-04).
    pub(super) const fn confirmed_by_start(&mut self, now: Moment) {
        self.confirmed = Some(now);
        self.is_by_start = true;
        self.early.may_be_confirmed();
    }

    /// What went out before a confirmation that surely came in time. Who forges a SYN can forge START, so that
    /// this may count on.
    pub(super) fn unconfirmed(&self) -> Option<UnconfirmedMedia> {
        let is_unsure = self.confirmed.is_none() || self.is_confirm_late || self.is_by_start;
        self.early.spent().filter(|_| is_unsure)
    }

    /// Whether it may have been dropped half-open.
    pub(super) fn may_be_dropped(&self, scope: &Scope<'_>) -> bool {
        let waiting = self.waiting.as_ref().filter(|_| self.confirmed.is_none());
        // How long the one before had waited is not known here.
        waiting.is_some_and(|waiting| self.may_be_over || waiting.may_be_dropped(scope))
    }

    /// Whether it was dropped half-open, long enough ago to be sure.
    pub(super) fn is_dropped(&self, scope: &Scope<'_>) -> bool {
        let waiting = self.waiting.as_ref().filter(|_| self.confirmed.is_none());
        waiting.is_some_and(|waiting| waiting.is_dropped(scope))
    }

    /// The START token that confirmed it, if the session may have been dropped before: the token opened the next one
    /// then.
    pub(super) fn doubtful_token(&self) -> Option<Moment> {
        let confirmed = self.confirmed.filter(|_| self.is_by_start)?;
        self.token.filter(|token| token.packet == confirmed.packet)
    }

    /// Whether nothing answered the request yet.
    pub(super) fn is_unanswered(&self) -> bool {
        let streams = self.start3.is_some() && (self.confirmed.is_some() || self.early.was_used());
        self.answered.is_none() && !streams && !self.is_ended()
    }

    /// Whether the request is given up for lack of an answer.
    pub(super) fn is_given_up(&self, now: &Moment) -> bool {
        let request = self.request.as_ref().filter(|_| self.is_unanswered());
        request.is_some_and(|request| request.is_exhausted(now))
    }

    /// Whether the responder still has no matching confirmation, in a handshake that the capture shows.
    pub(super) const fn is_early(&self) -> bool {
        self.request.is_some() && self.confirmed.is_none()
    }

    /// Whether an ERROR ended the session.
    pub(super) fn is_ended(&self) -> bool {
        let start3 = self.start3.as_ref();
        start3.is_some_and(|start3| start3.ending.is_ended())
    }

    /// A datagram went to `party` which it may answer by an ERROR.
    pub(super) fn provoked(&mut self, party: Role) {
        if let Some(start3) = &mut self.start3 {
            start3.ending.provoked(party);
        }
    }

    /// A connection-id of the responder before the ACK; `earlier` is the id of the session before on the
    /// tuple.
    pub(super) fn name(
        &mut self,
        id: ConnectionId,
        earlier: Option<ConnectionId>,
        scope: &mut Scope<'_>,
    ) {
        self.early.name(id, &self.offered, earlier, scope);
    }

    /// Media of the responder; whether it belongs to the session's stream, which `has_begun` before.
    pub(super) fn media(
        &mut self,
        media: &Media<'_>,
        has_begun: bool,
        scope: &mut Scope<'_>,
    ) -> bool {
        if self.is_after_the_end("media", scope) || self.is_rejected("media", scope) {
            return false;
        }
        self.answered_elsewhere(scope);
        if self.is_early() {
            self.provoked(Role::Initiator);
            let unlicensed = self.unlicensed(scope);
            // MS-L-04: the START token finds the stream begun, which needs no START_CONFIRM any more.
            let is_by_token = self.start3.is_some() && self.token.is_some();
            if is_by_token
                && unlicensed.is_none()
                && scope.option("allow_legacy_start") != Some(false)
            {
                return true;
            }
            let is_answered = self.waiting.is_some() || self.offered.first().is_some();
            self.early.media(media, unlicensed, is_answered, scope);
            // An ACK whose SYN-ACK the capture lacks may be the matching one.
            let may_match = self.has_ack && self.answer == Answer::None;
            if !may_match && (unlicensed.is_none() || self.start3.is_none()) {
                self.early.amount(scope);
            }
            return true;
        }
        self.is_confirm_late &= self.confirmed.is_none();
        let (rule, is_exercised) = match &self.start3 {
            Some(_) => (Rule::S04, self.request.is_some()),
            None => (Rule::H15, !has_begun),
        };
        if self.confirmed.is_some() {
            self.token = self.token.filter(|_| self.start3.is_none());
            if is_exercised {
                scope.exercised(rule);
            }
        }
        true
    }

    /// Whether this media is the first after the confirmation, and a budget held it back until then.
    pub(super) fn goes_on(&mut self, stream: Option<StreamParameters>) -> bool {
        self.confirmed.is_some() && self.early.goes_on(stream)
    }

    /// Whether the confirmation may have started nothing.
    pub(super) const fn may_start_nothing(&self) -> bool {
        self.is_confirm_late
    }

    /// When the stream started, if media did not go out before the confirmation nor was allowed to. A
    /// START_CONFIRM without its START may be a copy, sent while the stream runs (MS-S-12), and a
    /// confirmation that comes when the responder may have dropped the session may start nothing.
    pub(super) fn start(&self) -> Option<Start> {
        let may_be_copy = self.start3.is_some() && self.request.is_none();
        let is_free = self.early.was_used() || self.early.is_named() || self.begins_immediately();
        let is_known = !may_be_copy && !is_free && !self.is_confirm_late;
        self.confirmed
            .filter(|_| is_known)
            .map(|at| Start { at, asked: at })
    }

    /// Whether the stream may rightly stop before its last frame: an ERROR, or for lack of a confirmation.
    pub(super) fn may_stop(&self) -> bool {
        self.is_ended()
            || (self.request.is_some() && (self.confirmed.is_none() || self.is_confirm_late))
    }

    pub(super) fn lapse(&mut self, scope: &mut Scope<'_>) {
        if self.is_ended() {
            return;
        }
        let has_token = self.start3.is_some() && self.token.is_some();
        let is_unanswered = self.is_unanswered() && !self.has_ack && !has_token;
        if let Some(request) = self.request.as_ref().filter(|_| is_unanswered) {
            request.lapse(scope);
        }
        let is_waiting = self.is_early() && !has_token;
        if let Some(waiting) = self.waiting.as_ref().filter(|_| is_waiting)
            && !scope.is_flooded(&waiting.last)
        {
            waiting.lapse(scope);
            if self.start3.is_some() {
                start_ack::lapse(waiting, scope);
            }
        }
        self.early.lapse(scope);
    }

    /// The exchange is over, or the capture is.
    pub(super) fn close(&mut self, scope: &mut Scope<'_>) {
        self.lapse(scope);
        if self.start3.is_none() {
            self.close_three_way(scope);
        }
        self.early.close(scope);
    }

    const fn forms(&self) -> &'static RepeatedForms {
        match self.start3 {
            Some(_) => &START3,
            None => &THREE_WAY,
        }
    }

    /// The rule that media breaks now, if it breaks one.
    fn unlicensed(&self, scope: &mut Scope<'_>) -> Option<Rule> {
        if self.start3.is_some() {
            return (!self.begins_immediately()).then_some(Rule::S04);
        }
        let unlicensed = self.early.unlicensed(scope);
        if unlicensed.is_none() {
            scope.exercised(Rule::H16);
        }
        unlicensed
    }

    /// Whether an answer may be that to a request which none answered; it is so once.
    const fn takes_answer(&mut self) -> bool {
        let is_answer = self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        is_answer
    }

    /// An answer that wants a confirmation came, to a request if it `is_answer`.
    fn wait(&mut self, is_answer: bool, scope: &mut Scope<'_>) {
        let is_judged = self.request.is_some() && !is_answer;
        match &mut self.waiting {
            None => {
                let mut answer = Retransmissions::new(&self.forms().answer, &scope.now);
                // Its sender may count from when it took the request.
                if let Some(request) = &self.request {
                    answer.due = request.last;
                }
                self.waiting = Some(answer);
            }
            Some(waiting) if is_judged => waiting.again(true, scope),
            // MS-H-18, MS-S-13: what answers a copy of the request changes no timer, unless it is the
            // repetition that was due just then.
            Some(waiting) if is_answer && !waiting.is_due(scope) => {}
            Some(waiting) => {
                waiting.is_by_timer &= !is_answer;
                waiting.count(&scope.now);
            }
        }
    }

    /// The answer that just came may be the first of a session under the same id, for the one before may
    /// have been dropped: its timers may have begun anew.
    pub(super) fn waits_anew(&mut self, scope: &Scope<'_>) {
        let mut answer = Retransmissions::new(&self.forms().answer, &scope.now);
        answer.is_by_timer = false;
        self.waiting = Some(answer);
    }

    /// The first matching confirmation came.
    fn confirm(&mut self, scope: &mut Scope<'_>) {
        self.is_confirm_late = self.may_be_dropped(scope);
        if self.is_confirm_late {
            self.early.may_be_confirmed();
        }
        self.confirmed = Some(scope.now);
        self.early.confirmed(scope);
    }
}
