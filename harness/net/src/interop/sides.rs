//! Each side judged by the capture at its own edge.

use shakedown_engine::event::FindingEvent;
use shakedown_engine::interop::Side;
use shakedown_engine::iut::Iut;
use shakedown_engine::verdict::{Place, weigh};
use shakedown_protocol::Protocol;
use shakedown_protocol::monitor::{Finding, Observation};
use shakedown_protocol::requirement::Level;

use crate::run::judge;

use super::observer::Edge;

/// What was found about one side.
#[derive(Debug, Default)]
pub(super) struct SideFindings {
    pub(super) findings: Vec<FindingEvent>,
    /// The capture, if there is one.
    pub(super) capture: Option<String>,
    /// Why not everything on the wire is in it, in a sentence.
    pub(super) damage: Option<String>,
    pub(super) notes: Vec<String>,
}

/// Sends the capture of an edge, read with the secrets that are known of it, through the monitor,
/// keeps what it says about the implementation there, and writes that into the capture. Blocks.
pub(super) fn found(
    protocol: &'static Protocol,
    pair: &str,
    iut: &Iut,
    side: &Side,
    edge: Edge,
    level: Level,
) -> SideFindings {
    let mut recorded = edge.recorder.finish();
    let shown = recorded.path.display().to_string();
    let mut found = SideFindings {
        capture: recorded.path.exists().then_some(shown),
        damage: recorded.problem.clone(),
        ..SideFindings::default()
    };
    if recorded.packets == 0 {
        // There was no traffic; that is no damage.
        return found;
    }
    let key_log = recorded.key_log.as_bytes();
    let judged = judge(
        &recorded.path,
        protocol,
        iut,
        &side.needs,
        &edge.own,
        key_log,
        None,
    );
    found.damage = found.damage.or(judged.damage);
    let place = Place {
        protocol,
        id: pair,
        capture: found.capture.as_deref(),
        start: judged.start,
    };
    let observed = judged
        .observations
        .iter()
        .filter_map(|observation| match observation {
            Observation::Finding(finding) if finding.party == side.needs.role => Some(finding),
            Observation::Finding(_) | Observation::Inconclusive(_) | Observation::Session(_) => {
                None
            }
        });
    // What may be missing in the capture is no proof of anything.
    let is_whole = found.damage.is_none();
    let is_trusted = |finding: &&Finding| protocol.is_proven(finding, is_whole);
    let mut comments = std::mem::take(&mut recorded.comments);
    for finding in observed.filter(is_trusted) {
        let payload = finding
            .packet
            .and_then(|packet| judged.payloads.get(&packet));
        let mut event = place.of_monitor(finding, payload.map(Vec::as_slice));
        weigh(&mut event, protocol, level, &iut.waive);
        if let Some(packet) = event.packet {
            let text = format!("{}: {}", event.requirement, event.message);
            comments.entry(packet).or_default().push(text);
        }
        found.findings.push(event);
    }
    found.findings.sort_by(|a, b| a.time.total_cmp(&b.time));
    found.notes.extend(recorded.complete(&comments).err());
    found
}
