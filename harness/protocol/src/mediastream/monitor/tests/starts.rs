//! The rules of 3.1, kept and broken.

use super::*;

#[test]
fn another_first_datagram_than_start_breaks_l01() {
    let talk = Talk::new()
        .ask(b"START\0")
        .after(1.0)
        .name("one")
        .frames(1..=20);
    assert_broken(&talk, &["MS-L-01"]);
}

#[test]
fn a_start_that_the_capture_lacks_is_in_doubt_only() {
    let talk = Talk::legacy(20).without(0);
    for vantage in [Vantage::Sender, Vantage::Path] {
        let heard = judge(&talk, &at(vantage));
        assert!(heard.findings.is_empty(), "{:#?}", heard.all);
        assert_eq!(heard.doubts, ["MS-L-01"]);
        assert_eq!(
            (heard.sessions[0].mode, heard.sessions[0].frames),
            ("unknown", 20)
        );
    }
}

#[test]
fn a_start_repeated_after_an_interval_and_500_ms_is_healthy() {
    let talk = Talk::new()
        .start()
        .after(520.0)
        .start()
        .after(1.0)
        .name("one")
        .frames(1..=20);
    let heard = assert_healthy(&talk);
    assert!(heard.sessions[0].judged.contains("MS-L-02"));
    assert_eq!(heard.sessions.len(), 1);
}

#[test]
fn a_start_repeated_too_early_or_too_late_breaks_l02() {
    for gap in [100.0, 440.0, 1_200.0] {
        let talk = Talk::new()
            .start()
            .after(gap)
            .start()
            .after(1.0)
            .name("one")
            .frames(1..=20);
        assert_broken_at_sender(&talk, "MS-L-02");
    }
    let never = Talk::new()
        .start()
        .after(1_200.0)
        .name("one")
        .frames(1..=20);
    assert_broken_at_sender(&never, "MS-L-02");
}

#[test]
fn a_start_that_is_in_time_after_a_late_one_is_not_early() {
    let late = Talk::new().start().after(640.0).start();
    let again = |gap| {
        late.clone()
            .after(gap)
            .start()
            .after(1.0)
            .name("one")
            .frames(1..=20)
    };
    assert_healthy(&again(400.0));
    assert_broken_at_sender(&again(300.0), "MS-L-02");
}

#[test]
fn media_ends_the_repetition_of_start_whatever_id_comes_later() {
    let media = Talk::new().start().after(20.0).frames(1..=20);
    let talk = media.after(1_200.0).name("one").frames(1..=20);
    let heard = judge(&talk, &at(Vantage::Sender));
    let findings = heard.findings.iter();
    assert_eq!(
        findings.filter(|id| **id == "MS-L-02").count(),
        0,
        "{:#?}",
        heard.all
    );
}

#[test]
fn a_start_after_the_answer_breaks_l02_unless_they_crossed() {
    let talk = Talk::new()
        .start()
        .after(1.0)
        .name("one")
        .frames(1..=10)
        .after(5.0)
        .start()
        .frames(11..=20);
    assert_broken_at_sender(&talk, "MS-L-02");
    let crossing = Talk::new()
        .start()
        .after(519.0)
        .name("one")
        .after(1.0)
        .start()
        .frames(1..=20);
    assert_healthy(&crossing);
}

#[test]
fn a_start_after_a_connection_id_alone_is_healthy_but_not_too_early() {
    let named = |again| {
        let talk = Talk::new().start().after(1.0).name("one").after(again);
        talk.start().after(5.0).frames(1..=20)
    };
    assert_healthy(&named(519.0));
    assert_healthy(&named(1_500.0));
    assert_broken_at_sender(&named(100.0), "MS-L-02");
}

#[test]
fn a_start_that_nobody_answers_is_a_session_without_a_finding() {
    let heard = assert_healthy(&Talk::new().start().after(5_000.0).elsewhere());
    assert_eq!((heard.sessions.len(), heard.sessions[0].frames), (1, 0));
    let run = judge(
        &Talk::new().start().after(5_000.0).elsewhere(),
        &supervised("legacy"),
    );
    assert_eq!(run.findings, ["MS-L-02"]);
}

#[test]
fn media_without_a_connection_id_breaks_l03() {
    let talk = Talk::legacy(20).without(1);
    assert_broken_at_sender(&talk, "MS-L-03");
}

#[test]
fn the_other_modes_first_datagram_breaks_h01_or_l01_where_the_mode_is_known() {
    let heard = judge(&Talk::legacy(50), &supervised("3way"));
    assert_eq!(heard.findings, ["MS-H-01"]);
    let heard = judge(&Talk::three_way(50), &supervised("legacy"));
    assert_eq!(heard.findings, ["MS-L-01"]);
}

#[test]
fn whether_start_is_sent_again_after_junk_is_not_judged() {
    for junk in [&b"\0\0"[..], b"\x02\x99\0"] {
        let asks = Talk::new().start().after(20.0).answer(junk);
        let again = asks.after(500.0).start().after(1.0).name("one");
        let patient = Talk::new().start().after(20.0).answer(junk);
        let patient = patient.after(1_500.0).name("one");
        for talk in [again, patient] {
            let heard = judge(&talk.frames(1..=20), &at(Vantage::Sender));
            assert!(!heard.findings.contains(&"MS-L-02"), "{:#?}", heard.all);
        }
    }
}
