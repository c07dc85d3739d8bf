use super::*;
use crate::iut::Origin;

fn waiver(requirement: &str) -> Waiver {
    Waiver {
        requirement: requirement.to_owned(),
        scenario: None,
        because: "ticket 417".to_owned(),
        until: "2027-03-01".to_owned(),
        origin: Origin::Description,
    }
}

#[test]
fn a_waived_finding_is_listed_and_neither_counts_nor_passes() {
    let mut case = Case::passed();
    case.observations.push(found("MS-W-12", 3, Some(5)));
    case.waivers = vec![waiver("MS-H-05"), waiver("MS-W-12")];
    let composed = case.composed();
    assert_eq!(composed.verdict.verdict, Verdict::Waived);
    assert_eq!(
        composed.verdict.reason.as_deref(),
        Some("MS-W-12 is waived: ticket 417")
    );
    assert_eq!(composed.findings[0].waived.as_deref(), Some("ticket 417"));
    assert_eq!(composed.waived, [1]);
    assert_eq!(case.of("MS-W-12"), Verdict::Waived);
}

#[test]
fn a_script_that_ended_by_a_waived_finding_is_no_pass() {
    let mut case = Case::failed("MS-H-12");
    case.waivers = vec![waiver("MS-H-12")];
    assert_eq!(case.verdict(), Verdict::Waived);
}

#[test]
fn a_waiver_that_names_a_scenario_waives_in_no_other() {
    let mut case = Case::failed("MS-H-12");
    let only_in = |scenario: &str| Waiver {
        scenario: Some(format!("mediastream/3way/responder/{scenario}")),
        ..waiver("MS-H-12")
    };
    case.waivers = vec![only_in("y")];
    assert_eq!(case.verdict(), Verdict::Fail);
    case.waivers.push(only_in("x"));
    assert_eq!(case.verdict(), Verdict::Waived);
    assert_eq!(case.composed().waived, [1]);
}
