//! When frames leave, on time and not.

use super::*;
use crate::monitor::Vantage::{Path, Sender};

fn known(vantage: Vantage) -> MonitorSettings {
    MonitorSettings {
        stream: Some(STREAM),
        ..at(vantage)
    }
}

/// Nothing is found nor doubted, from either vantage, though the stream is known.
fn assert_on_time(talk: &Talk) -> Heard {
    let path = judge(talk, &known(Path));
    assert!(
        path.findings.is_empty() && path.doubts.is_empty(),
        "{path:#?}"
    );
    let sender = judge(talk, &known(Sender));
    assert!(
        sender.findings.is_empty() && sender.doubts.is_empty(),
        "{sender:#?}"
    );
    sender
}

fn found(talk: &Talk) -> Vec<&'static str> {
    judge(talk, &known(Sender)).findings
}

/// Named, then frames that are `interval` ms apart.
fn paced(interval: f64, frames: u64) -> Talk {
    let talk = Talk::new()
        .start()
        .after(1.0)
        .name("one")
        .after(20.0 - interval);
    (1..=frames).fold(talk, |talk, number| talk.after(interval).data(number, 974))
}

#[test]
fn a_mean_interval_is_judged_over_the_whole_span_with_50_ms_of_slack_below_a_second() {
    assert_on_time(&paced(24.0, 10));
    assert_on_time(&paced(16.0, 10));
    let long = |interval| {
        let settings = held_back(0, 0.0).1;
        judge(&paced(interval, 150), &settings).findings
    };
    assert!(long(20.9).is_empty() && long(19.1).is_empty());
    assert_eq!((long(21.1), long(18.9)), (vec!["MS-D-06"], vec!["MS-D-06"]));
    assert_eq!(found(&paced(23.0, 50)), ["MS-D-06"]);
    assert_eq!(found(&paced(17.0, 50)), ["MS-D-06"]);
}

#[test]
fn a_frame_may_be_late_by_five_intervals_and_50_ms() {
    let late = |millis| {
        let talk = paced(20.0, 75).after(millis).frames(76..=150);
        judge(&talk, &held_back(0, 0.0).1).findings
    };
    assert!(late(145.0).is_empty());
    assert_eq!(late(155.0), ["MS-D-06"]);
}

/// An optimistic stream of frames of 1,000 bytes, of which so many go before the ACK, which comes
/// `pause` ms after the last of them.
fn held_back(frames: u64, pause: f64) -> (Talk, MonitorSettings) {
    let settings = MonitorSettings {
        stream: Some(StreamParameters {
            seconds: 3,
            ..STREAM
        }),
        ..at(Sender)
    };
    let mut talk = Talk::new()
        .syn("a")
        .after(1.0)
        .syn_ack("one")
        .name("one")
        .frames(1..=frames)
        .after(pause);
    for after in [500.0, 1_500.0] {
        let mut copy = talk.sent[1].clone();
        copy.time += after;
        if copy.time < talk.now {
            talk.sent.push(copy);
        }
    }
    talk.sent.sort_by(|a, b| a.time.total_cmp(&b.time));
    (talk.ack("one"), settings)
}

#[test]
fn a_pause_that_the_budget_makes_is_neither_lateness_nor_a_slow_rate() {
    let (talk, settings) = held_back(65, 900.0);
    let goes_on = talk.clone().frames(66..=150);
    assert!(
        judge(&goes_on, &settings).findings.is_empty(),
        "{:#?}",
        judge(&goes_on, &settings)
    );
    let catches_up = (66..=110).fold(talk.clone(), |talk, n| talk.after(0.1).data(n, 974));
    let catches_up = catches_up.after(10.5).frames(111..=150);
    assert!(
        judge(&catches_up, &settings).findings.is_empty(),
        "{:#?}",
        judge(&catches_up, &settings)
    );
    let hurries = (66..=150).fold(talk.clone(), |talk, n| talk.after(10.0).data(n, 974));
    assert!(
        judge(&hurries, &settings).findings.is_empty(),
        "{:#?}",
        judge(&hurries, &settings)
    );
    let slow = (66..=150).fold(talk.clone(), |talk, n| talk.after(25.0).data(n, 974));
    assert_eq!(judge(&slow, &settings).findings, ["MS-D-06"]);
    let flood = (66..=150).fold(talk, |talk, n| talk.after(0.1).data(n, 974));
    assert_eq!(judge(&flood, &settings).findings, ["MS-D-06"]);
}

#[test]
fn a_pause_far_below_the_budget_is_late() {
    let (talk, settings) = held_back(20, 900.0);
    assert_eq!(
        judge(&talk.frames(21..=150), &settings).findings,
        ["MS-D-06"]
    );
}

#[test]
fn a_first_frame_at_once_breaks_d12_at_50_frames_a_second_too() {
    for early in [0.1, 3.5] {
        let talk = Talk::new()
            .start()
            .after(0.2)
            .name("one")
            .after(early)
            .data(1, 974);
        assert_eq!(found(&talk.frames(2..=50)), ["MS-D-12"], "{early}");
        let talk = Talk::new()
            .greet("one")
            .without(3)
            .after(early)
            .data(1, 974);
        assert_eq!(found(&talk.frames(2..=50)), ["MS-D-12"], "{early}");
    }
    let talk = Talk::new()
        .start()
        .after(0.2)
        .name("one")
        .after(6.0)
        .data(1, 974);
    assert_on_time(&talk.frames(2..=50));
}

#[test]
fn a_connection_id_that_left_late_makes_the_first_frame_a_doubt() {
    let talk = Talk::new()
        .start()
        .after(19.5)
        .name("one")
        .after(0.5)
        .data(1, 974);
    let heard = judge(&talk.frames(2..=50), &known(Sender));
    assert!(heard.findings.is_empty(), "{heard:#?}");
    assert_eq!(heard.doubts, ["MS-D-12"]);
}

#[test]
fn an_ack_just_before_the_first_optimistic_frame_makes_it_no_early_one() {
    let talk = Talk::new().syn("a").after(1.0).syn_ack("one").name("one");
    assert_on_time(
        &talk
            .after(19.0)
            .ack("one")
            .after(1.0)
            .data(1, 974)
            .frames(2..=50),
    );
}
