use super::prelude::*;

/// How long the implementation may take to be stopped and started again.
const RESTART: Duration = Duration::from_secs(15);

/// How it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestartIut {
    /// Whether it is killed, and so cannot close its sessions.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub kill: bool,
}

impl Verb for RestartIut {
    fn follow(&self, _: &mut Checker<'_>, _: &Pointer, state: &mut State) {
        state.ended = false;
        state.heard = false;
    }

    fn in_words(&self) -> String {
        let how = if self.kill { "kill" } else { "stop" };
        format!("{how} the implementation and start it again")
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        RESTART.saturating_add(pace.restart())
    }
}
