use super::prelude::streams::*;
use super::prelude::*;

// A stream on which nothing more is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Fin(pub OfStream);

impl Verb for Fin {
    fn play(&self) -> Play<'_> {
        Play::Acts(self)
    }

    fn check(&self, _: &mut Checker<'_>, _: &Pointer) {}

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.means_stream(&self.0.stream, inside, Use::Acts, state);
        check.may_write(&self.0.stream, inside, true, state);
    }

    fn in_words(&self) -> String {
        format!("end `{}` (FIN)", self.0.stream)
    }
}

impl Acts for Fin {
    fn on(&self) -> On<'_> {
        On::Stream(&self.0.stream)
    }

    fn sends(&self) -> bool {
        true
    }

    fn act(
        &self,
        target: Target,
        _: &Context,
        world: &mut Connections,
        _: Duration,
    ) -> Result<Act, String> {
        let (number, id) = target.stream()?;
        world.ask(Output::Fin(number, id));
        Ok(Act::Done(format!("ended `{}`", self.0.stream)))
    }
}
