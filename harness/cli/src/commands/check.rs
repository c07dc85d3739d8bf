//! `shakedown check CAPTURE...`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use shakedown_capture::quic::Secrets;
use shakedown_engine::check::{CheckSettings, check, unreadable};
use shakedown_engine::document::read_file;
use shakedown_engine::event::Event;
use shakedown_protocol::monitor::Vantage;
use shakedown_protocol::{MonitorSettings, PROTOCOLS, StreamParameters, Tolerance};
use shakedown_report::Sinks;

use super::run::Weakest;
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;
use crate::numbers::{ANY, ANY_U32, AT_LEAST_1_U32, whole};
use crate::reports::{self, ReportArgs};

/// Bytes that are read from a file at once.
const BUFFER: usize = 256 * 1_024;

#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Judge captures: find the sessions in them, on any port, and every requirement that they violate.

Reads pcap and pcapng in one pass. What the network may have caused is counted and inconclusive, \
unless --vantage says that the capture was taken at the sender. A damaged file is judged up to \
the damage.",
    after_help = "\
Examples:
  shakedown check recording.pcapng
  shakedown check --bits-per-second 400000 --frames-per-second 50 --seconds 2 recording.pcap
  shakedown check --keylog keys.txt proton.pcap
  shakedown check --mode pull proton.pcapng
  zcat recording.pcap.gz | shakedown check -"
)]
pub(crate) struct Args {
    /// The captures, pcap or pcapng; - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    captures: Vec<PathBuf>,

    /// Where the capture was taken
    #[arg(long, value_enum, default_value_t = TakenAt::Path)]
    vantage: TakenAt,

    /// The weakest requirement level that counts; findings below it are advice
    #[arg(long, value_enum, default_value_t = Weakest::Must, overrides_with = "level")]
    level: Weakest,

    /// Configured bits per second; with the next two flags the pace is judged too
    #[arg(long, value_name = "N", requires_all = ["frames_per_second", "seconds"])]
    #[arg(value_parser = whole::<u64>(ANY))]
    bits_per_second: Option<u64>,

    /// Configured frames per second
    #[arg(long, value_name = "N", requires_all = ["bits_per_second", "seconds"])]
    #[arg(value_parser = whole::<u32>(AT_LEAST_1_U32))]
    frames_per_second: Option<u32>,

    /// Configured length of the stream, in seconds
    #[arg(long, value_name = "N", requires_all = ["bits_per_second", "frames_per_second"])]
    #[arg(value_parser = whole::<u32>(ANY_U32))]
    seconds: Option<u32>,

    /// Largest datagram that is allowed, in bytes [default: 65507]
    #[arg(long, value_name = "BYTES", value_parser = whole::<usize>(ANY))]
    max_datagram: Option<usize>,

    /// Share of every interval by which a timer may be late, in addition to 50 ms
    #[arg(long, value_name = "SHARE", default_value_t = 0.25, value_parser = share)]
    tolerance: f64,

    /// Key log file with TLS secrets, in the format of `SSLKEYLOGFILE`, for QUIC
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,

    /// The configured mode, if sessions do not show it, such as push or pull [default: inferred
    /// per session]
    #[arg(long, visible_alias = "profile", value_name = "MODE", value_parser = mode)]
    mode: Option<String>,

    #[command(flatten)]
    reports: ReportArgs,
}

/// TakenAt a capture was taken.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum TakenAt {
    /// At the sender of media: gaps, reordering and duplicates are its fault
    Sender,
    /// On the path or at the receiver: they may be the network's fault
    Path,
}

impl Args {
    /// Checks each capture; the exit code is the one that applies first of theirs.
    pub(crate) fn execute(self, global: &Global) -> Result<Exit, Failure> {
        let key_log = key_log(self.keylog.as_deref())?;
        let settings = self.settings(key_log);
        let directory = self.reports.directory()?;
        let mut sinks = self.reports.open(global, directory.as_ref(), false)?;
        let mut checked = Vec::new();
        for capture in &self.captures {
            // One that is named twice would be reported twice under one name.
            if !checked.contains(&capture) {
                one(capture, &settings, &mut sinks);
                checked.push(capture);
            }
        }
        let exit = sinks.record().exit();
        Ok(reports::close(sinks, exit))
    }

    fn settings(&self, key_log: Vec<u8>) -> CheckSettings {
        let stream = match (self.bits_per_second, self.frames_per_second, self.seconds) {
            (Some(bits_per_second), Some(frames_per_second), Some(seconds)) => {
                Some(StreamParameters {
                    bits_per_second,
                    frames_per_second,
                    seconds,
                })
            }
            _ => None,
        };
        CheckSettings {
            monitor: MonitorSettings {
                vantage: match self.vantage {
                    TakenAt::Sender => Vantage::Sender,
                    TakenAt::Path => Vantage::Path,
                },
                tolerance: Tolerance::new(self.tolerance),
                stream,
                max_datagram: self.max_datagram,
                mode: self.mode.clone(),
                ..MonitorSettings::default()
            },
            level: self.level.into(),
            protocols: PROTOCOLS.to_vec(),
            key_log,
        }
    }
}

/// Checks one capture. One that cannot be read is reported too, with the reason as its note.
fn one(path: &Path, settings: &CheckSettings, sinks: &mut Sinks) {
    let name = path.display().to_string();
    let unread = match open(path) {
        Ok(source) => match check(&name, source, settings, &mut |event| sinks.event(&event)) {
            Ok(_) => return,
            Err(error) => error.to_string(),
        },
        Err(error) => format!("it cannot be opened: {error}"),
    };
    sinks.event(&Event::CheckFinished(unreadable(&name, unread)));
}

/// Opens a capture; `-` is standard input.
pub(super) fn open(path: &Path) -> std::io::Result<Box<dyn Read>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    if path.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    let file = File::open(path)?;
    Ok(Box::new(BufReader::with_capacity(BUFFER, file)))
}

/// The most that is read of a key log file, in bytes: the secrets of 100,000 connections.
const MOST_SECRETS: usize = 64 << 20;

/// The lines of a key log file; none without a file.
pub(super) fn key_log(path: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(path) = path else {
        return Ok(Vec::new());
    };
    let wrong = |why: &dyn std::fmt::Display| usage(format!("{}: {why}", path.display()));
    let lines = read_file(path, MOST_SECRETS).map_err(|error| wrong(&error))?;
    let mut secrets = Secrets::default();
    secrets.add(&lines);
    match secrets.is_empty() {
        true => Err(wrong(
            &"there is no secret of TLS 1.3 in it; its lines begin with words such as CLIENT_TRAFFIC_SECRET_0",
        )),
        false => Ok(lines),
    }
}

fn mode(text: &str) -> Result<String, String> {
    let modes = PROTOCOLS.into_iter().flat_map(|protocol| protocol.modes);
    match modes.clone().any(|mode| *mode == text) {
        true => Ok(text.to_owned()),
        false => {
            let known: Vec<_> = modes.copied().collect();
            Err(format!("there are {}", known.join(", ")))
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        Ok(_) | Err(_) => Err("a share is a number from 0 to 1, such as 0.25".to_owned()),
    }
}
