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
    fn on(&self) -> On<'_> {
        On::Connection(&self.0.connection, Use::Mends)
    }

    fn needs_handshake(&self) -> bool {
        false
    }

    fn after_end(&self, _: Target, _: &ConnectionEnd, _: &mut Connections) -> AfterEnd {
        // It is the endpoint whose packets pass again: other connections have it too.
        AfterEnd::Acts
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
