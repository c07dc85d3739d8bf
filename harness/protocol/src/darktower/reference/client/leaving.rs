//! How a client leaves: each stream ends, then its session, then the connection (DT-M-13).

use std::time::Duration;

use super::Client;
use crate::darktower::StreamCode;
use crate::machine::{Failure, Outcome};
use crate::streams::{Output, StreamId};
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
    /// Everything is done.
    pub(super) fn leave(&mut self, now: Duration) {
        self.go("DISCONNECTING", "everything is done");
        self.with(|link| {
            let sent = link.media.as_ref().and_then(|media| media.sending.as_ref());
            let wait = match sent {
                Some(sent) if sent.is_on_its_way => DELIVERY,
                Some(_) => LINGER,
                None => Duration::ZERO,
            };
            if let Some(stream) = link.signaling.as_ref().and_then(|it| it.stream) {
                link.web.fin(stream);
            }
            link.leaving = Some(Leaving::Sessions(now.saturating_add(wait)));
        });
        self.leave_on(now);
    }

    /// The other side has everything of a stream.
    pub(super) fn delivered(&mut self, now: Duration, stream: StreamId) {
        let Some(link) = &mut self.link else {
            return;
        };
        let sending = link.media.as_mut().and_then(|media| media.sending.as_mut());
        if let Some(sending) = sending.filter(|sending| sending.stream == Some(stream)) {
            sending.is_on_its_way = false;
            if let Some(Leaving::Sessions(due)) = &mut link.leaving {
                *due = now.saturating_add(LINGER).min(*due);
            }
        }
    }

    /// The next step, if it is due.
    pub(super) fn leave_on(&mut self, now: Duration) {
        let leaving = self.link.as_ref().and_then(|link| link.leaving);
        match leaving.filter(|leaving| leaving.due() <= now) {
            Some(Leaving::Sessions(_)) => self.with(|link| {
                let media = link.media.as_ref().map(|media| media.session);
                let signaling = link.signaling.as_ref().map(|it| it.session);
                let sessions: Vec<_> = media.into_iter().chain(signaling).collect();
                let wait = match sessions.is_empty() {
                    true => Duration::ZERO,
                    false => LINGER,
                };
                for session in sessions {
                    link.web.close(session, &SessionClose::default());
                }
                link.leaving = Some(Leaving::Connection(now.saturating_add(wait)));
            }),
            Some(Leaving::Connection(_)) => self.end(WebCode::NoError, Ok(())),
            None => return,
        }
        if leaving != self.link.as_ref().and_then(|link| link.leaving) {
            self.leave_on(now);
        }
    }

    /// It is to end at once: a stream in the middle of its frames is broken off.
    pub(super) fn stop(&mut self) {
        let has_more = self.counters.frames_sent < u64::from(self.settings.frames);
        self.with(|link| {
            let media = link.media.as_ref().filter(|_| has_more);
            let sending = media.and_then(|media| media.sending.as_ref());
            if let Some(stream) = sending.and_then(|sending| sending.stream) {
                link.web.reset(stream, StreamCode::Graceful.number());
            }
            if let Some(stream) = link.signaling.as_ref().and_then(|it| it.stream) {
                link.web.fin(stream);
            }
        });
        self.end(WebCode::NoError, Ok(()));
    }

    /// It cannot go on.
    pub(super) fn fail(&mut self, why: String) {
        self.end(WebCode::RequestCancelled, Err(why));
    }

    /// Closes the connection: it is over for good.
    pub(super) fn end(&mut self, code: WebCode, how: Result<(), String>) {
        let reason = how.as_ref().err().cloned().unwrap_or_default();
        if let Some(connection) = self.link.as_ref().map(|link| link.connection) {
            self.go("DISCONNECTED", "the client closes it");
            self.outputs.push_back(Output::Close {
                connection,
                code: code.number(),
                reason: reason.clone(),
            });
            let outcome = match &how {
                Ok(()) => Outcome::Completed,
                Err(why) => Outcome::Failed(Failure {
                    cause: code.name(),
                    message: why.clone(),
                }),
            };
            self.outputs.push_back(Output::Ended {
                connection,
                outcome,
            });
            self.link = None;
        }
        self.done.get_or_insert(how);
    }
}
