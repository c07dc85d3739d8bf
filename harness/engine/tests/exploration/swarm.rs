use rstest::rstest;
use shakedown_engine::explore::Violation;
use shakedown_engine::explore::swarm::Swarm;
use shakedown_protocol::exploration::{RunSettings, SideChoice};
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::requirement::Role;

fn swarm() -> Swarm {
    Swarm {
        protocol: &PROTOCOL,
        settings: RunSettings::default(),
    }
}

#[test]
fn nothing_is_found_in_a_swarm_of_the_reference() {
    let swarm = swarm();
    for seed in 0..500 {
        let run = swarm.run(seed).unwrap();
        let told = || swarm.evidence(seed).unwrap().text(swarm.protocol, false);
        assert!(
            run.violations.is_empty(),
            "{}\n{:#?}",
            told(),
            run.violations
        );
    }
}

/// The first violation of a requirement that a swarm of twins shows.
fn found(without: &str, mode: &str) -> Option<Violation> {
    let swarm = Swarm {
        settings: RunSettings {
            initiator: SideChoice::Mode(mode.to_owned()),
            responder: SideChoice::Mode(mode.to_owned()),
            without: vec![without.to_owned()],
        },
        ..swarm()
    };
    (0..400).find_map(|seed| {
        let run = swarm.run(seed).unwrap();
        let mut violations = run.violations.into_iter();
        violations.find(|violation| violation.requirement == without)
    })
}

#[rstest]
#[case("MS-H-09", "3way", Role::Initiator)]
#[case("MS-H-11", "3way", Role::Initiator)]
#[case("MS-H-15", "3way", Role::Responder)]
#[case("MS-H-16", "3way", Role::Responder)]
#[case("MS-H-18", "3way", Role::Responder)]
#[case("MS-S-04", "start3", Role::Responder)]
#[case("MS-S-12", "start3", Role::Initiator)]
#[case("MS-S-13", "start3", Role::Responder)]
fn a_twin_without_a_behaviour_is_found(
    #[case] without: &str,
    #[case] mode: &str,
    #[case] party: Role,
) {
    let violation = found(without, mode).unwrap();
    assert_eq!(violation.party, Some(party), "{}", violation.property);
}

#[test]
fn a_seed_gives_the_same_run_each_time() {
    let swarm = swarm();
    let (first, again) = (swarm.run(5).unwrap(), swarm.run(5).unwrap());
    assert_eq!(first.hash, again.hash);
    assert_ne!(first.hash, swarm.run(6).unwrap().hash);
    let (one, other) = (swarm.evidence(5).unwrap(), swarm.evidence(5).unwrap());
    assert_eq!(one.run.hash, first.hash);
    assert_eq!(one.captures, other.captures);
    assert_eq!(one.captures.len(), 2);
    assert_eq!(one.trace, other.trace);
}
