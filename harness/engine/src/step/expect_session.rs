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

impl StreamWait for ExpectSession {
    fn subject(&self) -> Subject<'_> {
        Subject::Session(&self.session, Access::Waits)
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl Expectation for ExpectSession {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let expected = self.expected();
        let (_, stream) = view.target.stream()?;
        let Some((moment, answer)) = view.web(connections)?.answers.get(&stream).cloned() else {
            return Ok(view.not_yet_on(connections, &expected, "nothing"));
        };
        let is_met = match (&self.refused, &answer) {
            (None, Answer::Opened) => true,
            (Some(wanted), Answer::Refused(Refusal::Status(status))) => {
                matcher::matches(wanted, Some(&json!(status)), &|_| None)
            }
            (None | Some(_), _) => false,
        };
        let got = answer.in_words();
        Ok(match is_met {
            true => view.came(moment, &expected, format!("got {got}")),
            false => view.instead(moment, &expected, &got),
        })
    }
}
