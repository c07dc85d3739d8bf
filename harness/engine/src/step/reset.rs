use super::prelude::streams::*;
use super::prelude::*;

// A stream on which what is sent is broken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reset(pub WithCode);

impl Verb for Reset {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.code(self.0.code, &inside.key("code"));
    }

    fn follow(&self, _: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        state.names.ends(&self.0.stream, inside);
    }

    fn in_words(&self) -> String {
        let WithCode { stream, code } = &self.0;
        format!("break off `{stream}` with code {code}")
    }
}

impl StreamAction for Reset {
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
        connections.ask(Output::Reset(number, id, *code));
        Ok(ActionResult::Done(format!(
            "broke off `{stream}` with code {code}"
        )))
    }
}
