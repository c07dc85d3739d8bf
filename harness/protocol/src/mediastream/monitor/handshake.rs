//! One attempt at the handshake of 3.2, as a capture shows it.

use super::ack;
use super::early::Early;
use super::ledger::Bench;
use super::syn::Syn;
use super::syn_ack::Waiting;
use super::time::Moment;
use super::view::ControlView;
use crate::mediastream::frame::ConnectionId;
use crate::monitor::Packet;

/// How the responder answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Answer {
    /// Not yet.
    #[default]
    None,
    /// SYN-ACK with Accept=1.
    Accepted,
    /// SYN-ACK with Accept=0.
    Rejected,
}

/// The exchange that opens one session.
#[derive(Debug, Default)]
pub(super) struct Handshake {
    /// The SYN and its copies; `None` if the capture does not show it.
    pub(super) syn: Option<Syn>,
    /// SYNs, copies included, less SYN-ACKs that may answer one.
    pub(super) unanswered_syns: u32,
    pub(super) answer: Answer,
    /// When the first SYN-ACK of any kind came.
    pub(super) answered: Option<Moment>,
    pub(super) offered: Offered,
    pub(super) waiting: Option<Waiting>,
    /// When the matching ACK came.
    pub(super) acked: Option<Moment>,
    /// The matching ACK came when the responder may have dropped the session, and no media since
    /// shows that it had not.
    pub(super) is_ack_late: bool,
    /// START came after the ACK: it may open the next session, or be nothing (MS-L-04).
    pub(super) start_after: Option<Moment>,
    /// Whether any ACK came, matching or not.
    pub(super) has_ack: bool,
    pub(super) early: Early,
    /// The initiator turned to the START token.
    pub(super) fell_back: bool,
}

impl Handshake {
    /// An attempt that begins with `syn`.
    pub(super) fn with(syn: Syn) -> Self {
        Self {
            syn: Some(syn),
            unanswered_syns: 1,
            ..Self::default()
        }
    }

    /// The SYN came again.
    pub(super) fn syn_again(&mut self, packet: &Packet<'_>, at: &Moment, bench: &mut Bench<'_>) {
        let is_unanswered = self.answered.is_none();
        if let Some(syn) = &mut self.syn {
            syn.again(packet, at, is_unanswered, bench);
        }
        self.unanswered_syns += 1;
    }

    /// Media comes from the address that was asked: another one that sent the SYN-ACK is none that
    /// streams (MS-H-05).
    pub(super) fn streams(&mut self, bench: &mut Bench<'_>) {
        if self.answered.is_none()
            && let Some(syn) = &mut self.syn
        {
            syn.answered_elsewhere(bench);
        }
    }

    /// Whether a SYN-ACK assigned the id that this frame carries.
    pub(super) fn has_offered(&self, control: &ControlView<'_>) -> bool {
        let id = control.connection_id();
        id.is_some_and(|id| self.offered.contains(&id))
    }

    /// Whether its SYN wishes another id than that of `other`: then a copy of the answer to one may be
    /// a repetition that was due (MS-H-18), and says nothing about the other (MS-H-08).
    pub(super) fn wishes_another(&self, other: &Self) -> bool {
        let wish = |handshake: &Self| handshake.syn.as_ref().map(|syn| syn.id);
        let both = wish(self).zip(wish(other));
        both.is_some_and(|(own, other)| own != other)
    }

    /// Whether the responder may have given the session up for lack of an ACK, and rightly.
    pub(super) const fn may_be_dropped(&self) -> bool {
        self.syn.is_some() && (self.acked.is_none() || self.is_ack_late)
    }

    /// The id of the SYN-ACK that waits for its ACK, as far as the capture shows; else that of a session
    /// `before`.
    pub(super) fn half_open(&self, before: Option<ConnectionId>) -> Option<ConnectionId> {
        match &self.waiting {
            Some(_) => self.offered.first().filter(|_| self.acked.is_none()),
            None => before,
        }
    }

    /// Time went on to `now`.
    pub(super) fn lapse(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        if self.answered.is_none()
            && !self.has_ack
            && let Some(syn) = &mut self.syn
        {
            syn.lapse(now, bench);
        }
        if let Some(waiting) = &mut self.waiting
            && self.acked.is_none()
            && self.syn.is_some()
        {
            waiting.lapse(now, bench);
        }
        self.early.lapse(now, bench);
    }

    /// The attempt is over, or the capture is.
    pub(super) fn close(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        self.lapse(now, bench);
        if self.answered.is_none()
            && !self.fell_back
            && let Some(syn) = &mut self.syn
            && (!self.has_ack || syn.answered_by.is_some())
        {
            syn.close(now, bench);
        }
        ack::close(self, now, bench);
        self.early.close(now, bench);
    }
}

/// The ids that SYN-ACKs of one attempt assigned: one by the rules, a few at most.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Offered {
    ids: [Option<ConnectionId>; 3],
    is_full: bool,
}

impl Offered {
    pub(super) fn add(&mut self, id: ConnectionId) {
        if self.contains(&id) {
            return;
        }
        match self.ids.iter_mut().find(|slot| slot.is_none()) {
            Some(slot) => *slot = Some(id),
            None => self.is_full = true,
        }
    }

    /// Adds those of another attempt.
    pub(super) fn join(&mut self, other: &Self) {
        for id in other.ids.into_iter().flatten() {
            self.add(id);
        }
        self.is_full |= other.is_full;
    }

    pub(super) fn contains(&self, id: &ConnectionId) -> bool {
        self.is_full || self.ids.iter().flatten().any(|offered| offered == id)
    }

    /// The first one.
    pub(super) const fn first(&self) -> Option<ConnectionId> {
        self.ids[0]
    }
}
