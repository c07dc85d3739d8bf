//! Captures that lack what an implementation sent: what they prove all the same, and what they do not.

use std::collections::BTreeSet;

use rstest::rstest;

use super::start3::{NONCE, STREAM_ID};
use super::*;
use crate::mediastream::PROTOCOL;
use crate::requirement::Role;

/// What is found of `role` that counts although datagrams are missing.
fn proven(talk: &Talk, settings: &MonitorSettings, role: Role) -> BTreeSet<&'static str> {
    let heard = judge(talk, settings);
    let findings = heard
        .all
        .iter()
        .filter_map(|observation| match observation {
            Observation::Finding(finding) => Some(finding),
            Observation::Inconclusive(_) | Observation::Session(_) => None,
        });
    let counting = findings.filter(|one| one.party == role && PROTOCOL.is_proven(one, false));
    counting.map(|one| one.requirement).collect()
}

fn optimistic() -> Talk {
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one").name("one");
    talk.frames(1..=9).ack("one").frames(10..=50)
}

fn large() -> Talk {
    let talk = Talk::new().greet("one");
    (1..=12).fold(talk, |talk, number| talk.after(20.0).data(number, 6_553))
}

fn rejected_then_served() -> Talk {
    let talk = Talk::new().syn("a").after(1.0).reject().after(300.0);
    talk.greet("one").frames(1..=20)
}

fn one_after_another() -> Talk {
    let talk = Talk::legacy(50).after(3_000.0).greet("two").frames(1..=50);
    talk.after(3_000.0).agree().frames(1..=50)
}

#[rstest]
#[case::legacy("legacy", Talk::legacy(50))]
#[case::three_way("3way", Talk::three_way(50))]
#[case::start3("start3", Talk::start3(50))]
#[case::optimistic("3way", optimistic())]
#[case::of_large_frames("3way", large())]
#[case::rejected_then_served("3way", rejected_then_served())]
#[case::one_after_another("3way,start3", one_after_another())]
fn what_is_missing_breaks_no_rule_for_sure(#[case] mode: &str, #[case] talk: Talk) {
    let settings = MonitorSettings {
        options: Some(vec![String::from("optimistic_start")]),
        ..supervised(mode)
    };
    for (role, address) in [(Role::Initiator, INITIATOR), (Role::Responder, RESPONDER)] {
        let is_own = |sent: &Sent| sent.from.to_string() == address;
        let places = 0..talk.sent.len();
        let own: Vec<_> = places.filter(|place| is_own(&talk.sent[*place])).collect();
        for (first, _) in own.iter().enumerate() {
            for length in [1, 2, 3, 5, 20, 60] {
                let missing = own[first..].iter().take(length).rev();
                let lacking = missing.fold(talk.clone(), |talk, place| talk.without(*place));
                let proven = proven(&lacking, &settings, role);
                assert_eq!(proven, BTreeSet::new(), "{length} from {first}");
            }
        }
    }
}

#[test]
fn too_much_media_before_the_ack_is_proven_though_some_is_missing() {
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one").name("one");
    let talk = (1..=40).fold(talk, |talk, number| talk.after(1.0).data(number, 6_553));
    let lacking = (10..20).rev().fold(talk.ack("one"), Talk::without);
    let optimistic = MonitorSettings {
        options: Some(vec![String::from("optimistic_start")]),
        ..supervised("3way")
    };
    let proven = proven(&lacking, &optimistic, Role::Responder);
    assert_eq!(proven, BTreeSet::from(["MS-H-22"]));
}

#[test]
fn an_answer_to_a_rejection_is_proven_though_the_syn_is_missing() {
    let talk = Talk::new()
        .syn("a")
        .after(300.0)
        .syn("b")
        .after(1.0)
        .reject();
    let lacking = talk.after(1.0).ack("one").without(1);
    let proven = proven(&lacking, &supervised("3way"), Role::Initiator);
    assert_eq!(proven, BTreeSet::from(["MS-H-10"]));
}

#[test]
fn media_after_an_error_is_proven_though_some_before_is_missing() {
    let talk = Talk::start3(10).after(5.0);
    let talk = talk
        .error_of(Role::Initiator, 3, STREAM_ID, NONCE)
        .after(60.0);
    let lacking = (6..10).rev().fold(talk.frames(11..=50), Talk::without);
    let proven = proven(&lacking, &supervised("start3"), Role::Responder);
    assert_eq!(proven, BTreeSet::from(["MS-S-16"]));
}
