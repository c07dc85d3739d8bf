use super::*;

fn unexpected_end() -> UnexpectedEnd {
    UnexpectedEnd {
        time: Duration::from_millis(1_200),
        got: "exit status 101".to_owned(),
        packet: Some(7),
    }
}

#[test]
fn the_silence_of_a_dead_implementation_is_no_second_finding() {
    let mut case = Case::failed("MS-W-17");
    if let ScriptOutcome::Failed(failure) = &mut case.script {
        failure.packet = None;
        failure.payload = None;
    }
    case.unexpected_end = Some(unexpected_end());
    let findings = case.composed().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].got, "exit status 101");
}

#[test]
fn a_death_by_frames_as_they_are_breaks_what_was_asked_for_and_nothing_else() {
    let case = |step: &str| {
        let mut case = Case::failed("MS-H-05");
        if let ScriptOutcome::Failed(failure) = &mut case.script {
            (failure.packet, failure.payload) = (None, None);
            failure.step = step.to_owned();
        }
        case.unexpected_end = Some(unexpected_end());
        case
    };
    let told = |case: &Case| {
        let findings = case.composed().findings.into_iter();
        let told = findings.map(|it| (it.requirement, it.got));
        told.collect::<Vec<_>>()
    };
    let own = [("MS-H-05".to_owned(), "nothing".to_owned())];
    assert_eq!(told(&case("0")), own);
    // After its step, which waits, another frame may have been the last straw.
    let mut about_survival = case("1");
    assert_eq!(told(&about_survival), own);
    about_survival.requirements.push("MS-W-17");
    let told = told(&about_survival).into_iter().map(|(id, _)| id);
    assert_eq!(told.collect::<Vec<_>>(), ["MS-W-17", "MS-H-05"]);
}

#[test]
fn an_implementation_that_died_breaks_the_requirement_to_survive() {
    let mut case = Case::failed("MS-H-12");
    case.unexpected_end = Some(unexpected_end());
    let composed = case.composed();
    assert_eq!(composed.findings[0].requirement, "MS-W-17");
    assert_eq!(composed.findings[0].packet, Some(7));
    assert_eq!(case.of("MS-W-17"), Verdict::Fail);
}
