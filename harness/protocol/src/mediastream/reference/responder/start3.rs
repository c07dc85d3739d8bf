//! The handshake of specification 3.3, in the role of its Sender.

use std::net::SocketAddr;
use std::time::Duration;

use super::super::deviation::{Deviation, Repeated};
use super::super::start3::{Grant, Identity, Parameters};
use super::session::{HalfOpen, Handshake, Request, Session};
use super::{Responder, failed};
use crate::mediastream::Rejection;
use crate::mediastream::frame::{ErrorCode, Frame, Start3, flag};

impl Responder {
    pub(super) fn on_start3(&mut self, now: Duration, from: SocketAddr, start: &Start3<'_>) {
        if start.version != Start3::VERSION {
            self.counters.invalid("foreign_version");
            let code = ErrorCode::UnsupportedVersion; // MS-S-07
            self.refuse(now, from, start, code, "only version 1 is spoken here");
            return;
        }
        if start.stream_id == 0 {
            self.counters.invalid("malformed"); // MS-S-01
            self.refuse(now, from, start, ErrorCode::Malformed, "StreamId is 0");
            return;
        }
        let Some(session) = self.sessions.get(&from) else {
            self.serve_start3(now, from, start);
            return;
        };
        match session.start3() {
            Some(known) if known.identity.stream_id != start.stream_id => self.object(from, start),
            Some(known) if known.identity.nonce == start.nonce => {
                self.disturb_timers(
                    now,
                    from,
                    Deviation::StartSetsTimers,
                    Deviation::StartCounts,
                );
                self.answer_again(from); // MS-S-11
            }
            Some(_) => {
                self.counters.unexpected("START");
                let code = ErrorCode::DuplicateStreamId; // MS-S-11
                self.send(from, named_by(start).error(code, "this StreamId is in use"));
            }
            None => self.object(from, start),
        }
    }

    /// A START on a tuple without a session.
    fn serve_start3(&mut self, now: Duration, from: SocketAddr, start: &Start3<'_>) {
        self.counters.handshakes.attempted += 1;
        let granted = Parameters::read(&start.tlvs).grant(&self.settings);
        let Grant {
            parameters,
            stream,
            limit,
        } = match granted {
            Ok(grant) => grant,
            Err(why) => {
                self.counters.handshake_failed("parameters");
                self.refuse(now, from, start, ErrorCode::InvalidParameters, why);
                return;
            }
        };
        if let Err((cause, why)) = self.room_for(from) {
            self.counters.handshake_failed(cause);
            self.refuse(now, from, start, ErrorCode::ResourcesUnavailable, why); // MS-H-19
            return;
        }
        let begins = self.settings.begin_immediately;
        let identity = named_by(start).with_sender(self.random.nonzero()); // MS-S-02
        let start_ack = identity.start_ack(&parameters, begins);
        let request = Request::Start3(Handshake {
            identity,
            start_ack,
        });
        let mut session = self.new_session(now, request, limit);
        session.media = stream;
        session.half_open = Some(HalfOpen::new(now, Repeated::StartAck, &self.settings));
        if begins || self.settings.lacks(Deviation::MediaBeforeConfirm) {
            let before = self.unconfirmed(now, from);
            session.begin(now, before, self.settings.without); // MS-S-04
        }
        let judged = "PendingStartRequest";
        self.outputs.transition(from, "Idle", judged, "START");
        self.outputs
            .transition(from, judged, session.state(), "its parameters are granted");
        self.insert(from, session);
        self.answer_again(from);
    }

    pub(super) fn on_start_confirm(
        &mut self,
        now: Duration,
        from: SocketAddr,
        confirm: &Start3<'_>,
    ) {
        if confirm.version != Start3::VERSION {
            self.counters.invalid("foreign_version");
            return;
        }
        let session = self.sessions.get(&from);
        let Some((session, known)) = session.and_then(|session| Some((session, session.start3()?)))
        else {
            self.counters.unexpected("START_CONFIRM");
            return;
        };
        if known.identity.stream_id != confirm.stream_id {
            self.counters.invalid("foreign_stream_id"); // MS-S-19
        } else if known.identity != Identity::of(confirm) {
            let why = "START_CONFIRM with a wrong nonce";
            self.counters.invalid("foreign_nonce");
            self.fail_with_error(from, ErrorCode::NonceMismatch, "nonce_mismatch", why); // MS-S-06
        } else if session.half_open.is_none() {
            self.counters.unexpected("START_CONFIRM"); // MS-S-17
        } else {
            self.confirm(now, from, "START_CONFIRM");
        }
    }

    /// ERROR: it ends the session that it names and is never answered (MS-S-15, MS-S-16).
    pub(super) fn on_error(&mut self, from: SocketAddr, error: &Start3<'_>) {
        if error.version != Start3::VERSION {
            self.counters.invalid("foreign_version");
            return;
        }
        let session = self.sessions.get(&from);
        let known = session.and_then(Session::start3);
        let is_end = error.error_code() != Some(ErrorCode::UnexpectedFrame.number());
        if is_end && known.is_some_and(|known| known.is_ended_by(Identity::of(error))) {
            let why = "the peer sent an ERROR";
            let number = error.error_code().unwrap_or_default();
            let message = match ErrorCode::from_number(number) {
                Some(code) => format!("{why}: {code}"),
                None => format!("{why}: {number}"),
            };
            self.close(from, why, &failed("peer_error", &message));
        } else {
            self.counters.unexpected("ERROR");
        }
    }

    /// A START that is long enough to be answered and breaks the rules of its extensions. A shorter
    /// one is dropped without a word (MS-W-07).
    pub(super) fn on_malformed(
        &mut self,
        now: Duration,
        from: SocketAddr,
        payload: &[u8],
        why: &Rejection,
    ) {
        let Rejection::Malformed(fault) = why else {
            return;
        };
        let is_start = self.grammar.start3 && payload.starts_with(&flag::START.to_le_bytes());
        // Without its extensions the rest of it can be read.
        let fixed = payload.get(..Start3::MIN_LENGTH).filter(|_| is_start);
        if let Some(Ok(Some(Frame::Start(start)))) = fixed.map(Frame::decode) {
            self.refuse(now, from, &start, ErrorCode::Malformed, &fault.to_string()); // MS-S-07
        }
    }

    /// Refuses a START, of which nothing is kept (MS-S-07). Where the refusal would read as the end
    /// of the session that the tuple has, there is none: no START ends a session (MS-S-17).
    fn refuse(
        &mut self,
        now: Duration,
        to: SocketAddr,
        start: &Start3<'_>,
        code: ErrorCode,
        why: &str,
    ) {
        let named = named_by(start);
        let session = self.sessions.get(&to);
        let known = session.and_then(Session::start3);
        if !known.is_some_and(|known| known.is_ended_by(named)) {
            self.send(to, named.error(code, why));
            self.keep_refused(now, to, named);
        }
    }

    /// A START for which the tuple's session has no use: it changes nothing (MS-S-17).
    fn object(&mut self, peer: SocketAddr, start: &Start3<'_>) {
        self.counters.unexpected("START");
        let Some(session) = self.sessions.get_mut(&peer) else {
            return;
        };
        if !std::mem::replace(&mut session.has_objected, true) {
            let error = named_by(start).error(ErrorCode::UnexpectedFrame, "another stream runs");
            self.send(peer, error);
        }
    }

    /// Sends ERROR to the peer of a session of `start3`, and ends it.
    pub(super) fn fail_with_error(
        &mut self,
        peer: SocketAddr,
        code: ErrorCode,
        cause: &'static str,
        why: &'static str,
    ) {
        let session = self.sessions.get(&peer);
        if let Some(known) = session.and_then(Session::start3) {
            let error = known.identity.error(code, why);
            self.send(peer, error);
        }
        self.close(peer, why, &failed(cause, why));
    }
}

/// The session that a START asks for, whatever SenderNonce it bears.
fn named_by(start: &Start3<'_>) -> Identity {
    Identity::of(start).with_sender(0)
}
