use super::prelude::streams::*;
use super::prelude::*;

// A stream that is not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StopReading(pub OfStream);

impl Verb for StopReading {
    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_read(&self.0.stream, inside, &state.names);
    }

    fn in_words(&self) -> String {
        format!("read no more of `{}`", self.0.stream)
    }
}

impl Acts for StopReading {
    fn on(&self) -> On<'_> {
        On::Stream(&self.0.stream, Use::Mends)
    }

    fn after_end(&self, _: Target, _: &Ended, _: &mut Connections) -> AfterEnd {
        AfterEnd::Misses
    }

    fn act(&self, start: &Start<'_>, world: &mut Connections) -> Result<Act, String> {
        world.hold(start.target.stream()?, true);
        let text = format!("reading no more of `{}`", self.0.stream);
        Ok(Act::Done(text))
    }
}
