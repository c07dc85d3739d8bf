use serde_json::{Value, json};

use shakedown_protocol::web::Refusal;

use super::prelude::streams::*;
use super::prelude::*;
use crate::scenario::matcher;
use crate::script::streams::web::Answer;

within! {
    /// The answer to `open_session` to wait for: the session is there, or refused with a status.
    pub struct ExpectSession {
        /// The session.
        pub session: String,
        /// What the status of its refusal must be: a number or a matcher. If not given, the session must
        /// be there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub refused: Option<Value>,
    }
}

impl Verb for ExpectSession {
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if let Some(refused) = &self.refused {
            check.scalar_wanted(refused, &inside.key("refused"));
        }
    }

    fn in_words(&self) -> String {
        format!("{}{}", self.expected(), self.when())
    }
}

impl ExpectSession {
    fn expected(&self) -> String {
        match &self.refused {
            None => format!("the session `{}`", self.session),
            Some(status) => {
                format!(
                    "the session `{}` refused with status {}",
                    self.session,
                    words::wanted(status)
                )
            }
        }
    }
}

impl Looks for ExpectSession {
    fn on(&self) -> On<'_> {
        On::Session(&self.session, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        let (connection, stream) = start.target.stream()?;
        Ok(Box::new(Opening {
            wanted: self.clone(),
            connection,
            stream,
            window: self.window(start.at, start.context),
        }))
    }
}

/// A session that is waited for.
#[derive(Debug)]
struct Opening {
    wanted: ExpectSession,
    connection: ConnectionNumber,
    stream: StreamId,
    window: Window,
}

impl Watch for Opening {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let expected = self.wanted.expected();
        let answer = match connections.web(self.connection) {
            Ok(on_web) => on_web.answers.get(&self.stream).cloned(),
            Err(why) => return Look::Unfair(why),
        };
        let Some((moment, answer)) = answer else {
            return view.not_yet_on(
                self.connection,
                connections,
                &self.window,
                &expected,
                "nothing",
            );
        };
        let is_met = match (&self.wanted.refused, &answer) {
            (None, Answer::Opened) => true,
            (Some(wanted), Answer::Refused(Refusal::Status(status))) => {
                matcher::matches(wanted, Some(&json!(status)), &|_| None)
            }
            (None | Some(_), _) => false,
        };
        let got = answer.in_words();
        match is_met {
            true => view.came(
                &self.window,
                moment,
                &expected,
                format!("got {got}"),
                Vec::new(),
            ),
            false => view.instead(&self.window, moment, &expected, &got),
        }
    }
}
