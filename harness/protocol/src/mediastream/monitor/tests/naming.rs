//! Media under an id that no handshake confirmed.

use super::*;

#[test]
fn media_after_a_connection_id_that_no_ack_confirmed_breaks_h15() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(1.0)
        .ack("one");
    assert_broken(&talk.clone().name("two").frames(1..=20), &["MS-H-15"]);
    assert_broken(
        &Talk::three_way(9).name("two").frames(10..=20),
        &["MS-H-15"],
    );
    assert_healthy(&talk.name("two"));
}

#[test]
fn a_wrong_connection_id_that_is_put_right_before_media_is_not_found() {
    assert_healthy(
        &Talk::new()
            .greet("one")
            .name("two")
            .name("one")
            .frames(1..=20),
    );
}

#[test]
fn a_connection_id_before_the_ack_breaks_h16_and_not_h15() {
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one").name("two");
    assert_broken(&talk.after(1.0).ack("one").frames(1..=9), &["MS-H-16"]);
    let settings = MonitorSettings {
        options: Some(Vec::new()),
        ..at(Vantage::Sender)
    };
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one").name("two");
    let heard = judge(&talk.after(1.0).ack("one").frames(1..=9), &settings);
    assert_eq!(heard.findings, ["MS-H-15"]);
}

#[test]
fn a_connection_id_of_an_earlier_session_came_late() {
    let talk = Talk::three_way(5).after(2_000.0).greet("two").frames(1..=5);
    let talk = talk.after(2_000.0).greet("three").frames(1..=5);
    for earlier in ["one", "two"] {
        let talk = talk.clone().name(earlier).frames(6..=20);
        let heard = judge(&talk, &at(Vantage::Path));
        assert!(heard.findings.is_empty(), "{heard:#?}");
        assert_eq!(judge(&talk, &at(Vantage::Sender)).findings, ["MS-H-15"]);
    }
}

#[test]
fn a_session_that_is_named_as_the_one_before_it_is_misnamed() {
    let before = Talk::three_way(5).after(2_000.0);
    let restart = before
        .clone()
        .syn("b")
        .after(1.0)
        .syn_ack("two")
        .name("one");
    let optimistic = MonitorSettings {
        options: Some(vec!["optimistic_start".to_owned()]),
        ..at(Vantage::Sender)
    };
    assert_eq!(judge(&restart, &optimistic).findings, ["MS-H-16"]);
    let confirmed = before.greet("two").name("one").frames(1..=5);
    assert_eq!(
        judge(&confirmed, &at(Vantage::Sender)).findings,
        ["MS-H-15"]
    );
}

#[test]
fn a_connection_id_while_a_restart_is_asked_for_may_be_that_of_the_restart() {
    let talk = Talk::three_way(5)
        .after(5.0)
        .syn("b")
        .after(1.0)
        .name("two");
    let talk = talk
        .after(0.1)
        .data(6, 974)
        .after(0.1)
        .syn_ack("two")
        .after(1.0)
        .ack("two");
    let heard = judge(&talk.frames(1..=20), &at(Vantage::Path));
    assert!(heard.findings.is_empty(), "{heard:#?}");
}

#[test]
fn a_start_may_bring_another_connection_id() {
    let talk = Talk::three_way(50)
        .after(300.0)
        .start()
        .after(1.0)
        .name("two");
    let heard = judge(&talk.frames(1..=50), &at(Vantage::Sender));
    assert!(heard.findings.is_empty(), "{heard:#?}");
    assert_eq!(heard.sessions.len(), 2);
    let talk = Talk::new()
        .greet("one")
        .without(3)
        .after(1.0)
        .start()
        .after(1.0)
        .name("two");
    let heard = judge(&talk.frames(1..=50), &at(Vantage::Path));
    assert!(heard.findings.is_empty(), "{heard:#?}");
}

#[test]
fn a_session_whose_handshake_was_not_seen_may_have_any_id() {
    let talk = Talk::three_way(9).without(0).name("two").frames(10..=20);
    assert_healthy(&talk);
    assert_healthy(&Talk::legacy(9));
}

#[test]
fn another_connection_id_long_after_the_stream_is_a_doubt_away_from_the_sender() {
    let talk = Talk::three_way(9).after(3_000.0).name("two").frames(1..=9);
    let heard = judge(&talk, &at(Vantage::Path));
    assert!(!heard.findings.contains(&"MS-H-15"), "{heard:#?}");
    assert!(heard.doubts.contains(&"MS-H-15"), "{heard:#?}");
    let heard = judge(&talk, &at(Vantage::Sender));
    assert!(heard.findings.contains(&"MS-H-15"), "{heard:#?}");
}
