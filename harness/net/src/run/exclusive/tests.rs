use indexmap::IndexMap;
use shakedown_engine::event::{FieldEvent, VerdictEvent};
use shakedown_protocol::monitor::Session;
use shakedown_protocol::requirement::Role;

use super::*;

fn late() -> Concluded {
    let finding: FindingEvent = serde_json::from_value(serde_json::json!({
        "requirement": "MS-D-06", "level": "SHOULD", "packet": 7, "time": 0.5,
        "message": "expected 20 ms, got 200 ms", "expected": "20 ms", "got": "200 ms",
    }))
    .unwrap();
    let verdict = VerdictEvent {
        scenario: "x".to_owned(),
        title: "x".to_owned(),
        verdict: Verdict::Fail,
        reason: None,
        requirements: IndexMap::from([
            ("MS-D-01".to_owned(), Verdict::Pass),
            ("MS-D-06".to_owned(), Verdict::Fail),
        ]),
        capture: None,
        seconds: 1.0,
        process: None,
    };
    Concluded {
        played: ScenarioResult {
            verdict,
            waived: Vec::new(),
            notes: Vec::new(),
        },
        findings: vec![finding],
        is_doubtful: true,
    }
}

#[test]
fn what_a_busy_machine_may_have_made_is_inconclusive_and_no_finding() {
    let undecided = late().undecided();
    assert_eq!(undecided.played.verdict.verdict, Verdict::Inconclusive);
    assert_eq!(
        undecided.played.verdict.reason.as_deref(),
        Some(
            "the machine was too busy to observe time fairly: MS-D-06: expected 20 ms, got 200 ms"
        )
    );
    let requirements = &undecided.played.verdict.requirements;
    assert_eq!(requirements["MS-D-01"], Verdict::Pass);
    assert_eq!(requirements["MS-D-06"], Verdict::Inconclusive);
    assert_eq!(undecided.findings, []);
}

#[test]
fn a_requirement_that_many_findings_are_about_is_told_once() {
    let mut flood = late();
    flood.findings = vec![flood.findings.remove(0); 90];
    assert_eq!(flood.requirements(), BTreeSet::from(["MS-D-06"]));
}

/// It was late by 400 ms in the first second.
fn timing(missed: Option<Option<u64>>, lives: bool) -> TimingQuality {
    let mut busy = Busy::default();
    busy.late(Duration::from_secs(1), Duration::from_millis(400));
    TimingQuality {
        busy,
        clock: Clock::start(),
        missed: missed.map(|by| by.map(Duration::from_millis)),
        lives,
        was_late: false,
    }
}

/// A finding off by so many milliseconds, which it could be from this second on.
fn off(by: u64, second: u64, timing: &TimingQuality) -> FindingEvent {
    let at = |second| timing.clock.wall(Duration::from_secs(second));
    let (since, until) = (at(second), at(second + 1));
    let by = Duration::from_millis(by);
    let mut finding = late().findings.remove(0);
    finding.off = Some(MissedMoment { since, until, by });
    finding
}

#[test]
fn a_rule_about_time_is_doubtful_by_as_much_as_was_late_just_then() {
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let timing = timing(None, true);
    assert!(timing.explains(protocol, &off(400, 0, &timing)));
    assert!(!timing.explains(protocol, &off(401, 0, &timing)));
    assert!(!timing.explains(protocol, &off(10, 5, &timing)), "later");
}

/// That the first frame came so many milliseconds late, and that this was judged.
fn told(by: u64, timing: &TimingQuality) -> Vec<Observation> {
    let finding = Finding {
        requirement: "MS-D-12",
        party: Role::Responder,
        address: ([127, 0, 0, 1], 4444).into(),
        packet: Some(7),
        time: Duration::ZERO,
        expected: String::new(),
        got: String::new(),
        field: None,
        off: off(by, 0, timing).off,
    };
    let session = Session {
        protocol: "mediastream",
        mode: "3way",
        initiator: ([127, 0, 0, 1], 5000).into(),
        responder: ([127, 0, 0, 1], 4444).into(),
        connection_id: None,
        frames: 1,
        datagrams: 1,
        first_packet: 1,
        network: shakedown_protocol::monitor::NetworkCounts::default(),
        judged: [("MS-D-12", Role::Responder), ("MS-H-05", Role::Responder)]
            .into_iter()
            .collect(),
        more_breaches: 0,
    };
    vec![Observation::Finding(finding), Observation::Session(session)]
}

#[test]
fn advice_that_the_machine_explains_is_not_told_and_was_not_judged() {
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let timing = timing(None, true);
    let left = |by, level| {
        let mut observations = told(by, &timing);
        timing.forgive(protocol, level, &mut observations);
        let judged = observations.iter().find_map(|it| match it {
            Observation::Session(session) => Some(session.judged.contains("MS-D-12")),
            Observation::Finding(_) | Observation::Inconclusive(_) => None,
        });
        (observations.len(), judged)
    };
    assert_eq!(left(400, Level::Must), (1, Some(false)));
    assert_eq!(left(401, Level::Must), (2, Some(true)));
    assert_eq!(
        left(400, Level::Should),
        (2, Some(true)),
        "it fails the run"
    );
}

#[test]
fn a_step_that_got_nothing_is_doubtful_if_something_came_within_what_was_late() {
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let case = |missed, second| {
        let timing = timing(Some(missed), true);
        let mut finding = off(0, second, &timing);
        finding.step = Some("1".to_owned());
        timing.explains(protocol, &finding)
    };
    assert!(case(Some(390), 0));
    assert!(!case(Some(410), 0), "later than it was kept waiting");
    assert!(!case(None, 0), "nothing came");
    assert!(!case(Some(10), 5), "in another window");
}

#[test]
fn what_came_too_early_is_doubtful_by_as_much_as_was_late_when_its_timer_began() {
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let case = |by, second| {
        let timing = timing(None, true);
        let mut finding = off(by, second, &timing);
        finding.step = Some("1".to_owned());
        let began = finding.off.map(|off| MissedMoment {
            until: off.since,
            ..off
        });
        finding.off = began;
        timing.explains(protocol, &finding)
    };
    assert!(case(400, 1));
    assert!(!case(401, 1), "by more than it was kept waiting");
    assert!(!case(10, 5), "it waited before");
}

#[test]
fn bytes_and_a_process_that_ended_are_never_doubtful() {
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let lives = timing(None, true);
    let mut finding = off(0, 0, &lives);
    finding.step = Some("1".to_owned());
    assert!(lives.explains(protocol, &finding), "another frame");
    finding.field = Some(FieldEvent {
        name: "version".to_owned(),
        offset: 0,
        length: 1,
    });
    assert!(!lives.explains(protocol, &finding), "wrong bytes");
    let mut hung = late().findings.remove(0);
    hung.requirement = protocol.survival.to_owned();
    assert!(lives.explains(protocol, &hung));
    assert!(!timing(None, false).explains(protocol, &hung), "it ended");
}

#[test]
fn whatever_came_of_a_step_before_which_we_were_late_is_doubtful() {
    let protocol = &shakedown_protocol::mediastream::PROTOCOL;
    let case = |second, step: Option<&str>| {
        let timing = timing(Some(None), true);
        let mut finding = off(401, second, &timing);
        finding.step = step.map(str::to_owned);
        finding.field = Some(FieldEvent {
            name: "version".to_owned(),
            offset: 0,
            length: 1,
        });
        timing.explains(protocol, &finding)
    };
    assert!(case(1, Some("5")));
    assert!(!case(0, Some("5")), "only while it waited");
    assert!(!case(2, Some("5")), "long before");
    assert!(!case(1, None), "what the monitor sees is so, whenever");
}

#[test]
fn a_reason_tells_a_few_findings_and_how_many_more_there_are() {
    let mut many = late();
    many.findings = vec![many.findings.remove(0); 5];
    assert!(many.found().ends_with("got 200 ms; and 2 more"));
    assert_eq!(many.found().matches("MS-D-06: ").count(), 3);
}

#[test]
fn what_failed_and_passed_then_is_flaky_and_names_both_captures() {
    let mut passed = late();
    passed.is_doubtful = false;
    passed.findings.clear();
    passed.played.verdict.verdict = Verdict::Pass;
    assert!(passed.passes());
    let flaky = passed.flaky(&late(), Some(&PathBuf::from("x.first.pcapng")));
    let verdict = &flaky.played.verdict;
    assert_eq!(verdict.verdict, Verdict::Inconclusive);
    let reason = verdict.reason.as_deref().unwrap_or_default();
    assert!(
        reason.starts_with("flaky: ") && reason.contains("x.first.pcapng"),
        "{reason}"
    );
    assert!(reason.contains("MS-D-06"), "{reason}");
    assert_eq!(verdict.requirements["MS-D-06"], Verdict::Inconclusive);
}

#[tokio::test]
async fn nobody_runs_beside_one_that_is_exclusive() {
    let exclusive = ExclusiveRuns::default();
    let together = exclusive.together().await;
    assert!(exclusive.gate.try_write().is_err());
    drop(together);
    let _exclusive = exclusive.exclusively().await;
    assert!(exclusive.gate.try_read().is_err());
}
