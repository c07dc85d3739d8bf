use serde_json::json;

use super::*;

#[test]
fn frame_n_leaves_n_intervals_after_the_step_began() {
    let mut play = responder(json!([
        { "wait": { "for": "100ms" } },
        { "media": { "frames": 3 } },
        { "send": { "frame": "START token" } },
    ]));
    play.until(1_000).passed();
    let times: Vec<_> = play.sent.iter().map(|(millis, ..)| *millis).collect();
    assert_eq!(times, [120, 140, 160, 160]);
    assert_eq!(
        play.said()[..2],
        [
            "120 data sequence_number=1 qpc=1200000 qpf=10000000 payload=pattern(974)",
            "140 data sequence_number=2 qpc=1400000 qpf=10000000 payload=pattern(974)",
        ]
    );
}

#[test]
fn media_that_is_late_leaves_what_is_due_and_no_more() {
    let mut play = responder(json!([{ "media": { "frames": 10, "first": 5 } }]));
    play.now = Duration::from_millis(70);
    play.input(Input::Tick);
    assert_eq!(play.sent.len(), 3);
    assert_eq!(play.script.deadline(), Some(Duration::from_millis(80)));
    assert!(play.said()[0].contains("sequence_number=5"));
}

#[test]
fn a_whole_stream_is_sent_if_no_count_is_given() {
    let mut play = responder(json!([{ "media": {} }]));
    play.until(2_000).passed();
    assert_eq!(play.sent.len(), 100);
}

#[test]
fn a_split_frame_leaves_in_parts_of_one_number() {
    let mut play = responder(json!([{ "media": { "frames": 1, "carry": "split" } }]));
    play.until(20).passed();
    let sizes: Vec<_> = play
        .sent
        .iter()
        .map(|(_, _, _, bytes)| bytes.len())
        .collect();
    assert_eq!(sizes, [500, 500], "headers included");
    assert!(
        play.said()
            .iter()
            .all(|line| line.contains("data sequence_number=1"))
    );
}

#[test]
fn fragments_leave_with_their_places() {
    let mut play = responder(json!([{ "media": { "frames": 1, "carry": "fragments" } }]));
    play.until(20).passed();
    let places: Vec<_> = play
        .said()
        .iter()
        .map(|line| line.split_once("qpf=10000000 ").unwrap().1.to_owned())
        .collect();
    assert_eq!(
        places,
        [
            "total_length=974 payload=pattern(487)",
            "fragment_offset=487 total_length=974 payload=pattern(487)",
        ]
    );
}

#[test]
fn distinct_frame_numbers_are_counted() {
    let steps = json!([{ "expect_media": { "frames": 3 } }]);
    let mut play = responder(steps.clone());
    for number in [4, 4, 6, 5] {
        play.runs();
        play.gets(10, "data", data(number));
    }
    play.passed();
    assert_eq!(
        play.script.events()[0].text,
        "got 3 frames of media: numbers 4 to 6"
    );
    let mut few = responder(steps);
    few.gets(1, "data", data(1))
        .gets(2, "data", data(2))
        .until(10_000);
    assert_eq!(
        few.complaint(),
        "3 frames of media within 2.625 s (tolerance added) | 2 frames of media: numbers 1 to 2"
    );
}

#[test]
fn media_without_a_count_ends_with_the_last_frame_of_the_stream() {
    let mut play = responder(json!([{ "expect_media": {} }]));
    play.gets(10, "data", data(99)).runs();
    play.gets(20, "data", data(100)).passed();
}

#[test]
fn the_first_number_may_be_demanded() {
    let steps = json!([{ "expect_media": { "frames": 1, "first": 1 } }]);
    responder(steps.clone()).gets(1, "data", data(1)).passed();
    let mut play = responder(steps);
    play.gets(1, "data", data(2));
    assert_eq!(
        play.complaint(),
        "media that begins with sequence_number 1 | data with sequence_number 2"
    );
    assert_eq!(play.failed().field.as_ref().unwrap().offset, 2);
}

#[test]
fn a_stream_that_goes_on_has_numbers_above_all_before() {
    let steps = json!([
        { "expect_media": { "frames": 2 } },
        { "expect": { "frame": "SYN-ACK", "within": "1s", "ignore": ["data"] } },
        { "expect_media": { "frames": 1, "goes_on": true } },
    ]);
    let begin = |play: &mut Play| {
        play.gets(1, "data", data(1))
            .gets(2, "data", data(2))
            .gets(3, "data", data(3));
        play.gets(4, "SYN-ACK", json!({})).runs();
    };
    let mut on = responder(steps.clone());
    begin(&mut on);
    on.gets(5, "data", data(4)).passed();
    let mut again = responder(steps);
    begin(&mut again);
    again.gets(5, "data", data(3));
    assert_eq!(
        again.complaint(),
        "media that goes on: sequence_number above 3 | data with sequence_number 3"
    );
}

#[test]
fn further_parts_of_the_last_frame_break_no_silence() {
    let part = |number: u64| json!({ "sequence_number": number, "payload": { "pattern": 474 } });
    let mut play = responder(json!([
        { "expect_media": { "frames": 1 } },
        { "expect_nothing": { "for": "1s" } },
    ]));
    play.gets(1, "data", part(1))
        .gets(2, "data", part(1))
        .runs();
    let mut whole = play;
    whole.gets(3, "data", part(1));
    assert_eq!(
        whole.failed().packet,
        Some(3),
        "the frame was whole: this is more than it"
    );
}

#[test]
fn another_frame_than_media_fails_the_step_unless_it_is_ignored() {
    let steps = json!([{ "expect_media": { "frames": 1, "ignore": ["connection-id"] } }]);
    responder(steps.clone())
        .gets(1, "connection-id", json!({}))
        .gets(2, "data", data(1))
        .passed();
    let mut play = responder(steps);
    play.gets(1, "SYN-ACK", json!({}));
    assert_eq!(play.complaint(), "a frame of media | SYN-ACK accept=false");
}

#[test]
fn another_stream_than_the_one_asked_for_has_its_own_pace_size_and_length() {
    let other = json!({ "bits_per_second": 160_000, "frames_per_second": 10, "seconds": 1 });
    let mut play = responder(json!([{ "media": { "stream": other } }]));
    play.until(2_000).passed();
    let sent = play.sent.iter().map(|(at, _, _, bytes)| (*at, bytes.len()));
    let wanted = (1..=10).map(|n| (n * 100, 2_000));
    assert_eq!(sent.collect::<Vec<_>>(), wanted.collect::<Vec<_>>());
}
