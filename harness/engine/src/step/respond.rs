use serde_json::Value;

use super::http::{self, Fields};
use super::prelude::streams::*;
use super::prelude::*;

/// An answer to a request that `expect_request` found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Respond {
    /// The request.
    pub request: String,
    /// The status.
    pub status: u16,
    /// Header fields behind the status: names and values, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Fields,
    /// The body: a text, or JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl Verb for Respond {
    fn in_words(&self) -> String {
        format!("answer `{}` with status {}", self.request, self.status)
    }
}

impl StreamAction for Respond {
    fn subject(&self) -> Subject<'_> {
        Subject::Request(&self.request, Access::Acts)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let (number, id) = start.target.stream()?;
        let mut all = vec![(":status".to_owned(), self.status.to_string())];
        all.extend(http::fields(&self.fields, start.context)?);
        let body = http::body(self.body.as_ref(), start.context)?;
        connections.ask_web(number, start.at, |web| web.respond(id, &all, &body))?;
        Ok(ActionResult::Done(format!(
            "answered `{}` with {}",
            self.request, self.status
        )))
    }
}
