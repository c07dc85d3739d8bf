use super::prelude::streams::*;
use super::prelude::*;

/// Of which no bytes are taken.
pub type StopReading = Reading<false>;

// A stream that is read or is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Reading<const READS: bool>(pub OfStream);

impl<const READS: bool> Verb for Reading<READS>
where
    Self: Demands,
{
    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_read(&self.0.stream, inside, &state.names);
    }

    fn in_words(&self) -> String {
        match READS {
            true => format!("read `{}` again", self.0.stream),
            false => format!("read no more of `{}`", self.0.stream),
        }
    }
}

impl<const READS: bool> StreamAction for Reading<READS> {
    fn subject(&self) -> Subject<'_> {
        Subject::Stream(&self.0.stream, Access::Restores)
    }

    fn when_closed(&self, _: Target, _: &ConnectionEnd, _: &mut Connections) -> WhenClosed {
        match READS {
            true => WhenClosed::Skipped,
            false => WhenClosed::Missed,
        }
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        connections.hold(start.target.stream()?, !READS);
        Ok(ActionResult::Done(match READS {
            true => format!("reading `{}` again", self.0.stream),
            false => format!("reading no more of `{}`", self.0.stream),
        }))
    }
}
