//! The recordings of real programs come out as they went in.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail so")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use shakedown_capture::{Capture, Statistics};

fn open(name: &str) -> Capture<std::fs::File> {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "../../pcaps/field", name]
        .iter()
        .collect();
    Capture::open(std::fs::File::open(path).expect("the recording is there")).expect("a capture")
}

struct Seen {
    number: u64,
    time: Duration,
    source: SocketAddr,
    destination: SocketAddr,
    length: usize,
    start: Vec<u8>,
}

fn all(mut capture: Capture<std::fs::File>) -> (Vec<Seen>, Statistics) {
    let mut seen = Vec::new();
    while let Some(datagram) = capture.next_datagram().expect("undamaged") {
        assert_eq!(datagram.payload.len(), datagram.length);
        seen.push(Seen {
            number: datagram.number,
            time: datagram.time,
            source: datagram.source,
            destination: datagram.destination,
            length: datagram.length,
            start: datagram.payload[..datagram.length.min(16)].to_vec(),
        });
    }
    (seen, *capture.statistics())
}

#[test]
fn the_recording_of_a_single_stream_has_102_datagrams() {
    let (seen, statistics) = all(open("legacy-single.pcap"));
    let server: SocketAddr = "127.0.0.1:4444".parse().expect("an address");
    let client: SocketAddr = "127.0.0.1:47789".parse().expect("an address");
    assert_eq!(statistics.packets, 102);
    assert_eq!(statistics.datagrams, 102);
    assert_eq!(statistics.lost(), 0);
    assert_eq!(seen.len(), 102);
    for (at, datagram) in seen.iter().enumerate() {
        assert_eq!(datagram.number, at as u64 + 1);
        let (source, destination) = if at == 0 {
            (client, server)
        } else {
            (server, client)
        };
        assert_eq!(
            (datagram.source, datagram.destination),
            (source, destination)
        );
    }
    assert_eq!(seen[0].start, b"START");
    assert_eq!(seen[1].length, 39);
    assert!(seen[2..].iter().all(|datagram| datagram.length == 1_000));
    assert_eq!(seen[0].time, Duration::new(1_795_246_841, 566_681_000));
    // 50 frames a second.
    let interval = (seen[101].time - seen[2].time) / 99;
    assert!(
        (19_900..20_100).contains(&interval.as_micros()),
        "{interval:?}"
    );
}

#[test]
fn the_recording_of_split_frames_has_22_datagrams() {
    let (seen, statistics) = all(open("legacy-split-frames.pcap"));
    assert_eq!(statistics.packets, 22);
    assert_eq!(statistics.datagrams, 22);
    assert_eq!(statistics.lost(), 0);
    assert_eq!(seen[0].start, b"START");
    assert_eq!(seen[0].destination.port(), 4444);
    assert!(seen[1..].iter().all(|datagram| {
        datagram.source == seen[0].destination && datagram.destination == seen[0].source
    }));
    let lengths: Vec<usize> = seen[2..].iter().map(|datagram| datagram.length).collect();
    assert_eq!(lengths, [64_000, 2_000].repeat(10));
    assert!(seen.windows(2).all(|pair| pair[0].time <= pair[1].time));
}
