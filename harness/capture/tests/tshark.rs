//! A second opinion on what we write and read, where tshark is installed.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_types,
    reason = "a test may fail so, says when it is skipped, and may ask another program"
)]

mod support;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rstest::rstest;
use shakedown_capture::{
    DataLink, Endianness, MAX_PAYLOAD_IPV4, MAX_PAYLOAD_IPV6, Tap, WriterSettings, annotate,
};
use support::blocks::Blocks;
use support::{ethernet, ip, pcapng, read};

/// What tshark says of these fields, a line a packet; `None` where it is not installed. It has to
/// be content with the file.
fn tshark(file: &Path, fields: &[&str]) -> Option<Vec<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.args([
        "-o",
        "udp.check_checksum:TRUE",
        "-o",
        "ip.check_checksum:TRUE",
    ]);
    command
        .args(["-n", "-T", "fields", "-E", "separator=|", "-r"])
        .arg(file);
    for field in fields {
        command.args(["-e", field]);
    }
    let Ok(output) = command.output() else {
        println!("skipped: tshark is not installed");
        return None;
    };
    let complaints: Vec<String> = String::from_utf8_lossy(&output.stderr)
        .lines()
        .filter(|line| !line.starts_with("Running as user") && !line.is_empty())
        .map(str::to_owned)
        .collect();
    assert!(
        output.status.success() && complaints.is_empty(),
        "{complaints:?}"
    );
    let text = String::from_utf8(output.stdout).expect("text");
    let lines = text.lines();
    Some(
        lines
            .map(|line| line.split('|').map(str::to_owned).collect())
            .collect(),
    )
}

fn saved(folder: &tempfile::TempDir, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join("capture.pcapng");
    std::fs::write(&path, bytes).expect("written");
    path
}

#[rstest]
#[case::ipv4("127.0.0.1:40000", "127.0.0.1:40001", MAX_PAYLOAD_IPV4)]
#[case::ipv6("[::1]:40000", "[::1]:40001", MAX_PAYLOAD_IPV6)]
fn the_tap_s_captures_are_read_without_a_complaint(
    #[case] source: &str,
    #[case] destination: &str,
    #[case] most: usize,
) {
    let source: SocketAddr = source.parse().expect("an address");
    let destination: SocketAddr = destination.parse().expect("an address");
    let mut tap = Tap::new(Vec::new(), &WriterSettings::default()).expect("memory");
    let lengths = [0, 1, 2, 999, 1_000, most];
    for (length, number) in lengths.into_iter().zip(1..) {
        let time = Duration::new(1_795_246_841, number * 1_001);
        tap.record(time, source, destination, &vec![0x5a; length])
            .expect("recorded");
    }
    let comments = BTreeMap::from([(4, vec!["step 2 / expected".to_owned()])]);
    let mut file = Vec::new();
    annotate(&tap.into_inner()[..], &mut file, &comments).expect("annotated");
    let folder = tempfile::tempdir().expect("a folder");
    let fields = [
        "frame.time_epoch",
        "udp.length",
        "udp.checksum.status",
        "ip.checksum.status",
        "frame.comment",
        "_ws.malformed",
    ];
    let Some(lines) = tshark(&saved(&folder, &file), &fields) else {
        return;
    };
    assert_eq!(lines.len(), lengths.len());
    for ((line, length), number) in lines.iter().zip(lengths).zip(1..) {
        assert_eq!(line[0], format!("1795246841.{:09}", number * 1_001));
        assert_eq!(line[1], (length + 8).to_string());
        // 1: good.
        assert_eq!(line[2], "1");
        assert_eq!(line[3], if source.is_ipv4() { "1" } else { "" });
        let comment = if number == 4 { "step 2 / expected" } else { "" };
        assert_eq!(line[4], comment);
        assert_eq!(line[5], "");
    }
}

/// What we read is what tshark reads: number, time, addresses, length.
fn compare(file: &Path) {
    let fields = [
        "frame.number",
        "frame.time_epoch",
        "ip.src",
        "ipv6.src",
        "udp.srcport",
        "udp.dstport",
        "udp.length",
    ];
    let Some(lines) = tshark(file, &fields) else {
        return;
    };
    let (seen, _, error) = read(&std::fs::read(file).expect("a file"));
    assert!(error.is_none(), "{error:?}");
    let ours: Vec<Vec<String>> = seen
        .iter()
        .map(|it| {
            let source = it.source.ip().to_string();
            let (ipv4, ipv6) = if it.source.is_ipv4() {
                (source, String::new())
            } else {
                (String::new(), source)
            };
            vec![
                it.number.to_string(),
                format!("{}.{:09}", it.time.as_secs(), it.time.subsec_nanos()),
                ipv4,
                ipv6,
                it.source.port().to_string(),
                it.destination.port().to_string(),
                (it.length + 8).to_string(),
            ]
        })
        .collect();
    assert!(!ours.is_empty());
    assert_eq!(ours, lines);
}

#[rstest]
fn the_field_recordings_are_read_alike(
    #[files("../../pcaps/field/*.pcap")]
    #[base_dir = "${CARGO_MANIFEST_DIR}"]
    file: PathBuf,
) {
    compare(&file);
}

/// Many at once, for every start of tshark takes a while; not all, since mergecap writes their names
/// into one comment.
#[test]
fn the_golden_captures_are_read_alike() {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.extension() {
                Some(extension) if extension == "pcapng" => files.push(path),
                Some(_) => {}
                None => folders.push(path),
            }
        }
    }
    files.sort();
    assert!(!files.is_empty());
    for files in files.chunks(100) {
        compare_merged(files);
    }
}

fn compare_merged(files: &[PathBuf]) {
    let folder = tempfile::tempdir().expect("a folder");
    let merged = folder.path().join("merged.pcapng");
    let output = Command::new("mergecap")
        .args(["-a", "-F", "pcapng", "-w"])
        .arg(&merged)
        .args(files)
        .output();
    let Ok(output) = output else {
        println!("skipped: mergecap is not installed");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    compare(&merged);
    let fields = ["frame.number", "udp.checksum.status", "ip.checksum.status"];
    for line in tshark(&merged, &fields).into_iter().flatten() {
        // 1 is "good"; 2 is "unverified", for a packet of which the end is not kept.
        let is_good = matches!(line[1].as_str(), "1" | "2") && line[2] == "1";
        assert!(is_good, "{line:?}");
    }
}

#[rstest]
#[case::nothing(&[], 1_700_000_000_123_456)]
#[case::seconds(&[(9, vec![0])], 1_700_000_000)]
#[case::nanoseconds(&[(9, vec![9])], 1_700_000_000_123_456_789)]
#[case::binary(&[(9, vec![0x80 | 20])], 1_700_000_000 << 20 | 1 << 18)]
#[case::offset(&[(14, 1_700_000_000_i64.to_be_bytes().to_vec())], 123_456)]
#[case::negative_offset(&[(14, (-100_i64).to_be_bytes().to_vec())], 1_700_000_100_123_456)]
fn times_are_read_alike(#[case] options: &[(u16, Vec<u8>)], #[case] raw: u64) {
    let file = Blocks::new(Endianness::Big)
        .interface(1, options)
        .packet(0, raw, &ethernet(&ip(4, b"abc")))
        .bytes;
    let folder = tempfile::tempdir().expect("a folder");
    compare(&saved(&folder, &file));
}

#[rstest]
fn link_types_are_read_alike(#[values(4, 6)] version: u8) {
    let inner = ip(version, b"abc");
    let kind: [u8; 2] = if version == 4 { [8, 0] } else { [0x86, 0xdd] };
    let family: [u8; 4] = if version == 4 {
        [2, 0, 0, 0]
    } else {
        [30, 0, 0, 0]
    };
    let cases = [
        (DataLink::ETHERNET, ethernet(&inner)),
        (
            DataLink::ETHERNET,
            [
                &[0; 12][..],
                &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 5],
                &kind,
                &inner,
            ]
            .concat(),
        ),
        (
            DataLink::LINUX_SLL,
            [&[0, 0, 3, 4, 0, 6][..], &[0; 8], &kind, &inner].concat(),
        ),
        (
            DataLink::LINUX_SLL2,
            [&kind[..], &[0, 0, 0, 0, 0, 1, 3, 4, 0, 6], &[0; 8], &inner].concat(),
        ),
        (DataLink::NULL, [&family[..], &inner].concat()),
        (DataLink::RAW, inner.clone()),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    for (link, packet) in cases {
        compare(&saved(&folder, &pcapng(link, &[packet])));
    }
}
