use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::BufReader;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use shakedown_engine::iut::Iut;
use shakedown_engine::judge::{MonitorReport, is_of_iut, judge as judge_capture};
use shakedown_engine::scenario::Needs;
use shakedown_protocol::monitor::{Observation, Vantage};
use shakedown_protocol::{MonitorSettings, Protocol};

/// What the capture of a scenario shows.
#[derive(Debug, Default)]
pub(crate) struct CaptureFindings {
    /// Time of the first packet.
    pub(crate) start: Duration,
    pub(crate) observations: Vec<Observation>,
    /// UDP payloads of the packets that observations name.
    pub(crate) payloads: BTreeMap<u64, Vec<u8>>,
    /// Why not everything could be read, in a sentence.
    pub(crate) damage: Option<String>,
}

/// How long each of the implementation's processes was watched, as the capture counts time.
pub(crate) struct Watched {
    /// When it was stopped to be started again.
    pub(crate) stopped: Vec<Duration>,
    /// Until when the last one was.
    pub(crate) until: Duration,
}

/// Sends a capture of ours through the protocol's monitor.
///
/// What the scripted peer did is not judged, whatever role it seemed to play: `own` are its
/// addresses. `watched` is `None` where that is not known. `key_log` has the TLS secrets of what is
/// not written into the capture so far.
pub(crate) fn judge(
    path: &Path,
    protocol: &'static Protocol,
    iut: &Iut,
    needs: &Needs,
    own: &BTreeSet<SocketAddr>,
    key_log: &[u8],
    watched: Option<Watched>,
) -> CaptureFindings {
    // On one host what is missing was not sent; from elsewhere the network may have lost it.
    let is_here = iut.start.is_some() || own.iter().any(|address| address.ip().is_loopback());
    let settings = MonitorSettings {
        vantage: match is_here {
            true => Vantage::Sender,
            false => Vantage::Path,
        },
        tolerance: iut.timing.tolerance(),
        stream: Some(iut.stream_for(needs)),
        max_datagram: iut.max_datagram,
        options: Some(needs.options.clone()),
        mode: Some(needs.mode.clone()),
        supervised: true,
        buffer_period: iut.timing.buffer_period.as_fixed(),
        watched_until: watched.as_ref().map(|watched| watched.until),
        stopped: watched.map_or_else(Vec::new, |watched| watched.stopped),
    };
    let mut judged = CaptureFindings::default();
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) => {
            judged.damage = Some(format!("it cannot be read: {error}"));
            return judged;
        }
    };
    let mut report = |report: MonitorReport<'_>| {
        if is_of_iut(&report.observation, iut.role, own) {
            judged.report(&report);
        }
    };
    match judge_capture(file, &[protocol], &settings, key_log, &mut report) {
        Ok(read) => {
            judged.start = read.start.unwrap_or_default();
            judged.damage = read.damage.map(|error| error.to_string());
        }
        Err(error) => judged.damage = Some(format!("it cannot be read: {error}")),
    }
    judged
}

impl CaptureFindings {
    fn report(&mut self, report: &MonitorReport<'_>) {
        if let (Observation::Finding(finding) | Observation::Inconclusive(finding), Some(bytes)) =
            (&report.observation, report.payload)
            && let Some(packet) = finding.packet
        {
            self.payloads.insert(packet, bytes.to_vec());
        }
        self.observations.push(report.observation.clone());
    }
}
