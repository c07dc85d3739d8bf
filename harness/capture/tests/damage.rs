//! Damaged, cut and hostile files: what was readable is delivered, then one clear error.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail so")]

mod support;

use proptest::prelude::*;
use rstest::rstest;
use shakedown_capture::{CaptureError, DataLink, Endianness, PcapLayout};
use support::blocks::Blocks;
use support::{ethernet, ip, pcap, read};

const LITTLE: PcapLayout = PcapLayout {
    link: DataLink::ETHERNET,
    endianness: Endianness::Little,
    nanoseconds: false,
};

fn frames() -> Vec<Vec<u8>> {
    (0..3_u8)
        .map(|at| ethernet(&ip(4, &vec![at; 10 + usize::from(at)])))
        .collect()
}

/// A classic file, and where each of its parts ends.
fn classic() -> (Vec<u8>, Vec<usize>) {
    let mut ends = vec![24];
    for count in 1..=frames().len() {
        ends.push(pcap(LITTLE, &frames()[..count]).len());
    }
    (pcap(LITTLE, &frames()), ends)
}

/// Adds blocks to a file.
type Step = fn(Blocks, &[Vec<u8>]) -> Blocks;

/// A pcapng file with all sorts of blocks, where each block ends, and which ends are of packets.
fn modern(order: Endianness) -> (Vec<u8>, Vec<usize>, Vec<usize>) {
    let frames = frames();
    let mut blocks = Blocks::new(order);
    let mut ends = vec![blocks.bytes.len()];
    let mut packets = Vec::new();
    let steps: [Step; 7] = [
        |blocks, _| blocks.interface(1, &[(9, vec![9]), (2, b"lo".to_vec())]),
        |blocks, frames| blocks.packet_with(0, 1, &frames[0], &[(1, b"first".to_vec())]),
        |blocks, _| blocks.block(4, &[0; 40]),
        |blocks, frames| blocks.simple_packet(&frames[1]),
        |blocks, frames| blocks.obsolete_packet(0, 3, &frames[2]),
        |blocks, _| blocks.section(Endianness::Big).interface(1, &[]),
        |blocks, frames| blocks.packet(0, 4, &frames[0]),
    ];
    for (at, step) in steps.into_iter().enumerate() {
        blocks = step(blocks, &frames);
        if at == 5 {
            ends.push(blocks.bytes.len() - 20);
        }
        ends.push(blocks.bytes.len());
        if [1, 3, 4, 6].contains(&at) {
            packets.push(blocks.bytes.len());
        }
    }
    (blocks.bytes, ends, packets)
}

/// Cut at `kept` bytes: packets that end before, then an error at the beginning of what is cut.
fn check_cut(file: &[u8], ends: &[usize], packets: &[usize]) {
    let (whole, _, error) = read(file);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(whole.len(), packets.len());
    for kept in 0..file.len() {
        let (seen, _, error) = read(&file[..kept]);
        let readable = packets.iter().filter(|end| **end <= kept).count();
        assert_eq!(seen, whole[..readable], "cut at {kept}");
        if ends.contains(&kept) {
            assert!(error.is_none(), "cut at {kept}: {error:?}");
            continue;
        }
        let error = error.expect("an error");
        let from = ends.iter().rev().find(|end| **end < kept).unwrap_or(&0);
        match &error {
            CaptureError::NotACapture { .. } => assert!(kept < 4, "cut at {kept}"),
            CaptureError::Truncated {
                offset, need, have, ..
            } => {
                assert_eq!(*offset, *from as u64, "cut at {kept}");
                assert_eq!(*have, (kept - from) as u64, "cut at {kept}");
                assert!(need > have, "cut at {kept}");
            }
            other => panic!("cut at {kept}: {other}"),
        }
    }
}

#[test]
fn a_classic_file_cut_anywhere_gives_the_packets_before() {
    let (file, ends) = classic();
    check_cut(&file, &ends, &ends[1..]);
}

#[rstest]
fn a_pcapng_file_cut_anywhere_gives_the_packets_before(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
) {
    let (file, ends, packets) = modern(order);
    check_cut(&file, &ends, &packets);
}

fn with(mut file: Vec<u8>, at: usize, bytes: &[u8]) -> Vec<u8> {
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

/// A little-endian pcapng file with one interface (28..48) and one packet (48..).
fn small() -> Vec<u8> {
    Blocks::new(Endianness::Little)
        .interface(1, &[])
        .packet(0, 0, &frames()[0])
        .bytes
}

#[rstest]
#[case::classic_length(
    with(classic().0, 24 + 8, &[0xff; 4]),
    0,
    "the capture is damaged at byte 32: a packet with 4294967295 captured bytes; no packet has \
     more than 1048576, so the record before it or this length was overwritten"
)]
#[case::classic_second_length(
    with(classic().0, 92 + 8, &[0, 0, 0x20, 0]),
    1,
    "the capture is damaged at byte 100: a packet with 2097152 captured bytes; no packet has \
     more than 1048576, so the record before it or this length was overwritten"
)]
#[case::classic_shorter_than_captured(
    with(classic().0, 24 + 12, &[1, 0, 0, 0]),
    0,
    "the capture is damaged at byte 32: 52 bytes were captured of a packet of 1 bytes; the \
     captured length is at most the packet's length"
)]
#[case::classic_version(
    with(classic().0, 4, &[3]),
    0,
    "the capture is damaged at byte 4: unsupported format version 3.4; 2.4 \
     is the version that everyone writes"
)]
#[case::section_version(
    with(small(), 12, &[2]),
    0,
    "the capture is damaged at byte 12: a section of version 2 of the format; 1.0 is the version \
     that everyone writes"
)]
#[case::magic(
    with(small(), 8, &[0]),
    0,
    "the capture is damaged at byte 8: the byte-order magic is [00, 3c, 2b, 1a]; it is 1a 2b 3c \
     4d or 4d 3c 2b 1a"
)]
#[case::block_of_4_gigabytes(
    with(small(), 52, &[0xfc, 0xff, 0xff, 0xff]),
    0,
    "the capture is damaged at byte 52: a block of type 0x6 with a length of 4294967292 bytes; a \
     block of this type has at most 4194304 bytes"
)]
#[case::other_block_of_4_gigabytes(
    with(small(), 48, &[0x77, 0, 0, 0, 0xfc, 0xff, 0xff, 0xff]),
    0,
    "the capture is cut off: a block begins at byte 48 and needs 4294967292 bytes, but only 84 \
     are left; copy the file again, or stop the recording before copying"
)]
#[case::description_of_4_gigabytes(
    with(small(), 32, &[0xfc, 0xff, 0xff, 0xff]),
    0,
    "the capture is damaged at byte 32: a block of type 0x1 with a length of 4294967292 bytes; a \
     block of this type has at most 1048576 bytes"
)]
#[case::block_without_length(
    with(small(), 52, &[0, 0, 0, 0]),
    0,
    "the capture is damaged at byte 52: a block of type 0x6 with a length of 0 bytes; the length \
     is a multiple of 4 and at least 12"
)]
#[case::odd_length(
    with(small(), 52, &[85]),
    0,
    "the capture is damaged at byte 52: a block of type 0x6 with a length of 85 bytes; the length \
     is a multiple of 4 and at least 12"
)]
#[case::lengths_differ(
    with(small(), 128, &[80]),
    0,
    "the capture is damaged at byte 128: a block of type 0x6 begins with the length 84 and ends \
     with the length 80; both are the same"
)]
#[case::short_packet_block(
    Blocks::new(Endianness::Big).interface(1, &[]).block(6, &[0; 16]).bytes,
    0,
    "the capture is damaged at byte 52: a packet block of 28 bytes; the shortest of its kind has \
     32 bytes"
)]
#[case::short_description(
    Blocks::new(Endianness::Big).block(1, &[0; 4]).bytes,
    0,
    "the capture is damaged at byte 32: an interface description of 16 bytes; the shortest has 20 \
     bytes"
)]
#[case::unknown_interface(
    with(small(), 56, &[3]),
    0,
    "the capture is damaged at byte 56: a packet of interface 3, but 1 are described; each \
     interface is described in its section before its first packet"
)]
#[case::no_interface(
    Blocks::new(Endianness::Big).simple_packet(&[0; 4]).bytes,
    0,
    "the capture is damaged at byte 36: a packet of interface 0, but 0 are described; each \
     interface is described in its section before its first packet"
)]
#[case::captured_beyond_the_block(
    with(small(), 68, &[100]),
    0,
    "the capture is damaged at byte 48: a packet with 100 captured bytes in a block of 84; a \
     packet fits into its block"
)]
#[case::captured_more_than_there_was(
    with(small(), 72, &[10]),
    0,
    "the capture is damaged at byte 48: 52 bytes were captured of a packet of 10 bytes; the \
     captured length is at most the packet's length"
)]
#[case::resolution(
    Blocks::new(Endianness::Big).interface(1, &[(9, vec![20])]).bytes,
    0,
    "the capture is damaged at byte 44: the option if_tsresol is 0x14; it is one byte: the \
     exponent of 1/10 up to 19, or of 1/2 up to 63 with the highest bit set"
)]
#[case::option_beyond_the_block(
    with(Blocks::new(Endianness::Big).interface(1, &[(2, vec![b'x'; 4])]).bytes, 46, &[0, 50]),
    0,
    "the capture is damaged at byte 44: option 2 of 50 bytes runs past the end of its block; 8 \
     bytes are left"
)]
#[case::time(
    Blocks::new(Endianness::Big).interface(1, &[(9, vec![0])]).packet(0, u64::MAX, &[]).bytes,
    0,
    "the capture is damaged at byte 60: a packet whose time lies outside the years 1970 to 34000; \
     times count from 1970 in the unit that its interface declares"
)]
fn damage_is_told_with_its_place_and_what_would_be_right(
    #[case] file: Vec<u8>,
    #[case] before: usize,
    #[case] message: &str,
) {
    let (seen, _, error) = read(&file);
    assert_eq!(seen.len(), before);
    assert_eq!(error.expect("an error").to_string(), message);
}

#[test]
fn a_time_before_1970_is_told() {
    let file = Blocks::new(Endianness::Big)
        .interface(1, &[(14, (-5_i64).to_be_bytes().to_vec())])
        .packet(0, 0, &frames()[0])
        .bytes;
    let error = read(&file).2.expect("an error");
    assert!(
        matches!(error, CaptureError::Damaged { offset: 64, .. }),
        "{error}"
    );
}

/// Memory that the process has asked for at most, in KiB.
#[cfg(target_os = "linux")]
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmPeak:"))
        .expect("Linux tells it");
    line.trim()
        .trim_end_matches(" kB")
        .parse()
        .expect("a number")
}

/// Files that would make a reader ask for gigabytes if it believed them.
#[cfg(target_os = "linux")]
#[test]
fn hostile_lengths_take_no_memory() {
    let lengths = [0xffff_fffc_u32, 0x7fff_fffc, 0x1000_0000, 0xffff_ffff];
    let before = peak();
    for length in lengths {
        for order in [Endianness::Big, Endianness::Little] {
            let bytes = match order {
                Endianness::Big => length.to_be_bytes(),
                Endianness::Little => length.to_le_bytes(),
            };
            let (file, ..) = modern(order);
            for at in (0..file.len() - 4).step_by(4) {
                read(&with(file.clone(), at, &bytes));
            }
        }
        let (file, _) = classic();
        for at in 0..file.len() - 4 {
            read(&with(file.clone(), at, &length.to_le_bytes()));
        }
    }
    // Threads of other tests may run beside.
    assert!(peak() - before < 512 * 1024, "{} KiB", peak() - before);
}

/// A file of a million descriptions must not become memory.
#[test]
fn interfaces_without_end_are_refused() {
    let mut file = Blocks::new(Endianness::Little).bytes;
    let interface = small()[28..48].to_vec();
    for _ in 0..65_537 {
        file.extend(&interface);
    }
    let error = read(&file).2.expect("an error");
    assert_eq!(error.offset(), 28 + 20 * 65_536);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever is flipped: no panic, an end, and nothing invented.
    #[test]
    fn flipped_bits_never_panic(
        which in 0..3_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8_u8), 1..6),
    ) {
        let mut file = match which {
            0 => classic().0,
            1 => modern(Endianness::Big).0,
            _ => modern(Endianness::Little).0,
        };
        for (at, bit) in &flips {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        let (seen, statistics, error) = read(&file);
        prop_assert_eq!(seen.len() as u64, statistics.datagrams);
        prop_assert!(statistics.packets <= 40);
        for datagram in &seen {
            prop_assert!(datagram.payload.len() <= datagram.length);
        }
        if let Some(error) = error {
            prop_assert!(error.offset() <= file.len() as u64);
            prop_assert!(!error.to_string().is_empty());
        }
    }

    /// Anything behind a right beginning.
    #[test]
    fn arbitrary_bytes_never_panic(
        head in 0..4_usize,
        tail in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut file = match head {
            0 => pcap(LITTLE, &[]),
            1 => Blocks::new(Endianness::Big).interface(1, &[]).bytes,
            2 => Blocks::new(Endianness::Little).bytes,
            _ => Vec::new(),
        };
        file.extend(tail);
        read(&file);
    }

    /// Arbitrary packets of every link type: counted or delivered, each once.
    #[test]
    fn arbitrary_packets_never_panic(
        link in prop::sample::select(vec![0_u32, 1, 12, 101, 108, 113, 228, 229, 276, 105]),
        start in prop::sample::select(vec![
            vec![], vec![0x45], vec![0x60], vec![0, 0, 0, 2, 0x45], vec![8, 0], vec![0x86, 0xdd],
        ]),
        packet in prop::collection::vec(any::<u8>(), 0..120),
        fragment in any::<bool>(),
    ) {
        let mut packet = [start, packet].concat();
        if fragment && packet.len() > 40 && packet[0] >> 4 == 6 {
            packet[6] = 44;
            packet[40] = 17;
        }
        let (seen, statistics, error) = read(&support::pcapng(DataLink::from(link), &[packet]));
        prop_assert!(error.is_none());
        let counted = statistics.datagrams
            + statistics.not_ip
            + statistics.not_udp
            + statistics.unsupported_link
            + statistics.headers_cut
            + statistics.malformed_link
            + statistics.malformed_ip
            + statistics.malformed_udp
            + statistics.fragments.pieces;
        prop_assert_eq!(counted, 1);
        prop_assert_eq!(seen.len() as u64, statistics.datagrams);
    }
}
