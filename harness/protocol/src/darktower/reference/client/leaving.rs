//! How a client leaves: each stream ends, then its session, then the connection (DT-M-13).

use std::time::Duration;

use super::Client;
use crate::machine::{Failure, Outcome};
use crate::streams::Output;
use crate::web::{SessionClose, WebCode};

/// Time for what was sent to arrive, before what carries it is closed.
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
