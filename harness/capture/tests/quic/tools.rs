//! A second opinion, where tshark and editcap are installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rstest::rstest;
use rustls::CipherSuite;
use shakedown_capture::annotate_with_key_log;
use shakedown_capture::quic::{Limits, Role};

use super::seen::Seen;
use super::session::{Options, Recording, record};
use super::talks::{assert_exchanged, exchange, exchanged};

/// What a program says; `None` where it is not installed.
fn run(command: &mut Command) -> Option<Output> {
    let Ok(output) = command.output() else {
        println!("skipped: {:?} is not installed", command.get_program());
        return None;
    };
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    Some(output)
}

fn saved(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    path
}

/// The bytes of each stream as tshark decrypts them, put together by their offsets.
fn by_tshark(file: &Path, recording: &Recording) -> Option<BTreeMap<(u64, Role), Vec<u8>>> {
    let client = recording.datagrams[0].source.port().to_string();
    let mut command = Command::new("tshark");
    command.args(["-n", "-T", "fields", "-E", "separator=|", "-r"]);
    command.arg(file);
    for field in [
        "udp.srcport",
        "quic.stream.stream_id",
        "quic.stream.offset",
        "quic.stream.off",
        "quic.stream_data",
    ] {
        command.args(["-e", field]);
    }
    let output = run(&mut command)?;
    let text = String::from_utf8(output.stdout).expect("text");
    let mut streams: BTreeMap<(u64, Role), Vec<u8>> = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('|').collect();
        let by = if fields[0] == client {
            Role::Client
        } else {
            Role::Server
        };
        let words = |at: usize| fields[at].split(',').filter(|it| !it.is_empty());
        let mut offsets = words(2);
        let mut data = words(4);
        // A frame without an offset has the flag unset and no field for it.
        for (stream, flag) in words(1).zip(words(3)) {
            let flag = matches!(flag, "1" | "True");
            let offset = if flag {
                offsets.next().and_then(|it| it.parse().ok())
            } else {
                Some(0)
            };
            let offset: usize = offset.expect("an offset");
            let stream = stream.parse().expect("a stream id");
            let bytes = hex(data.next().unwrap_or_default());
            let all = streams.entry((stream, by)).or_default();
            all.resize(all.len().max(offset + bytes.len()), 0);
            all[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
    }
    Some(streams)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("digits");
            u8::from_str_radix(pair, 16).expect("digits")
        })
        .collect()
}

#[rstest]
#[case::aes_128(CipherSuite::TLS13_AES_128_GCM_SHA256, false)]
#[case::aes_256(CipherSuite::TLS13_AES_256_GCM_SHA384, true)]
#[case::chacha20(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, true)]
fn tshark_decrypts_our_captures_to_the_same_bytes(
    #[case] suite: CipherSuite,
    #[case] update: bool,
) {
    let options = Options {
        suite,
        lose: (!update).then_some(9),
        ..Options::default()
    };
    let recording = record(options, async |pair| exchange(pair, update).await);
    let seen = Seen::of(&recording);
    assert_exchanged(&seen);
    let folder = tempfile::tempdir().expect("a folder");
    let file = saved(&folder, "capture.pcapng", &recording.pcapng(Some(0)));
    let Some(streams) = by_tshark(&file, &recording) else {
        return;
    };
    let ours: BTreeMap<_, _> = seen
        .streams
        .into_iter()
        .map(|((_, stream, by), bytes)| ((stream, by), bytes))
        .collect();
    assert!(
        streams == ours,
        "{:?} and {:?}",
        streams.keys(),
        ours.keys()
    );
}

#[test]
fn tshark_needs_no_key_log_beside_a_capture_that_got_its_secrets_at_the_end() {
    let recording = exchanged(Options::default());
    let mut file = Vec::new();
    let key_log = recording.key_log.as_bytes();
    let comments = BTreeMap::from([(2, vec!["the server's first word".to_owned()])]);
    annotate_with_key_log(&recording.pcapng(None)[..], &mut file, &comments, key_log)
        .expect("copied");
    let seen = Seen::of_file(&file, "", Limits::default());
    seen.assert_all_read();
    assert_exchanged(&seen);
    let folder = tempfile::tempdir().expect("a folder");
    let file = saved(&folder, "capture.pcapng", &file);
    let Some(streams) = by_tshark(&file, &recording) else {
        return;
    };
    let read: usize = streams.values().map(Vec::len).sum();
    assert_eq!(read, seen.streams.values().map(Vec::len).sum());
}

#[test]
fn secrets_injected_by_editcap_are_read() {
    let recording = exchanged(Options::default());
    let folder = tempfile::tempdir().expect("a folder");
    let plain = saved(&folder, "plain.pcapng", &recording.pcapng(None));
    let keys = saved(&folder, "keys.log", recording.key_log.as_bytes());
    let injected = folder.path().join("injected.pcapng");
    let mut command = Command::new("editcap");
    command
        .arg("--inject-secrets")
        .arg(format!("tls,{}", keys.display()))
        .args([&plain, &injected]);
    if run(&mut command).is_none() {
        return;
    }
    let file = std::fs::read(&injected).expect("a file");
    let seen = Seen::of_file(&file, "", Limits::default());
    seen.assert_all_read();
    assert_exchanged(&seen);
}
