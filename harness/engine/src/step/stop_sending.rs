use super::prelude::streams::*;
use super::prelude::*;

// A stream of which no more is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct StopSending(pub WithCode);

impl Verb for StopSending {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.code(self.0.code, &inside.key("code"));
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_read(&self.0.stream, inside, &state.names);
    }

    fn in_words(&self) -> String {
        let WithCode { stream, code } = &self.0;
        format!("ask for no more bytes of `{stream}`, with code {code}")
    }
}

impl StreamAction for StopSending {
    fn subject(&self) -> Subject<'_> {
        Subject::Stream(&self.0.stream, Access::Acts)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let (number, id) = start.target.stream()?;
        let WithCode { stream, code } = &self.0;
        connections.ask(Output::StopSending(number, id, *code));
        let text = format!("asked for no more of `{stream}`, with code {code}");
        Ok(ActionResult::Done(text))
    }
}
