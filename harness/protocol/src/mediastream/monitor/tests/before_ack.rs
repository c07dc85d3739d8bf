//! Media before the ACK, allowed or not (MS-H-15, MS-H-16, MS-H-22).

use rstest::rstest;

use super::*;

#[test]
fn media_before_the_ack_breaks_h15() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .frames(1..=3)
        .after(5.0)
        .ack("one")
        .frames(4..=9);
    assert_broken_at_sender(&talk, "MS-H-15");
}

#[test]
fn media_long_before_any_ack_breaks_h15_from_any_vantage() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(300.0)
        .name("one")
        .without(2);
    let talk = talk.after(1.0).data(1, 974).after(400.0).syn_ack("one");
    let talk = talk.after(1_000.0).data(2, 974).syn_ack("one");
    let heard = judge(&talk, &at(Vantage::Path));
    assert_eq!(heard.findings, ["MS-H-15"], "{:#?}", heard.all);
}

#[test]
fn an_ack_with_another_id_licenses_no_media() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(1.0)
        .ack("two")
        .frames(1..=9);
    let heard = judge(&talk, &at(Vantage::Sender));
    assert_eq!(heard.findings, ["MS-H-09", "MS-H-15"], "{:#?}", heard.all);
}

#[test]
fn media_is_before_the_ack_where_a_run_ends_with_it() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(20.0)
        .data(1, 974);
    let heard = judge(&talk, &supervised("3way"));
    assert_eq!(heard.findings, ["MS-H-15"], "{:#?}", heard.all);
    let heard = judge(&talk, &at(Vantage::Sender));
    assert_eq!(heard.findings, [""; 0], "{:#?}", heard.all);
    assert!(heard.doubts.contains(&"MS-H-15"), "{:#?}", heard.all);
}

#[test]
fn media_and_ack_that_cross_are_healthy() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .after(20.0)
        .data(1, 974)
        .after(0.5)
        .ack("one")
        .frames(2..=9);
    let heard = judge(&talk, &at(Vantage::Sender));
    assert!(
        heard.findings.is_empty() && heard.doubts.is_empty(),
        "{:#?}",
        heard.all
    );
}

#[test]
fn optimistic_media_after_the_assigned_id_is_healthy() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .name("one")
        .frames(1..=9)
        .ack("one")
        .frames(10..=20);
    let heard = assert_healthy(&talk);
    assert!(heard.sessions[0].judged.contains("MS-H-16"));
    let heard = judge(&talk, &supervised("3way"));
    assert_eq!(heard.findings, ["MS-H-15"]);
}

fn optimistic() -> MonitorSettings {
    MonitorSettings {
        options: Some(vec!["optimistic_start".to_owned()]),
        ..at(Vantage::Sender)
    }
}

#[test]
fn optimistic_media_without_its_connection_id_breaks_h16() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .frames(1..=3)
        .after(5.0)
        .ack("one")
        .frames(4..=9);
    assert_eq!(judge(&talk, &optimistic()).findings, ["MS-H-16"]);
}

#[test]
fn an_early_connection_id_with_another_id_breaks_h16() {
    let talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .name("two")
        .frames(1..=3)
        .after(5.0)
        .ack("one")
        .frames(4..=9);
    assert_broken(&talk, &["MS-H-16"]);
}

#[test]
fn a_frame_that_begins_after_64_kib_before_the_ack_breaks_h22() {
    let early = |frames| {
        let talk = Talk::new().syn("a").after(1.0).syn_ack("one").name("one");
        let talk = (1..=frames).fold(talk, |talk, number| talk.after(1.0).data(number, 6_553));
        talk.ack("one")
    };
    // The 11th begins when 65,530 bytes are spent, and is ended.
    assert_healthy(&early(11));
    assert_broken(&early(12), &["MS-H-22"]);
}

#[test]
fn what_other_wishes_of_the_tuple_bought_counts_for_10_s() {
    let bought = |talk: Talk, wish: &str, frames| {
        let talk = talk.syn(wish).after(1.0).syn_ack(wish).name(wish);
        (1..=frames).fold(talk, |talk, number| talk.after(1.0).data(number, 6_553))
    };
    let twice = |pause| {
        let first = bought(Talk::new(), "a", 6);
        let repeated = first.after(492.0).syn_ack("a").after(1_000.0).syn_ack("a");
        bought(repeated.after(pause), "b", 6).ack("b")
    };
    let heard = judge(&twice(2_500.0), &optimistic());
    assert_eq!(heard.findings, ["MS-H-22"], "{:#?}", heard.all);
    let heard = judge(&twice(8_600.0), &optimistic());
    assert!(!heard.findings.contains(&"MS-H-22"), "{:#?}", heard.all);
}

#[test]
fn the_numbers_of_optimistic_streams_may_go_on_over_several_wishes() {
    let begun = |talk: Talk, id: &str| talk.syn(id).after(1.0).syn_ack(id).name(id);
    let third = |first: u64| {
        let talk = begun(Talk::new(), "one").frames(1..=3).after(300.0);
        let talk = begun(talk, "two").frames(4..=6).after(300.0);
        judge(
            &begun(talk, "three").frames(first..=first + 9),
            &optimistic(),
        )
    };
    assert!(third(7).findings.is_empty(), "{:#?}", third(7).all);
    let heard = third(107);
    assert!(heard.findings.contains(&"MS-D-01"), "{:#?}", heard.all);
}

#[test]
fn a_stream_that_an_earlier_one_of_its_tuple_holds_back_is_not_late() {
    let begun = |talk: Talk, id: &str| talk.syn(id).after(1.0).syn_ack(id).name(id);
    let first = begun(Talk::new(), "one").frames(1..=50).after(3_100.0);
    let second = begun(first, "two").frames(1..=16).after(932.0);
    let talk = second.ack("two").after(0.5).data(17, 974).frames(18..=50);
    let settings = MonitorSettings {
        options: optimistic().options,
        ..supervised("3way")
    };
    let heard = judge(&talk, &settings);
    assert!(!heard.findings.contains(&"MS-D-06"), "{:#?}", heard.all);
}

#[test]
fn a_start_that_is_dropped_confirms_no_optimistic_stream() {
    let begun = |talk: Talk, id: &str| talk.syn(id).after(1.0).syn_ack(id).name(id);
    let first = begun(Talk::new(), "one").frames(1..=50).after(3_100.0);
    let second = begun(first, "two").frames(1..=1).start().frames(2..=16);
    let talk = second.after(450.0).ack("two").after(0.5).data(17, 974);
    let settings = MonitorSettings {
        options: optimistic().options,
        ..supervised("3way")
    };
    let heard = judge(&talk.frames(18..=50), &settings);
    assert!(!heard.findings.contains(&"MS-D-06"), "{:#?}", heard.all);
}

#[test]
fn a_start_that_is_dropped_before_the_ack_begins_no_other_session() {
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one").start();
    let talk = talk.after(1.0).ack("one").name("one").after(1.0).syn("a");
    let talk = talk.syn_ack("one").after(18.0).frames(1..=50);
    let heard = judge(&talk, &supervised("3way"));
    assert_eq!(heard.findings, [""; 0], "{:#?}", heard.all);
    assert_eq!(heard.sessions.len(), 1);
}

/// A supervised capture of a responder that streams before the ACK, and serves START.
fn serving_start() -> MonitorSettings {
    let options = ["optimistic_start", "allow_legacy_start"];
    MonitorSettings {
        options: Some(options.map(str::to_owned).to_vec()),
        ..supervised("3way")
    }
}

#[test]
fn a_start_that_confirms_frees_no_budget_for_sure() {
    let begun = |talk: Talk, id: &str| talk.syn(id).after(1.0).syn_ack(id).name(id);
    let first = begun(Talk::new(), "one").frames(1..=50).start();
    let second = begun(first.after(1.0), "two").frames(1..=16);
    let held = second.clone().after(2_450.0).ack("two").after(0.5);
    let heard = judge(&held.data(17, 974).frames(18..=50), &serving_start());
    assert!(!heard.findings.contains(&"MS-D-06"), "{:#?}", heard.all);
    let on = second.frames(17..=50);
    let heard = judge(&on.clone().ack("two"), &serving_start());
    assert!(!heard.findings.contains(&"MS-H-22"), "{:#?}", heard.all);
    // What follows counts for sure.
    let heard = judge(&on.frames(51..=80), &serving_start());
    assert!(heard.findings.contains(&"MS-H-22"), "{:#?}", heard.all);
}

#[test]
fn a_start_that_confirms_at_the_last_moment_names_no_stream_again() {
    let begun = |talk: Talk, id: &str| talk.syn(id).after(1.0).syn_ack(id).name(id);
    let first = begun(Talk::new(), "one").frames(1..=50).after(3_100.0);
    let second = begun(first, "two")
        .frames(1..=16)
        .after(180.0)
        .syn_ack("two");
    let held = second.after(1_000.0).syn_ack("two").after(1_950.0);
    let on = held.start().after(0.5).data(17, 974).frames(18..=50);
    let heard = judge(&on, &serving_start());
    assert!(!heard.findings.contains(&"MS-L-03"), "{:#?}", heard.all);
    assert_eq!(heard.sessions.len(), 2);
}

/// A held stream is dropped at 3.5 s; a START after so many milliseconds since the last SYN-ACK opens the next session.
#[rstest]
fn a_start_that_comes_when_a_held_stream_was_dropped_opens_a_session_whatever_its_name(
    #[values(1_950.0, 2_100.0, 2_700.0, 3_900.0)] after: f64,
    #[values(Some("one"), Some("two"), None)] name: Option<&str>,
) {
    let talk = Talk::new().syn("one").after(1.0).syn_ack("one").name("one");
    let talk = talk.frames(1..=16).after(180.0).syn_ack("one");
    let talk = talk.after(1_000.0).syn_ack("one").after(after).start();
    let named = match name {
        Some(id) => talk.after(0.3).name(id),
        None => talk,
    };
    let heard = judge(&named.frames(1..=50), &serving_start());
    let expected = if name.is_none() {
        &["MS-L-03"][..]
    } else {
        &[]
    };
    assert_eq!(heard.findings, expected, "{:#?}", heard.all);
    assert_eq!(heard.sessions.len(), 2);
}

#[test]
fn an_ack_that_comes_too_late_frees_no_budget_for_sure() {
    let begun = |talk: Talk, id: &str| talk.syn("a").after(1.0).syn_ack(id).name(id);
    let first = begun(Talk::new(), "one").frames(1..=25).syn_ack("one");
    let repeated = first.frames(26..=50).after(500.0).syn_ack("one");
    let repeated = repeated.after(2_850.0).ack("one");
    let second = begun(repeated.after(1.0), "two").frames(1..=16);
    let held = second.clone().after(450.0).ack("two").after(0.5);
    let settings = MonitorSettings {
        options: optimistic().options,
        ..supervised("3way")
    };
    let heard = judge(&held.data(17, 974).frames(18..=50), &settings);
    assert!(!heard.findings.contains(&"MS-D-06"), "{:#?}", heard.all);
    // It may have been taken, so that the budget is free.
    let heard = judge(&second.frames(17..=50).ack("two"), &settings);
    assert!(!heard.findings.contains(&"MS-H-22"), "{:#?}", heard.all);
}
