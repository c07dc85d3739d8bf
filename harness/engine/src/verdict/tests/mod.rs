mod counters;
mod unexpected_ends;
mod waivers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::monitor::{Field, Finding, NetworkCounts, Observation, Session};
use shakedown_protocol::requirement::{Level, Role};

use super::*;
use crate::iut::Waiver;
use crate::scenario::Scenario;
use crate::script::{Failure, Judgements, ScriptOutcome};

/// What is known of a scenario against a responder that names MS-H-05 (wire), MS-H-12 (peer),
/// MS-D-08 (inner) and MS-H-22 (wire, SHOULD) and judges MS-H-22 by a step.
struct Case {
    requirements: Vec<&'static str>,
    script: ScriptOutcome,
    /// What it counted.
    counters: CounterValues,
    /// What the scenario wants counted.
    counted: serde_json::Value,
    /// Requirements that a step judged.
    judged: Vec<&'static str>,
    /// Requirements of which only the exit status would tell.
    untold: Vec<&'static str>,
    observations: Vec<Observation>,
    damage: Option<&'static str>,
    unexpected_end: Option<UnexpectedEnd>,
    level: Level,
    waivers: Vec<Waiver>,
}

impl Case {
    fn passed() -> Self {
        Self {
            requirements: vec!["MS-H-12", "MS-H-05", "MS-D-08", "MS-H-22"],
            script: ScriptOutcome::Passed,
            counters: CounterValues::new(),
            counted: json!([]),
            judged: vec!["MS-H-12", "MS-H-22"],
            untold: vec![],
            observations: vec![session(&["MS-H-05", "MS-W-12"])],
            damage: None,
            unexpected_end: None,
            level: Level::Should,
            waivers: Vec::new(),
        }
    }

    fn failed(requirement: &str) -> Self {
        Self {
            script: ScriptOutcome::Failed(Box::new(failure(requirement))),
            judged: vec![],
            ..Self::passed()
        }
    }

    fn composed(&self) -> Composed {
        let steps = json!([{ "expect_nothing": { "for": "1s", "requirement": "MS-H-22" } }]);
        let scenario: Scenario = serde_json::from_value(json!({
            "id": "mediastream/3way/responder/x", "title": "X",
            "requirements": self.requirements,
            "iut": { "role": "responder", "mode": "3way" }, "steps": steps,
            "inside": self.counted,
        }))
        .unwrap();
        let set = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        compose(&Evidence {
            protocol: &PROTOCOL,
            scenario: &scenario,
            script: &self.script,
            judgements: &Judgements {
                judged: set(&self.judged),
                untold: set(&self.untold),
            },
            epoch: Duration::from_secs(100),
            counters: &self.counters,
            capture: CaptureEvidence {
                path: Some("x.pcapng"),
                start: Duration::from_secs(101),
                observations: &self.observations,
                payloads: &BTreeMap::from([(5, vec![0xab; 300])]),
                damage: self.damage,
            },
            process: None,
            unexpected_end: self.unexpected_end.clone(),
            level: self.level,
            waivers: &self.waivers,
            seconds: 2.0,
        })
    }

    fn verdict(&self) -> Verdict {
        self.composed().verdict.verdict
    }

    fn of(&self, requirement: &str) -> Verdict {
        self.composed().verdict.requirements[requirement]
    }
}

fn failure(requirement: &str) -> Failure {
    Failure::new(
        requirement,
        "3",
        Duration::from_millis(1_500),
        "SYN-ACK",
        "nothing",
    )
}

fn session(judged: &[&'static str]) -> Observation {
    let address: SocketAddr = "127.0.0.1:1".parse().unwrap();
    Observation::Session(Session {
        protocol: "mediastream",
        mode: "3way",
        initiator: address,
        responder: address,
        connection_id: None,
        frames: 0,
        datagrams: 0,
        first_packet: 1,
        network: NetworkCounts::default(),
        judged: judged.iter().map(|id| (*id, Role::Responder)).collect(),
        more_breaches: 0,
    })
}

fn finding(requirement: &'static str, party: Role, millis: u64, packet: Option<u64>) -> Finding {
    Finding {
        requirement,
        party,
        address: "127.0.0.1:1".parse().unwrap(),
        packet,
        time: Duration::from_secs(101) + Duration::from_millis(millis),
        expected: "a".to_owned(),
        got: "b".to_owned(),
        field: None,
        off: None,
    }
}

fn found(requirement: &'static str, millis: u64, packet: Option<u64>) -> Observation {
    Observation::Finding(finding(requirement, Role::Responder, millis, packet))
}

#[test]
fn a_script_that_passed_and_a_monitor_that_found_nothing_are_a_pass() {
    let case = Case::passed();
    let composed = case.composed();
    assert_eq!(composed.verdict.verdict, Verdict::Pass);
    assert_eq!(composed.verdict.reason, None);
    assert_eq!(
        json!(composed.verdict.requirements),
        json!({
            "MS-H-12": "pass", "MS-H-05": "pass", "MS-D-08": "not-observed", "MS-H-22": "pass",
            "MS-W-12": "pass",
        })
    );
}

#[test]
fn a_wire_requirement_that_did_not_come_up_is_not_observed() {
    let mut case = Case::passed();
    case.observations = vec![session(&[])];
    assert_eq!(case.of("MS-H-05"), Verdict::NotObserved);
    assert_eq!(case.verdict(), Verdict::Pass, "others were judged");
}

#[test]
fn a_scenario_none_of_whose_requirements_was_judged_is_inconclusive() {
    let mut case = Case::passed();
    case.requirements = vec!["MS-D-08", "MS-H-05"];
    case.observations = vec![session(&[])];
    let composed = case.composed();
    assert_eq!(composed.verdict.verdict, Verdict::Inconclusive);
    assert_eq!(
        composed.verdict.reason.as_deref(),
        Some("none of its requirements could be judged")
    );
}

#[test]
fn a_finding_of_the_script_fails_its_requirement_and_leaves_the_rest_open() {
    let case = Case::failed("MS-H-12");
    let composed = case.composed();
    assert_eq!(composed.verdict.verdict, Verdict::Fail);
    assert_eq!(case.of("MS-H-12"), Verdict::Fail);
    assert_eq!(case.of("MS-H-05"), Verdict::Pass, "the monitor judged it");
    assert_eq!(case.of("MS-H-22"), Verdict::Inconclusive);
    let finding = &composed.findings[0];
    assert_eq!(finding.message, "expected SYN-ACK, got nothing");
    assert_eq!(
        (finding.level.as_str(), finding.step.as_deref()),
        ("MUST", Some("3"))
    );
    assert_eq!(finding.capture.as_deref(), Some("x.pcapng"));
    assert!(
        (finding.time - 0.5).abs() < 1e-9,
        "1.5 s by a clock that began 1 s earlier"
    );
}

#[test]
fn steps_completed_before_the_failure_judged_their_requirements() {
    let case = Case {
        judged: vec!["MS-H-22"],
        ..Case::failed("MS-H-12")
    };
    assert_eq!(case.of("MS-H-22"), Verdict::Pass);
}

#[test]
fn a_finding_of_the_monitor_about_the_implementation_fails_the_scenario() {
    let mut case = Case::passed();
    case.observations.push(found("MS-W-12", 3, Some(5)));
    let composed = case.composed();
    assert_eq!(composed.verdict.verdict, Verdict::Fail);
    let finding = &composed.findings[0];
    assert_eq!(finding.packet, Some(5));
    assert_eq!(
        finding.bytes.as_ref().map(String::len),
        Some(512),
        "the first 256 bytes"
    );
    assert!((finding.time - 0.003).abs() < 1e-9);
}

#[test]
fn findings_about_the_scripted_peer_do_not_count() {
    let mut case = Case::passed();
    let ours = finding("MS-W-12", Role::Initiator, 3, Some(5));
    case.observations.push(Observation::Finding(ours));
    assert_eq!(case.verdict(), Verdict::Pass);
    assert_eq!(case.composed().findings, []);
}

#[test]
fn the_finding_that_came_first_is_first() {
    let mut case = Case::failed("MS-H-12");
    case.observations.push(found("MS-H-05", 900, Some(9)));
    case.observations.push(found("MS-W-12", 100, Some(5)));
    let composed = case.composed();
    let order: Vec<_> = composed
        .findings
        .iter()
        .map(|it| it.requirement.as_str())
        .collect();
    assert_eq!(order, ["MS-W-12", "MS-H-12", "MS-H-05"]);
}

#[test]
fn a_cause_comes_before_what_follows_from_it_though_it_was_seen_later() {
    let mut case = Case::passed();
    case.observations = vec![
        found("MS-D-02", 1_100, Some(5)),
        found("MS-D-01", 1_200, Some(6)),
        found("MS-L-04", 1_900, Some(9)),
    ];
    let composed = case.composed();
    let order: Vec<_> = composed
        .findings
        .iter()
        .map(|one| one.requirement.as_str())
        .collect();
    assert_eq!(order, ["MS-L-04", "MS-D-02", "MS-D-01"]);
}

#[test]
fn what_script_and_monitor_both_found_is_told_once() {
    let mut failed = failure("MS-H-05");
    failed.packet = Some(5);
    let mut case = Case {
        script: ScriptOutcome::Failed(Box::new(failed)),
        ..Case::passed()
    };
    case.observations.push(found("MS-H-05", 500, Some(5)));
    assert_eq!(case.composed().findings.len(), 1);
    assert!(case.composed().findings[0].step.is_some());
}

#[test]
fn what_is_listed_and_judged_by_nothing_is_not_observed() {
    let mut case = Case::passed();
    case.judged = vec!["MS-H-22"];
    assert_eq!(case.of("MS-H-12"), Verdict::NotObserved);
    assert_eq!(case.verdict(), Verdict::Pass, "others were judged");
}

#[test]
fn what_nothing_judged_passes_in_no_scenario_however_that_ends() {
    let inconclusive = ScriptOutcome::Inconclusive {
        why: "x".to_owned(),
        step: "1".to_owned(),
    };
    let error = ScriptOutcome::Error {
        why: "x".to_owned(),
        step: "1".to_owned(),
    };
    let failed = |id: &str| ScriptOutcome::Failed(Box::new(failure(id)));
    let unseen = Counter::Unseen("nobody looks".to_owned());
    let unreadable = Counter::Unreadable("no JSON".to_owned());
    let counters = [None, Some(unseen), Some(unreadable)];
    let scripts = [
        ScriptOutcome::Passed,
        failed("MS-H-12"),
        failed("MS-H-22"),
        inconclusive,
        error,
    ];
    for (script, counter) in scripts
        .iter()
        .flat_map(|s| counters.iter().map(move |c| (s, c)))
    {
        for (damage, level) in [None, Some("cut")]
            .into_iter()
            .flat_map(|damage| [Level::Must, Level::Should].map(|level| (damage, level)))
        {
            let case = Case {
                script: script.clone(),
                counted: json!([{ "counter": "duplicates", "is": 1, "requirement": "MS-D-08" }]),
                counters: counter
                    .clone()
                    .map(|counter| ("duplicates".to_owned(), counter))
                    .into_iter()
                    .collect(),
                judged: vec!["MS-H-12"],
                observations: vec![session(&["MS-W-12"])],
                damage,
                level,
                ..Case::passed()
            };
            // Of the scenario's four a step judged MS-H-12 alone.
            for silent in ["MS-H-05", "MS-D-08", "MS-H-22"] {
                assert_ne!(case.of(silent), Verdict::Pass, "{silent} after {script:?}");
            }
            let passed = case.of("MS-H-12") == Verdict::Pass;
            let is_told = matches!(script, ScriptOutcome::Passed) || *script == failed("MS-H-22");
            assert_eq!(passed, is_told, "{script:?}");
            assert_ne!(case.verdict(), Verdict::Pass);
        }
    }
}

#[test]
fn what_only_an_exit_status_would_tell_that_means_nothing_is_not_observed() {
    let mut case = Case::passed();
    case.requirements = vec!["MS-H-12"];
    (case.judged, case.untold) = (vec![], vec!["MS-H-12"]);
    let composed = case.composed();
    assert_eq!(composed.verdict.verdict, Verdict::NotObserved);
    assert_eq!(case.of("MS-H-12"), Verdict::NotObserved);
    let reason = composed.verdict.reason.unwrap();
    assert!(
        reason.contains("MS-H-12, which only its exit status would show"),
        "{reason}"
    );
}

#[test]
fn after_advice_that_ended_the_script_the_rest_is_not_observed() {
    let mut case = Case::failed("MS-H-22");
    case.level = Level::Must;
    assert_eq!(case.of("MS-H-12"), Verdict::NotObserved);
    assert_eq!(case.of("MS-H-05"), Verdict::Pass, "the monitor judged it");
}

#[test]
fn advice_of_the_monitor_on_what_a_scenario_is_not_about_leaves_it_a_pass() {
    let mut case = Case::passed();
    case.level = Level::Must;
    case.observations.push(found("MS-D-06", 3, Some(5)));
    assert_eq!(case.verdict(), Verdict::Pass);
    assert_eq!(case.of("MS-D-06"), Verdict::Advice);
}

#[test]
fn advice_is_no_reason_of_a_failure_beside_it() {
    let mut case = Case::passed();
    case.level = Level::Must;
    case.observations.push(found("MS-D-06", 3, Some(5)));
    let reason = case.composed().verdict.reason.unwrap();
    assert_eq!(reason, "MS-D-06 was not kept, which a SHOULD allows");
    case.observations.push(found("MS-H-18", 4, None));
    assert_eq!(case.verdict(), Verdict::Fail);
    assert_eq!(case.composed().verdict.reason, None);
}

#[test]
fn a_should_counts_unless_only_must_is_asked_for() {
    let mut case = Case::failed("MS-H-22");
    assert_eq!(case.verdict(), Verdict::Fail);
    case.level = Level::Must;
    assert_eq!(case.verdict(), Verdict::Advice);
    assert!(case.composed().findings[0].advisory);
    assert_eq!(case.of("MS-H-22"), Verdict::Advice);
}

#[test]
fn a_damaged_capture_makes_what_the_monitor_judged_inconclusive() {
    let mut case = Case::passed();
    case.damage = Some("12 packets were dropped");
    case.observations.push(found("MS-H-18", 3, None));
    assert_eq!(case.verdict(), Verdict::Inconclusive);
    assert_eq!(case.of("MS-H-05"), Verdict::Inconclusive);
    assert_eq!(case.of("MS-H-18"), Verdict::Inconclusive);
    assert_eq!(
        case.of("MS-H-12"),
        Verdict::Pass,
        "the script saw it at its sockets"
    );
    assert_eq!(case.composed().findings, []);
    let reason = case.composed().verdict.reason.unwrap();
    assert!(reason.contains("12 packets were dropped"), "{reason}");
}

#[test]
fn bytes_that_break_a_rule_do_so_in_a_damaged_capture_too() {
    let mut case = Case::passed();
    case.damage = Some("12 packets were dropped");
    let reserved = Field {
        name: "Reserved",
        offset: 28,
        length: 2,
    };
    case.observations.push(Observation::Finding(Finding {
        field: Some(reserved),
        ..finding("MS-W-12", Role::Responder, 3, Some(5))
    }));
    assert_eq!(case.verdict(), Verdict::Fail);
}

#[test]
fn an_inconclusive_script_is_no_pass_and_hides_no_finding() {
    let mut case = Case::passed();
    case.script = ScriptOutcome::Inconclusive {
        why: "it was late".to_owned(),
        step: "4".to_owned(),
    };
    assert_eq!(case.verdict(), Verdict::Inconclusive);
    assert_eq!(
        case.composed().verdict.reason.as_deref(),
        Some("step 4: it was late")
    );
    assert_eq!(case.of("MS-H-12"), Verdict::Inconclusive);
    case.observations.push(found("MS-W-12", 3, Some(5)));
    assert_eq!(case.verdict(), Verdict::Fail);
}

#[test]
fn an_error_of_the_harness_is_an_error() {
    let mut case = Case::passed();
    case.script = ScriptOutcome::Error {
        why: "$x has no value yet".to_owned(),
        step: "0".to_owned(),
    };
    assert_eq!(case.verdict(), Verdict::Error);
    assert_eq!(case.of("MS-H-12"), Verdict::Error);
}

#[test]
fn what_the_monitor_could_not_judge_is_inconclusive_with_its_reason() {
    let mut case = Case::passed();
    let mut doubt = finding("MS-H-05", Role::Responder, 3, None);
    doubt.got = "the SYN was cut".to_owned();
    case.observations.push(Observation::Inconclusive(doubt));
    assert_eq!(case.verdict(), Verdict::Inconclusive);
    assert_eq!(
        case.composed().verdict.reason.as_deref(),
        Some("not judged: MS-H-05 (the SYN was cut)")
    );
}

#[test]
fn a_doubt_about_what_the_scenario_does_not_name_is_listed_only() {
    let mut case = Case::passed();
    let doubt = finding("MS-D-05", Role::Responder, 3, None);
    case.observations.push(Observation::Inconclusive(doubt));
    assert_eq!(case.verdict(), Verdict::Pass);
    assert_eq!(case.of("MS-D-05"), Verdict::Inconclusive);
}

#[test]
fn a_requirement_that_one_scenario_judged_is_judged() {
    use Verdict::{Advice, Error, Fail, Inconclusive, NotApplicable, NotObserved, Pass, Waived};
    for silent in [NotApplicable, NotObserved] {
        for judged in [Pass, Advice, Waived, Inconclusive, Error, Fail] {
            assert_eq!(silent.with(judged), judged);
            assert_eq!(judged.with(silent), judged);
        }
    }
    assert_eq!(Pass.with(Waived), Waived);
    assert_eq!(Pass.with(Inconclusive), Inconclusive);
    assert_eq!(Fail.with(Error), Fail);
    assert_eq!(NotApplicable.with(NotObserved), NotObserved);
}
