use std::time::Duration;

use super::super::deviation::{Deviation, Repeated};
use super::super::receive::Receiver;
use super::super::start3::{Identity, Parameters};
use super::state::{Agreed, End, PendingRequest, State};
use super::{Initiator, failure};
use crate::machine::Failure;
use crate::mediastream::frame::{ErrorCode, Start3};

/// The handshake of `start3`, in which the initiator is the Receiver (specification, 3.3).
impl Initiator {
    /// Sends the first START (MS-S-01).
    pub(super) fn begin_start3(&mut self, now: Duration) {
        self.counters.handshakes.attempted += 1;
        let identity = Identity {
            stream_id: self.random.nonzero(),
            nonce: self.random.nonzero(),
            sender_nonce: 0,
        };
        let wanted = Parameters::wanted(&self.settings);
        let start = identity.start(&wanted, self.settings.fallback); // MS-S-10
        self.send(start.clone());
        let waits = self.settings.without.waits(Repeated::Start);
        let asked = PendingRequest::new(now, start, waits);
        self.enter(State::AwaitingStartAck(asked, identity), "it begins");
    }

    pub(super) fn on_start_ack(&mut self, now: Duration, ack: &Start3<'_>) {
        if self.is_foreign(ack) {
            return;
        }
        let Some(own) = self.state.identity() else {
            self.counters.unexpected("START_ACK");
            return;
        };
        let theirs = Identity::of(ack);
        let peer = self.peer;
        if theirs.stream_id != own.stream_id && !self.state.is_handshake() {
            self.object("START_ACK", ack, "no START_ACK is awaited"); // MS-S-17
        } else if theirs.stream_id != own.stream_id {
            let failure = failure::other_stream(peer, own, theirs);
            self.refuse(own, ErrorCode::StreamIdMismatch, "", failure); // MS-S-05
        } else if theirs.nonce != own.nonce {
            let failure = failure::other_nonce(peer, "Nonce", own.nonce, theirs.nonce);
            self.refuse(own, ErrorCode::NonceMismatch, "Nonce", failure); // MS-S-06
        } else {
            self.on_own_start_ack(now, own, ack);
        }
    }

    /// A START_ACK with the StreamId and the Nonce of the session.
    fn on_own_start_ack(&mut self, now: Duration, own: Identity, ack: &Start3<'_>) {
        let theirs = Identity::of(ack);
        match &mut self.state {
            State::AwaitingStartAck(..) if theirs.sender_nonce == 0 => {
                self.counters.invalid("empty_sender_nonce"); // MS-S-02
            }
            State::AwaitingStartAck(asked, _) => {
                let begun = asked.asked;
                let mut early = std::mem::take(&mut asked.early);
                if !self.agree(now, begun, ack) {
                    return;
                }
                if ack.has(Start3::BEGIN_IMMEDIATELY) {
                    self.take_early(now, early, self.named);
                } else {
                    for _ in early.take(None) {
                        self.counters.invalid("other_session"); // MS-S-04: nothing was confirmed
                    }
                }
            }
            State::Session(_) if theirs.sender_nonce != own.sender_nonce => {
                let (ours, theirs) = (own.sender_nonce, theirs.sender_nonce);
                let failure = failure::other_nonce(self.peer, "SenderNonce", ours, theirs);
                self.refuse(own, ErrorCode::NonceMismatch, "SenderNonce", failure); // MS-S-06
            }
            State::Session(session) => {
                session.contact = now;
                self.send(own.start_confirm()); // MS-S-12
                self.forget(Deviation::RepeatedStartAckForgets);
            }
            State::Closed
            | State::ReadyToStart
            | State::StartSent(_)
            | State::SynSent(_)
            | State::Over(_) => self.counters.unexpected("START_ACK"),
        }
    }

    /// Takes over what was granted and confirms it (MS-S-03), or refuses it (MS-S-14); false then.
    fn agree(&mut self, now: Duration, asked: Duration, ack: &Start3<'_>) -> bool {
        let theirs = Identity::of(ack);
        let granted = Parameters::read(&ack.tlvs);
        let wanted = Parameters::wanted(&self.settings);
        match wanted.take_over(&granted, &self.settings.stream) {
            Ok(stream) => {
                self.settings.stream = stream;
                let (frames, bytes) = (stream.frames(), self.settings.frame_bytes());
                self.receiver = Receiver::new(frames, bytes, self.settings.verify);
                self.send(theirs.start_confirm());
                self.begin_session(now, asked, Agreed::Stream(theirs), "START_ACK");
                true
            }
            Err(why) => {
                let failure = failure::grant_refused(self.peer, &why);
                self.refuse(theirs, ErrorCode::InvalidParameters, &why, failure);
                false
            }
        }
    }

    /// An ERROR for the session ends it (MS-S-16); no ERROR is answered (MS-S-15).
    pub(super) fn on_error(&mut self, now: Duration, error: &Start3<'_>) {
        if self.is_foreign(error) {
            return;
        }
        let theirs = Identity::of(error);
        // A Sender that could not read the Nonce says 0. Another one is not the session's: an
        // ERROR 9 refuses a START with that Nonce, and the stream goes on (MS-S-11).
        let is_ours = |own: &Identity| {
            own.stream_id == theirs.stream_id
                && [own.nonce, 0].contains(&theirs.nonce)
                && (own.sender_nonce == 0 || [own.sender_nonce, 0].contains(&theirs.sender_nonce))
        };
        let is_end = error.error_code() != Some(ErrorCode::UnexpectedFrame.number());
        if !is_end || !self.state.identity().as_ref().is_some_and(is_ours) {
            self.counters.unexpected("ERROR");
            if let State::AwaitingStartAck(asked, _) = &mut self.state
                && self.settings.lacks(Deviation::Error7PutsStartOff)
            {
                asked.next = asked.next.saturating_add(Duration::from_millis(500));
            }
            return;
        }
        let falls_back = self.settings.fallback && self.settings.lacks(Deviation::ErrorFallsBack);
        if falls_back && self.state.is_handshake() {
            return self.send_first_start(now, "an ERROR");
        }
        let failure = if self.state.is_handshake() {
            failure::refused(self.peer, error)
        } else {
            failure::ended(self.peer, error)
        };
        self.fail(End::Failed, failure);
    }

    /// A frame that only a Sender expects changes nothing. It is answered by one ERROR (MS-S-17),
    /// which bears the frame's own numbers; where they are the session's, that would end the
    /// session, and nothing is said.
    pub(super) fn on_senders_frame(&mut self, name: &'static str, body: &Start3<'_>) {
        if !self.is_foreign(body) {
            self.object(name, body, &format!("a Receiver takes no {name}"));
        }
    }

    /// Counts a frame that the state does not expect, and says why, if it may.
    fn object(&mut self, name: &'static str, body: &Start3<'_>, why: &str) {
        self.counters.unexpected(name);
        let Some(own) = self.state.identity() else {
            return;
        };
        let is_another = ![0, own.stream_id].contains(&body.stream_id);
        if is_another && !std::mem::replace(&mut self.objected, true) {
            self.send(Identity::of(body).error(ErrorCode::UnexpectedFrame, why));
        }
    }

    /// Ends the session with an ERROR that bears `identity`.
    fn refuse(&mut self, identity: Identity, code: ErrorCode, why: &str, failure: Failure) {
        self.send(identity.error(code, why));
        self.fail(End::Failed, failure);
    }

    /// Whether a frame is of another version: it is dropped and counted.
    fn is_foreign(&mut self, body: &Start3<'_>) -> bool {
        let is_foreign = body.version != Start3::VERSION;
        if is_foreign {
            self.counters.invalid("foreign_version");
        }
        is_foreign
    }
}
