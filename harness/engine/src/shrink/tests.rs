use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::json;
use shakedown_protocol::Protocol;
use shakedown_protocol::ReferenceSettings;
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::requirement::Role;

use super::*;
use crate::scenario::Step;
use crate::simulation::{Settings, simulate};

const FILE: &str = "shrunk.json";

fn loaded(more: Value) -> Loaded {
    let mut scenario = json!({
        "$schema": "scenario.schema.json",
        "id": "mediastream/3way/responder/large", "title": "X", "comment": "Old",
        "requirements": ["MS-H-05", "MS-H-15"],
        "iut": { "role": "responder", "mode": "3way" },
    });
    let more = more.as_object().unwrap().clone();
    scenario.as_object_mut().unwrap().extend(more);
    Loaded::parse("large.json", &scenario.to_string()).unwrap_or_else(|error| panic!("{error}"))
}

fn reduction(loaded: &Loaded) -> Reduction<'_> {
    Reduction {
        loaded,
        file: FILE,
        tries: 100_000,
        happened: None,
    }
}

/// Shrinks to what fails by a predicate.
fn by(loaded: &Loaded, mut fails: impl FnMut(&Scenario) -> bool) -> Shrunk {
    let mut judge = |scenario: &Scenario| match fails(scenario) {
        true => CandidateVerdict::Same,
        false => CandidateVerdict::Passes,
    };
    shrink(&reduction(loaded), &mut judge, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap()
}

fn text_of(scenario: &Scenario) -> String {
    serde_json::to_value(scenario).unwrap().to_string()
}

fn value_of(shrunk: &Shrunk) -> Value {
    serde_json::from_str(&shrunk.text).unwrap()
}

/// A step that can be told from all others.
fn marked(marker: u8) -> Value {
    json!({ "send_raw": { "hex": format!("{marker:02x}") } })
}

fn markers(scenario: &Scenario) -> BTreeSet<u8> {
    let text = text_of(scenario);
    let has = |marker: &u8| text.contains(&format!("\"hex\":\"{marker:02x}\""));
    (0..=255).filter(has).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// What fails is any of a few sets of steps, at any depth: not even monotone, for one set may
    /// be there while another is taken apart.
    #[test]
    fn without_any_one_of_its_steps_the_result_does_not_fail(
        count in 1_u8..40,
        nested in 0_usize..10,
        sets in prop::collection::vec(prop::collection::btree_set(0_u8..40, 0..6), 1..4),
    ) {
        let mut steps: Vec<_> = (0..count).map(marked).collect();
        let inner = steps.split_off(steps.len() - nested.min(steps.len()));
        if !inner.is_empty() {
            steps.push(json!({ "repeat": { "times": 3, "steps": inner } }));
        }
        steps.push(json!({ "expect_nothing": { "for": "3s" } }));
        let all: BTreeSet<u8> = (0..count).collect();
        let sets: Vec<BTreeSet<u8>> =
            sets.iter().map(|set| set.intersection(&all).copied().collect()).collect();
        let fails = |scenario: &Scenario| {
            let here = markers(scenario);
            sets.iter().any(|set| set.is_subset(&here))
        };
        let large = loaded(json!({ "steps": steps }));
        let shrunk = by(&large, fails);
        prop_assert_eq!(shrunk.finished, StopReason::Minimal);
        prop_assert!(fails(&shrunk.scenario));
        let smallest = value_of(&shrunk);
        for list in tree::step_lists(&smallest) {
            for index in 0..tree::length(&smallest, &list) {
                let fewer = tree::without(&smallest, &list, &(index..index + 1));
                if let Ok(fewer) = Loaded::parse(FILE, &to_text(&fewer)) {
                    prop_assert!(!fails(&fewer.scenario), "{index} of {list} is not needed");
                }
            }
        }
        prop_assert_eq!(by(&large, fails).text, shrunk.text);
    }
}

#[test]
fn what_cannot_stand_without_a_step_goes_with_it() {
    let large = loaded(json!({
        "let": { "id": { "uuid": {} } },
        "sockets": { "other": { "other_port": {} } },
        "steps": [
            { "send": { "frame": "SYN", "fields": { "connection_id": "$id" }, "from": "other" } },
            { "expect": { "frame": "SYN-ACK", "within": "1s", "at": "other", "bind": { "a": "connection_id" } } },
            { "expect": { "frame": "SYN-ACK", "fields": { "connection_id": "$a" }, "within": "1s", "same_as": 1, "bind": { "b": "connection_id" } } },
            { "send": { "frame": "ACK", "fields": { "connection_id": "$b" } } },
            { "send_raw": { "hex": "07" } },
            { "expect_nothing": { "for": "1s" } },
        ],
    }));
    let shrunk = by(&large, |scenario| {
        let text = text_of(scenario);
        text.contains("\"hex\":\"07\"") && text.contains("expect_nothing")
    });
    let expected = json!([
        { "send_raw": { "hex": "07" } },
        { "expect_nothing": { "for": "1ms" } },
    ]);
    let value = value_of(&shrunk);
    assert_eq!(value["steps"], expected);
    assert_eq!(value.get("let"), None);
    assert_eq!(value.get("sockets"), None);
    assert_eq!(value["requirements"].as_array().unwrap().len(), 1);
}

#[test]
fn a_step_is_left_out_alone_where_only_a_field_of_another_needs_it() {
    let large = loaded(json!({
        "steps": [
            { "send": { "frame": "SYN" } },
            { "expect": { "frame": "SYN-ACK", "within": "1s", "bind": { "a": "connection_id" } } },
            { "send": { "frame": "ACK", "fields": { "connection_id": "$a" } } },
            { "expect_nothing": { "for": "1s" } },
        ],
    }));
    let shrunk = by(&large, |scenario| {
        let text = text_of(scenario);
        text.contains("\"ACK\"") && text.contains("expect_nothing")
    });
    let steps = value_of(&shrunk)["steps"].clone();
    assert_eq!(
        steps,
        json!([{ "send": { "frame": "ACK" } }, { "expect_nothing": { "for": "1ms" } }])
    );
}

#[test]
fn same_as_follows_the_step_that_it_means() {
    let large = loaded(json!({
        "steps": [
            { "wait": { "for": "1s" } },
            { "send": { "frame": "SYN" } },
            { "repeat": { "times": 2, "steps": [
                { "wait": { "for": "1s" } },
                { "expect": { "frame": "SYN-ACK", "within": "1s" } },
            ] } },
            { "wait": { "for": "2s" } },
            { "expect": { "frame": "SYN-ACK", "within": "1s", "same_as": 2 } },
        ],
    }));
    let shrunk = by(&large, |scenario| {
        let text = text_of(scenario);
        text.contains("same_as") && text.matches("SYN-ACK").count() == 2
    });
    let expected = json!([
        { "expect": { "frame": "SYN-ACK", "within": "1s" } },
        { "expect": { "frame": "SYN-ACK", "within": "1s", "same_as": 0 } },
    ]);
    assert_eq!(value_of(&shrunk)["steps"], expected);
}

#[test]
fn steps_are_taken_out_of_those_that_hold_them_and_counts_are_lowered_to_what_just_fails() {
    let large = loaded(json!({
        "steps": [
            { "either": [
                { "title": "A", "steps": [{ "expect": { "frame": "fragment", "within": "1s" } }] },
                { "title": "B", "steps": [
                    { "expect": { "frame": "connection-id", "within": "1s" } },
                    { "expect_any": { "of": [
                        { "frame": "data", "within": "1s" },
                        { "frame": "SYN-ACK", "within": "1s" },
                    ] } },
                ] },
            ] },
            { "send": { "frame": "SYN", "times": 100 } },
            { "send": { "frame": "ACK", "times": 9 } },
        ],
    }));
    let shrunk = by(&large, |scenario| {
        let mut steps = scenario.steps.iter();
        let floods = steps.any(|step| match step {
            Step::Send(send) => send.frame == "SYN" && send.times.unwrap_or(1) >= 37,
            _ => false,
        });
        floods && text_of(scenario).contains("SYN-ACK")
    });
    let expected = json!([
        { "expect": { "frame": "SYN-ACK", "within": "1s" } },
        { "send": { "frame": "SYN", "times": 37 } },
    ]);
    assert_eq!(value_of(&shrunk)["steps"], expected);
}

#[test]
fn faults_and_chances_that_do_not_matter_are_left_out() {
    let large = loaded(json!({
        "impair": {
            "loss": 0.1, "delay": "20ms..80ms", "reorder": 0.05, "seed": 7,
            "faults": [
                { "drop": { "frame": "SYN-ACK", "nth": 2 } },
                { "duplicate": { "frame": "ACK" } },
                { "drop": { "frame": "SYN-ACK", "nth": 3 } },
            ],
        },
        "steps": [{ "expect_nothing": { "for": "1s" } }],
    }));
    let shrunk = by(&large, |scenario| text_of(scenario).contains("\"nth\":3"));
    let faults = json!([{ "drop": { "frame": "SYN-ACK", "nth": 3 } }]);
    assert_eq!(value_of(&shrunk)["impair"]["faults"], faults);
    assert_eq!(value_of(&shrunk)["impair"].get("loss"), None);
    assert_eq!((shrunk.before.faults, shrunk.after.faults), (5, 1));
}

#[test]
fn what_does_not_fail_is_told_and_not_shrunk() {
    let large = loaded(json!({ "steps": [{ "expect_nothing": { "for": "1s" } }] }));
    let told = |judged: CandidateVerdict| {
        let mut judge = |_: &Scenario| judged.clone();
        shrink(&reduction(&large), &mut judge, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap_err()
    };
    assert!(matches!(
        told(CandidateVerdict::Passes),
        ShrinkError::Passes
    ));
    assert_eq!(
        told(CandidateVerdict::Other("MS-D-01".to_owned())).to_string(),
        "it fails MS-D-01"
    );
    assert_eq!(
        told(CandidateVerdict::CannotTell("why".to_owned())).to_string(),
        "why"
    );
    let file = Reduction {
        file: "No Name.json",
        ..reduction(&large)
    };
    let error = shrink(&file, &mut |_| CandidateVerdict::Same, &mut |_| {
        ControlFlow::Continue(())
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`No Name` is not in kebab-case"), "{error}");
}

#[test]
fn the_result_says_what_it_came_from_and_keeps_its_schema() {
    let steps: Vec<_> = (0..9)
        .map(marked)
        .chain([json!({ "expect_nothing": { "for": "1s" } })])
        .collect();
    let shrunk = by(&loaded(json!({ "steps": steps })), |_| true);
    assert_eq!(
        shrunk.text,
        "{\n  \"$schema\": \"scenario.schema.json\",\n  \
         \"id\": \"mediastream/3way/responder/shrunk\",\n  \"title\": \"X\",\n  \
         \"comment\": \"Shrunk from mediastream/3way/responder/large, which has 10 steps.\",\n  \
         \"requirements\": [\"MS-H-05\"],\n  \
         \"iut\": { \"role\": \"responder\", \"mode\": \"3way\" },\n  \
         \"steps\": [\n    { \"expect_nothing\": { \"for\": \"1ms\" } }\n  ]\n}\n"
    );
    assert_eq!((shrunk.before.steps, shrunk.after.steps), (10, 1));
}

#[test]
fn the_smallest_so_far_is_kept_when_the_search_ends_early() {
    let steps: Vec<_> = (0..40)
        .map(marked)
        .chain([json!({ "expect_nothing": { "for": "1s" } })])
        .collect();
    let large = loaded(json!({ "steps": steps }));
    let fails = |scenario: &Scenario| markers(scenario).contains(&3);
    let mut judge = |scenario: &Scenario| match fails(scenario) {
        true => CandidateVerdict::Same,
        false => CandidateVerdict::CannotTell("silence".to_owned()),
    };
    for most in 1..12 {
        let reduction = Reduction {
            tries: most,
            happened: None,
            ..reduction(&large)
        };
        let shrunk = shrink(&reduction, &mut judge, &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!((shrunk.finished, shrunk.tries), (StopReason::Tries, most));
        assert!(fails(&shrunk.scenario));
    }
    let mut told = |progress: &Progress| match progress.size.steps < 30 {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let shrunk = shrink(&reduction(&large), &mut judge, &mut told).unwrap();
    assert_eq!(shrunk.finished, StopReason::Stopped);
    assert!(shrunk.after.steps < 30 && fails(&shrunk.scenario));
}

/// The reference of 3way, which does not wait for the ACK although it should.
static EAGER: Protocol = Protocol {
    reference: |settings| {
        let eager = ReferenceSettings {
            options: vec!["optimistic_start".to_owned()],
            ..settings.clone()
        };
        (PROTOCOL.reference)(&eager)
    },
    ..PROTOCOL
};

#[test]
fn many_steps_against_a_twin_shrink_to_the_few_that_matter_and_the_reference_passes_them() {
    let syn = json!({ "send": { "frame": "SYN", "fields": { "connection_id": "$id" } } });
    let syn_ack = json!({ "expect": { "frame": "SYN-ACK", "within": "1s", "bind": { "a": "connection_id" } } });
    let mut steps: Vec<_> = (0..20).map(marked).collect();
    steps.extend([syn, syn_ack]);
    steps.push(
        json!({ "repeat": { "times": 4, "steps": [marked(7), { "wait": { "for": "50ms" } }] } }),
    );
    steps.push(json!({ "expect_nothing": { "for": "1s", "of": ["data"], "ignore": ["SYN-ACK"], "requirement": "MS-H-15" } }));
    steps.push(json!({ "send": { "frame": "ACK", "fields": { "connection_id": "$a" } } }));
    let large = loaded(json!({ "let": { "id": { "uuid": {} } }, "steps": steps }));
    let play = |protocol: &'static Protocol, scenario: &Scenario| {
        simulate(protocol, scenario, &Settings::default())
            .unwrap()
            .composed
    };
    let run = || {
        let failure = Failure {
            requirement: "MS-H-15".to_owned(),
            party: Role::Responder,
        };
        let mut judge = |scenario: &Scenario| {
            let healthy = play(&PROTOCOL, scenario);
            if Failure::of(Role::Responder, &healthy.findings).is_some() {
                return CandidateVerdict::Passes;
            }
            let composed = play(&EAGER, scenario);
            failure.judge(Role::Responder, &composed.verdict, &composed.findings)
        };
        shrink(&reduction(&large), &mut judge, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap()
    };
    let shrunk = run();
    // The monitor sees the media; the first frame is due after 20 ms.
    let expected = json!([
        { "send": { "frame": "SYN" } },
        { "expect": { "frame": "SYN-ACK", "within": "1s" } },
        { "wait": { "for": "50ms" } },
    ]);
    assert_eq!(value_of(&shrunk)["steps"], expected);
    assert_eq!(run().text, shrunk.text);
}
