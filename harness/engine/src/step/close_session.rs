use shakedown_protocol::web::SessionClose;

use super::prelude::streams::*;
use super::prelude::*;

/// A session to end, with what is open of its streams.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseSession {
    /// The session.
    pub session: String,
    /// The code; 0 if not given.
    #[serde(default)]
    pub code: u32,
    /// Why, in words; nothing if not given.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Verb for CloseSession {
    fn in_words(&self) -> String {
        format!("end the session `{}` with code {}", self.session, self.code)
    }
}

impl StreamAction for CloseSession {
    fn subject(&self) -> Subject<'_> {
        Subject::Session(&self.session, Access::Acts)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let (number, id) = start.target.stream()?;
        let close = SessionClose {
            code: self.code,
            reason: self.reason.clone(),
        };
        connections.ask_web(number, start.at, |web| web.close(id, &close))?;
        Ok(ActionResult::Done(format!(
            "ended the session `{}`",
            self.session
        )))
    }
}
