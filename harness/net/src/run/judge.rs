use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use shakedown_capture::annotate;
use shakedown_engine::iut::Iut;
use shakedown_engine::judge::{Said, is_of_iut, judge as judge_capture};
use shakedown_engine::scenario::Needs;
use shakedown_protocol::monitor::{Observation, Vantage};
use shakedown_protocol::{MonitorSettings, Protocol};

/// What the capture of a scenario shows.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// Time of the first packet.
    pub(crate) start: Duration,
    pub(crate) observations: Vec<Observation>,
    /// UDP payloads of the packets that observations name.
    pub(crate) payloads: BTreeMap<u64, Vec<u8>>,
    /// Why not everything could be read, in a sentence.
    pub(crate) damage: Option<String>,
}

/// Sends a capture of ours through the protocol's monitor.
///
/// What the scripted peer did is not judged, whatever role it seemed to play: `own` are its
/// addresses.
pub(crate) fn judge(
    path: &Path,
    protocol: &'static Protocol,
    iut: &Iut,
    needs: &Needs,
    own: &BTreeSet<SocketAddr>,
) -> Judged {
    // On one host what is missing was not sent; from elsewhere the network may have lost it.
    let is_here = iut.start.is_some() || own.iter().any(|address| address.ip().is_loopback());
    let settings = MonitorSettings {
        vantage: match is_here {
            true => Vantage::Sender,
            false => Vantage::Path,
        },
        tolerance: iut.timing.tolerance,
        stream: Some(iut.stream_for(needs)),
        max_datagram: iut.max_datagram,
        options: Some(needs.options.clone()),
        mode: Some(needs.mode.clone()),
        supervised: true,
    };
    let mut judged = Judged::default();
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) => {
            judged.damage = Some(format!("it cannot be read: {error}"));
            return judged;
        }
    };
    let read = judge_capture(file, &[protocol], &settings, &mut |said| {
        if is_of_iut(&said.observation, iut.role, own) {
            judged.hear(&said);
        }
    });
    match read {
        Ok(read) => {
            judged.start = read.start.unwrap_or_default();
            judged.damage = read.damage.map(|error| error.to_string());
        }
        Err(error) => judged.damage = Some(format!("it cannot be read: {error}")),
    }
    judged
}

impl Judged {
    fn hear(&mut self, said: &Said<'_>) {
        if let (Observation::Finding(finding) | Observation::Inconclusive(finding), Some(bytes)) =
            (&said.observation, said.payload)
            && let Some(packet) = finding.packet
        {
            self.payloads.insert(packet, bytes.to_vec());
        }
        self.observations.push(said.observation.clone());
    }
}

/// Puts comments on packets of the capture. The file is whole at every moment.
///
/// # Errors
/// A sentence for people; the capture is then as it was, without comments.
pub(crate) fn comment(path: &Path, comments: &BTreeMap<u64, Vec<String>>) -> Result<(), String> {
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
