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

impl StreamWait for ExpectRequest {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Waits)
    }

    fn begin(&self, start: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        let members = vec![
            ("method", self.method.clone()),
            ("path", self.path.clone()),
            ("fields", self.fields.clone().map(Value::Object)),
        ];
        Ok(Box::new(Asking {
            name: self.request.clone(),
            wanted: Wanted::new(members, &self.bind, start.context)?,
            found: None,
        }))
    }
}

/// A request that is waited for.
#[derive(Debug)]
struct Asking {
    name: String,
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

impl Expectation for Asking {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let expected = format!("a request{}", self.wanted.in_words());
        let first = view.web(connections)?.asked.iter().find_map(|asked| {
            let body = asked.body.as_ref()?;
            let message = as_message(&asked.fields, body);
            Some((asked.moment, asked.stream, message))
        });
        let Some((moment, stream, message)) = first else {
            return Ok(view.not_yet_on(connections, &expected, "nothing"));
        };
        let got = format!("the request {}", describe::value(&message));
        Ok(match self.wanted.meets(&message) {
            Ok(bound) => {
                self.found = Some(stream);
                view.came_with(moment, &expected, format!("got {got}"), bound)
            }
            Err(_) => view.instead(moment, &expected, &got),
        })
    }

    fn take(&self, on: Target, connections: &mut Connections) {
        if let Ok(connection) = on.connection() {
            connections.take_asked(connection, self.found, &self.name);
        }
    }
}
