//! Secrets of TLS in captures: read where they stand, and written so that others read them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a test may fail so, says when it is skipped, and may ask another program"
)]

mod support;

use std::process::Command;
use std::time::Duration;

use rstest::rstest;
use shakedown_capture::{
    Capture, CaptureError, CaptureWriter, Endianness, Item, Statistics, Tap, WriteError,
    WriterSettings,
};
use support::blocks::Blocks;
use support::{ethernet, ip};

const TLS: u32 = 0x544c_534b;

/// A block with secrets, which says this length of them.
fn secrets(blocks: Blocks, order: Endianness, kind: u32, length: u32, data: &[u8]) -> Blocks {
    let u32 = |value: u32| match order {
        Endianness::Big => value.to_be_bytes(),
        Endianness::Little => value.to_le_bytes(),
    };
    let mut body = [&u32(kind)[..], &u32(length), data].concat();
    body.resize(body.len().next_multiple_of(4), 0);
    blocks.block(0x0a, &body)
}

/// Key logs as text and the lengths of datagrams, in the order of the file.
fn items(file: &[u8]) -> (Vec<String>, Statistics, Option<CaptureError>) {
    let mut capture = Capture::open(file).expect("a capture");
    let mut all = Vec::new();
    let error = loop {
        match capture.next_item() {
            Ok(None) => break None,
            Ok(Some(Item::KeyLog(text))) => all.push(String::from_utf8_lossy(text).into_owned()),
            Ok(Some(Item::Datagram(it))) => all.push(it.length.to_string()),
            Err(error) => break Some(error),
        }
    };
    assert!(matches!(capture.next_item(), Ok(None)), "an end is an end");
    (all, *capture.statistics(), error)
}

#[rstest]
fn key_logs_are_read_where_they_stand(
    #[values(Endianness::Big, Endianness::Little)] order: Endianness,
) {
    let packet = ethernet(&ip(4, b"abc"));
    let blocks = Blocks::new(order).interface(1, &[]);
    let blocks = secrets(blocks, order, TLS, 5, b"first").packet(0, 1, &packet);
    let file = secrets(blocks, order, TLS, 6, b"second").packet(0, 2, &packet);
    let (all, statistics, error) = items(&file.bytes);
    assert_eq!(all, ["first", "3", "second", "3"]);
    assert_eq!((statistics.key_logs, statistics.datagrams), (2, 2));
    assert!(error.is_none(), "{error:?}");
    // Those who want datagrams alone get them alone.
    let mut capture = Capture::open(&file.bytes[..]).expect("a capture");
    for _ in 0..2 {
        assert!(capture.next_datagram().expect("undamaged").is_some());
    }
    assert_eq!(capture.next_datagram().expect("undamaged"), None);
}

#[test]
fn secrets_that_are_no_key_log_are_passed_over_and_damaged_ones_counted() {
    let order = Endianness::Little;
    let packet = ethernet(&ip(4, b"abc"));
    let blocks = Blocks::new(order).interface(1, &[]);
    let blocks = secrets(blocks, order, 0x5747_4b4c, 4, b"abcd");
    let blocks = secrets(blocks, order, TLS, 5, b"abcd").block(0x0a, &[1, 2, 3, 4]);
    let file = secrets(blocks, order, TLS, 0, b"").packet(0, 1, &packet);
    let (all, statistics, error) = items(&file.bytes);
    assert_eq!(all, ["", "3"]);
    assert_eq!((statistics.key_logs, statistics.unread_key_logs), (1, 2));
    assert!(error.is_none(), "{error:?}");
    let text = statistics.to_string();
    assert!(text.ends_with("2 key logs not read"), "{text}");
}

#[test]
fn a_key_log_that_is_too_long_costs_no_packet() {
    let order = Endianness::Little;
    let packet = ethernet(&ip(4, b"abc"));
    let long = vec![b'#'; 16 << 20];
    let blocks = Blocks::new(order).interface(1, &[]);
    let file = secrets(blocks, order, TLS, long.len() as u32, &long).packet(0, 1, &packet);
    let (all, statistics, _) = items(&file.bytes);
    assert_eq!(all, ["3"]);
    assert_eq!(statistics.unread_key_logs, 1);
}

#[test]
fn a_key_log_that_is_cut_off_is_told() {
    let order = Endianness::Little;
    let file = secrets(Blocks::new(order), order, TLS, 5, b"first").bytes;
    let (all, _, error) = items(&file[..file.len() - 1]);
    assert!(all.is_empty());
    assert!(matches!(error, Some(CaptureError::Truncated { .. })));
}

fn recorded(tap: &mut Tap<Vec<u8>>) -> Result<u64, WriteError> {
    let source = "127.0.0.1:1000".parse().expect("an address");
    let destination = "127.0.0.1:2000".parse().expect("an address");
    tap.record(Duration::from_secs(1), source, destination, b"abc")
}

#[test]
fn key_logs_are_written_between_packets_and_read_again() {
    let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).expect("memory");
    tap.record_key_log(b"").expect("memory");
    tap.record_key_log(b"one\n").expect("memory");
    recorded(&mut tap).expect("memory");
    tap.record_key_log(b"three").expect("memory");
    recorded(&mut tap).expect("memory");
    let file = tap.into_inner();
    let (all, statistics, error) = items(&file);
    assert_eq!(all, ["one\n", "3", "three", "3"]);
    assert_eq!(statistics.packets, 2);
    assert!(error.is_none(), "{error:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcapng");
    std::fs::write(&path, &file).expect("written");
    let Ok(output) = Command::new("tshark").arg("-r").arg(&path).output() else {
        println!("skipped: tshark is not installed");
        return;
    };
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
}

#[test]
fn a_key_log_counts_against_the_limit_of_the_file() {
    let settings = WriterSettings {
        limit: 300,
        ..WriterSettings::default()
    };
    let mut writer = CaptureWriter::new(Vec::new(), &settings).expect("memory");
    let before = writer.bytes();
    writer.write_key_log(b"12345").expect("it fits");
    assert_eq!(writer.bytes(), before + 28);
    let full = writer.write_key_log(&[b'#'; 300]);
    assert!(matches!(full, Err(WriteError::Full { .. })));
    assert!(writer.is_stopped());
    assert!(writer.write_packet(Duration::ZERO, b"a", 1, &[]).is_err());
}
