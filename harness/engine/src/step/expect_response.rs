use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::http::{self, Wanted};
use super::prelude::streams::*;
use super::prelude::*;
use crate::script::streams::web::Answer;

within! {
    /// The answer to a request to wait for.
    pub struct ExpectResponse {
        /// The request.
        pub request: String,
        /// What its status must be: a number or a matcher.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub status: Option<Value>,
        /// What header fields must be, by name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub fields: Option<Map<String, Value>>,
        /// What its body must be: of JSON, members that are not named may be anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub body: Option<Value>,
        /// Names under which parts are remembered, by JSON pointers: `{"token": "/body/join_token"}`.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        pub bind: IndexMap<String, String>,
    }
}

impl Verb for ExpectResponse {
    fn demand(&self) -> Option<Demand<'_>> {
        Some(self.demanded())
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let status = [("status", self.status.as_ref())];
        http::check_wanted(check, status, self.fields.as_ref(), inside);
        if let Some(body) = &self.body {
            check.parts_wanted(body, &inside.key("body"));
        }
        http::check_bind(check, &self.bind, inside);
    }

    fn follow(&self, _: &mut Checker<'_>, _: &Pointer, state: &mut State) {
        state.bound.extend(self.bind.keys().cloned());
    }

    fn in_words(&self) -> String {
        let status = self.status.as_ref().map(words::wanted);
        let status = status.map_or_else(String::new, |status| format!(" with status {status}"));
        format!(
            "wait for the answer to `{}`{status}{}",
            self.request,
            self.when()
        )
    }

    fn binds(&self, inside: &Pointer) -> Vec<Bind<'_>> {
        http::binds(&self.bind, inside)
    }
}

impl Looks for ExpectResponse {
    fn on(&self) -> On<'_> {
        On::Request(&self.request, Use::Waits)
    }

    fn watch(&self, start: &Start<'_>) -> Result<Box<dyn Watch>, String> {
        let (connection, stream) = start.target.stream()?;
        let members = vec![
            ("status", self.status.clone()),
            ("fields", self.fields.clone().map(Value::Object)),
            ("body", self.body.clone()),
        ];
        Ok(Box::new(Response {
            name: self.request.clone(),
            connection,
            stream,
            window: self.window(start.at, start.context),
            wanted: Wanted::new(members, &self.bind, start.context)?,
        }))
    }
}

/// An answer that is waited for.
#[derive(Debug)]
struct Response {
    name: String,
    connection: ConnectionNumber,
    stream: StreamId,
    window: Window,
    wanted: Wanted,
}

impl Watch for Response {
    fn due(&self) -> Duration {
        self.window.upper
    }

    fn look(&mut self, view: &View<'_>, connections: &mut Connections) -> Look {
        let expected = format!("an answer to `{}`{}", self.name, self.wanted.in_words());
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
        let Answer::Response {
            status,
            fields,
            body,
        } = &answer
        else {
            return view.instead(&self.window, moment, &expected, &answer.in_words());
        };
        let first = Map::from_iter([("status".to_owned(), json!(status))]);
        let message = http::message(first, fields, body);
        match self.wanted.meets(&message) {
            Ok(bound) => {
                let said = format!("got the answer {}", describe::value(&message));
                view.came(&self.window, moment, &expected, said, bound)
            }
            Err(_) => {
                let got = self.wanted.told(&message);
                let got = format!("the answer {got}");
                view.instead(&self.window, moment, &expected, &got)
            }
        }
    }
}
