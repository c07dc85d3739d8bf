//! Each rule of the media, kept and broken.

use super::*;

#[test]
fn a_healthy_stream_exercises_the_rules_of_the_media() {
    for (talk, mode) in [(Talk::legacy(20), "legacy"), (Talk::three_way(20), "3way")] {
        let heard = assert_healthy(&talk);
        let [session] = &heard.sessions[..] else {
            panic!("{:#?}", heard.sessions)
        };
        assert_eq!((session.mode, session.frames), (mode, 20));
        assert_eq!(session.connection_id.as_deref(), Some("one"));
        assert_eq!(session.datagrams, talk.sent.len() as u64);
        for id in [
            "MS-W-01", "MS-W-09", "MS-D-01", "MS-D-04", "MS-D-05", "MS-D-11",
        ] {
            assert!(session.judged.contains(id), "{id} in {:?}", session.judged);
        }
    }
}

#[test]
fn with_the_stream_known_pace_and_end_are_judged_too() {
    let talk = Talk::legacy(50).after(3_000.0).elsewhere();
    let heard = judge(&talk, &supervised("legacy"));
    assert!(
        heard.findings.is_empty() && heard.doubts.is_empty(),
        "{:#?}",
        heard.all
    );
    for id in ["MS-D-06", "MS-D-07", "MS-D-12"] {
        assert!(heard.sessions[0].judged.contains(id), "{id}");
    }
}

#[test]
fn a_data_datagram_without_payload_breaks_w09() {
    assert_broken(
        &Talk::legacy(20).on_frame(7, |bytes| bytes.truncate(26)),
        &["MS-W-09"],
    );
    assert_broken(
        &Talk::legacy(20).on_frame(7, |bytes| bytes.truncate(14)),
        &["MS-W-09"],
    );
    let talk = Talk::legacy(3).after(20.0).fragment(4, 0, 0, 100);
    assert_broken(&talk, &["MS-W-09"]);
}

#[test]
fn a_payload_that_the_capture_cut_is_not_missing() {
    for kept in [26, 30, 60] {
        let heard = judge(&Talk::legacy(20).cut(kept), &at(Vantage::Sender));
        assert!(heard.findings.is_empty(), "{:#?}", heard.all);
        assert_eq!(heard.sessions[0].frames, 20);
    }
    let heard = judge(&Talk::legacy(20).cut(60), &at(Vantage::Sender));
    assert_eq!(heard.doubts, ["MS-D-11"]);
}

#[test]
fn a_datagram_above_the_maximum_breaks_w18() {
    let mut settings = at(Vantage::Path);
    settings.max_datagram = Some(999);
    assert_eq!(judge(&Talk::legacy(20), &settings).findings, ["MS-W-18"]);
    settings.max_datagram = Some(1_000);
    assert!(judge(&Talk::legacy(20), &settings).findings.is_empty());
    let talk = Talk::legacy(3).after(20.0).data(4, 65_507 - 25);
    assert_broken(&talk, &["MS-W-18"]);
    assert_healthy(&Talk::legacy(3).after(20.0).data(4, 65_507 - 26));
}

#[test]
fn big_endian_numbers_break_w01_and_nothing_else() {
    let all = |range: std::ops::Range<usize>| {
        (1..=20).fold(Talk::legacy(20), |talk, number| {
            talk.on_frame(number, |bytes| bytes[range.clone()].reverse())
        })
    };
    assert_broken(&all(18..26), &["MS-W-01"]);
    assert_broken(&all(10..18), &["MS-W-01"]);
    assert_broken(&all(2..10), &["MS-W-01"]);
    for range in [2..10, 10..18, 18..26] {
        let talk = Talk::legacy(20).on_frame(9, |bytes| bytes[range.clone()].reverse());
        assert_broken(&talk, &["MS-W-01"]);
    }
}

#[test]
fn a_big_endian_fragment_breaks_w01() {
    let talk = Talk::legacy(2)
        .after(20.0)
        .fragment(3, 0, 500, 1_000)
        .fragment(3, 500, 500, 1_000);
    assert_healthy(&talk);
    let swapped = talk.clone().on_frame(3, |bytes| bytes.swap(0, 1));
    assert_broken(&swapped, &["MS-W-01"]);
    let lengths = talk.on_frame(3, |bytes| {
        bytes[26..34].reverse();
        bytes[34..42].reverse();
    });
    assert_broken(&lengths, &["MS-W-01"]);
}

#[test]
fn a_first_number_other_than_1_breaks_d01_if_the_start_was_seen() {
    let talk = Talk::new().start().after(1.0).name("one").frames(2..=20);
    assert_broken_at_sender(&talk, "MS-D-01");
    let zero = Talk::new().start().after(1.0).name("one").frames(0..=20);
    assert_broken(&zero, &["MS-D-01"]);
}

#[test]
fn a_number_left_out_breaks_d01_at_the_sender_and_is_counted_elsewhere() {
    let talk = Talk::legacy(20);
    let place = talk.position(9);
    let talk = talk.without(place);
    assert_broken_at_sender(&talk, "MS-D-01");
    let session = &judge(&talk, &at(Vantage::Path)).sessions[0];
    assert_eq!((session.frames, session.network.missing), (19, 1));
    assert!(!session.judged.contains("MS-D-01"));
}

#[test]
fn two_frames_swapped_break_d01_and_not_the_clock() {
    let talk = Talk::legacy(20);
    let (one, other) = (talk.position(9), talk.position(10));
    let talk = talk.swap(one, other);
    assert_broken_at_sender(&talk, "MS-D-01");
    let session = &judge(&talk, &at(Vantage::Path)).sessions[0];
    let network = session.network;
    assert_eq!(
        (session.frames, network.missing, network.reordered),
        (20, 0, 1)
    );
}

#[test]
fn a_frame_sent_twice_breaks_d01() {
    for number in [1, 9, 20] {
        let mut talk = Talk::legacy(20);
        let place = talk.position(number);
        let again = talk.sent[place].clone();
        talk.sent.insert(place + 1, again);
        assert_broken_at_sender(&talk, "MS-D-01");
        let network = judge(&talk, &at(Vantage::Path)).sessions[0].network;
        assert_eq!(network.repeated, 1);
    }
}

#[test]
fn a_frame_sent_again_later_breaks_d01() {
    let mut talk = Talk::legacy(20);
    let again = talk.sent[talk.position(5)].clone();
    let place = talk.position(9);
    let time = talk.sent[place].time;
    talk.sent.insert(place + 1, Sent { time, ..again });
    assert_broken_at_sender(&talk, "MS-D-01");
}

/// Frames of 66,000 bytes in two datagrams, as in the field.
fn split(frames: u64) -> Talk {
    let talk = Talk::new().start().after(1.0).name("one");
    (1..=frames).fold(talk, |talk, number| {
        talk.after(100.0)
            .data(number, 63_974)
            .after(0.1)
            .data(number, 1_974)
    })
}

#[test]
fn a_plain_split_is_healthy_even_in_two_equal_parts() {
    let heard = assert_healthy(&split(10));
    assert_eq!(heard.sessions[0].frames, 10);
    let talk = Talk::new().start().after(1.0).name("one");
    let equal = (1..=10).fold(talk, |talk, number| {
        talk.after(20.0).data(number, 974).data(number, 974)
    });
    assert_healthy(&equal);
}

#[test]
fn the_parts_of_a_split_frame_swapped_break_d02() {
    let talk = split(10);
    let place = talk.position(5);
    assert_broken_at_sender(&talk.swap(place, place + 1), "MS-D-02");
}

#[test]
fn a_part_after_the_next_frame_began_breaks_d02() {
    let talk = split(10);
    let place = talk.position(5);
    assert_broken_at_sender(&talk.swap(place + 1, place + 2), "MS-D-02");
}

#[test]
fn a_part_of_a_split_frame_sent_twice_breaks_d01() {
    let mut talk = split(10);
    let place = talk.position(5) + 1;
    let again = talk.sent[place].clone();
    talk.sent.insert(place + 1, again);
    assert_broken_at_sender(&talk, "MS-D-01");
}

#[test]
fn fragments_out_of_offset_order_break_d02() {
    let talk = Talk::legacy(2)
        .after(20.0)
        .fragment(3, 0, 500, 1_500)
        .fragment(3, 1_000, 500, 1_500)
        .fragment(3, 500, 500, 1_500);
    assert_broken_at_sender(&talk, "MS-D-02");
}

#[test]
fn a_rest_without_payload_breaks_d03_and_with_it_w09() {
    let talk = split(10);
    let place = talk.position(5) + 1;
    assert_broken(
        &talk.on(place, |bytes| bytes.truncate(26)),
        &["MS-W-09", "MS-D-03"],
    );
}

#[test]
fn qpf_0_and_a_changed_qpf_break_d04() {
    assert_broken(
        &Talk::legacy(20).on_frame(7, |bytes| bytes[18..26].fill(0)),
        &["MS-D-04"],
    );
    let all = (1..=20).fold(Talk::legacy(20), |talk, number| {
        talk.on_frame(number, |bytes| bytes[18..26].fill(0))
    });
    assert_broken(&all, &["MS-D-04"]);
    let from = (7..=20).fold(Talk::legacy(20), |talk, number| {
        talk.on_frame(number, |bytes| {
            bytes[18..26].copy_from_slice(&1_000_000_u64.to_le_bytes())
        })
    });
    assert_broken(&from, &["MS-D-04"]);
}

fn shift_qpc(talk: Talk, from: u64, shift: impl Fn(u64) -> u64) -> Talk {
    (from..=20).fold(talk, |talk, number| {
        talk.on_frame(number, |bytes| {
            let qpc = u64::from_le_bytes(bytes[10..18].try_into().unwrap());
            bytes[10..18].copy_from_slice(&shift(qpc).to_le_bytes());
        })
    })
}

#[test]
fn a_qpc_that_falls_breaks_d04_and_not_d05() {
    assert_broken(
        &shift_qpc(Talk::legacy(20), 8, |qpc| qpc - 5_000_000),
        &["MS-D-04"],
    );
}

#[test]
fn a_clock_that_drifts_or_leaps_breaks_d05() {
    let base = 8_276_280_605 + 10_000_000;
    let fast = shift_qpc(Talk::legacy(20), 1, |qpc| base + (qpc - base) * 12 / 10);
    assert_broken_at_sender(&fast, "MS-D-05");
    let slow = shift_qpc(Talk::legacy(20), 1, |qpc| base + (qpc - base) * 8 / 10);
    assert_broken_at_sender(&slow, "MS-D-05");
    let leap = shift_qpc(Talk::legacy(20), 8, |qpc| qpc + 2_000_000);
    assert_broken_at_sender(&leap, "MS-D-05");
}

#[test]
fn one_late_frame_is_no_fault_of_the_clock() {
    for number in [1, 20] {
        let mut talk = Talk::legacy(20);
        let place = talk.position(number);
        talk.sent[place].time += 19.0;
        assert_healthy(&talk);
    }
}

#[test]
fn a_step_back_of_the_captures_clock_is_no_fault_of_the_sender() {
    let mut talk = Talk::legacy(20);
    let place = talk.position(9);
    for sent in &mut talk.sent[place..] {
        sent.time -= 500.0;
    }
    assert_healthy(&talk);
    let jitter = Talk::legacy(20);
    let mut jittered = jitter.clone();
    jittered.sent[place].time = jittered.sent[place - 1].time - 0.5;
    assert_healthy(&jittered);
}

#[test]
fn a_byte_of_the_pattern_changed_breaks_d11() {
    let talk = Talk::legacy(20).on_frame(7, |bytes| bytes[600] ^= 0x10);
    assert_broken(&talk, &["MS-D-11"]);
    let heard = judge(&talk, &at(Vantage::Path));
    let Observation::Finding(finding) = &heard.all[0] else {
        panic!()
    };
    let field = finding.field.unwrap();
    assert_eq!(
        (finding.packet, field.offset, field.length),
        (Some(9), 600, 1)
    );
    let early = Talk::legacy(20).on_frame(1, |bytes| bytes[600] ^= 0x10);
    assert_broken(&early, &["MS-D-11"]);
}

#[test]
fn a_pattern_that_does_not_begin_at_0_or_is_big_endian_breaks_d11() {
    let talk = Talk::legacy(20).on_frame(7, |bytes| {
        let shifted = pattern::prefix(2_000)[974..974 + 974].to_vec();
        bytes[26..].copy_from_slice(&shifted);
    });
    assert_broken(&talk, &["MS-D-11"]);
    let swapped = (1..=20).fold(Talk::legacy(20), |talk, number| {
        talk.on_frame(number, |bytes| {
            bytes[26..]
                .chunks_exact_mut(2)
                .for_each(|pair| pair.swap(0, 1))
        })
    });
    assert_broken(&swapped, &["MS-D-11"]);
}

#[test]
fn a_stream_that_begins_or_ends_with_the_pattern_breaks_d11_in_the_rest() {
    let other = |numbers: std::ops::RangeInclusive<u64>| {
        numbers.fold(Talk::legacy(20), |talk, number| {
            talk.on_frame(number, |bytes| bytes[26..].fill(7))
        })
    };
    assert_broken(&other(4..=20), &["MS-D-11"]);
    assert_broken(&other(1..=17), &["MS-D-11"]);
    assert_healthy(&other(3..=20));
}

#[test]
fn other_payload_is_its_own_affair() {
    let talk = (1..=20).fold(Talk::legacy(20), |talk, number| {
        talk.on_frame(number, |bytes| {
            let seed = number as u8;
            for (index, byte) in bytes[26..].iter_mut().enumerate() {
                *byte = (index as u8).wrapping_mul(31).wrapping_add(seed);
            }
        })
    });
    let heard = assert_healthy(&talk);
    assert!(!heard.sessions[0].judged.contains("MS-D-11"));
}

#[test]
fn a_fragment_past_its_frame_and_disagreeing_lengths_break_r01() {
    let past = Talk::legacy(2)
        .after(20.0)
        .fragment(3, 0, 500, 900)
        .fragment(3, 500, 500, 900);
    assert_broken(&past, &["MS-R-01"]);
    let huge = Talk::legacy(2).after(20.0).fragment(3, u64::MAX, 500, 900);
    assert_broken(&huge, &["MS-R-01"]);
    let other = Talk::legacy(2)
        .after(20.0)
        .fragment(3, 0, 500, 1_000)
        .fragment(3, 500, 500, 1_001);
    assert_broken(&other, &["MS-R-01"]);
}

fn with_stream(vantage: Vantage) -> MonitorSettings {
    MonitorSettings {
        stream: Some(STREAM),
        ..at(vantage)
    }
}

fn assert_with_stream(talk: &Talk, requirement: &str) {
    let sender = judge(talk, &with_stream(Vantage::Sender));
    assert_eq!(sender.findings, [requirement], "{:#?}", sender.all);
    let path = judge(talk, &with_stream(Vantage::Path));
    assert!(path.findings.is_empty(), "{:#?}", path.all);
    assert_eq!(path.doubts, [requirement], "{:#?}", path.all);
}

#[test]
fn a_rate_that_is_not_the_configured_one_breaks_d06() {
    let talk = Talk::new().start().after(1.0).name("one");
    let slow = (1..=50).fold(talk, |talk, number| talk.after(23.0).data(number, 974));
    assert_with_stream(&slow, "MS-D-06");
    assert_healthy(&slow);
    let gap = Talk::legacy(25).after(155.0).frames(26..=50);
    let sender = judge(&gap, &with_stream(Vantage::Sender));
    assert_eq!(sender.findings, ["MS-D-06"], "{:#?}", sender.all);
}

#[test]
fn a_frame_past_the_last_breaks_d07() {
    let heard = judge(&Talk::legacy(51), &with_stream(Vantage::Path));
    assert_eq!(heard.findings, ["MS-D-07"]);
}

#[test]
fn a_stream_that_stops_short_breaks_d07_if_the_capture_goes_on() {
    let short = Talk::legacy(40);
    assert!(
        judge(&short, &with_stream(Vantage::Sender))
            .findings
            .is_empty()
    );
    assert_with_stream(&short.after(1_500.0).elsewhere(), "MS-D-07");
}

#[test]
fn the_frames_of_a_restart_whose_numbers_go_on_are_counted_from_its_first() {
    let restart = |numbers| Talk::three_way(20).after(5.0).greet("two").frames(numbers);
    for vantage in [Vantage::Sender, Vantage::Path] {
        let heard = judge(&restart(21..=70), &with_stream(vantage));
        assert!(heard.findings.is_empty(), "{:#?}", heard.all);
        // The first two may be of the session before, and on their way.
        let heard = judge(&restart(21..=73), &with_stream(vantage));
        assert_eq!(heard.findings, ["MS-D-07"], "{:#?}", heard.all);
    }
    let short = restart(21..=60).after(1_500.0).elsewhere();
    assert_with_stream(&short, "MS-D-07");
    let whole = restart(21..=70).after(1_500.0).elsewhere();
    let late = Talk::three_way(50).after(1_500.0).greet("two");
    let late = late.frames(51..=100).after(1_500.0).elsewhere();
    for talk in [whole, late] {
        let heard = judge(&talk, &with_stream(Vantage::Sender));
        assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    }
}

#[test]
fn where_a_stream_began_unseen_its_end_is_in_doubt() {
    let heard = judge(&Talk::new().frames(30..=60), &with_stream(Vantage::Sender));
    assert_eq!((heard.findings, heard.doubts), (vec![], vec!["MS-D-07"]));
}

#[test]
fn a_frame_of_another_size_breaks_d13() {
    let named = || Talk::new().start().after(1.0).name("one");
    for payload in [973, 975] {
        let talk = named().frames(1..=10).after(20.0).data(11, payload);
        assert_with_stream(&talk.frames(12..=50), "MS-D-13");
    }
    let split = |rest| {
        let talk = named().frames(1..=10).after(20.0).data(11, 500);
        talk.data(11, rest).frames(12..=50)
    };
    let heard = judge(&split(448), &with_stream(Vantage::Sender));
    assert!(heard.findings.is_empty(), "{:#?}", heard.all);
    assert_with_stream(&split(449), "MS-D-13");
    let last = named().frames(1..=49).after(20.0).data(50, 900);
    assert_with_stream(&last.after(100.0).elsewhere(), "MS-D-13");
    let heard = judge(
        &named().frames(1..=10).data(11, 500),
        &with_stream(Vantage::Sender),
    );
    assert!(heard.findings.is_empty(), "a frame may be under way");
}

#[test]
fn a_connection_id_after_the_last_frame_breaks_d07() {
    assert_with_stream(&Talk::legacy(50).after(100.0).name("one"), "MS-D-07");
}

#[test]
fn a_first_frame_at_once_or_late_breaks_d12() {
    let talk = Talk::new()
        .start()
        .after(1.0)
        .name("one")
        .after(200.0)
        .frames(1..=50);
    assert_with_stream(&talk, "MS-D-12");
    let slow = StreamParameters {
        bits_per_second: 80_000,
        frames_per_second: 1,
        seconds: 10,
    };
    let settings = MonitorSettings {
        stream: Some(slow),
        ..at(Vantage::Sender)
    };
    let at_once = Talk::new()
        .start()
        .after(1.0)
        .name("one")
        .after(5.0)
        .data(1, 974);
    assert_eq!(judge(&at_once, &settings).findings, ["MS-D-12"]);
    let handshake = Talk::new().greet("one").after(200.0).frames(1..=50);
    assert_with_stream(&handshake, "MS-D-12");
}
