use super::prelude::streams::*;
use super::prelude::*;

// A connection whose packets are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Blackhole(pub OfConnection);

impl Verb for Blackhole {
    fn in_words(&self) -> String {
        format!("drop every packet{}", words::of(&self.0.connection))
    }

    fn falls_silent(&self) -> bool {
        true
    }
}

impl Acts for Blackhole {
    fn on(&self) -> On<'_> {
        On::Connection(&self.0.connection, Use::Acts)
    }

    fn needs_handshake(&self) -> bool {
        false
    }

    fn act(&self, start: &Start<'_>, world: &mut Connections) -> Result<Act, String> {
        world.ask(Output::Misbehave(
            start.target.connection()?,
            Fault::Silent(true),
        ));
        Ok(Act::Done("silent".to_owned()))
    }
}
