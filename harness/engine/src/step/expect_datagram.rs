use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::http;
use super::prelude::streams::*;
use super::prelude::*;

within! {
    /// A datagram of a session to wait for. Others that come before it are passed over.
    pub struct ExpectDatagram {
        /// The session.
        pub session: String,
        /// The frame's name.
        pub frame: String,
        /// What its fields must be, as `expect_message` has them.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        pub fields: Map<String, Value>,
        /// Names under which parts are remembered, by JSON pointers: `{"number": "/sequence_number"}`.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        pub bind: IndexMap<String, String>,
    }
}

impl Verb for ExpectDatagram {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.message_wanted(&self.frame, &self.fields, inside);
        check.is_sent(&self.frame, inside);
        http::check_bind(check, &self.bind, inside);
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.uses_of(&self.fields, inside, state);
        state.bound.extend(self.bind.keys().cloned());
    }

    fn in_words(&self) -> String {
        let (fields, window) = (words::with_fields(&self.fields), self.when());
        let (frame, session) = (&self.frame, &self.session);
        format!("wait for a datagram of `{session}`: {frame}{fields}{window}")
    }

    fn frames(&self) -> Vec<&str> {
        vec![&self.frame]
    }

    fn binds(&self, inside: &Pointer) -> Vec<Bind<'_>> {
        http::binds(&self.bind, inside)
    }
}

impl StreamWait for ExpectDatagram {
    fn subject(&self) -> Subject<'_> {
        Subject::Session(&self.session, Access::Waits)
    }

    fn begin(&self, start: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(Waiting {
            frame: self.frame.clone(),
            fields: start.context.bindings.resolve_fields(&self.fields)?,
            bind: self.bind.clone(),
            found: None,
        }))
    }
}

/// A datagram that is waited for.
#[derive(Debug)]
struct Waiting {
    frame: String,
    fields: Map<String, Value>,
    bind: IndexMap<String, String>,
    /// Its place among those that no step has taken.
    found: Option<usize>,
}

impl Expectation for Waiting {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let fields = words::with_fields(&self.fields);
        let expected = format!("a datagram: {}{fields}", self.frame);
        let (_, wanted_session) = view.target.stream()?;
        let mut others = Vec::new();
        let datagrams = view.web(connections)?.datagrams.iter();
        for (place, (moment, session, bytes)) in datagrams.enumerate() {
            let decoded = view.judge.context.decode(bytes);
            let name = decoded.frame.unwrap_or("bytes that are no frame");
            let fields = Value::Object(decoded.fields);
            let is_wanted = *session == wanted_session
                && name == self.frame
                && http::meets(&self.fields, &fields);
            if is_wanted && let Ok(bound) = http::bound(&self.bind, &fields) {
                self.found = Some(place);
                let said = format!("got {name} {}", describe::value(&fields));
                return Ok(view.came_with(*moment, &expected, said, bound));
            }
            others.push(name.to_owned());
        }
        let got = match others.as_slice() {
            [] => "nothing".to_owned(),
            others => format!("only {}", others.join(", ")),
        };
        Ok(view.not_yet_on(connections, &expected, &got))
    }

    fn take(&self, on: Target, connections: &mut Connections) {
        let web = on.connection().and_then(|number| connections.web(number));
        if let (Ok(web), Some(place)) = (web, self.found) {
            web.datagrams.drain(..=place);
        }
    }
}
