//! A scenario over streams against the reference in virtual time: both sides speak QUIC as they do
//! over sockets, through the network that the scenario or the settings describe.
//!
//! The capture of an ideal network has the times of the scripted peer's side; that of an impaired one
//! is taken at the reference, as where datagrams are simulated. The same scenario, settings and seed
//! give the same conversation at the same times, in packets of the same lengths; the bytes of the
//! packets differ, since the keys of TLS do.

mod process;
mod record;
mod scripted;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use shakedown_capture::{CaptureError, annotate_with_key_log};
use shakedown_engine::judge::{is_of_iut, judge_all};
use shakedown_engine::network::Counts;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::simulation::{Reporting, Settings, Simulated, SimulationError};
use shakedown_engine::verdict::{
    CaptureEvidence, Evidence, compose, under_impairment, unless_missed,
};
use shakedown_protocol::monitor::{Observation, Vantage};
use shakedown_protocol::{MonitorSettings, OverStreams, Protocol};

use crate::quic::virtual_network::runtime;
use world::{Played, World};

/// What is played: a scenario of a protocol that streams carry.
#[derive(Clone, Copy)]
struct Play<'s> {
    protocol: &'static Protocol,
    over: &'static OverStreams,
    scenario: &'s Scenario,
    settings: &'s Settings,
}

/// Plays a scenario of a protocol over streams against its reference and judges it. Blocks; it must
/// not be called by a task of a runtime.
///
/// # Errors
/// [`SimulationError`]; what is wrong with the scenario shows in the verdict instead.
pub fn simulate_over_streams(
    protocol: &'static Protocol,
    scenario: &Scenario,
    settings: &Settings,
    reporting: Reporting<'_>,
) -> Result<Simulated, SimulationError> {
    let Some(over) = protocol.over_streams() else {
        let why = format!("streams do not carry {}", protocol.id);
        return Err(SimulationError::Reference(why));
    };
    let play = Play {
        protocol,
        over,
        scenario,
        settings,
    };
    let runtime = runtime().map_err(|error| SimulationError::Reference(error.to_string()))?;
    let played = runtime.block_on(async { World::new(play)?.play().await })?;
    judge(play, played, reporting)
}

fn judge(
    play: Play<'_>,
    mut played: Played,
    reporting: Reporting<'_>,
) -> Result<Simulated, SimulationError> {
    let last = played.events.last().map(|event| event.step.as_str());
    let last = last.unwrap_or_default();
    played.outcome = match &play.settings.impair {
        // What the network loses QUIC sends again, so that every stimulus was applied.
        Some(impair) if play.scenario.impair.is_none() => {
            under_impairment(played.outcome, impair, &Counts::default(), last)
        }
        Some(_) | None => unless_missed(played.outcome, &played.missed, last),
    };
    let observed = observe(play, &played)?;
    let composed = compose(&Evidence {
        protocol: play.protocol,
        scenario: play.scenario,
        script: &played.outcome,
        epoch: Duration::ZERO,
        capture: CaptureEvidence {
            path: reporting.capture,
            start: played.recorded.start,
            observations: &observed.observations,
            payloads: &observed.payloads,
            damage: None,
        },
        process: None,
        death: played.death,
        level: play.settings.level,
        waivers: reporting.waivers,
        seconds: played.end.as_secs_f64(),
    });
    let mut comments = played.comments;
    composed.comment(&mut comments);
    let (plain, key_log) = (&played.recorded.capture[..], played.key_log.as_bytes());
    let mut capture = Vec::new();
    annotate_with_key_log(plain, &mut capture, &comments, key_log)?;
    Ok(Simulated {
        composed,
        outcome: played.outcome,
        events: played.events,
        ignored: played.ignored,
        bindings: played.bindings,
        capture,
        // Which datagram carries what is another one each time.
        happened: None,
    })
}

/// What the monitor says of a capture.
struct Observed {
    observations: Vec<Observation>,
    /// The payloads of packets that it names.
    payloads: BTreeMap<u64, Vec<u8>>,
}

fn observe(play: Play<'_>, played: &Played) -> Result<Observed, CaptureError> {
    let needs = &play.scenario.iut;
    let settings = MonitorSettings {
        vantage: Vantage::Sender,
        tolerance: play.settings.tolerance,
        stream: None,
        max_datagram: None,
        options: Some(needs.options.clone()),
        mode: Some(played.mode.clone()),
        supervised: true,
    };
    let mut observed = Observed {
        observations: Vec::new(),
        payloads: BTreeMap::new(),
    };
    let (capture, key_log) = (&played.recorded.capture[..], played.key_log.as_bytes());
    let judged = judge_all(capture, &[], &settings, key_log, &mut |said| {
        if !is_of_iut(&said.observation, needs.role, &played.own) {
            return;
        }
        if let (Observation::Finding(finding), Some(payload)) = (&said.observation, said.payload)
            && let Some(packet) = finding.packet
        {
            observed.payloads.insert(packet, payload.to_vec());
        }
        observed.observations.push(said.observation);
    })?;
    match judged.damage {
        Some(damage) => Err(damage),
        None => Ok(observed),
    }
}
