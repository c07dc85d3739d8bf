use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use shakedown_capture::{Capture, annotate};
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::Needs;
use shakedown_protocol::monitor::{Observation, Packet, Vantage};
use shakedown_protocol::{MonitorSettings, Protocol};

/// What the capture of a scenario shows.
#[derive(Debug, Default)]
pub(super) struct Judged {
    /// Time of the first packet.
    pub(super) start: Duration,
    pub(super) observations: Vec<Observation>,
    /// UDP payloads of the packets that observations name.
    pub(super) payloads: BTreeMap<u64, Vec<u8>>,
    /// Why not everything could be read, in a sentence.
    pub(super) damage: Option<String>,
}

/// Sends a capture of ours through the protocol's monitor.
pub(super) fn judge(path: &Path, protocol: &Protocol, iut: &Iut, needs: &Needs) -> Judged {
    // The harness and the implementation are on the same host, or at least the harness saw all
    // that came to it; what is missing was not sent.
    let settings = MonitorSettings {
        vantage: Vantage::Sender,
        tolerance: iut.timing.tolerance,
        stream: Some(iut.stream),
        max_datagram: None,
        options: Some(needs.options.clone()),
        mode: Some(needs.mode.clone()),
        supervised: true,
    };
    let mut judged = Judged::default();
    if let Err(why) = monitor(path, protocol, &settings, &mut judged) {
        judged.damage = Some(why);
    }
    if let Err(why) = payloads(path, &mut judged) {
        judged.damage.get_or_insert(why);
    }
    judged
}

fn monitor(
    path: &Path,
    protocol: &Protocol,
    settings: &MonitorSettings,
    judged: &mut Judged,
) -> Result<(), String> {
    let mut capture = open(path)?;
    let mut monitor = (protocol.monitor)(settings);
    let mut end = Duration::ZERO;
    let mut first = true;
    let problem = loop {
        let datagram = match capture.next_datagram() {
            Ok(Some(datagram)) => datagram,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.to_string()),
        };
        if std::mem::take(&mut first) {
            judged.start = datagram.time;
        }
        end = end.max(datagram.time);
        let packet = Packet {
            number: datagram.number,
            time: datagram.time,
            source: datagram.source,
            destination: datagram.destination,
            payload: datagram.payload,
            length: datagram.length,
        };
        monitor.packet(&packet, &mut |said| judged.observations.push(said));
    };
    monitor.finish(end, &mut |said| judged.observations.push(said));
    problem
}

/// Reads the capture again for the packets that were named.
fn payloads(path: &Path, judged: &mut Judged) -> Result<(), String> {
    let named = judged.observations.iter().filter_map(|said| match said {
        Observation::Finding(finding) | Observation::Inconclusive(finding) => finding.packet,
        Observation::Session(_) => None,
    });
    let mut named: BTreeSet<u64> = named.collect();
    if named.is_empty() {
        return Ok(());
    }
    let mut capture = open(path)?;
    while let Some(datagram) = capture.next_datagram().map_err(|error| error.to_string())? {
        if named.remove(&datagram.number) {
            judged
                .payloads
                .insert(datagram.number, datagram.payload.to_vec());
        }
        if named.is_empty() {
            break;
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Capture<BufReader<File>>, String> {
    let problem = |error: &dyn std::fmt::Display| format!("it cannot be read: {error}");
    let file = File::open(path).map_err(|error| problem(&error))?;
    Capture::open(BufReader::new(file)).map_err(|error| problem(&error))
}

/// Puts comments on packets of the capture. The file is whole at every moment.
///
/// # Errors
/// A sentence for people; the capture is then as it was, without comments.
pub(super) fn comment(path: &Path, comments: &BTreeMap<u64, Vec<String>>) -> Result<(), String> {
    if comments.is_empty() {
        return Ok(());
    }
    let new = path.with_extension("pcapng.new");
    let written = write_commented(path, &new, comments)
        .and_then(|()| std::fs::rename(&new, path).map_err(|error| error.to_string()));
    written.map_err(|why| {
        // What is left of it is of no use; the error that is told is the one before.
        let _ = std::fs::remove_file(&new);
        format!("no comments could be written to {}: {why}", path.display())
    })
}

fn write_commented(
    path: &Path,
    new: &Path,
    comments: &BTreeMap<u64, Vec<String>>,
) -> Result<(), String> {
    let source = File::open(path).map_err(|error| error.to_string())?;
    let copy = File::create(new).map_err(|error| error.to_string())?;
    let mut copy = BufWriter::new(copy);
    let annotated = annotate(BufReader::new(source), &mut copy, comments);
    annotated.map_err(|error| error.to_string())?;
    copy.flush().map_err(|error| error.to_string())
}
