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
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

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

impl Looks for ExpectDatagram {
    fn on(&self) -> On<'_> {
        On::Session(&self.session, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        let (connection, session) = start.target.stream()?;
        Ok(Box::new(Waiting {
            frame: self.frame.clone(),
            fields: start.context.bindings.resolve_fields(&self.fields)?,
            bind: self.bind.clone(),
            connection,
            session,
            window: self.window(start.at, start.context),
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
    connection: ConnectionNumber,
    session: StreamId,
    window: Window,
    /// Its place among those that no step has taken.
    found: Option<usize>,
}

impl Watch for Waiting {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let expected = format!(
            "a datagram: {}{}",
            self.frame,
            words::with_fields(&self.fields)
        );
        let on_web = match connections.web(self.connection) {
            Ok(on_web) => on_web,
            Err(why) => return Look::Unfair(why),
        };
        let mut others = Vec::new();
        for (place, (moment, session, bytes)) in on_web.datagrams.iter().enumerate() {
            let decoded = view.judge.context.decode(bytes);
            let name = decoded.frame.unwrap_or("bytes that are no frame");
            let fields = Value::Object(decoded.fields);
            let is_wanted = *session == self.session
                && name == self.frame
                && http::meets(&self.fields, &fields);
            if is_wanted && let Ok(bound) = http::bound(&self.bind, &fields) {
                self.found = Some(place);
                let said = format!("got {name} {}", describe::value(&fields));
                return view.came(&self.window, *moment, &expected, said, bound);
            }
            others.push(name.to_owned());
        }
        let got = match others.as_slice() {
            [] => "nothing".to_owned(),
            others => format!("only {}", others.join(", ")),
        };
        view.not_yet_on(self.connection, connections, &self.window, &expected, &got)
    }

    fn take(&self, connections: &mut Connections) {
        if let (Ok(on_web), Some(place)) = (connections.web(self.connection), self.found) {
            on_web.datagrams.drain(..=place);
        }
    }
}
