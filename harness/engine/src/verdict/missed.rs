use crate::network::Fault;
use crate::script::ScriptOutcome;

/// The outcome of a script whose exact faults never matched a datagram: the situation of the
/// scenario did not occur, so it does not pass. This is reported for the last step.
#[must_use]
pub fn unless_missed(outcome: ScriptOutcome, missed: &[Fault], last_step: &str) -> ScriptOutcome {
    match outcome {
        ScriptOutcome::Passed if !missed.is_empty() => {
            let faults: Vec<_> = missed.iter().map(ToString::to_string).collect();
            ScriptOutcome::Inconclusive {
                why: format!(
                    "all steps were played, but the network never had what it was to harm: {}",
                    faults.join(", ")
                ),
                step: last_step.to_owned(),
            }
        }
        outcome @ (ScriptOutcome::Passed
        | ScriptOutcome::Failed(_)
        | ScriptOutcome::Inconclusive { .. }
        | ScriptOutcome::Error { .. }) => outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::FaultKind;

    #[test]
    fn a_scenario_does_not_pass_by_harm_that_was_not_done() {
        let fault = Fault {
            frame: "SYN-ACK".to_owned(),
            nth: 2,
            from: None,
            kind: FaultKind::Drop,
        };
        let outcome = unless_missed(ScriptOutcome::Passed, &[fault], "3");
        let ScriptOutcome::Inconclusive { why, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert!(why.ends_with("drop=SYN-ACK#2"), "{why}");
        assert_eq!(
            unless_missed(ScriptOutcome::Passed, &[], "3"),
            ScriptOutcome::Passed
        );
    }
}
