use serde_json::{Value, json};

use super::http::{self, Fields};
use super::prelude::streams::*;
use super::prelude::*;

/// A session of WebTransport to ask for; whether it comes to be is for `expect_session` to say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// The name that it gets.
    pub session: String,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The path; `/wt` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Value>,
    /// Header fields behind those that every such request has: names and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Fields,
}

impl Verb for OpenSession {
    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.names(
            "session",
            &self.session,
            &self.connection,
            inside,
            &mut state.names,
        );
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        format!("ask for the session `{}`{of}", self.session)
    }
}

impl StreamAction for OpenSession {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Acts)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let number = start.target.connection()?;
        let path = self.path.clone().unwrap_or_else(|| json!("/wt"));
        let path = http::text(&path, start.context)?;
        let fields = http::fields(&self.fields, start.context)?;
        let authority = start.authority(connections, number);
        let id = connections.ask_web(number, start.at, |web| {
            web.connect(&authority, &path, &fields)
        })?;
        connections.own(number, id, &self.session);
        Ok(ActionResult::Done(format!(
            "asked for the session `{}` at {path}",
            self.session
        )))
    }
}
