//! What stands in SYN, SYN-ACK and ACK: MS-H-02, MS-H-09 and MS-H-10 of the initiator, MS-H-05 to
//! MS-H-07 of the responder.

use std::net::SocketAddr;

use super::{Handshake, THREE_WAY};
use crate::mediastream::Mode;
use crate::mediastream::frame::ConnectionId;
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::scope::{Evidence, Scope};
use crate::mediastream::monitor::time::{ANSWER, CROSSING, Millis, Moment, Window, repetition};
use crate::mediastream::monitor::view::{ControlView, PROTOCOL_FLAG};
use crate::requirement::Role;

/// How the responder answered a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Answer {
    #[default]
    None,
    /// SYN-ACK with Accept=1.
    Accepted,
    /// SYN-ACK with Accept=0.
    Rejected,
}

impl Handshake {
    /// One that begins with this SYN.
    ///
    /// MS-H-02, any vantage: the id field of a SYN of version 1 has no NUL in its 37 bytes.
    pub(crate) fn with_syn(view: &ControlView<'_>, scope: &mut Scope<'_>) -> Self {
        let id = view.connection_id();
        if let Some(id) = id.filter(|_| view.is_ours()) {
            scope.exercised(Rule::H02);
            if !id.is_terminated() {
                // MS-H-02
                scope.breach(Rule::H02, || {
                    let want = "an id with a NUL in its 37 bytes, or 37 zero bytes";
                    let got = format!("{:?} without a NUL", id.to_string());
                    Evidence::new(want, got).field(view.field("ConnectionId"))
                });
            }
        }
        Self {
            wish: Some(id.unwrap_or(ConnectionId::EMPTY)),
            is_syn_valid: view.is_valid() && view.is_read_as_meant(),
            ..Self::asked(&THREE_WAY, view, scope)
        }
    }

    /// Whether its SYN wishes the same id.
    pub(crate) fn wishes(&self, view: &ControlView<'_>) -> bool {
        self.wish.is_some() && self.wish == view.connection_id()
    }

    /// Whether its SYN wishes another id than that of `other`: then a copy of the answer to one may be
    /// a repetition that was due (MS-H-18), and says nothing about the other (MS-H-08).
    pub(crate) fn wishes_another(&self, other: &Self) -> bool {
        self.wish.is_some() && other.wish.is_some() && self.wish != other.wish
    }

    /// Whether a SYN-ACK assigned the id that this frame carries.
    pub(crate) fn has_offered(&self, view: &ControlView<'_>) -> bool {
        let id = view.connection_id();
        id.is_some_and(|id| self.offered.contains(&id))
    }

    /// The id of the SYN-ACK that waits for its ACK, as far as the capture shows; else that of a session
    /// `before`.
    pub(crate) fn half_open(&self, before: Option<ConnectionId>) -> Option<ConnectionId> {
        if self.waiting.is_none() || self.start3.is_some() {
            return before;
        }
        self.offered.first().filter(|_| self.confirmed.is_none())
    }

    /// A SYN-ACK.
    ///
    /// MS-H-06, any vantage: Accept=1 with an empty id, or one without a NUL.
    pub(crate) fn syn_ack(&mut self, view: &ControlView<'_>, scope: &mut Scope<'_>) {
        self.answered.get_or_insert(scope.now);
        let is_answer = self.takes_answer();
        scope.exercised(Rule::H05);
        if !view.is_ours() {
            return;
        }
        if !view.accepts() {
            if view.is_valid() && self.answer == Answer::None {
                self.answer = Answer::Rejected;
            }
            return;
        }
        let Some(id) = view.connection_id() else {
            return;
        };
        scope.exercised(Rule::H06);
        if id.is_empty() || !id.is_terminated() {
            // MS-H-06
            scope.breach(Rule::H06, || {
                let got = match id.is_empty() {
                    true => "an empty id",
                    false => "no NUL in its 37 bytes",
                };
                let want = "a non-empty id with a NUL in its 37 bytes";
                Evidence::new(want, got).field(view.field("ConnectionId"))
            });
        } else if view.may_be_valid() {
            self.answer = Answer::Accepted;
            self.offered.add(id);
            if self.confirmed.is_none() {
                self.wait(is_answer, scope);
            }
        }
    }

    /// An ACK; `earlier` is the id of the session before on the same tuple.
    ///
    /// MS-H-09, any vantage: after SYN-ACK with Accept=1, an ACK with an id that none of the attempt's
    /// SYN-ACKs assigned, nor the session before. (Ids are equal if their texts are.)
    ///
    /// MS-H-10, any vantage: an ACK where all SYN-ACKs of the attempt had Accept=0, unless it is that of
    /// the session before. Also a copy of the SYN that was rejected, see [`Self::asked_again`].
    pub(crate) fn ack(
        &mut self,
        view: &ControlView<'_>,
        earlier: Option<ConnectionId>,
        scope: &mut Scope<'_>,
    ) {
        let Some(id) = view.connection_id().filter(|_| view.is_ours()) else {
            if view.is_cut {
                self.confirmed.get_or_insert(scope.now);
            }
            return;
        };
        let is_offered = self.offered.contains(&id);
        if earlier == Some(id) && !is_offered {
            return;
        }
        self.has_ack = true;
        let got = || format!("ACK with \"{id}\"");
        match self.answer {
            Answer::Rejected => {
                // MS-H-10
                scope.breach(Rule::H10, || {
                    Evidence::new("no answer to SYN-ACK with Accept=0", got()).field(PROTOCOL_FLAG)
                });
            }
            Answer::Accepted if !is_offered => {
                let assigned = self.offered.first().unwrap_or(ConnectionId::EMPTY);
                // MS-H-09
                scope.breach(Rule::H09, || {
                    let want = format!("ACK with the assigned id \"{assigned}\"");
                    Evidence::new(want, got()).field(view.field("ConnectionId"))
                });
            }
            // Without an answer the SYN-ACK came from another address (MS-H-05).
            Answer::Accepted | Answer::None => {
                let is_answered = self.answer == Answer::Accepted;
                if is_answered {
                    scope.exercised(Rule::H09);
                }
                let is_right = view.is_valid() || (view.is_cut && is_answered);
                if is_offered && is_right && self.confirmed.is_none() {
                    self.confirm(scope);
                }
            }
        }
    }

    /// A SYN that asks for another session, and nothing but its id may tell it from this one's.
    ///
    /// MS-H-10, where the initiator's doings can be seen: a copy, byte for byte and with an id, of the SYN
    /// that was rejected, when the next repetition was due and more than 50 ms after the rejection, so
    /// that it cannot have crossed. At another time, with another id or without one it asks for a new
    /// session, which it may.
    pub(crate) fn asked_again(&self, view: &ControlView<'_>, scope: &mut Scope<'_>) {
        if self.answer != Answer::Rejected {
            self.replaced(scope);
            return;
        }
        let is_due = self.request.as_ref().is_some_and(|syn| syn.is_due(scope));
        let answered = self.answered.as_ref();
        let has_crossed = answered.is_none_or(|answered| !scope.now.is_past(answered, CROSSING));
        if is_due
            && !has_crossed
            && self.is_same(view)
            && self.wish.is_some_and(|id| !id.is_empty())
        {
            // MS-H-10
            scope.breach_unless_network(Rule::H10, || {
                Evidence::new("the session to end as rejected", "the same SYN again")
            });
        }
    }

    /// Media or connection-id of the responder; whether the SYN was rejected.
    ///
    /// MS-H-07, any vantage: it was, and neither another SYN nor a START that is served, nor an earlier
    /// session of the tuple, accounts for it.
    pub(crate) fn is_rejected(&self, form: &'static str, scope: &mut Scope<'_>) -> bool {
        let is_rejected = self.answer == Answer::Rejected;
        if is_rejected && self.request.is_some() {
            // MS-H-07
            scope.breach(Rule::H07, || {
                let want = "neither media nor connection-id after SYN-ACK with Accept=0";
                Evidence::new(want, form).field(PROTOCOL_FLAG)
            });
        }
        is_rejected
    }

    /// The SYN seems to be answered from `other`. The id that is assigned there counts: what is wrong is
    /// the address alone.
    pub(crate) fn answered_by(&mut self, other: SocketAddr, view: &ControlView<'_>, now: &Moment) {
        if self.answered.is_some() || self.wish.is_none() {
            return;
        }
        self.answered_by.get_or_insert((other, now.packet));
        let id = view.connection_id().filter(|_| view.accepts());
        if let Some(id) = id.filter(|id| !id.is_empty() && id.is_terminated()) {
            self.offered.add(id);
        }
    }

    /// Whether nothing but a SYN-ACK from `other` answered.
    pub(crate) fn is_answered_by(&self, other: SocketAddr) -> bool {
        self.answered.is_none() && self.answered_by.is_some_and(|(by, _)| by == other)
    }

    /// MS-H-05, any vantage: whether the SYN-ACK came from another address than the one that was asked
    /// (and that streams). Told once.
    pub(super) fn answered_elsewhere(&mut self, scope: &mut Scope<'_>) -> bool {
        let (Some(syn), Some((other, packet)), None) =
            (&self.request, self.answered_by, self.answered)
        else {
            return false;
        };
        if !std::mem::replace(&mut self.is_misplaced, true) {
            let want = wanted(&syn.last, scope);
            let mut at = syn.last;
            at.packet = packet;
            scope.breach(Rule::H05, || {
                Evidence::new(want, format!("a SYN-ACK from {other}")).at(&at)
            });
        }
        true
    }

    /// The attempt is over.
    pub(super) fn close_three_way(&mut self, scope: &mut Scope<'_>) {
        if self.answered.is_none()
            && !self.fell_back
            && (!self.has_ack || self.answered_by.is_some())
        {
            self.close_unanswered(scope);
        }
        if self.request.is_none() {
            return;
        }
        if self.answer == Answer::Rejected {
            scope.exercised(Rule::H07);
            scope.exercised(Rule::H10);
        }
        self.close_unconfirmed(scope);
    }

    /// MS-H-05: nothing answered the SYN although it was valid and the capture went on for 2 s (with
    /// the tolerance and 50 ms) after its last copy.
    ///
    /// A SYN-ACK from another address is a breach at any vantage. Silence is one at the sender, of a
    /// responder that is known to speak 3way: it was told to, or it answered a SYN elsewhere in the
    /// capture. Of another one it is a doubt, as it is away from the sender: in legacy mode, or with
    /// nobody there, silence is right. Under a flood of sessions silence says nothing (MS-H-19).
    fn close_unanswered(&mut self, scope: &mut Scope<'_>) {
        let Some(last) = self.request.as_ref().map(|syn| syn.last) else {
            return;
        };
        let is_over = has_passed(&last, scope);
        if !self.is_syn_valid
            || scope.is_flooded(&last)
            || !is_over
            || self.answered_elsewhere(scope)
            || scope.is_without(Mode::ThreeWay)
        {
            return;
        }
        let want = wanted(&last, scope);
        let gap = scope.now.since(&last).unwrap_or_default();
        let silence = || Evidence::new(want, format!("nothing for {}", Millis(gap))).silence();
        let speaks =
            scope.settings.mode.is_some() || scope.responders.speaks_3way(scope.parties.responder);
        // MS-H-05
        if !scope.is_at(Role::Responder) {
            scope.doubt(Rule::H05, "the network may have lost either", silence);
        } else if speaks {
            scope.breach(Rule::H05, silence);
        } else {
            let why = "nothing shows that a 3way responder is there";
            scope.doubt(Rule::H05, why, silence);
        }
    }

    /// MS-H-09, where the initiator's doings can be seen: no ACK at all although a SYN-ACK with Accept=1
    /// came while the initiator still waited for it and the capture goes on for 2 s (with the tolerance
    /// and 50 ms) after the last one. Not judged of an initiator that turned to START.
    fn close_unconfirmed(&self, scope: &mut Scope<'_>) {
        let (Some(syn), Some(waiting)) = (&self.request, &self.waiting) else {
            return;
        };
        let waited_until = self.confirmed.as_ref().unwrap_or(&scope.now);
        if waited_until.is_past(&waiting.first, ANSWER) && !self.early.was_used() {
            scope.exercised(Rule::H15);
        }
        // What accepts after a rejection answers no SYN (MS-H-10).
        let was_rejected = self
            .answered
            .is_some_and(|first| first.packet < waiting.first.packet);
        if self.has_ack || self.confirmed.is_some() || self.fell_back || was_rejected {
            return;
        }
        let waits = Window::around(repetition(syn.sends), scope.settings.tolerance).earliest;
        let is_in_time = waiting
            .first
            .since(&syn.due)
            .is_some_and(|gap| gap <= waits);
        if is_in_time && has_passed(&waiting.last, scope) {
            let gap = scope.now.since(&waiting.last).unwrap_or_default();
            // MS-H-09
            scope.breach_unless_network(Rule::H09, || {
                let packet = waiting.last.packet;
                let want = format!("ACK with the id that the SYN-ACK of packet {packet} assigned");
                Evidence::new(want, format!("none for {}", Millis(gap))).silence()
            });
        }
    }
}

/// Whether an answer to what came at `last` had its time.
fn has_passed(last: &Moment, scope: &Scope<'_>) -> bool {
    let patience = Window::around(ANSWER, scope.settings.tolerance).latest;
    scope.now.is_past(last, patience)
}

fn wanted(last: &Moment, scope: &Scope<'_>) -> String {
    let (responder, packet) = (scope.parties.responder, last.packet);
    format!("a SYN-ACK from {responder}, as the SYN of packet {packet} asked")
}

/// The ids that SYN-ACKs of one attempt assigned: one by the rules, a few at most.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offered {
    ids: [Option<ConnectionId>; 3],
    is_full: bool,
}

impl Offered {
    pub(crate) fn add(&mut self, id: ConnectionId) {
        if self.contains(&id) {
            return;
        }
        match self.ids.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(id),
            None => self.is_full = true,
        }
    }

    /// Adds those of another attempt.
    pub(crate) fn join(&mut self, other: &Self) {
        for id in other.ids.into_iter().flatten() {
            self.add(id);
        }
        self.is_full |= other.is_full;
    }

    /// Whether this may be one; where there were too many, any may.
    pub(crate) fn contains(&self, id: &ConnectionId) -> bool {
        self.is_full || self.remembers(id)
    }

    pub(crate) fn remembers(&self, id: &ConnectionId) -> bool {
        self.ids.iter().flatten().any(|offered| offered == id)
    }

    pub(crate) const fn first(&self) -> Option<ConnectionId> {
        self.ids[0]
    }
}
