use super::prelude::streams::*;
use super::prelude::*;

/// A stream to open. QUIC tells the other side of it with the first bytes or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Open {
    /// The name that it gets.
    pub stream: String,
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// Whether only the scripted peer sends on it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unidirectional: bool,
}

impl Verb for Open {
    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        let Self {
            stream,
            connection,
            unidirectional,
        } = self;
        check.opens(
            stream,
            connection,
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
        let of = words::of(&self.connection);
        format!("open the {kind} `{}`{of}", self.stream)
    }
}

impl Acts for Open {
    fn on(&self) -> On<'_> {
        On::Connection(&self.connection, Use::Acts)
    }

    fn after_end(&self, target: Target, ended: &Ended, connections: &mut Connections) -> AfterEnd {
        if let Ok(number) = target.connection() {
            // Later steps may name it; they are passed over too.
            connections.open(number, self.unidirectional, &self.stream);
        }
        AfterEnd::of(ended)
    }

    fn act(&self, start: &Start<'_>, connections: &mut Connections) -> Result<Act, String> {
        let number = start.target.connection()?;
        let id = connections.open(number, self.unidirectional, &self.stream);
        let id = id.ok_or("the connection is forgotten")?;
        connections.ask(Output::Open(number, id));
        let text = format!("opened `{}` (stream {})", self.stream, id.0);
        Ok(Act::Done(text))
    }
}
