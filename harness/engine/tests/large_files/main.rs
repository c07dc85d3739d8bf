//! Captures of any length are judged in one pass and bounded memory.

#![allow(clippy::unwrap_used, reason = "a test may fail so")]

mod generator;

use generator::Generator;
use shakedown_engine::check::{CheckSettings, check};
use shakedown_engine::event::{CheckSummary, Event};
use shakedown_protocol::requirement::Level;
use shakedown_protocol::{MonitorSettings, PROTOCOLS};

/// Memory that a check may take, in KiB: half of what it is allowed.
const LIMIT: u64 = 100 * 1_024;

fn judge(packets: u64, streams: u64) -> (CheckSummary, u64) {
    let settings = CheckSettings {
        monitor: MonitorSettings::default(),
        level: Level::Should,
        protocols: PROTOCOLS.to_vec(),
        key_log: Vec::new(),
    };
    let mut frames = 0;
    let mut tell = |event| {
        if let Event::Session(session) = event {
            frames += session.frames;
        }
    };
    let summary = check(
        "generated",
        Generator::new(packets, streams),
        &settings,
        &mut tell,
    );
    (summary.unwrap(), frames)
}

/// The most memory that this process ever had, in KiB, where the system reports it.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn assert_bounded(packets: u64, streams: u64) {
    let (summary, frames) = judge(packets, streams);
    assert_eq!((summary.packets, summary.datagrams), (packets, packets));
    assert_eq!(
        (summary.sessions as u64, summary.findings),
        (streams, 0),
        "{summary:#?}"
    );
    assert_eq!(frames, packets - 2 * streams);
    if let Some(peak) = peak() {
        assert!(peak < LIMIT, "{peak} KiB");
    }
}

#[test]
fn a_capture_of_30_mb_with_a_thousand_streams_takes_little_memory() {
    assert_bounded(30_000, 1_000);
}

#[test]
#[ignore = "takes a while; `cargo nextest run --release --run-ignored only` measures it"]
fn a_capture_of_1_gb_takes_less_than_100_mb() {
    assert_bounded(1_000_000, 100);
}
