use super::prelude::streams::*;
use super::prelude::*;

// A connection that reads nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Deafen(pub OfConnection);

impl Verb for Deafen {
    fn in_words(&self) -> String {
        format!("read no packet any more{}", words::of(&self.0.connection))
    }

    fn falls_silent(&self) -> bool {
        true
    }
}

impl Acts for Deafen {
    fn on(&self) -> On<'_> {
        On::Connection(&self.0.connection, Use::Acts)
    }

    fn needs_handshake(&self) -> bool {
        false
    }

    fn act(&self, start: &Start<'_>, world: &mut Connections) -> Result<Act, String> {
        world.ask(Output::Misbehave(
            start.target.connection()?,
            Fault::Deaf(true),
        ));
        Ok(Act::Done("deaf".to_owned()))
    }
}
