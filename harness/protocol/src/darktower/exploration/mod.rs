//! Random runs of `darktower`: a server, one to four clients with random start and end, and properties that no monitor
//! can check.
//!
//! # What must hold besides what the monitor judges
//!
//! | fact | requirement |
//! |---|---|
//! | when all has healed and ended the server has no connection left | DT-S-14 |
//! | then two new clients get what their services are for, and each frame of the one reaches the other | DT-G-01, DT-S-05, DT-M-06 |
//! | who joined has left, once | DT-S-17 |

mod scheduled_client;

use std::time::Duration;

use scheduled_client::ScheduledClient;

use super::reference::{
    ClientSettings, Deviations, MEETING, MediaKind, Secret, Server, ServerSettings, Service,
    transport,
};
use crate::MonitorSettings;
use crate::exploration::{
    Breach, Draw, Explored, ExploredMachine, IdleCheck, Participant, Participants, RunSettings,
    SideChoice,
};
use crate::monitor::Vantage;
use crate::requirement::Role;
use crate::streams::StreamMachine as _;

/// Longer than the idle timeout and the packets in flight.
const SETTLE_TIME: Duration = Duration::from_secs(60);

/// Frames that the last two clients send, of which the first may precede the subscription, and receive; and the time
/// limit.
const FINAL_FRAMES: [u32; 2] = [100, 20];
const FINAL_TIME: Duration = Duration::from_secs(20);

/// The time since 1970 at which a run begins.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

/// A server and clients. The services may be chosen; all else follows from the draw.
///
/// # Errors
/// A sentence for people: no such machine can be made.
pub(super) fn participants(
    chosen: &RunSettings,
    _: u64,
    draw: Draw<'_>,
) -> Result<Participants, String> {
    let mut services = Service::ALL.to_vec();
    for side in [&chosen.initiator, &chosen.responder] {
        match side {
            SideChoice::Any => {}
            SideChoice::Mode(mode) => services = Service::of_mode(mode)?,
            SideChoice::Exactly(..) => {
                let why = "random runs of darktower draw what each side is told; its services can be chosen";
                return Err(why.to_owned());
            }
        }
    }
    let mut without = Deviations::default();
    for twin in &chosen.without {
        without.add(twin)?;
    }
    let count = 1 + draw(4);
    let mut clients = Vec::new();
    let mut setting = Vec::new();
    let mut quiet = Duration::ZERO;
    for _ in 0..count {
        let settings = client_settings(draw, &services);
        let settings = ClientSettings {
            without,
            ..settings
        };
        setting.push(describe(&settings));
        let start = millis(draw, 6_000);
        let stop = start + millis(draw, 25_000);
        quiet = quiet.max(stop);
        clients.push(ScheduledClient::new(settings, start, stop));
    }
    let rest = quiet + SETTLE_TIME;
    let last = rest + FINAL_TIME;
    clients.extend(final_clients(draw, &services).into_iter().zip(1..).map(
        |(settings, seconds)| {
            let start = rest + Duration::from_secs(seconds);
            let settings = ClientSettings {
                without,
                ..settings
            };
            ScheduledClient::new(settings, start, last).must_succeed()
        },
    ));
    let server = ServerSettings {
        services,
        seed: draw_seed(draw),
        epoch: EPOCH,
        without,
        ..ServerSettings::default()
    };
    let least = millis(draw, 50);
    let clients = clients.into_iter();
    Ok(Participants {
        setting: setting.join("; "),
        pair: None,
        server: participant(Role::Responder, Server::new(server), without),
        clients: clients
            .map(|scheduled_client| participant(Role::Initiator, scheduled_client, without))
            .collect(),
        facts: None,
        quiet: Some(quiet),
        idle_check: Some(IdleCheck {
            at: rest,
            requirement: "DT-S-14",
        }),
        ends: Some(last + Duration::from_secs(5)),
        unending: "DT-S-14",
        delay: [least, least + millis(draw, 150)],
    })
}

fn participant(role: Role, machine: impl Explored + 'static, without: Deviations) -> Participant {
    Participant {
        machine: ExploredMachine::Streams(Box::new(machine), without.transport(transport(role))),
        judged_by: Some(MonitorSettings {
            vantage: Vantage::Sender,
            supervised: true,
            ..MonitorSettings::default()
        }),
    }
}

impl Explored for Server {
    fn breaches(&mut self, now: Duration) -> Vec<Breach> {
        let counters = self.counters();
        let joined = counters["signaling"]["joined"].as_u64().unwrap_or_default();
        let left = counters["signaling"]["left"].as_object();
        let left = left.into_iter().flatten();
        let left: u64 = left.filter_map(|(_, count)| count.as_u64()).sum();
        let breach = (joined != left).then(|| Breach {
            requirement: "DT-S-17",
            party: Some(Role::Responder),
            at: Some(now),
            property: format!("{joined} joined and {left} left when all is over"),
        });
        breach.into_iter().collect()
    }

    fn is_idle(&self) -> bool {
        !self.has_connections()
    }
}

/// Random settings of a client.
fn client_settings(draw: Draw<'_>, services: &[Service]) -> ClientSettings {
    let mut asked = services.to_vec();
    if draw(4) == 0 && asked.len() > 1 {
        asked.remove(draw(asked.len() as u32) as usize);
    }
    ClientSettings {
        services: asked,
        secret: match draw(16) {
            0 => Secret::new("another"),
            _ => ClientSettings::default().secret,
        },
        meeting: match draw(8) {
            // One that is small, one that is over, and none.
            0 => uuid::Uuid::from_u128(MEETING.as_u128() + 1 + u128::from(draw(3))),
            _ => MEETING,
        },
        // Some come twice, or are lost by coming again.
        user: format!("user {}", draw(6)),
        publishes: match draw(5) {
            0 | 1 => None,
            2 => Some(MediaKind::Audio),
            3 => Some(MediaKind::Video),
            _ => Some(MediaKind::Datagrams),
        },
        frames: draw(80),
        interval: millis(draw, 40) + Duration::from_millis(1),
        payload: match draw(8) {
            0 => draw(20_000),
            _ => draw(1_000),
        },
        receives: match draw(3) {
            0 => 0,
            _ => draw(100),
        },
        stays: draw(3) == 0,
        seed: draw_seed(draw),
        epoch: EPOCH,
        ..ClientSettings::default()
    }
}

/// A receiver and a sender of media, if the services forward it.
fn final_clients(draw: Draw<'_>, services: &[Service]) -> [ClientSettings; 2] {
    let is_forwarded =
        services.contains(&Service::Controller) && services.contains(&Service::Handler);
    [None, Some(MediaKind::Audio)].map(|publishes| ClientSettings {
        services: services.to_vec(),
        publishes,
        frames: FINAL_FRAMES[0],
        receives: match publishes {
            None if is_forwarded => FINAL_FRAMES[1],
            None | Some(_) => 0,
        },
        seed: draw_seed(draw),
        epoch: EPOCH,
        ..ClientSettings::default()
    })
}

fn describe(settings: &ClientSettings) -> String {
    let services: Vec<_> = settings.services.iter().map(|it| it.name()).collect();
    let publishes = match settings.publishes {
        None => String::new(),
        Some(kind) => format!(", {} frames of {kind:?}", settings.frames),
    };
    let receives = match settings.receives {
        0 => String::new(),
        frames => format!(", wants {frames}"),
    };
    let stays = if settings.stays { ", stays" } else { "" };
    format!("{}{publishes}{receives}{stays}", services.join(","))
}

fn draw_seed(draw: Draw<'_>) -> u64 {
    u64::from(draw(u32::MAX))
}

fn millis(draw: Draw<'_>, most: u32) -> Duration {
    Duration::from_millis(u64::from(draw(most + 1)))
}
