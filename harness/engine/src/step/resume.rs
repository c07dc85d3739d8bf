use super::prelude::streams::*;
use super::prelude::*;

// A connection whose packets pass again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Resume(pub OfConnection);

impl Verb for Resume {
    fn in_words(&self) -> String {
        format!("let packets pass again{}", words::of(&self.0.connection))
    }
}

impl StreamAction for Resume {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.0.connection, Access::Restores)
    }

    fn needs_handshake(&self) -> bool {
        false
    }

    fn when_closed(&self, _: Target, _: &ConnectionEnd, _: &mut Connections) -> WhenClosed {
        // It is the endpoint whose packets pass again: other connections have it too.
        WhenClosed::Acts
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let faults = [Fault::Deaf(false), Fault::Silent(false)];
        start.misbehave(connections, &faults, "packets pass again".into())
    }
}
