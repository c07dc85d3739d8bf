use super::prelude::streams::*;
use super::prelude::*;

// A stream that is read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ResumeReading(pub OfStream);

impl Verb for ResumeReading {
    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_read(&self.0.stream, inside, &state.names);
    }

    fn in_words(&self) -> String {
        format!("read `{}` again", self.0.stream)
    }
}

impl Acts for ResumeReading {
    fn on(&self) -> On<'_> {
        On::Stream(&self.0.stream, Use::Mends)
    }

    fn after_end(&self, _: Target, _: &Ended, _: &mut Connections) -> AfterEnd {
        AfterEnd::NeedsNot
    }

    fn act(&self, start: &Start<'_>, world: &mut Connections) -> Result<Act, String> {
        world.hold(start.target.stream()?, false);
        Ok(Act::Done(format!("reading `{}` again", self.0.stream)))
    }
}
