//! Comments are put on the packets of a finished capture, and nothing else changes.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail so")]

mod support;

use std::collections::BTreeMap;
use std::io::Write;

use rstest::rstest;
use shakedown_capture::{
    AnnotateError, Capture, DataLink, Endianness, Item, Packets, PcapLayout, annotate,
    annotate_with_key_log,
};
use support::blocks::Blocks;
use support::{ethernet, ip, pcap, pcapng, read};

fn comments(of: &[(u64, &[&str])]) -> BTreeMap<u64, Vec<String>> {
    of.iter()
        .map(|(number, texts)| (*number, texts.iter().map(|text| (*text).into()).collect()))
        .collect()
}

fn comments_in(file: &[u8]) -> Vec<String> {
    let mut packets = Packets::open(file).expect("a capture");
    let mut all = Vec::new();
    while let Some(packet) = packets.next_packet().expect("undamaged") {
        all.push(packet.comments().join(" | "));
    }
    all
}

fn frame(payload: &[u8]) -> Vec<u8> {
    ethernet(&ip(4, payload))
}

fn file(order: Endianness) -> Vec<u8> {
    Blocks::new(order)
        .interface(1, &[(9, vec![9])])
        .block(10, b"KEYS secrets, which decrypt")
        .packet(0, 1_000, &frame(b"1"))
        .packet_with(
            0,
            2_000,
            &frame(b"22"),
            &[(1, b"own".to_vec()), (2, vec![0; 4])],
        )
        .block(5, &[0; 12])
        .simple_packet(&frame(b"333"))
        .packet(0, 4_000, &frame(b"4444"))
        .bytes
}

#[rstest]
fn comments_are_put_on_packets_and_nothing_else_changes(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
) {
    let before = file(order);
    let wanted = comments(&[(1, &["first", "second"]), (2, &["added"]), (4, &["ä"])]);
    let mut after = Vec::new();
    let done = annotate(&before[..], &mut after, &wanted).expect("annotated");
    assert_eq!(done.packets, 4);
    assert!(done.missing.is_empty());
    assert_eq!(
        comments_in(&after),
        ["first | second", "added | own", "", "ä"]
    );
    let (seen_before, ..) = read(&before);
    let (seen_after, _, error) = read(&after);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen_before, seen_after);
    assert!(after.windows(12).any(|bytes| bytes == b"KEYS secrets"));
}

#[rstest]
fn without_comments_the_copy_is_the_same_byte_by_byte(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
) {
    let before = file(order);
    let mut after = Vec::new();
    annotate(&before[..], &mut after, &BTreeMap::new()).expect("copied");
    assert!(before == after);
}

#[rstest]
fn secrets_are_put_before_the_first_packet_and_nothing_else_changes(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
    #[values("SECRET a b\n", "SECRET ab c\n")] key_log: &str,
) {
    let before = file(order);
    let mut after = Vec::new();
    let none = BTreeMap::new();
    annotate_with_key_log(&before[..], &mut after, &none, key_log.as_bytes()).expect("copied");
    let mut capture = Capture::open(&after[..]).expect("a capture");
    let Ok(Some(Item::KeyLog(read))) = capture.next_item() else {
        panic!("no secrets");
    };
    assert_eq!(read, key_log.as_bytes());
    let mut rest = Vec::new();
    while let Some(Item::Datagram(datagram)) = capture.next_item().expect("undamaged") {
        rest.push(datagram.number);
    }
    assert_eq!(rest, [1, 2, 3, 4]);
    // Take the block out again: 12 bytes of any block, 8 of this kind, and the key log padded.
    let added = 20 + key_log.len().next_multiple_of(4);
    let at = after
        .windows(key_log.len())
        .position(|it| it == key_log.as_bytes());
    let at = at.expect("it is there") - 16;
    after.drain(at..at + added);
    assert!(before == after);
}

#[test]
fn a_capture_without_packets_needs_no_secrets() {
    let before = Blocks::new(Endianness::Big).interface(1, &[]).bytes;
    let mut after = Vec::new();
    let none = BTreeMap::new();
    annotate_with_key_log(&before[..], &mut after, &none, b"SECRET a b\n").expect("copied");
    assert!(before == after);
}

#[test]
fn numbers_that_cannot_be_commented_are_told() {
    let wanted = comments(&[
        (0, &["none"]),
        (3, &["simple"]),
        (5, &["beyond"]),
        (1, &["yes"]),
    ]);
    let before = file(Endianness::Little);
    let done = annotate(&before[..], std::io::sink(), &wanted).expect("annotated");
    assert_eq!(done.missing, [3, 0, 5]);
}

#[test]
fn a_large_capture_is_copied_as_a_stream() {
    let before = pcapng(DataLink::ETHERNET, &vec![frame(&[1; 1_000]); 1_000]);
    let wanted = (1..=1_000)
        .map(|at| (at, vec![format!("packet {at}")]))
        .collect();
    let mut after = Vec::new();
    annotate(&before[..], &mut after, &wanted).expect("annotated");
    assert_eq!(comments_in(&after)[999], "packet 1000");
    assert_eq!(read(&after).0.len(), 1_000);
}

#[test]
fn what_is_readable_of_a_damaged_capture_is_copied() {
    let before = file(Endianness::Big);
    let mut after = Vec::new();
    let wanted = comments(&[(1, &["still"])]);
    let error = annotate(&before[..before.len() - 5], &mut after, &wanted);
    assert!(matches!(error, Err(AnnotateError::Read(_))), "{error:?}");
    assert_eq!(comments_in(&after), ["still", "own", ""]);
}

#[test]
fn a_classic_file_has_no_comments() {
    let layout = PcapLayout {
        link: DataLink::ETHERNET,
        endianness: Endianness::Little,
        nanoseconds: false,
    };
    let error =
        annotate(&pcap(layout, &[])[..], std::io::sink(), &BTreeMap::new()).expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("only a pcapng file can carry comments")
    );
}

struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_told() {
    let error = annotate(&file(Endianness::Big)[..], Full, &BTreeMap::new());
    assert!(matches!(error, Err(AnnotateError::Write(_))), "{error:?}");
}
