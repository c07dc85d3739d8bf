use super::prelude::streams::*;
use super::prelude::*;

/// A connection to close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Its name.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The application's code.
    pub code: u64,
    /// The reason that is given; none if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Verb for Close {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.code(self.code, &inside.key("code"));
    }

    fn follow(&self, _: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        state.names.over(&self.connection, Over::Closed, inside);
    }

    fn in_words(&self) -> String {
        let name = words::named(&self.connection);
        format!("close the connection{name} with code {}", self.code)
    }
}

impl StreamAction for Close {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Acts)
    }

    fn needs_handshake(&self) -> bool {
        false
    }

    fn when_closed(
        &self,
        _: Target,
        ended: &ConnectionEnd,
        connections: &mut Connections,
    ) -> WhenClosed {
        match ended {
            // A client that has done its part may close before the scripted peer does.
            ConnectionEnd::Application { code: 0, .. } if !connections.is_client => {
                WhenClosed::Skipped
            }
            ended => WhenClosed::of(ended),
        }
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let number = start.target.connection()?;
        connections.closes(number, start.at);
        connections.ask(Output::Close {
            connection: number,
            code: self.code,
            reason: self.reason.clone().unwrap_or_default(),
        });
        Ok(ActionResult::Done(format!(
            "closed with code {}",
            self.code
        )))
    }
}
