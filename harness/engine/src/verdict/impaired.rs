use crate::network::Impair;
use crate::script::ScriptOutcome;

/// The outcome of a script that did not know of the network that it was played through: what it
/// missed may be the network's doing, so that it is inconclusive, never the implementation's
/// failure. What the monitor finds in a capture at the implementation's edge counts all the same.
#[must_use]
pub fn under_impairment(outcome: ScriptOutcome, impair: &Impair) -> ScriptOutcome {
    match outcome {
        ScriptOutcome::Failed(failure) if !impair.is_ideal() => ScriptOutcome::Inconclusive {
            why: format!(
                "expected {}, got {}, which the network ({impair}) may have done",
                failure.expected, failure.got
            ),
            step: failure.step,
        },
        outcome @ (ScriptOutcome::Passed
        | ScriptOutcome::Failed(_)
        | ScriptOutcome::Inconclusive { .. }
        | ScriptOutcome::Error { .. }) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::script::Failure;

    fn failed() -> ScriptOutcome {
        let failure = Failure::new("MS-H-05", "1", Duration::ZERO, "SYN-ACK", "nothing");
        ScriptOutcome::Failed(Box::new(failure))
    }

    #[test]
    fn what_a_script_misses_may_be_the_network_s_doing() {
        let impair = "loss=0.1,seed=7".parse().unwrap();
        let why =
            "expected SYN-ACK, got nothing, which the network (loss=0.1,seed=7) may have done";
        let expected = ScriptOutcome::Inconclusive {
            why: why.to_owned(),
            step: "1".to_owned(),
        };
        assert_eq!(under_impairment(failed(), &impair), expected);
    }

    #[test]
    fn an_ideal_network_excuses_nothing_and_nothing_else_is_changed() {
        let ideal = "seed=7".parse().unwrap();
        assert_eq!(under_impairment(failed(), &ideal), failed());
        let impair = "loss=0.1".parse().unwrap();
        let passed = under_impairment(ScriptOutcome::Passed, &impair);
        assert_eq!(passed, ScriptOutcome::Passed);
    }
}
