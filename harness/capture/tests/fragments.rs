//! Fragmented IP packets are put together, within bounds.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail so")]

mod support;

use std::time::Duration;

use rstest::rstest;
use shakedown_capture::{CaptureWriter, DataLink, Statistics, WriterSettings};
use support::{Seen, ip, pcapng, read};

/// A piece of the datagram `packet`: `range` of its IP payload.
fn piece(packet: &[u8], id: u16, from: usize, to: usize, more: bool) -> Vec<u8> {
    let offset = (from / 8) as u16;
    if packet[0] >> 4 == 4 {
        let mut piece = packet[..20].to_vec();
        piece[2..4].copy_from_slice(&((20 + to - from) as u16).to_be_bytes());
        piece[4..6].copy_from_slice(&id.to_be_bytes());
        let flags = u16::from(more) << 13 | offset;
        piece[6..8].copy_from_slice(&flags.to_be_bytes());
        piece.extend(&packet[20 + from..20 + to]);
        return piece;
    }
    let mut piece = packet[..40].to_vec();
    piece[4..6].copy_from_slice(&((8 + to - from) as u16).to_be_bytes());
    piece[6] = 44;
    let [high, low] = (offset << 3 | u16::from(more)).to_be_bytes();
    let [id_high, id_low] = id.to_be_bytes();
    piece.extend([packet[6], 0, high, low, 0, 0, id_high, id_low]);
    piece.extend(&packet[40 + from..40 + to]);
    piece
}

/// The pieces of a datagram with this payload, each of `size` bytes.
fn pieces(version: u8, payload: &[u8], id: u16, size: usize) -> Vec<Vec<u8>> {
    let packet = ip(version, payload);
    let length = payload.len() + 8;
    (0..length)
        .step_by(size)
        .map(|from| {
            let to = (from + size).min(length);
            piece(&packet, id, from, to, to < length)
        })
        .collect()
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 3) as u8).collect()
}

fn read_packets(packets: &[Vec<u8>]) -> (Vec<Seen>, Statistics) {
    let (seen, statistics, error) = read(&pcapng(DataLink::RAW, packets));
    assert!(error.is_none(), "{error:?}");
    (seen, statistics)
}

#[rstest]
fn pieces_in_any_order_make_the_datagram(
    #[values(4, 6)] version: u8,
    #[values("in order", "backwards", "odd ones first")] order: &str,
    #[values((3_000, 1_480), (65_507, 1_480), (65_507, 576), (2_008, 1_000), (100, 8))] shape: (
        usize,
        usize,
    ),
) {
    let payload = pattern(shape.0);
    let mut packets = pieces(version, &payload, 77, shape.1);
    match order {
        "backwards" => packets.reverse(),
        "odd ones first" => {
            let odd = packets.iter().skip(1).step_by(2);
            let even = packets.iter().step_by(2);
            packets = odd.chain(even).cloned().collect();
        }
        _ => {}
    }
    let (seen, statistics) = read_packets(&packets);
    assert_eq!(seen.len(), 1, "{statistics}");
    assert_eq!(seen[0].number, packets.len() as u64);
    assert_eq!(seen[0].time, support::time(packets.len() as u64));
    assert!(seen[0].payload == payload);
    assert_eq!(seen[0].length, payload.len());
    assert_eq!(statistics.fragments.pieces, packets.len() as u64);
    assert_eq!(statistics.fragments.reassembled, 1);
    assert_eq!(statistics.lost(), 0);
}

#[rstest]
fn interleaved_datagrams_are_told_apart(#[values(4, 6)] version: u8) {
    let first = pieces(version, &[1; 100], 1, 48);
    let second = pieces(version, &[2; 100], 2, 48);
    let packets: Vec<Vec<u8>> = first
        .into_iter()
        .zip(second)
        .flat_map(|(one, two)| [one, two])
        .chain([ip(version, b"whole")])
        .collect();
    let (seen, _) = read_packets(&packets);
    let payloads: Vec<&[u8]> = seen.iter().map(|it| &it.payload[..]).collect();
    assert_eq!(payloads, [&[1; 100][..], &[2; 100], b"whole"]);
    assert_eq!(seen[0].number + 1, seen[1].number);
}

#[rstest]
fn a_repeated_piece_changes_nothing(#[values(4, 6)] version: u8) {
    let payload = pattern(100);
    let mut packets = pieces(version, &payload, 1, 48);
    packets.insert(1, packets[0].clone());
    let (seen, statistics) = read_packets(&packets);
    assert!(seen[0].payload == payload);
    assert_eq!(statistics.fragments.repeated_pieces, 1);
}

#[rstest]
#[case::same_place_other_bytes(0, 48)]
#[case::over_the_edge(40, 56)]
#[case::around(0, 96)]
fn pieces_that_overlap_and_differ_drop_the_datagram(
    #[values(4, 6)] version: u8,
    #[case] from: usize,
    #[case] to: usize,
) {
    let payload = pattern(200);
    let other = ip(version, &[0xff; 200]);
    let mut packets = pieces(version, &payload, 1, 48);
    packets.insert(1, piece(&other, 1, from, to, true));
    packets.push(ip(version, b"next"));
    let (seen, statistics) = read_packets(&packets);
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].payload, b"next");
    assert_eq!(statistics.fragments.overlapping, 1);
    assert!(statistics.lost() > 0);
}

#[rstest]
fn missing_pieces_are_counted_at_the_end(#[values(4, 6)] version: u8) {
    let mut packets = pieces(version, &[1; 100], 1, 48);
    packets.remove(1);
    let (seen, statistics) = read_packets(&packets);
    assert!(seen.is_empty());
    assert_eq!(statistics.fragments.incomplete, 1);
    assert_eq!(
        statistics.to_string(),
        "2 packets, 0 UDP datagrams, 1 with fragments missing"
    );
}

#[test]
fn pieces_are_waited_for_for_30_seconds() {
    let packets = pieces(4, &[1; 100], 1, 56);
    let write = |gap: u64| {
        let settings = WriterSettings {
            link: DataLink::RAW,
            ..WriterSettings::default()
        };
        let mut writer = CaptureWriter::new(Vec::new(), &settings).expect("memory");
        for (packet, at) in packets.iter().zip([0, gap]) {
            let time = Duration::from_secs(1_000 + at);
            writer
                .write_packet(time, packet, packet.len(), &[])
                .expect("memory");
        }
        read(&writer.into_inner())
    };
    assert_eq!(write(30).0.len(), 1);
    let (seen, statistics, _) = write(31);
    assert!(seen.is_empty());
    // The late piece begins anew, and is not enough either.
    assert_eq!(statistics.fragments.incomplete, 2);
}

#[test]
fn a_piece_that_was_cut_costs_its_datagram() {
    let packets = pieces(4, &[1; 100], 1, 56);
    let settings = WriterSettings {
        link: DataLink::RAW,
        ..WriterSettings::default()
    };
    let mut writer = CaptureWriter::new(Vec::new(), &settings).expect("memory");
    let first = &packets[0];
    let written = [
        writer.write_packet(Duration::ZERO, &first[..40], first.len(), &[]),
        writer.write_packet(Duration::ZERO, &packets[1], packets[1].len(), &[]),
    ];
    assert!(written.iter().all(Result::is_ok));
    let (seen, statistics, _) = read(&writer.into_inner());
    assert!(seen.is_empty());
    assert_eq!(statistics.fragments.cut_pieces, 1);
    assert_eq!(statistics.fragments.incomplete, 1);
}

#[rstest]
#[case::not_a_multiple_of_8(&[(0, 50, true)])]
#[case::two_ends(&[(48, 96, false), (96, 108, false)])]
#[case::beyond_the_end(&[(48, 96, false), (96, 104, true)])]
fn impossible_pieces_drop_the_datagram(#[case] shape: &[(usize, usize, bool)]) {
    let packet = ip(4, &[1; 100]);
    let packets: Vec<Vec<u8>> = shape
        .iter()
        .map(|(from, to, more)| piece(&packet, 1, *from, *to, *more))
        .collect();
    let (seen, statistics) = read_packets(&packets);
    assert!(seen.is_empty());
    assert_eq!(statistics.fragments.malformed, 1);
}

#[test]
fn a_piece_beyond_65535_bytes_is_malformed() {
    let packet = ip(4, &[1; 100]);
    let mut last = piece(&packet, 1, 0, 108, false);
    last[6..8].copy_from_slice(&0x1fff_u16.to_be_bytes());
    let (seen, statistics) = read_packets(&[last]);
    assert!(seen.is_empty());
    assert_eq!(statistics.fragments.malformed, 1);
}

#[test]
fn pieces_of_something_else_than_udp_are_not_kept() {
    let mut packets = pieces(4, &[1; 100], 1, 56);
    for packet in &mut packets {
        packet[9] = 6;
    }
    let (_, statistics) = read_packets(&packets);
    assert_eq!(statistics.not_udp, 2);
    assert_eq!(statistics.fragments.pieces, 0);
}

#[test]
fn destination_options_in_the_fragmented_part_are_passed() {
    let mut packet = ip(6, &[1; 100]);
    packet.splice(40..40, [17, 0, 1, 4, 0, 0, 0, 0]);
    packet[6] = 60;
    let packets = [
        piece(&packet, 1, 0, 56, true),
        piece(&packet, 1, 56, 116, false),
    ];
    let (seen, statistics) = read_packets(&packets);
    assert_eq!(seen.len(), 1, "{statistics}");
    assert_eq!(seen[0].payload, [1; 100]);
}

/// First pieces of datagrams that never go on, each claiming most of 64 KiB.
#[test]
fn memory_for_incomplete_datagrams_is_bounded() {
    let packet = ip(4, &[1; 65_000]);
    let packets: Vec<Vec<u8>> = (0..2_000)
        .map(|id| piece(&packet, id, 60_000, 60_008, true))
        .chain(pieces(4, b"and yet it goes on", 5_000, 16))
        .collect();
    let (seen, statistics) = read_packets(&packets);
    assert_eq!(seen.len(), 1);
    assert!(statistics.fragments.over_limit > 1_800, "{statistics}");
    assert_eq!(
        statistics.fragments.over_limit + statistics.fragments.incomplete,
        2_000
    );
}

#[test]
fn a_datagram_in_too_many_stretches_is_dropped() {
    let packet = ip(4, &[1; 65_000]);
    let packets: Vec<Vec<u8>> = (0..200)
        .map(|at| piece(&packet, 1, at * 16, at * 16 + 8, true))
        .collect();
    let (_, statistics) = read_packets(&packets);
    assert_eq!(statistics.fragments.malformed, 1);
}
