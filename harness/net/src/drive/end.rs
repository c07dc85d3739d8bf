use std::time::Duration;

use shakedown_engine::script::ScriptOutcome;

use super::capture::Packets;

/// Why the driver stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    Played(ScriptOutcome),
    /// The run was interrupted.
    Interrupted,
    /// The script took longer than its steps can take.
    OutOfTime(Duration),
    /// More came in than any stream that was asked for has.
    Flooded(u64),
}

impl End {
    /// The same with the packets that the script's numbers stand for.
    pub(super) fn renumbered(self, packets: &Packets) -> Self {
        match self {
            Self::Played(ScriptOutcome::Failed(mut failure)) => {
                failure.packet = packets.of(failure.packet);
                Self::Played(ScriptOutcome::Failed(failure))
            }
            Self::Played(
                ScriptOutcome::Passed
                | ScriptOutcome::Inconclusive { .. }
                | ScriptOutcome::Error { .. },
            )
            | Self::Interrupted
            | Self::OutOfTime(_)
            | Self::Flooded(_) => self,
        }
    }
}
