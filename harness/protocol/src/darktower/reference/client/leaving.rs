//! How a client leaves: each stream ends, then its session, then each connection (DT-M-13).

use std::time::Duration;

use super::Client;
use crate::darktower::StreamCode;
use crate::streams::{ConnectionNumber, StreamId};
use crate::web::{SessionClose, WebCode};

/// Time for what was sent to arrive on a stream, and to be made use of before what carries it is closed.
const DELIVERY: Duration = Duration::from_secs(30);
const LINGER: Duration = Duration::from_millis(500);

/// What is done next, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    Sessions(Duration),
    Connection(Duration),
}

impl Leaving {
    pub(super) const fn due(self) -> Duration {
        match self {
            Self::Sessions(due) | Self::Connection(due) => due,
        }
    }
}

impl Client {
    pub(super) fn leave(&mut self, now: Duration) {
        for connection in self.connections() {
            self.go(connection, "DISCONNECTING", "everything is done");
        }
        self.with(|attempt| {
            let media = attempt.media.as_ref();
            let sent = media.and_then(|media| media.sending.as_ref());
            let wait = match sent {
                Some(sent) if sent.is_on_its_way => DELIVERY,
                Some(_) => LINGER,
                None => Duration::ZERO,
            };
            attempt.end_signaling();
            attempt.leaving = Some(Leaving::Sessions(now.saturating_add(wait)));
        });
        self.leave_on(now);
    }

    /// The other side has everything of a stream.
    pub(super) fn delivered(
        &mut self,
        now: Duration,
        connection: ConnectionNumber,
        stream: StreamId,
    ) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let media = attempt.media.as_mut();
        let media = media.filter(|media| media.of.connection == connection);
        let sending = media.and_then(|media| media.sending.as_mut());
        if let Some(sending) = sending.filter(|sending| sending.stream == Some(stream)) {
            sending.is_on_its_way = false;
            if let Some(Leaving::Sessions(due)) = &mut attempt.leaving {
                *due = now.saturating_add(LINGER).min(*due);
            }
        }
    }

    /// The next step, if it is due.
    pub(super) fn leave_on(&mut self, now: Duration) {
        let leaving = self.attempt.as_ref().and_then(|it| it.leaving);
        match leaving.filter(|leaving| leaving.due() <= now) {
            Some(Leaving::Sessions(_)) => self.with(|attempt| {
                let media = attempt.media.as_ref().map(|media| media.of);
                let signaling = attempt.signaling.as_ref().map(|it| it.of);
                let sessions: Vec<_> = media.into_iter().chain(signaling).collect();
                let wait = match sessions.is_empty() {
                    true => Duration::ZERO,
                    false => LINGER,
                };
                for of in sessions {
                    if let Some(web) = attempt.web(of.connection) {
                        web.close(of.session, &SessionClose::default());
                    }
                }
                attempt.leaving = Some(Leaving::Connection(now.saturating_add(wait)));
            }),
            Some(Leaving::Connection(_)) => self.end(WebCode::NoError, Ok(())),
            None => return,
        }
        if leaving != self.attempt.as_ref().and_then(|it| it.leaving) {
            self.leave_on(now);
        }
    }

    /// It is to end at once: a stream in the middle of its frames is broken off.
    pub(super) fn stop(&mut self) {
        let has_more = self.counters.frames_sent < u64::from(self.settings.frames);
        self.with(|attempt| {
            if let Some(media) = attempt.media.as_ref().filter(|_| has_more)
                && let Some(stream) = media.sending.as_ref().and_then(|sending| sending.stream)
                && let Some(link) = attempt.links.get_mut(&media.of.connection)
            {
                link.web.reset(stream, StreamCode::Graceful.number());
            }
            attempt.end_signaling();
        });
        self.end(WebCode::NoError, Ok(()));
    }

    /// It cannot go on.
    pub(super) fn fail(&mut self, why: String) {
        self.end(WebCode::RequestCancelled, Err(why));
    }

    /// Closes all connections: it is over for good.
    pub(super) fn end(&mut self, code: WebCode, how: Result<(), String>) {
        self.close_all(code, &how);
        self.done.get_or_insert(how);
    }
}
