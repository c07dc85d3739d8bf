//! The handshake of 3.3, as a capture shows it.
//!
//! `asked` judges START (MS-S-01, MS-S-08, MS-S-10), `granted` START_ACK and what it waits for
//! (MS-S-02, MS-S-13), `early` media before START_CONFIRM (MS-S-04), `ending` ERROR (MS-S-15,
//! MS-S-16); MS-S-03 stands here. `flow` says which session a frame belongs to.

mod asked;
mod control;
mod early;
mod ending;
mod flow;
mod granted;
mod parameters;
mod view;

use super::ledger::{Bench, Evidence};
use super::pace::Start;
use super::rule::Rule;
use super::stream::Agreed;
use super::syn_ack::Waiting;
use super::time::Moment;
use super::view::Media;
use crate::StreamParameters;
use crate::mediastream::frame::{ErrorCode, Start3};
use crate::requirement::Role;
pub(super) use asked::Asked;
pub(super) use control::see as control;
use early::Early;
use ending::Ending;
pub(super) use flow::Rival;
use granted::Granted;
pub(super) use granted::Mark;
pub(super) use view::{Key, Kind, View};

/// The exchange that opens one session of mode start3.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) key: Key,
    /// START and its copies; `None` if the capture does not show it.
    pub(super) asked: Option<Asked>,
    granted: Option<Granted>,
    waiting: Option<Waiting>,
    /// When the matching START_CONFIRM came.
    pub(super) confirmed: Option<Moment>,
    /// SenderNonce of that START_CONFIRM.
    confirmed_nonce: Option<u64>,
    /// The last frame of its stream was seen.
    is_complete: bool,
    /// START_CONFIRM came when the responder may have dropped the session, and no media since shows
    /// that it had not.
    is_confirm_late: bool,
    /// Its START_ACK is that of a session before, and may tell nothing of a new one (MS-S-11): whether
    /// the responder's timers run, and since when, is not known, nor how long it keeps the session.
    goes_on: bool,
    early: Early,
    ending: Ending,
    /// The last START token that came while nothing showed that the session streams: a responder with
    /// compatibility may serve it.
    pub(super) token: Option<Moment>,
}

impl Exchange {
    /// An exchange of which START or another frame is the first that the capture shows.
    pub(super) fn new(key: Key, asked: Option<Asked>) -> Self {
        let mut ending = Ending::default();
        if asked.is_some() {
            ending.provoked(Role::Responder);
        }
        Self {
            key,
            asked,
            granted: None,
            waiting: None,
            confirmed: None,
            confirmed_nonce: None,
            is_complete: false,
            is_confirm_late: false,
            goes_on: false,
            early: Early::default(),
            ending,
            token: None,
        }
    }

    /// Whether the responder granted it, as far as the capture shows.
    pub(super) const fn is_granted(&self) -> bool {
        self.granted.is_some()
    }

    /// Its START_ACK, if the responder may keep the session when the next one begins; else that of
    /// the session `before` it.
    pub(super) fn mark(&self, before: Option<Mark>) -> Option<Mark> {
        match &self.granted {
            Some(_) if self.is_ended() => None,
            Some(granted) => Some(granted.mark(self.key)),
            None => before,
        }
    }

    /// Whether an ERROR ended it.
    pub(super) const fn is_ended(&self) -> bool {
        self.ending.is_ended()
    }

    /// Whether the initiator gave it up for lack of an answer.
    pub(super) fn is_given_up(&self, at: &Moment) -> bool {
        let asked = self.asked.as_ref();
        self.is_unanswered() && asked.is_some_and(|asked| asked.is_exhausted(at))
    }

    /// Whether the connection-id (if `is_name`) or media that comes now answers a START token rather
    /// than START. After the last frame (`is_complete`) a connection-id does, whatever was allowed.
    pub(super) fn serves_token(&self, is_name: bool, is_complete: bool) -> bool {
        let granted = self.granted.as_ref();
        let streams = self.is_confirmed() || (self.confirmed.is_some() && !is_name);
        let may_stream = granted.is_some_and(Granted::begins_immediately);
        !streams && (!may_stream || (is_name && is_complete))
    }

    /// Whether START_CONFIRM completed it: one whose START and START_ACK the capture does not show may
    /// be of no session at all (MS-S-17).
    pub(super) const fn is_confirmed(&self) -> bool {
        self.confirmed.is_some() && (self.asked.is_some() || self.granted.is_some())
    }

    /// Judges a datagram that comes after an ERROR ended the session.
    pub(super) fn after_end(
        &self,
        from: Role,
        form: &'static str,
        at: &Moment,
        bench: &mut Bench<'_>,
    ) {
        self.ending.is_after(from, form, at, bench);
    }

    /// START came again.
    pub(super) fn start_again(&mut self, view: &View<'_>, at: &Moment, bench: &mut Bench<'_>) {
        let is_unanswered = self.is_unanswered();
        if let Some(asked) = &mut self.asked {
            asked.again(view, at, is_unanswered, bench);
        }
        self.ending.provoked(Role::Responder);
    }

    /// Whether nothing answered START yet.
    pub(super) const fn is_unanswered(&self) -> bool {
        self.granted.is_none()
            && self.confirmed.is_none()
            && !self.early.was_used()
            && !self.is_ended()
    }

    /// A START_ACK that may be the session's; `before` is that of an earlier one of the tuple.
    pub(super) fn ack(
        &mut self,
        view: &View<'_>,
        before: Option<Mark>,
        at: &Moment,
        bench: &mut Bench<'_>,
    ) {
        if before.is_some_and(|before| before.is_on(view)) {
            if view.key != Some(self.key) {
                // The session before waits for its START_CONFIRM.
                self.ending.provoked(Role::Initiator);
                return;
            }
            self.goes_on |= self.granted.is_none();
        }
        self.ending.answered(Role::Responder);
        if self
            .ending
            .is_after(Role::Responder, "START_ACK", at, bench)
        {
            return;
        }
        self.ending.provoked(Role::Initiator);
        if !granted::judge(self, view, at, bench) {
            return;
        }
        if self.granted.is_none() {
            self.granted = Some(Granted::new(view));
            // A START_CONFIRM that came before was none of this START_ACK's.
            if self.confirmed_nonce.is_some() && self.confirmed_nonce != view.sender_nonce {
                self.confirmed = None;
                self.confirmed_nonce = None;
            }
        }
        if self.confirmed.is_some() {
            return;
        }
        let is_answer = self.asked.as_mut().is_some_and(Asked::take);
        match &mut self.waiting {
            None => {
                let mut waiting = Waiting::new(at, Rule::S13, "START_ACK", "START_CONFIRM");
                waiting.is_by_timer = !self.goes_on;
                self.waiting = Some(waiting);
            }
            Some(waiting) if is_answer => waiting.answered(at),
            Some(waiting) => waiting.again(at, self.asked.is_some(), bench),
        }
    }

    /// The START of the session that a START_ACK grants which is none of this one: of the same
    /// StreamId and Nonce, with another SenderNonce, and a START waits for its answer.
    fn asked_anew(&self, view: &View<'_>) -> Option<Asked> {
        let granted = self.granted.as_ref()?;
        let nonce = view.sender_nonce.filter(|_| view.is_valid())?;
        let is_other = view.key == Some(self.key) && !granted.has(nonce);
        let asked = self.asked.as_ref().filter(|asked| asked.waits())?;
        is_other.then(|| asked.clone())
    }

    /// A START_CONFIRM of the initiator.
    ///
    /// MS-S-03, any vantage: StreamId or Nonce is not that of the START, or SenderNonce not that of
    /// the START_ACK, as far as the capture shows them.
    pub(super) fn confirm(&mut self, view: &View<'_>, at: &Moment, bench: &mut Bench<'_>) {
        self.ending.answered(Role::Initiator);
        if self
            .ending
            .is_after(Role::Initiator, "START_CONFIRM", at, bench)
        {
            return;
        }
        let (Some(key), Some(nonce), true) = (view.key, view.sender_nonce, view.is_valid()) else {
            self.ending.provoked(Role::Responder);
            return;
        };
        let granted = self.granted.as_ref();
        let wrong = if key.stream_id != self.key.stream_id {
            Some(("StreamId", 30, self.key.stream_id, key.stream_id))
        } else if key.nonce != self.key.nonce {
            Some(("Nonce", 38, self.key.nonce, key.nonce))
        } else {
            granted
                .filter(|granted| !granted.has(nonce))
                .map(|granted| ("SenderNonce", 46, granted.sender_nonce(), nonce))
        };
        if granted.is_some() {
            bench.exercised(Rule::S03);
        }
        if let Some((name, offset, expected, got)) = wrong {
            self.ending.provoked(Role::Responder);
            // MS-S-03
            bench.breach(Rule::S03, Role::Initiator, || {
                let want = format!("{name} {expected:#x} in START_CONFIRM");
                Evidence::at(at, want, format!("{got:#x}")).field(name, offset, 8)
            });
            return;
        }
        if self.granted.is_some() {
            self.token = None;
        }
        if self.confirmed.is_none() {
            self.confirmed = Some(*at);
            self.confirmed_nonce = Some(nonce);
            let waiting = self.waiting.as_ref();
            self.is_confirm_late = waiting.is_some_and(|waiting| waiting.may_be_over(at, bench));
            self.early.confirmed(at, bench);
        }
    }

    /// An ERROR of either side.
    pub(super) fn error(
        &mut self,
        view: &View<'_>,
        from: Role,
        at: &Moment,
        bench: &mut Bench<'_>,
    ) {
        let is_half_open = self.confirmed.is_none() && self.granted.is_some();
        let ends = self
            .ending
            .error(self.key, is_half_open, view, from, at, bench);
        if ends
            && from == Role::Responder
            && is_half_open
            && view.error_code == Some(ErrorCode::Timeout.number())
        {
            granted::timed_out(self.waiting.as_ref(), at, bench);
        }
    }

    /// Another datagram that `to` may not expect, and may answer by an ERROR.
    pub(super) const fn unexpected(&mut self, to: Role) {
        self.ending.provoked(to);
    }

    /// Media of the responder; whether it belongs to the session's stream.
    pub(super) fn media(&mut self, media: &Media<'_>, at: &Moment, bench: &mut Bench<'_>) -> bool {
        if self.ending.is_after(Role::Responder, "media", at, bench) {
            return false;
        }
        if self.confirmed.is_some() {
            self.is_confirm_late = false;
            self.token = None;
            if self.asked.is_some() {
                bench.exercised(Rule::S04);
            }
        } else if self.asked.is_some() {
            self.ending.provoked(Role::Initiator);
            let begins = self.granted.as_ref().map(Granted::begins_immediately);
            self.early.media(media, begins, at, bench);
        }
        true
    }

    /// Whether this media is the first after START_CONFIRM, and a budget held it back until then.
    pub(super) fn goes_on(&mut self, stream: Option<StreamParameters>) -> bool {
        self.confirmed.is_some() && self.early.goes_on(stream)
    }

    /// What is streamed.
    pub(super) fn agreed(&self, own: Option<StreamParameters>) -> Agreed {
        let asked = self.asked.as_ref().and_then(Asked::parameters);
        match (&self.granted, &self.asked) {
            (Some(granted), _) => granted.parameters.agreed(asked, own),
            // The responder may have granted less.
            (None, Some(_)) => Agreed::Unknown,
            (None, None) => Agreed::Configured,
        }
    }

    /// Largest datagram that was granted, in bytes.
    pub(super) fn max_datagram(&self) -> Option<usize> {
        let most = self.granted.as_ref()?.parameters.max_datagram?;
        usize::try_from(most).ok()
    }

    /// When the stream started, if media did not go out before START_CONFIRM nor was allowed to. Without
    /// its START a START_CONFIRM may be a copy, sent while the stream runs (MS-S-12).
    pub(super) fn start(&self) -> Option<Start> {
        self.asked.as_ref()?;
        let is_free = self
            .granted
            .as_ref()
            .is_some_and(Granted::begins_immediately);
        let confirmed = self
            .confirmed
            .filter(|_| !is_free && !self.early.was_used() && !self.is_confirm_late);
        confirmed.map(|at| Start { at, asked: at })
    }

    /// Whether the stream may rightly stop before its last frame: an ERROR, or for lack of a
    /// START_CONFIRM.
    pub(super) const fn may_stop(&self) -> bool {
        self.ending.may_be_ended()
            || (self.asked.is_some() && (self.confirmed.is_none() || self.is_confirm_late))
    }

    /// Time went on to `now`.
    pub(super) fn lapse(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        if self.is_ended() {
            return;
        }
        if self.is_unanswered()
            && self.token.is_none()
            && let Some(asked) = &mut self.asked
        {
            asked.lapse(now, bench);
        }
        if let Some(waiting) = &mut self.waiting
            && self.confirmed.is_none()
            && self.asked.is_some()
            && self.token.is_none()
            && !self.ending.may_be_ended()
        {
            waiting.lapse(now, bench);
            granted::lapse(waiting, now, bench);
        }
        self.early.lapse(now, bench);
    }

    /// The session is over, or the capture is.
    pub(super) fn close(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        self.lapse(now, bench);
        self.early.close(bench);
    }

    /// Whether a START_ACK with other bytes may be that of the next session under the same key.
    fn may_be_dropped(&self, at: &Moment, bench: &Bench<'_>) -> bool {
        let waiting = self.waiting.as_ref();
        self.is_complete
            || self.goes_on
            || self.is_confirm_late
            || self.confirmed.is_none()
                && waiting.is_some_and(|waiting| waiting.may_be_over(at, bench))
    }
}

/// Whether a frame carries BEGIN_IMMEDIATELY.
fn begins_immediately(view: &View<'_>) -> bool {
    view.has(Start3::BEGIN_IMMEDIATELY)
}
