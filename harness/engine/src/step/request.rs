use serde_json::Value;

use super::http::{self, Fields};
use super::prelude::streams::*;
use super::prelude::*;

/// A request over HTTP/3.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The name that it gets.
    pub request: String,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The method; GET if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Value>,
    /// Header fields behind those that every request has: names and values, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Fields,
    /// Whether `fields` are all that there are, also those that every request has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_fields: bool,
    /// The body: a text, or JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl Verb for Request {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if self.only_fields && (self.method.is_some() || self.path.is_some()) {
            let message = "`only_fields` leaves no room for `method` and `path`";
            let help = "write them in `fields`, as `:method` and `:path`".to_owned();
            check.at_key(&inside.key("only_fields"), message, Some(help));
        }
        if !self.only_fields && self.path.is_none() && check.is_whole() {
            check.at_key(inside, "it does not say which `path`", None);
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.names(
            "request",
            &self.request,
            &self.connection,
            inside,
            &mut state.names,
        );
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        let method = self.method.as_deref().unwrap_or("GET");
        let path = self.path.as_ref().map(words::wanted).unwrap_or_default();
        format!("request `{}`{of}: {method} {path}", self.request)
    }
}

impl StreamAction for Request {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Acts)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let number = start.target.connection()?;
        let mut all = Vec::new();
        if let Some(path) = self.path.as_ref().filter(|_| !self.only_fields) {
            let path = http::text(path, start.context)?;
            let method = self.method.as_deref().unwrap_or("GET");
            let authority = start.authority(connections, number);
            let own = [
                (":method", method),
                (":scheme", "https"),
                (":authority", authority.as_str()),
                (":path", path.as_str()),
            ];
            all.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
        all.extend(http::fields(&self.fields, start.context)?);
        let body = http::body(self.body.as_ref(), start.context)?;
        let id = connections.ask_web(number, start.at, |web| web.request(&all, &body))?;
        connections.own(number, id, &self.request);
        Ok(ActionResult::Done(format!(
            "requested `{}` (stream {})",
            self.request, id.0
        )))
    }
}
