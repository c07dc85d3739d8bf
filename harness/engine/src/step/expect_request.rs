use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use shakedown_protocol::web::Field;

use super::http::{self, Wanted};
use super::prelude::streams::*;
use super::prelude::*;

within! {
    /// A request of the implementation under test to wait for.
    pub struct ExpectRequest {
        /// The name that it gets.
        pub request: String,
        /// The connection.
        #[serde(default = "main_connection", skip_serializing_if = "is_main")]
        pub connection: String,
        /// What its method must be: a text or a matcher.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub method: Option<Value>,
        /// What its path must be: a text or a matcher.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub path: Option<Value>,
        /// What header fields must be, by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub fields: Option<Map<String, Value>>,
        /// Names under which parts are remembered, by JSON pointers: `{"bearer": "/fields/authorization"}`.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        pub bind: IndexMap<String, String>,
    }
}

impl Verb for ExpectRequest {
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let wanted = [
            ("method", self.method.as_ref()),
            ("path", self.path.as_ref()),
        ];
        http::check_wanted(check, wanted, self.fields.as_ref(), inside);
        http::check_bind(check, &self.bind, inside);
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.names(
            "request",
            &self.request,
            &self.connection,
            inside,
            &mut state.names,
        );
        state.bound.extend(self.bind.keys().cloned());
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        let path = self.path.as_ref().map(words::wanted);
        let path = path.map_or_else(String::new, |path| format!(" for {path}"));
        format!("wait for a request{of}{path}{}", self.when())
    }

    fn binds(&self, inside: &Pointer) -> Vec<Bind<'_>> {
        http::binds(&self.bind, inside)
    }
}

impl Looks for ExpectRequest {
    fn on(&self) -> On<'_> {
        On::Connection(&self.connection, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        let members = vec![
            ("method", self.method.clone()),
            ("path", self.path.clone()),
            ("fields", self.fields.clone().map(Value::Object)),
        ];
        Ok(Box::new(Asking {
            name: self.request.clone(),
            connection: start.target.connection()?,
            window: self.window(start.at, start.context),
            wanted: Wanted::new(members, &self.bind, start.context)?,
            found: None,
        }))
    }
}

/// A request that is waited for.
#[derive(Debug)]
struct Asking {
    name: String,
    connection: ConnectionNumber,
    window: Window,
    wanted: Wanted,
    found: Option<StreamId>,
}

/// The members of a request that are matched.
pub(super) fn as_message(fields: &[Field], body: &[u8]) -> Value {
    let named = |name: &str| {
        let found = fields.iter().find(|(known, _)| known == name);
        json!(found.map(|(_, value)| value))
    };
    let first = Map::from_iter([
        ("method".to_owned(), named(":method")),
        ("path".to_owned(), named(":path")),
        ("authority".to_owned(), named(":authority")),
    ]);
    http::message(first, fields, body)
}

impl Watch for Asking {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let expected = format!("a request{}", self.wanted.in_words());
        let first = match connections.web(self.connection) {
            Ok(on_web) => on_web.asked.iter().find_map(|asked| {
                let body = asked.body.as_ref()?;
                let message = as_message(&asked.fields, body);
                Some((asked.moment, asked.stream, message))
            }),
            Err(why) => return Look::Unfair(why),
        };
        let Some((moment, stream, message)) = first else {
            return view.not_yet_on(
                self.connection,
                connections,
                &self.window,
                &expected,
                "nothing",
            );
        };
        match self.wanted.meets(&message) {
            Ok(bound) => {
                self.found = Some(stream);
                let said = format!("got the request {}", describe::value(&message));
                view.came(&self.window, moment, &expected, said, bound)
            }
            Err(_) => {
                let got = format!("the request {}", describe::value(&message));
                view.instead(&self.window, moment, &expected, &got)
            }
        }
    }

    fn take(&self, connections: &mut Connections) {
        connections.take_asked(self.connection, self.found, &self.name);
    }
}
