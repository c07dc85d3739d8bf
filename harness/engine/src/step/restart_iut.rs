use super::prelude::*;

/// How long the implementation may take to be stopped and started again.
const RESTART: Duration = Duration::from_secs(15);

/// Takes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartIut {}

impl Verb for RestartIut {
    fn play(&self) -> Play<'_> {
        Play::Restarts
    }

    fn check(&self, _: &mut Checker<'_>, _: &Pointer) {}

    fn follow(&self, _: &mut Checker<'_>, _: &Pointer, state: &mut State) {
        state.ended = false;
        state.heard = false;
    }

    fn in_words(&self) -> String {
        "stop the implementation and start it again".to_owned()
    }

    fn longest(&self, _: &Pace<'_>) -> Duration {
        RESTART
    }
}
