use std::net::SocketAddr;
use std::time::Duration;

use super::pair::PairFacts;
use crate::exploration::{
    Draw, ExploredMachine, Participant, Participants, RunSettings, SideChoice, SideSettings,
};
use crate::mediastream::{PAIRS, PROTOCOL, forked_reference};
use crate::monitor::Vantage;
use crate::requirement::Role;
use crate::{MonitorSettings, ReferenceSettings, StreamParameters, Tolerance};

const RESPONDER: ([u8; 4], u16) = ([192, 0, 2, 1], PROTOCOL.port);

/// An initiator and a responder of random modes and options.
///
/// # Errors
/// A human-readable error: the reference cannot be what was chosen.
pub(in super::super) fn participants(
    settings: &RunSettings,
    seed: u64,
    draw: Draw<'_>,
) -> Result<Participants, String> {
    let sides = sides(settings, draw);
    // Short streams of small frames: handshakes are looked at here.
    let frames_per_second = if draw(2) == 0 { 10 } else { 25 };
    let stream = StreamParameters {
        bits_per_second: 8 * 100 * u64::from(frames_per_second),
        frames_per_second,
        seconds: 1,
    };
    let known = [&sides[0].options[..], &sides[1].options[..]].concat();
    let participant = |role, side: &SideSettings| {
        let without = settings.without.iter();
        let machine = forked_reference(&ReferenceSettings {
            role,
            mode: side.mode.clone(),
            options: side.options.clone(),
            stream,
            peer: (role == Role::Initiator).then(|| SocketAddr::from(RESPONDER)),
            // Both sides have random numbers of their own.
            seed: seed ^ (u64::from(role == Role::Responder) << 63),
            epoch: Duration::ZERO,
            extra: without
                .map(|id| ("without".to_owned(), id.clone()))
                .collect(),
        })?;
        Ok::<_, String>(Participant {
            machine: ExploredMachine::Datagrams(machine),
            judged_by: Some(MonitorSettings {
                vantage: Vantage::Sender,
                tolerance: Tolerance::new(0.25),
                stream: Some(stream),
                max_datagram: None,
                options: Some(known.clone()),
                mode: Some(side.mode.clone()),
                supervised: true,
                buffer_period: None,
                watched_until: None,
                stopped: Vec::new(),
            }),
        })
    };
    let [initiator, responder] = &sides;
    Ok(Participants {
        setting: format!("{} at {}", words(initiator), words(responder)),
        server: participant(Role::Responder, responder)?,
        clients: vec![participant(Role::Initiator, initiator)?],
        facts: Some(Box::new(PairFacts::new(initiator, responder, stream))),
        quiet: None,
        idle_check: None,
        ends: None,
        unending: super::convergence(&initiator.mode),
        delay: [Duration::ZERO; 2],
        pair: Some((sides, stream)),
    })
}

/// Both sides. Most pairs speak one mode: those that do not have little to say.
fn sides(settings: &RunSettings, draw: Draw<'_>) -> [SideSettings; 2] {
    let modes = PROTOCOL.modes;
    let mut any_mode = || modes[draw(modes.len() as u32) as usize].to_owned();
    let (one, other) = (any_mode(), any_mode());
    // Every handshake at one port; the default mode goes with no other.
    let several = modes[1..].join(",");
    let (matches, offers_all) = (draw(4) != 0, draw(5) == 0);
    let asked = settings.initiator.mode().unwrap_or(&one).to_owned();
    let offered = match (matches, offers_all && several.contains(&asked)) {
        (true, false) => asked.clone(),
        (true, true) => several,
        (false, _) => other,
    };
    let offered = settings.responder.mode().unwrap_or(&offered).to_owned();
    let mut side = |role, mode: String, choice: &SideChoice| {
        let known = (PAIRS.options)(role, &mode).into_iter();
        let chosen = known.filter(|_| draw(2) == 0).map(str::to_owned);
        let chosen = chosen.collect();
        let options = match choice {
            SideChoice::Any | SideChoice::Mode(_) => chosen,
            SideChoice::Exactly(_, options) => options.clone(),
        };
        SideSettings { mode, options }
    };
    [
        side(Role::Initiator, asked, &settings.initiator),
        side(Role::Responder, offered, &settings.responder),
    ]
}

fn words(side: &SideSettings) -> String {
    let mode = side.mode.replace(',', "+");
    [&[mode], &side.options[..]].concat().join(", ")
}
