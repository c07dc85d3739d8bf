use super::prelude::streams::*;
use super::prelude::*;

// A connection whose packets are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Blackhole(pub OfConnection);

impl Verb for Blackhole {
    fn play(&self) -> Play<'_> {
        Play::Acts(self)
    }

    fn check(&self, _: &mut Checker<'_>, _: &Pointer) {}

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.means(&self.0.connection, inside, Use::Acts, state);
    }

    fn in_words(&self) -> String {
        format!("drop every packet{}", words::of(&self.0.connection))
    }

    fn falls_silent(&self) -> bool {
        true
    }
}

impl Acts for Blackhole {
    fn on(&self) -> On<'_> {
        On::Connection(&self.0.connection)
    }

    fn needs_handshake(&self) -> bool {
        false
    }

    fn act(
        &self,
        target: Target,
        _: &Context,
        world: &mut Connections,
        _: Duration,
    ) -> Result<Act, String> {
        world.ask(Output::Misbehave(target.connection()?, Fault::Silent(true)));
        Ok(Act::Done("silent".to_owned()))
    }
}
