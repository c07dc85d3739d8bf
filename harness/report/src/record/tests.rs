use super::*;
use crate::fixture;

#[test]
fn several_runs_add_up_and_nothing_improves() {
    let both = [fixture::run(), fixture::interrupted()].concat();
    for events in [both, [fixture::interrupted(), fixture::run()].concat()] {
        let record = fixture::record(events);
        let run = record.run.as_ref().unwrap();
        assert_eq!((run.scenarios, run.open), (12, 0));
        assert_eq!(run.iut, "acme media server 2.1");
        assert_eq!(record.verdicts.len(), 9);
        let pace = &record.verdicts["mediastream/legacy/responder/pace"];
        assert_eq!(pace.verdict, Verdict::Inconclusive);
        assert!(!record.is_complete());
        assert_eq!(record.exit(), 130);
    }
}

#[test]
fn runs_of_several_implementations_are_told_apart_too() {
    let mut other = fixture::run();
    for event in &mut other {
        match event {
            Event::RunStarted { iut, .. } => "another".clone_into(iut),
            Event::Verdict(verdict) => verdict.verdict = Verdict::Pass,
            _ => {}
        }
    }
    let one = fixture::record(fixture::run());
    let both = fixture::record([fixture::run(), other.clone()].concat());
    assert!(one.implementations.is_empty());
    let names: Vec<_> = both.implementations.keys().collect();
    assert_eq!(names, ["acme media server 2.1", "another"]);
    assert_eq!(both.implementations[0].verdicts, one.verdicts);
    let other = fixture::record(other);
    assert_eq!(both.implementations[1].verdicts, other.verdicts);
    assert_eq!(both.verdicts, one.verdicts);
}

#[test]
fn memory_stays_bounded_and_every_finding_is_counted() {
    let mut record = fixture::record(fixture::check());
    let finding = record.findings[0].clone();
    let capture = finding.capture.clone().unwrap();
    let waived = FindingEvent {
        waived: Some("known".to_owned()),
        ..finding.clone()
    };
    for _ in 0..1000 {
        record.add(&Event::Finding(waived.clone()));
    }
    for _ in 1..300 {
        record.add(&Event::Finding(finding.clone()));
    }
    assert_eq!(record.findings.len(), 400);
    assert_eq!(record.left_out(&capture), 900);
    assert_eq!(record.left_out("another"), 0);
}

#[test]
fn of_very_many_sessions_the_first_are_kept() {
    let mut record = fixture::record(fixture::check());
    let session = record.sessions[0].clone();
    for _ in 0..5_000 {
        record.add(&Event::Session(session.clone()));
    }
    assert_eq!(record.sessions.len(), 1_000);
}

#[test]
fn a_scenario_that_failed_in_one_run_failed() {
    let mut better = fixture::run();
    for event in &mut better {
        if let Event::Verdict(verdict) = event {
            verdict.verdict = Verdict::Pass;
        }
    }
    for runs in [
        [fixture::run(), better.clone()],
        [better.clone(), fixture::run()],
    ] {
        let record = fixture::record(runs.concat());
        assert_eq!(record.counts(), fixture::record(fixture::run()).counts());
    }
}

#[test]
fn the_exit_code_is_that_of_the_verdicts_whatever_the_events_say() {
    for (mut events, expected) in [
        (fixture::run(), 1),
        (fixture::interop(), 1),
        (fixture::check(), 1),
    ] {
        for event in &mut events {
            match event {
                Event::RunFinished(end) => end.exit = 0,
                Event::InteropFinished(end) => end.exit = 0,
                Event::CheckFinished(end) => end.exit = 0,
                _ => {}
            }
        }
        assert_eq!(fixture::record(events).exit(), expected);
    }
}

#[test]
fn a_run_without_an_end_is_no_success() {
    let mut events = fixture::interrupted();
    events.pop();
    let record = fixture::record(events);
    assert!(!record.is_complete());
    assert_eq!(record.exit(), 3);
    assert_eq!(Record::default().exit(), 2);
}
