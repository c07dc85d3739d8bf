use super::prelude::streams::*;
use super::prelude::*;

// A stream on which nothing more is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Fin(pub OfStream);

impl Verb for Fin {
    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_write(&self.0.stream, inside, true, &mut state.names);
    }

    fn in_words(&self) -> String {
        format!("end `{}` (FIN)", self.0.stream)
    }
}

impl StreamAction for Fin {
    fn subject(&self) -> Subject<'_> {
        Subject::Stream(&self.0.stream, Access::Acts)
    }

    fn sends(&self) -> bool {
        true
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let (number, id) = start.target.stream()?;
        connections.ask(Output::Fin(number, id));
        Ok(ActionResult::Done(format!("ended `{}`", self.0.stream)))
    }
}
