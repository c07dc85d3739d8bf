//! How a server ends: each stream, then its session, then the connection (DT-M-13).

use std::time::Duration;

use super::super::sessions::{SessionEnd, Sessions as _};
use super::Server;
use crate::darktower::StreamCode;
use crate::machine::Outcome;
use crate::streams::Output;
use crate::web::WebCode;

/// Time for what was sent to arrive, before what carries it is closed.
const LINGER: Duration = Duration::from_millis(100);

/// What is done next, and when.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stopping {
    Sessions(Duration),
    Connections(Duration),
}

impl Stopping {
    pub(super) const fn due(self) -> Duration {
        match self {
            Self::Sessions(due) | Self::Connections(due) => due,
        }
    }
}

impl Server {
    /// Ends all streams of media, and what carries them after that; at once if it is asked again.
    pub(super) fn stop(&mut self, at: Duration) {
        let (handler, mut context) = self.handler(at);
        let wait = match handler.stop(&mut context) {
            true => LINGER,
            false => Duration::ZERO,
        };
        self.stopping = match self.stopping {
            None => Some(Stopping::Sessions(at.saturating_add(wait))),
            Some(_) => Some(Stopping::Connections(at)),
        };
    }

    /// The next step, if it is due.
    pub(super) fn stop_on(&mut self, at: Duration) {
        match self.stopping.filter(|next| next.due() <= at) {
            Some(Stopping::Sessions(_)) => {
                let wait = match self.sessions.is_empty() {
                    true => Duration::ZERO,
                    false => LINGER,
                };
                for of in self.sessions.keys() {
                    let code = StreamCode::Graceful;
                    self.wires.close(*of, code, "the server ends");
                }
                self.stopping = Some(Stopping::Connections(at.saturating_add(wait)));
                self.stop_on(at);
            }
            Some(Stopping::Connections(_)) => {
                for connection in self.wires.webs.keys().copied().collect::<Vec<_>>() {
                    self.wires.outputs.push_back(Output::Close {
                        connection,
                        code: WebCode::NoError.number(),
                        reason: "the server ends".to_owned(),
                    });
                    self.gone(at, connection, SessionEnd::Clean, Outcome::Completed);
                }
            }
            None => {}
        }
    }
}
