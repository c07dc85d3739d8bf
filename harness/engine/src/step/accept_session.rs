use indexmap::IndexMap;
use serde_json::Value;

use super::expect_request::as_message;
use super::http::{self, Wanted};
use super::prelude::streams::*;
use super::prelude::*;

within! {
    /// A session that the implementation under test asks for: to wait for, and to take.
    pub struct AcceptSession {
        /// The name that it gets.
        pub session: String,
        /// The connection.
        #[serde(default = "main_connection", skip_serializing_if = "is_main")]
        pub connection: String,
        /// What its path must be: a text or a matcher.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub path: Option<Value>,
        /// Refuses it with this status instead of taking it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub refuse: Option<u16>,
        /// Names under which parts are remembered, by JSON pointers: `{"path": "/path"}`.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        pub bind: IndexMap<String, String>,
    }
}

impl Verb for AcceptSession {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        http::check_wanted(check, [("path", self.path.as_ref())], None, inside);
        http::check_bind(check, &self.bind, inside);
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.names(
            "session",
            &self.session,
            &self.connection,
            inside,
            &mut state.names,
        );
        state.bound.extend(self.bind.keys().cloned());
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        let does = match self.refuse {
            None => "take it".to_owned(),
            Some(status) => format!("refuse it with status {status}"),
        };
        format!("wait for a session{of}{} and {does}", self.when())
    }

    fn binds(&self, inside: &Pointer) -> Vec<Bind<'_>> {
        http::binds(&self.bind, inside)
    }
}

impl StreamWait for AcceptSession {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Waits)
    }

    fn begin(&self, start: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        let members = vec![("path", self.path.clone())];
        Ok(Box::new(Asking {
            name: self.session.clone(),
            refuse: self.refuse,
            wanted: Wanted::new(members, &self.bind, start.context)?,
            found: None,
        }))
    }
}

/// A session that is waited for.
#[derive(Debug)]
struct Asking {
    name: String,
    refuse: Option<u16>,
    wanted: Wanted,
    found: Option<(StreamId, Duration)>,
}

impl Expectation for Asking {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let expected = format!("a session asked for{}", self.wanted.in_words());
        let mut sessions = view.web(connections)?.asked.iter();
        let Some(asked) = sessions.find(|asked| asked.body.is_none()) else {
            return Ok(view.not_yet_on(connections, &expected, "nothing"));
        };
        let (moment, stream) = (asked.moment, asked.stream);
        let message = as_message(&asked.fields, &[]);
        Ok(match self.wanted.meets(&message) {
            Ok(bound) => {
                self.found = Some((stream, view.now));
                let said = format!("got the wish for a session: {}", describe::value(&message));
                view.came_with(moment, &expected, said, bound)
            }
            Err(got) => view.instead(moment, &expected, &got),
        })
    }

    fn take(&self, on: Target, connections: &mut Connections) {
        let (Some((stream, now)), Ok(connection)) = (self.found, on.connection()) else {
            return;
        };
        connections.take_asked(connection, Some(stream), &self.name);
        // The connection was there a moment ago.
        let _ = connections.ask_web(connection, now, |web| match self.refuse {
            None => web.accept(stream),
            Some(status) => web.reject(stream, status),
        });
    }
}
