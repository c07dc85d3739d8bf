//! Every form of capture file.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail so")]

mod support;

use std::io::Read;
use std::time::Duration;

use rstest::rstest;
use shakedown_capture::{Capture, CaptureError, DataLink, Endianness, Packets, PcapLayout};
use support::blocks::Blocks;
use support::{ethernet, ip, pcap, read, time};

const BOTH: [Endianness; 2] = [Endianness::Big, Endianness::Little];

fn frames() -> Vec<Vec<u8>> {
    [&b"one"[..], b"two", &[3; 1_400]]
        .iter()
        .map(|payload| ethernet(&ip(4, payload)))
        .collect()
}

#[rstest]
fn classic_files_of_both_byte_orders_and_resolutions_are_read(
    #[values(Endianness::Big, Endianness::Little)] endianness: Endianness,
    #[values(true, false)] nanoseconds: bool,
) {
    let layout = PcapLayout {
        link: DataLink::ETHERNET,
        endianness,
        nanoseconds,
    };
    let (seen, _, error) = read(&pcap(layout, &frames()));
    assert!(error.is_none());
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[1].payload, b"two");
    for (seen, number) in seen.iter().zip(1..) {
        assert_eq!(seen.number, number);
        assert_eq!(seen.time, time(number));
    }
}

#[test]
fn nanoseconds_are_kept() {
    let layout = PcapLayout {
        link: DataLink::ETHERNET,
        endianness: Endianness::Little,
        nanoseconds: true,
    };
    let mut file = pcap(layout, &frames()[..1]);
    file[28..32].copy_from_slice(&123_456_789_u32.to_le_bytes());
    assert_eq!(read(&file).0[0].time.subsec_nanos(), 123_456_789);
}

/// The modified format has eight more bytes before each packet.
#[rstest]
fn the_modified_classic_format_is_read(
    #[values(Endianness::Big, Endianness::Little)] endianness: Endianness,
) {
    let layout = PcapLayout {
        link: DataLink::ETHERNET,
        endianness,
        nanoseconds: false,
    };
    let frames = frames();
    let mut file = pcap(layout, &[]);
    let magic: u32 = 0xa1b2_cd34;
    file[..4].copy_from_slice(&match endianness {
        Endianness::Big => magic.to_be_bytes(),
        Endianness::Little => magic.to_le_bytes(),
    });
    for frame in &frames {
        let record = pcap(layout, std::slice::from_ref(frame));
        file.extend(&record[24..40]);
        file.extend([0, 0, 0, 2, 8, 0, 0, 0]);
        file.extend(frame);
    }
    let (seen, _, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen.len(), 3);
    assert_eq!(seen[2].payload, [3; 1_400]);
}

#[test]
fn the_length_of_a_check_sequence_beside_the_link_type_is_ignored() {
    let layout = PcapLayout {
        link: DataLink::ETHERNET,
        endianness: Endianness::Little,
        nanoseconds: false,
    };
    let mut file = pcap(layout, &frames());
    file[23] = 0x54;
    assert_eq!(read(&file).0.len(), 3);
}

/// Raw value of a packet's time, and the time that it means.
#[rstest]
#[case::default(&[], 1_700_000_000_123_456, Duration::new(1_700_000_000, 123_456_000))]
#[case::seconds(&[(9, vec![0])], 1_700_000_000, Duration::new(1_700_000_000, 0))]
#[case::milliseconds(&[(9, vec![3])], 1_700_000_000_123, Duration::new(1_700_000_000, 123_000_000))]
#[case::microseconds(&[(9, vec![6])], 1_700_000_000_123_456, Duration::new(1_700_000_000, 123_456_000))]
#[case::nanoseconds(&[(9, vec![9])], 1_700_000_000_123_456_789, Duration::new(1_700_000_000, 123_456_789))]
#[case::hundreds_of_nanoseconds(&[(9, vec![7])], 17_000_000_001_234_567, Duration::new(1_700_000_000, 123_456_700))]
#[case::picoseconds(&[(9, vec![12])], 1_000_123_456_789_999, Duration::new(1_000, 123_456_789))]
#[case::halves(&[(9, vec![0x81])], 3_400_000_001, Duration::new(1_700_000_000, 500_000_000))]
#[case::binary(&[(9, vec![0x80 | 20])], 1_700_000_000 << 20 | 1 << 18, Duration::new(1_700_000_000, 250_000_000))]
#[case::ntp(&[(9, vec![0x80 | 32])], 1_700_000_000 << 32 | 1 << 31, Duration::new(1_700_000_000, 500_000_000))]
#[case::offset(&[(9, vec![6]), (14, 1_700_000_000_i64.to_be_bytes().to_vec())], 123_456, Duration::new(1_700_000_000, 123_456_000))]
#[case::negative_offset(&[(14, (-100_i64).to_be_bytes().to_vec())], 1_700_000_100_123_456, Duration::new(1_700_000_000, 123_456_000))]
#[case::picoseconds_with_offset(&[(9, vec![12]), (14, 1_700_000_000_i64.to_be_bytes().to_vec())], 123_456_789_999, Duration::new(1_700_000_000, 123_456_789))]
fn times_follow_the_resolution_and_offset_of_their_interface(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
    #[case] options: &[(u16, Vec<u8>)],
    #[case] raw: u64,
    #[case] expected: Duration,
) {
    let options: Vec<(u16, Vec<u8>)> = options
        .iter()
        .map(|(code, value)| {
            let mut value = value.clone();
            if order == Endianness::Little {
                value.reverse();
            }
            (*code, value)
        })
        .collect();
    let file = Blocks::new(order)
        .interface(1, &options)
        .packet(0, raw, &frames()[0])
        .bytes;
    let (seen, _, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen[0].time, expected);
}

#[rstest]
fn interfaces_have_their_own_link_types_and_times(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
) {
    let file = Blocks::new(order)
        .interface(1, &[(2, b"eth0".to_vec()), (9, vec![9])])
        .interface(101, &[(9, vec![3])])
        .packet(1, 5_000, &ip(6, b"raw"))
        .packet(0, 6_000_000_000, &ethernet(&ip(4, b"ethernet")))
        .interface(0, &[])
        .packet(2, 7_000_000, &[&[0, 0, 0, 2][..], &ip(4, b"null")].concat())
        .bytes;
    let (seen, statistics, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    let payloads: Vec<&[u8]> = seen.iter().map(|it| &it.payload[..]).collect();
    assert_eq!(payloads, [&b"raw"[..], b"ethernet", b"null"]);
    let seconds: Vec<u64> = seen.iter().map(|it| it.time.as_secs()).collect();
    assert_eq!(seconds, [5, 6, 7]);
    assert_eq!(statistics.packets, 3);
}

#[test]
fn sections_have_their_own_byte_order_and_interfaces() {
    let mut file = Vec::new();
    for order in [BOTH, BOTH].concat() {
        let section = Blocks::new(order)
            .interface(1, &[(9, vec![if order == BOTH[0] { 0 } else { 3 }])])
            .packet(0, 4_000, &frames()[0]);
        file.extend(section.bytes);
    }
    let (seen, _, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    let seconds: Vec<u64> = seen.iter().map(|it| it.time.as_secs()).collect();
    assert_eq!(seconds, [4_000, 4, 4_000, 4]);
    let numbers: Vec<u64> = seen.iter().map(|it| it.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[rstest]
fn obsolete_and_simple_packets_are_read(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
) {
    let file = Blocks::new(order)
        .interface(1, &[])
        .obsolete_packet(0, 5_000_000, &frames()[0])
        .simple_packet(&frames()[1])
        .packet(0, 6_000_000, &frames()[2])
        .bytes;
    let (seen, statistics, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    let lengths: Vec<usize> = seen.iter().map(|it| it.length).collect();
    assert_eq!(lengths, [3, 3, 1_400]);
    // A simple packet has no time; it gets the one before.
    let seconds: Vec<u64> = seen.iter().map(|it| it.time.as_secs()).collect();
    assert_eq!(seconds, [5, 5, 6]);
    assert_eq!(statistics.untimed, 1);
}

#[rstest]
fn other_blocks_are_passed_whatever_their_size(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
    #[values(0, 4, 100_000, 30_000_000)] size: usize,
) {
    let mut blocks = Blocks::new(order);
    for kind in [4, 5, 9, 10, 0xbad, 0x4000_0bad, 0x8000_0001, 0x1234_5678] {
        blocks = blocks.block(kind, &vec![0xff; if kind == 10 { size } else { 16 }]);
    }
    let file = blocks.interface(1, &[]).packet(0, 0, &frames()[0]).bytes;
    let (seen, _, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen.len(), 1);
}

/// Names in any encoding, filters without text, reserved bytes: none of it is needed.
#[test]
fn what_a_description_says_besides_is_not_looked_at() {
    let mut file = Blocks::new(Endianness::Little)
        .interface(
            1,
            &[
                (2, vec![0xe4, 0xff]),
                (11, vec![]),
                (8, vec![1]),
                (9, vec![9]),
            ],
        )
        .packet(0, 1_000_000_000, &frames()[0])
        .bytes;
    file[28 + 10] = 0xff;
    let (seen, _, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen[0].time, Duration::from_secs(1));
}

#[test]
fn broken_options_of_a_packet_cost_neither_it_nor_the_rest() {
    let file = Blocks::new(Endianness::Big)
        .interface(1, &[])
        .packet_with(0, 0, &frames()[0], &[(1, vec![0xff, 0xfe])])
        .packet_with(0, 0, &frames()[1], &[(2, vec![1])])
        .packet_with(
            0,
            0,
            &frames()[1],
            &[(1, b"well".to_vec()), (2, vec![0; 4])],
        )
        .bytes;
    let (seen, _, error) = read(&file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen.len(), 3);
    let mut packets = Packets::open(&file[..]).expect("a capture");
    let mut comments = Vec::new();
    while let Some(packet) = packets.next_packet().expect("undamaged") {
        comments.push(packet.comments().join(","));
    }
    assert_eq!(comments, ["", "", "well"]);
}

#[rstest]
#[case::empty(b"", "the file is empty")]
#[case::gzip(
    b"\x1f\x8b\x08\x00",
    "it looks like a gzip file: unpack it first (`gunzip`)"
)]
#[case::zstd(
    b"\x28\xb5\x2f\xfd\x00",
    "it looks like a zstd file: unpack it first (`unzstd`)"
)]
#[case::snoop(
    b"snoop\0\0\0\0\0\0\x02",
    "it looks like a snoop capture: convert it first (`editcap -F pcapng`)"
)]
#[case::json(b"{\"a\": 1}", "it looks like JSON")]
#[case::text(b"12:00:01 IP 10.0.0.1 > 10.0.0.2: UDP\n", "it looks like text")]
#[case::unknown(b"\x00\x01\x02", "it begins with the bytes 00 01 02")]
fn another_file_is_named(#[case] file: &[u8], #[case] looks_like: &str) {
    let Some(CaptureError::NotACapture { looks_like: said }) = read(file).2 else {
        panic!("not refused");
    };
    assert_eq!(said, looks_like);
}

/// Hands out one byte at a time, and is interrupted in between.
struct Slow<'a>(&'a [u8], bool);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(std::io::ErrorKind::Interrupted.into());
        }
        let count = self.0.len().min(into.len()).min(1);
        into[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

#[test]
fn a_slow_stream_is_read_like_a_file() {
    let file = Blocks::new(Endianness::Big)
        .block(77, &[1; 1_000])
        .interface(1, &[])
        .packet(0, 0, &frames()[0])
        .packet(0, 0, &frames()[2])
        .bytes;
    let mut capture = Capture::open(Slow(&file, false)).expect("a capture");
    let mut lengths = Vec::new();
    while let Some(datagram) = capture.next_datagram().expect("undamaged") {
        lengths.push(datagram.length);
    }
    assert_eq!(lengths, [3, 1_400]);
    assert_eq!(capture.bytes_read(), file.len() as u64);
}

#[test]
fn a_packet_larger_than_the_buffer_is_read() {
    let large = vec![0; 900_000];
    let file = Blocks::new(Endianness::Big)
        .interface(1, &[])
        .packet(0, 0, &frames()[0])
        .packet(0, 0, &large)
        .packet(0, 0, &frames()[1])
        .bytes;
    let mut packets = Packets::open(&file[..]).expect("a capture");
    let mut lengths = Vec::new();
    while let Some(packet) = packets.next_packet().expect("undamaged") {
        lengths.push(packet.data.len());
    }
    assert_eq!(lengths, [45, 900_000, 45]);
}

#[test]
fn a_packet_of_more_than_a_mebibyte_is_refused() {
    let file = Blocks::new(Endianness::Big)
        .interface(1, &[])
        .packet(0, 0, &vec![0; 1_048_576])
        .packet(0, 0, &vec![0; 1_048_577])
        .bytes;
    let (_, statistics, error) = read(&file);
    assert_eq!(statistics.packets, 1);
    assert_eq!(error.expect("an error").offset(), 48 + 32 + 1_048_576);
}

/// Fails after its bytes, like a disk that is pulled.
struct Failing<'a>(&'a [u8]);

impl Read for Failing<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(into)? {
            0 => Err(std::io::ErrorKind::BrokenPipe.into()),
            count => Ok(count),
        }
    }
}

#[test]
fn a_failure_to_read_is_told_with_its_place_after_the_packets_before() {
    let layout = PcapLayout {
        link: DataLink::ETHERNET,
        endianness: Endianness::Little,
        nanoseconds: false,
    };
    let file = pcap(layout, &frames()[..2]);
    let mut capture = Capture::open(Failing(&file)).expect("a capture");
    assert!(capture.next_datagram().expect("read").is_some());
    assert!(capture.next_datagram().expect("read").is_some());
    let error = capture.next_datagram().expect_err("a failure");
    assert!(matches!(error, CaptureError::Io { .. }));
    assert_eq!(error.offset(), file.len() as u64);
    assert!(capture.next_datagram().expect("said once").is_none());
}
