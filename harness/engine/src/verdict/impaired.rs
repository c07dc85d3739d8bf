use shakedown_protocol::Protocol;

use crate::network::{Counts, Impairment};
use crate::script::ScriptOutcome;

/// The outcome of a script that did not know of the network that it was played through: what it
/// missed may be the network's doing, so that it is inconclusive, never the implementation's
/// failure. Nor is it passed by silence where something that the script sent was lost, corrupted or
/// late: `stimuli` is what the network did to that, and it is told of the last step. What the
/// monitor finds in a capture at the implementation's edge counts all the same.
#[must_use]
pub fn under_impairment(
    protocol: &Protocol,
    outcome: ScriptOutcome,
    impair: &Impairment,
    stimuli: &Counts,
    last_step: &str,
) -> ScriptOutcome {
    // What is lost of QUIC is sent again, so that every stimulus is applied.
    let harm = match protocol.transport {
        None => harm(stimuli),
        Some(_) => None,
    };
    match outcome {
        ScriptOutcome::Passed if !impair.is_ideal() => match harm {
            Some(harm) => ScriptOutcome::Inconclusive {
                why: format!(
                    "all steps were played, but of what the script sent ({}) the network ({impair}) \
                     {harm}: it may have passed by that",
                    counted(stimuli.sent)
                ),
                step: last_step.to_owned(),
            },
            None => ScriptOutcome::Passed,
        },
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

/// What kept the stimuli from being what the script wanted, if anything did.
fn harm(stimuli: &Counts) -> Option<String> {
    let all = [
        (stimuli.lost, "lost"),
        (stimuli.corrupted, "corrupted"),
        (stimuli.waiting(), "still had"),
    ];
    let harm = all.into_iter().filter(|(count, _)| *count > 0);
    let harm: Vec<_> = harm
        .map(|(count, what)| format!("{what} {count}"))
        .collect();
    (!harm.is_empty()).then(|| harm.join(" and "))
}

fn counted(datagrams: u64) -> String {
    let plural = if datagrams == 1 { "" } else { "s" };
    format!("{datagrams} datagram{plural}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use shakedown_protocol::mediastream::PROTOCOL;

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
        let outcome = under_impairment(&PROTOCOL, failed(), &impair, &Counts::default(), "1");
        assert_eq!(outcome, expected);
    }

    #[test]
    fn an_ideal_network_excuses_nothing_and_nothing_else_is_changed() {
        let ideal = "seed=7".parse().unwrap();
        let passed = ScriptOutcome::Passed;
        let (none, lost) = (counts(3, 0, 0, 3), counts(3, 1, 0, 2));
        assert_eq!(
            under_impairment(&PROTOCOL, failed(), &ideal, &lost, "1"),
            failed()
        );
        assert_eq!(
            under_impairment(&PROTOCOL, passed.clone(), &ideal, &lost, "1"),
            passed
        );
        let impair = "loss=0.1".parse().unwrap();
        assert_eq!(
            under_impairment(&PROTOCOL, passed.clone(), &impair, &none, "1"),
            passed
        );
    }

    const fn counts(sent: u64, lost: u64, corrupted: u64, arrived: u64) -> Counts {
        Counts {
            sent,
            lost,
            duplicated: 0,
            reordered: 0,
            corrupted,
            arrived,
        }
    }

    #[test]
    fn silence_is_no_pass_where_a_stimulus_was_lost_or_changed_or_is_late() {
        let impair = "corrupt=0.1".parse().unwrap();
        let cases = [
            (counts(3, 2, 0, 1), "the network (corrupt=0.1) lost 2: it"),
            (
                counts(3, 0, 1, 3),
                "the network (corrupt=0.1) corrupted 1: it",
            ),
            (counts(3, 0, 0, 2), "still had 1: it"),
            (counts(3, 1, 1, 2), "lost 1 and corrupted 1"),
        ];
        for (stimuli, part) in cases {
            let outcome =
                under_impairment(&PROTOCOL, ScriptOutcome::Passed, &impair, &stimuli, "2");
            let ScriptOutcome::Inconclusive { why, step } = outcome else {
                panic!("{outcome:?}");
            };
            assert!(why.contains(part), "{why}");
            assert!(why.contains("(3 datagrams)"), "{why}");
            assert_eq!(step, "2");
        }
    }
}
