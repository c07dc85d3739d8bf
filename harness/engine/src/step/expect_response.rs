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

impl StreamWait for ExpectResponse {
    fn subject(&self) -> Subject<'_> {
        Subject::Request(&self.request, Access::Waits)
    }

    fn begin(&self, start: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        let members = vec![
            ("status", self.status.clone()),
            ("fields", self.fields.clone().map(Value::Object)),
            ("body", self.body.clone()),
        ];
        Ok(Box::new(Response {
            name: self.request.clone(),
            wanted: Wanted::new(members, &self.bind, start.context)?,
        }))
    }
}

/// An answer that is waited for.
#[derive(Debug)]
struct Response {
    name: String,
    wanted: Wanted,
}

impl Expectation for Response {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let expected = format!("an answer to `{}`{}", self.name, self.wanted.in_words());
        let (_, stream) = view.target.stream()?;
        let Some((moment, answer)) = view.web(connections)?.answers.get(&stream).cloned() else {
            return Ok(view.not_yet_on(connections, &expected, "nothing"));
        };
        let Answer::Response {
            status,
            fields,
            body,
        } = &answer
        else {
            return Ok(view.instead(moment, &expected, &answer.in_words()));
        };
        let first = Map::from_iter([("status".to_owned(), json!(status))]);
        let message = http::message(first, fields, body);
        Ok(match self.wanted.meets(&message) {
            Ok(bound) => {
                let said = format!("got the answer {}", describe::value(&message));
                view.came_with(moment, &expected, said, bound)
            }
            Err(_) => {
                let got = format!("the answer {}", self.wanted.remarked(&message));
                view.instead(moment, &expected, &got)
            }
        })
    }
}
