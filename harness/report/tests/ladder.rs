//! Ladders of golden captures, in columns.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "tests may fail so, and read files"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use shakedown_capture::annotate;
use shakedown_engine::event::FindingEvent;
use shakedown_report::{Ladder, Row, RowContent};

fn golden(capture: &str) -> File {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden");
    File::open(golden.join(capture)).unwrap()
}

fn ladder(capture: &str) -> Ladder {
    Ladder::read(golden(capture), &[], &[]).unwrap()
}

fn finding(packet: Option<u64>, time: f64) -> FindingEvent {
    FindingEvent {
        requirement: "MS-H-03".to_owned(),
        level: "SHOULD".to_owned(),
        scenario: None,
        capture: None,
        packet,
        time,
        message: "expected SYN within 675 ms (tolerance added), got nothing".to_owned(),
        expected: String::new(),
        got: String::new(),
        step: Some("2".to_owned()),
        bytes: None,
        field: None,
        waived: None,
        advisory: false,
        off: None,
    }
}

const LOST: &str = "mediastream/3way/initiator/a-lost-syn-ack-makes-it-send-its-syn-again.pcapng";
const HANDSHAKE: &str = "mediastream/3way/responder/a-handshake-leads-to-two-frames.pcapng";
const PULL: &str = "proton/pull/server/pipelined-requests-get-an-item-each.pcapng";
const MEETING: &str = "darktower/mc,mh/server/who-has-not-subscribed-gets-nothing.pcapng";

#[test]
fn a_lost_frame_is_crossed_and_media_are_folded_in_60_columns() {
    insta::assert_snapshot!(ladder(LOST).plain(60));
}

/// A golden capture with more comments on its packets.
fn commented(capture: &str, comments: &[(u64, &str)]) -> Ladder {
    let mut of: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for (packet, text) in comments {
        of.entry(*packet).or_default().push((*text).to_owned());
    }
    let mut annotated = Vec::new();
    annotate(golden(capture), &mut annotated, &of).unwrap();
    Ladder::read(&*annotated, &[], &[]).unwrap()
}

#[test]
fn what_the_network_lost_is_crossed_where_it_was_sent() {
    let lost = commented(
        HANDSHAKE,
        &[
            (
                1,
                "network: lost on the way before this packet: step 1 send: SYN connection_id=\"a\"",
            ),
            (2, "network: lost on the way"),
            (
                3,
                "network: lost on the way after this packet: step 3 send: ACK connection_id=\"b\"",
            ),
        ],
    );
    insta::assert_snapshot!(lost.shortened(6).plain(60));
}

#[test]
fn what_is_told_of_a_packet_behind_which_something_was_lost_stands_at_the_packet() {
    let lost = "network: lost on the way after this packet: step 3 send: ACK connection_id=\"b\"";
    let rows = commented(HANDSHAKE, &[(3, lost), (3, "MS-H-09: another id")]).rows;
    let told: Vec<_> = rows.iter().filter(|row| !row.findings.is_empty()).collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].packet, Some(3));
    assert!(matches!(&told[0].what, RowContent::Frame(frame) if frame.name == "ACK"));
}

#[test]
fn a_lost_packet_of_quic_is_not_crossed_for_quic_says_its_frames_again() {
    let all = (1..=20).map(|packet| (packet, "network: lost on the way"));
    let (plain, lost) = (ladder(PULL), commented(PULL, &all.collect::<Vec<_>>()));
    assert_eq!(lost.plain(60), plain.plain(60));
    let told = |row: &Row| {
        row.steps
            .iter()
            .any(|step| step == "network: lost on the way")
    };
    assert!(lost.rows.iter().any(told));
}

#[test]
fn frames_inside_quic_stand_under_their_names_in_60_columns() {
    insta::assert_snapshot!(ladder(PULL).plain(60));
}

#[test]
fn six_peers_of_a_meeting_stand_side_by_side() {
    insta::assert_snapshot!(ladder(MEETING).shortened(30).plain(100));
}

#[test]
fn what_was_missed_stands_at_its_time_and_what_is_wrong_at_its_packet() {
    let (missed, broken) = (finding(None, 0.25), finding(Some(20), 0.9));
    let ladder = Ladder::read(golden(LOST), &[], &[&missed, &broken]).unwrap();
    insta::assert_snapshot!(ladder.plain(60));
}

#[test]
fn colours_mark_what_is_wrong_and_take_no_columns() {
    let broken = finding(Some(1), 0.0);
    let ladder = Ladder::read(golden(LOST), &[], &[&broken]).unwrap();
    let (coloured, plain) = (ladder.text(60), ladder.plain(60));
    assert_eq!(console::strip_ansi_codes(&coloured), plain);
    let red = |text: &str| text.matches("\u{1b}[31m").count();
    assert_eq!(red(coloured.lines().nth(3).unwrap()), 1);
    assert_eq!(red(coloured.lines().last().unwrap()), 0);
}

#[test]
fn no_line_of_any_golden_capture_is_wider_than_the_terminal() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden");
    let mut drawn = 0;
    for protocol in [
        "mediastream/3way/responder",
        "proton/pull/server",
        "darktower/mc/client",
    ] {
        for entry in fs::read_dir(folder.join(protocol)).unwrap() {
            let capture = File::open(entry.unwrap().path()).unwrap();
            let ladder = Ladder::read(capture, &[], &[]).unwrap();
            for width in [60, 100] {
                for line in ladder.plain(width).lines() {
                    let columns = console::measure_text_width(line);
                    assert!(columns <= width, "{columns}: {line}");
                }
            }
            drawn += 1;
        }
    }
    assert!(drawn > 100, "{drawn}");
}

#[test]
fn a_shortened_ladder_keeps_its_ends_and_what_is_around_findings() {
    let meeting = ladder(MEETING);
    let marked = finding(Some(26), 0.2022);
    let whole = Ladder::read(golden(MEETING), &[], &[&marked]).unwrap();
    let short = whole.clone().shortened(20);
    let frames = short
        .rows
        .iter()
        .filter(|row| matches!(row.what, RowContent::Frame(_)));
    assert_eq!(frames.count(), 20);
    let left_out = short.rows.iter().map(|row| match row.what {
        RowContent::Gap(rows) => rows,
        RowContent::Frame(_) | RowContent::Missed => 1,
    });
    assert_eq!(left_out.sum::<usize>(), whole.rows.len());
    assert_eq!(short.rows.first(), whole.rows.first());
    assert_eq!(short.rows.last(), whole.rows.last());
    assert!(short.rows.iter().any(|row| row.packet == Some(26)));
    assert_eq!(meeting.clone().shortened(1_000), meeting);
}
