use std::time::Duration;

use shakedown_protocol::Protocol;

use crate::document::Pointer;
use crate::network::{Counts, Impairment};
use crate::scenario::{Scenario, StreamBounds, each_step};
use crate::script::{Failure, ScriptOutcome};

/// A network that takes less there and back lets no timer of an implementation run out by that.
const SHORTEST_TIMER: Duration = Duration::from_millis(200);

/// What a network did in a play, to what the script sent and to what it was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NetworkEffects {
    pub stimuli: Counts,
    pub answers: Counts,
}

/// The outcome of a script under an imposed network: a failure that the network caused is
/// inconclusive, not the implementation's. What the network did not do, or cannot do, excuses
/// nothing: windows account for its delay, so no delay explains a missing response, and none
/// explains a datagram of a kind that is never due. Nor does silence pass where something that the
/// script sent was lost, corrupted or late, which is reported for the last step. What the
/// monitor finds in a capture at the implementation's edge counts all the same.
#[must_use]
pub fn under_impairment(
    protocol: &Protocol,
    scenario: &Scenario,
    outcome: ScriptOutcome,
    impair: &Impairment,
    effects: &NetworkEffects,
    last_step: &str,
) -> ScriptOutcome {
    let stimuli = &effects.stimuli;
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
        ScriptOutcome::Failed(failure)
            if !impair.is_ideal() && explains(protocol, scenario, impair, effects, &failure) =>
        {
            ScriptOutcome::Inconclusive {
                why: format!(
                    "expected {}, got {}, which the network ({impair}) may have done",
                    failure.expected, failure.got
                ),
                step: failure.step,
            }
        }
        outcome @ (ScriptOutcome::Passed
        | ScriptOutcome::Failed(_)
        | ScriptOutcome::Inconclusive { .. }
        | ScriptOutcome::Error { .. }) => outcome,
    }
}

/// Whether what the network did can be the cause of a failure.
fn explains(
    protocol: &Protocol,
    scenario: &Scenario,
    impair: &Impairment,
    effects: &NetworkEffects,
    failure: &Failure,
) -> bool {
    let stream = scenario.iut.stream_for(StreamBounds::ORDINARY);
    let round_trip = Protocol::ROLES.map(|role| impair.delays(role, &stream).most);
    let is_slow = round_trip.iter().sum::<Duration>() >= SHORTEST_TIMER;
    let both = [effects.stimuli, effects.answers];
    let mut has_held_back = both.iter().map(|of| of.lost + of.corrupted + of.reordered);
    if is_slow || has_held_back.any(|count| count > 0) {
        return true;
    }
    // A duplicate, or a shorter delay, loses nothing.
    let is_silence = failure.packet.is_none() && failure.payload.is_none();
    let has_disordered = !impair.jitter.is_zero() || both.iter().any(|of| of.duplicated > 0);
    !is_silence && (has_disordered || is_due(protocol, scenario, failure))
}

/// Whether a step of the scenario wants, or lets pass, a datagram of the kind that came.
fn is_due(protocol: &Protocol, scenario: &Scenario, failure: &Failure) -> bool {
    let Some(payload) = &failure.payload else {
        return true;
    };
    let Ok(Some(came)) = protocol.vocabulary.decode(payload) else {
        return false;
    };
    let piece = protocol.media.map(|media| media.piece);
    let is_media = piece.is_some_and(|piece| piece(came.frame, &came.fields, payload, 0).is_some());
    let mut due = scenario.ignore.iter().any(|frame| frame == came.frame);
    each_step(&scenario.steps, &Pointer::root(), &mut |step, _| {
        due |= step.frames().contains(&came.frame);
        due |= is_media && step.verb() == "expect_media";
    });
    due
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
    use rstest::rstest;
    use serde_json::{Value, json};
    use shakedown_protocol::mediastream::PROTOCOL;

    use super::*;

    fn scenario() -> Scenario {
        serde_json::from_value(json!({
            "id": "mediastream/3way/responder/x", "title": "X", "requirements": ["MS-H-05"],
            "iut": { "role": "responder", "mode": "3way" },
            "steps": [
                { "send": { "frame": "SYN" } },
                { "expect": { "frame": "SYN-ACK", "within": "1s" } },
                { "send": { "frame": "ACK", "fields": { "connection_id": "START" } } },
                { "expect_nothing": { "for": "1s", "of": ["START_ACK"], "ignore": ["START_CONFIRM"] } },
            ],
        }))
        .unwrap()
    }

    /// Nothing came, or a frame.
    fn failed(came: Option<(&str, Value)>) -> ScriptOutcome {
        let got = came.as_ref().map_or("nothing", |(frame, _)| frame);
        let mut failure = Failure::new("MS-H-05", "1", Duration::ZERO, "SYN-ACK", got);
        failure.payload = came.map(|(frame, fields)| {
            let fields = fields.as_object().unwrap();
            PROTOCOL.vocabulary.encode(frame, fields).unwrap()
        });
        ScriptOutcome::Failed(Box::new(failure))
    }

    fn judged(outcome: ScriptOutcome, impair: &str, effects: &NetworkEffects) -> ScriptOutcome {
        let impair = impair.parse().unwrap();
        under_impairment(&PROTOCOL, &scenario(), outcome, &impair, effects, "2")
    }

    fn stimuli(stimuli: Counts) -> NetworkEffects {
        NetworkEffects {
            stimuli,
            ..NetworkEffects::default()
        }
    }

    #[test]
    fn what_a_script_misses_by_a_loss_is_the_network_s_doing() {
        let why =
            "expected SYN-ACK, got nothing, which the network (loss=0.1,seed=7) may have done";
        let expected = ScriptOutcome::Inconclusive {
            why: why.to_owned(),
            step: "1".to_owned(),
        };
        let lost = counts(3, 1, 0, 2);
        assert_eq!(
            judged(failed(None), "loss=0.1,seed=7", &stimuli(lost)),
            expected
        );
        let answers = NetworkEffects {
            answers: lost,
            ..NetworkEffects::default()
        };
        assert_eq!(judged(failed(None), "loss=0.1,seed=7", &answers), expected);
    }

    #[rstest]
    #[case::no_loss_happened("loss=0.1", None)]
    #[case::windows_know_the_delay("delay=20ms..80ms", None)]
    #[case::what_comes_twice_keeps_nothing_away("duplicate=0.5", None)]
    #[case::a_delay_makes_no_other_kind("delay=60ms", Some(("ERROR", json!({ "error_code": 7 }))))]
    #[case::nor_media_that_nobody_waits_for("delay=60ms", Some(("data", json!({}))))]
    #[case::nor_a_frame_that_is_forbidden("delay=60ms", Some(("START_ACK", json!({}))))]
    fn what_the_network_did_not_do_or_cannot_do_excuses_nothing(
        #[case] impair: &str,
        #[case] came: Option<(&str, Value)>,
    ) {
        let mut all = counts(3, 0, 0, 3);
        all.duplicated = u64::from(impair.contains("duplicate"));
        let outcome = failed(came);
        assert_eq!(judged(outcome.clone(), impair, &stimuli(all)), outcome);
    }

    #[rstest]
    #[case::it_lets_timers_run_out("delay=300ms", None)]
    #[case::what_is_due_comes_late("delay=60ms", Some(("SYN-ACK", json!({}))))]
    #[case::what_may_pass_comes_late("delay=60ms", Some(("START_CONFIRM", json!({}))))]
    #[case::order_is_lost("jitter=60ms", Some(("ERROR", json!({ "error_code": 7 }))))]
    fn what_it_can_do_without_a_loss_excuses(
        #[case] impair: &str,
        #[case] came: Option<(&str, Value)>,
    ) {
        let outcome = judged(failed(came), impair, &stimuli(counts(3, 0, 0, 3)));
        assert!(
            matches!(outcome, ScriptOutcome::Inconclusive { .. }),
            "{outcome:?}"
        );
    }

    #[test]
    fn an_ideal_network_excuses_nothing_and_nothing_else_is_changed() {
        let passed = ScriptOutcome::Passed;
        let (none, lost) = (stimuli(counts(3, 0, 0, 3)), stimuli(counts(3, 1, 0, 2)));
        assert_eq!(judged(failed(None), "seed=7", &lost), failed(None));
        assert_eq!(judged(passed.clone(), "seed=7", &lost), passed);
        assert_eq!(judged(passed.clone(), "loss=0.1", &none), passed);
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
        let cases = [
            (counts(3, 2, 0, 1), "the network (corrupt=0.1) lost 2: it"),
            (
                counts(3, 0, 1, 3),
                "the network (corrupt=0.1) corrupted 1: it",
            ),
            (counts(3, 0, 0, 2), "still had 1: it"),
            (counts(3, 1, 1, 2), "lost 1 and corrupted 1"),
        ];
        for (of, part) in cases {
            let outcome = judged(ScriptOutcome::Passed, "corrupt=0.1", &stimuli(of));
            let ScriptOutcome::Inconclusive { why, step } = outcome else {
                panic!("{outcome:?}");
            };
            assert!(why.contains(part), "{why}");
            assert!(why.contains("(3 datagrams)"), "{why}");
            assert_eq!(step, "2");
        }
    }
}
