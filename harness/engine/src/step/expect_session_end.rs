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
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

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

impl Looks for ExpectSessionEnd {
    fn on(&self) -> On<'_> {
        On::Session(&self.session, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        let (connection, stream) = start.target.stream()?;
        Ok(Box::new(Ending {
            wanted: self.clone(),
            connection,
            stream,
            window: self.window(start.at, start.context),
        }))
    }
}

/// The end of a session that is waited for.
#[derive(Debug)]
struct Ending {
    wanted: ExpectSessionEnd,
    connection: ConnectionNumber,
    stream: StreamId,
    window: Window,
}

impl Watch for Ending {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn judges_end_of(&self) -> Option<ConnectionNumber> {
        Some(self.connection)
    }

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let expected = self.wanted.expected();
        let closed = match connections.web(self.connection) {
            Ok(on_web) => on_web.closed.get(&self.stream).cloned(),
            Err(why) => return Look::Unfair(why),
        };
        let ended = connections
            .by_number
            .get(&self.connection)
            .and_then(|connection| {
                let (moment, _) = connection.ended.as_ref()?;
                Some((*moment, None, connection.how().unwrap_or_default()))
            });
        let closed = closed.map(|(moment, close)| match close {
            Some(close) => {
                let how = format!("ended with code {} ({:?})", close.code, close.reason);
                (moment, Some(close.code), how)
            }
            None => (moment, None, "broken off".to_owned()),
        });
        let Some((moment, code, how)) = closed.or(ended) else {
            return view.not_yet(&self.window, &expected, "it lives on");
        };
        let is_met = self.wanted.code.as_ref().is_none_or(|wanted| {
            let code = code.map(|code| json!(code));
            code.is_some() && matcher::matches(wanted, code.as_ref(), &|_| None)
        });
        match is_met {
            true => view.came(&self.window, moment, &expected, how, Vec::new()),
            false => view.instead(&self.window, moment, &expected, &how),
        }
    }
}
