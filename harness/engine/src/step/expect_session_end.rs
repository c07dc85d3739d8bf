use serde_json::{Value, json};

use super::prelude::streams::*;
use super::prelude::*;
use crate::scenario::matcher;

within! {
    /// The end of a session by the implementation under test to wait for. The end of its connection is one
    /// too, without a code.
    pub struct ExpectSessionEnd {
        /// The session.
        pub session: String,
        /// What the code must be: a number or a matcher; an end without a code will not do then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub code: Option<Value>,
    }
}

impl Verb for ExpectSessionEnd {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if let Some(code) = &self.code {
            check.scalar_wanted(code, &inside.key("code"));
        }
    }

    fn in_words(&self) -> String {
        format!("{}{}", self.expected(), self.when())
    }
}

impl ExpectSessionEnd {
    fn expected(&self) -> String {
        let code = self.code.as_ref().map(words::wanted);
        let code = code.map_or_else(String::new, |code| format!(" with code {code}"));
        format!("the end of the session `{}`{code}", self.session)
    }
}

impl StreamWait for ExpectSessionEnd {
    fn subject(&self) -> Subject<'_> {
        Subject::Session(&self.session, Access::Waits)
    }

    fn begin(&self, _: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(self.clone()))
    }
}

impl Expectation for ExpectSessionEnd {
    fn judges_end(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let expected = self.expected();
        let (_, stream) = view.target.stream()?;
        let closed = view.web(connections)?.closed.get(&stream).cloned();
        let closed = closed.map(|(moment, close)| match close {
            Some(close) => {
                let how = format!("ended with code {} ({:?})", close.code, close.reason);
                (moment, Some(close.code), how)
            }
            None => (moment, None, "broken off".to_owned()),
        });
        let connection = view.connection(connections)?;
        let ended = connection.ended.as_ref();
        let ended = ended.map(|(moment, _)| (*moment, None, connection.how().unwrap_or_default()));
        let Some((moment, code, how)) = closed.or(ended) else {
            return Ok(view.not_yet(&expected, "it lives on"));
        };
        let is_met = self.code.as_ref().is_none_or(|wanted| {
            let code = code.map(|code| json!(code));
            code.is_some() && matcher::matches(wanted, code.as_ref(), &|_| None)
        });
        Ok(match is_met {
            true => view.came(moment, &expected, how),
            false => view.instead(moment, &expected, &how),
        })
    }
}
