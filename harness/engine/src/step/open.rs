use super::prelude::streams::*;
use super::prelude::*;

/// A stream to open. QUIC announces it with its first bytes or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The name that it gets.
    pub stream: String,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The session of WebTransport of which it is one; of none, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Whether only the scripted peer sends on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unidirectional: bool,
}

impl Verb for Open {
    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        let Self {
            stream,
            connection,
            session,
            unidirectional,
        } = self;
        let of_session = session
            .as_ref()
            .and_then(|session| state.names.connection_of(session));
        let connection = of_session.unwrap_or_else(|| connection.clone());
        check.opens(
            stream,
            &connection,
            *unidirectional,
            inside,
            &mut state.names,
        );
    }

    fn in_words(&self) -> String {
        let kind = match self.unidirectional {
            true => "unidirectional stream",
            false => "stream",
        };
        let of = words::of(self.session.as_ref().unwrap_or(&self.connection));
        format!("open the {kind} `{}`{of}", self.stream)
    }
}

impl StreamAction for Open {
    fn subject(&self) -> Subject<'_> {
        match &self.session {
            Some(session) => Subject::Session(session, Access::Acts),
            None => Subject::Connection(&self.connection, Access::Acts),
        }
    }

    fn when_closed(
        &self,
        target: Target,
        ended: &ConnectionEnd,
        connections: &mut Connections,
    ) -> WhenClosed {
        if let Ok(number) = target.connection() {
            // Later steps may name it; they are passed over too.
            connections.open(number, self.unidirectional, &self.stream);
        }
        WhenClosed::of(ended)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let number = start.target.connection()?;
        if self.session.is_some() {
            let (_, session) = start.target.stream()?;
            let id = connections.ask_web(number, start.at, |web| {
                web.open(session, self.unidirectional)
            })?;
            connections.own(number, id, &self.stream);
            let text = format!("opened `{}` (stream {})", self.stream, id.0);
            return Ok(ActionResult::Done(text));
        }
        let id = connections.open(number, self.unidirectional, &self.stream);
        let id = id.ok_or("the connection is forgotten")?;
        connections.ask(Output::Open(number, id));
        let text = format!("opened `{}` (stream {})", self.stream, id.0);
        Ok(ActionResult::Done(text))
    }
}
