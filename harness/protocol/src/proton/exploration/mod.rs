//! Random runs of `proton`: a server, clients with random requests at random times, in most runs a
//! misbehaving peer, and properties that no monitor can see.
//!
//! # What must hold besides what the monitor judges
//!
//! | fact | requirement |
//! |---|---|
//! | a client gets the responses to its requests, in order: acks, answers, items with the server's numbers | PR-E-03, PR-K-01, PR-A-01 |
//! | a client opens one stream of each kind | PR-S-01 |
//! | a client waits for no answer longer than 5 minutes | PR-T-01 |
//! | a server that offers a reset does not refuse who asks for it | PR-R-01 |
//! | a server that offers none admits nobody in its startup delay | PR-C-08 |
//! | a connection ends once, for the machine and for its owner, and nothing is done with it afterwards | PR-R-03 |
//! | the counters of connections add up | PR-R-03 |
//! | what waits for a window is bounded | PR-T-04 |
//! | no connection is closed by a code for which there is no reason | PR-C-03 |
//! | when all has healed and ended nothing is left | PR-C-02, PR-C-05 |
//! | then a new client is served at once, its event while its commit is worked on | PR-C-02, PR-E-01, PR-T-02, PR-K-01, PR-A-01 |
//!
//! A test peer may also replace the server; then the properties of a server are not checked.

mod counted;
mod owner;
mod test_peer;
mod test_plans;

use std::time::Duration;

pub(super) use counted::Counted;
pub(super) use owner::{Command, OwnedClient, Schedule};
pub(super) use test_peer::TestPeer;
#[cfg(feature = "fuzz")]
pub(super) use test_peer::{PeerAction, PeerSchedule};

use super::{
    Client, ClientSettings, CloseCode, Deviations, Profile, STARTUP_DELAY, Server, ServerSettings,
};
use crate::MonitorSettings;
use crate::exploration::{
    Draw, Explored, ExploredMachine, IdleCheck, Participant, Participants, RunSettings, SideChoice,
};
use crate::monitor::Vantage;
use crate::requirement::Role;
use crate::streams::StreamMachine as _;

/// Longer than the startup delay, the packets in flight and the idle timeout, which grows with the round-trip time.
const SETTLE_TIME: Duration = Duration::from_secs(60);

/// The requirement that is broken if a run has no end.
pub(super) const UNENDING: &str = "PR-R-03";

/// Processing time of a StateCommit just below the operation timeout.
const SLOW: Duration = Duration::from_secs(290);

/// Processing time above the operation timeout; such a server is not judged.
const TOO_SLOW: Duration = Duration::from_secs(320);

/// Time for an immediate response, and before the next client.
const RESPONSE_TIME: Duration = Duration::from_secs(2);

/// Delay between a commit and an event that it must not block.
const EVENT_DELAY: Duration = Duration::from_millis(500);

/// A server, clients and their owners. A profile may be chosen; all else follows from the draw.
///
/// # Errors
/// A human-readable error: no such machine can be made.
pub(super) fn participants(
    chosen: &RunSettings,
    _: u64,
    draw: Draw<'_>,
) -> Result<Participants, String> {
    let mut settings = server_settings(draw);
    for side in [&chosen.initiator, &chosen.responder] {
        match side {
            SideChoice::Any => {}
            SideChoice::Mode(profile) => settings.profile = profile.parse()?,
            SideChoice::Exactly(..) => {
                let why = "random runs of proton choose all settings but the profile";
                return Err(why.to_owned());
            }
        }
    }
    let mut without = Deviations::default();
    for twin in &chosen.without {
        without.add(twin)?;
    }
    let test_peer = match draw(6) {
        0 | 1 => Some(Role::Responder),
        2..5 => Some(Role::Initiator),
        _ => None,
    };
    let count = 1 + draw(3);
    let is_slow = settings.commit_delay >= SLOW || test_peer.is_some() && draw(12) == 0;
    let (mut plans, mut quiet) = commands(draw, count, is_slow);
    let visitor = (test_peer == Some(Role::Initiator)).then(|| {
        // In most runs the server has no other connection.
        let begin = match draw(4) {
            0 => Duration::ZERO,
            _ => quiet,
        };
        let (schedule, end) = test_plans::client(draw, begin);
        quiet = quiet.max(end);
        let window = (draw(3) == 0).then_some(32);
        TestPeer::new(window, schedule).participant()
    });
    let rest = quiet + SETTLE_TIME;
    let ends = match test_peer {
        Some(Role::Responder) => rest,
        Some(Role::Initiator) | None => append_check(draw, &mut plans, rest, &settings),
    };
    let codes = match test_peer {
        Some(_) => [&CloseCode::ALL[..]; 2],
        None => CODES,
    };
    let judged_by = judged_by(Vantage::Sender, Some(settings.profile));
    let clients = plans.into_iter().map(|plan| {
        let client_settings = ClientSettings {
            profile: settings.profile,
            first_event: match draw(8) {
                0 => u32::MAX - draw(4),
                _ => 1 + draw(100),
            },
        };
        let window = (draw(3) == 0).then(|| 4 + draw(60));
        let client = Client::new(client_settings).without(without);
        let owner = OwnedClient::new(client, window, plan).expects_items(settings.first_action);
        let counted = Counted::new(Role::Initiator, owner, codes[0]);
        reference(counted, without, &judged_by)
    });
    let mut clients: Vec<_> = clients.collect();
    clients.extend(visitor);
    let least = millis(draw, 50);
    let delay = [least, least + millis(draw, 150)];
    Ok(Participants {
        clients,
        pair: None,
        facts: None,
        setting: format!(
            "{}{}, commits of {:?}, an item every {:?}, {count} clients{}",
            settings.profile.name(),
            if settings.resets { "" } else { ", no reset" },
            settings.commit_delay,
            settings.action_interval,
            match test_peer {
                Some(Role::Responder) => ", a test peer as the server",
                Some(Role::Initiator) => " and a test peer",
                None => "",
            }
        ),
        server: match test_peer {
            Some(Role::Responder) => {
                TestPeer::new(None, test_plans::server(draw, settings.profile, quiet)).participant()
            }
            Some(Role::Initiator) | None => {
                let server = Server::new(settings).without(without);
                let counted =
                    Counted::new(Role::Responder, server, codes[1]).with_server_settings(&settings);
                Participant {
                    judged_by: (settings.commit_delay < TOO_SLOW).then(|| judged_by.clone()),
                    ..reference(counted, without, &judged_by)
                }
            }
        },
        quiet: Some(quiet),
        delay,
        idle_check: Some(IdleCheck {
            at: rest,
            requirement: "PR-C-02",
        }),
        ends: Some(ends),
        unending: UNENDING,
    })
}

/// The codes with which a client, and a server, may close a connection to one that does nothing wrong.
const CODES: [&[CloseCode]; 2] = [
    &[CloseCode::Normal, CloseCode::OperationTimeout],
    &[
        // 0xFF means nothing to a server without reset.
        CloseCode::IdentificationFailed,
        CloseCode::SetupTimeout,
        CloseCode::OperationTimeout,
        CloseCode::AlreadyConnected,
        CloseCode::ResetByClient,
    ],
];

/// A machine that is judged, which may leave something out.
pub(super) fn reference(
    machine: Counted<impl Explored + 'static>,
    without: Deviations,
    judged_by: &MonitorSettings,
) -> Participant {
    Participant {
        machine: ExploredMachine::Streams(Box::new(machine), without.transport()),
        judged_by: Some(judged_by.clone()),
    }
}

/// What the monitors at the edges assume.
pub(super) fn judged_by(vantage: Vantage, profile: Option<Profile>) -> MonitorSettings {
    MonitorSettings {
        vantage,
        mode: profile.map(|profile| profile.name().to_owned()),
        supervised: true,
        ..MonitorSettings::default()
    }
}

impl Explored for Server {
    fn is_idle(&self) -> bool {
        self.deadline().is_none()
    }
}

fn server_settings(draw: Draw<'_>) -> ServerSettings {
    ServerSettings {
        profile: match draw(2) {
            0 => Profile::Push,
            _ => Profile::Pull,
        },
        resets: draw(4) > 0,
        commit_delay: match draw(64) {
            0 => SLOW,
            1 => TOO_SLOW,
            2..20 => millis(draw, 6_000),
            _ => Duration::ZERO,
        },
        action_interval: match draw(4) {
            0 => millis(draw, 500) + Duration::from_millis(50),
            _ => Duration::from_secs(1),
        },
        first_action: match draw(4) {
            0 => u32::MAX - draw(3),
            _ => 123,
        },
        startup_delay: match draw(4) {
            0 => STARTUP_DELAY,
            _ => Duration::ZERO,
        },
    }
}

/// The schedules of `count` clients, and when the last one closes. A slow run has pauses of minutes.
fn commands(draw: Draw<'_>, count: u32, is_slow: bool) -> (Vec<Schedule>, Duration) {
    let mut plans: Vec<Schedule> = (0..count).map(|_| Schedule::new()).collect();
    let mut now = Duration::ZERO;
    for _ in 0..5 + draw(30) {
        let plan = &mut plans[draw(count) as usize];
        let choice = draw(17);
        let number = match draw(4) {
            0 => u32::MAX - draw(2),
            1 => 0,
            _ => draw(1_000),
        };
        match choice {
            0..4 => plan.push_back((now, Command::Connect { resets: false })),
            4 | 5 => plan.push_back((now, Command::Connect { resets: true })),
            6..10 => plan.extend((0..=draw(5)).map(|_| (now, Command::Event))),
            10..13 => plan.push_back((now, Command::Commit(number))),
            13..16 => plan.push_back((now, Command::Read)),
            _ => plan.push_back((now, Command::Close)),
        }
        now += match draw(20) {
            0..12 => millis(draw, 300),
            12..18 => millis(draw, 3_000),
            18 => millis(draw, 12_000),
            _ if is_slow => millis(draw, 310_000),
            _ => Duration::ZERO,
        };
    }
    for plan in &mut plans {
        plan.push_back((now, Command::Close));
    }
    (plans, now)
}

/// Makes the first client connect again after the run and checks that it is served. Returns the end.
fn append_check(
    draw: Draw<'_>,
    plans: &mut [Schedule],
    begin: Duration,
    settings: &ServerSettings,
) -> Duration {
    let asks = begin + RESPONSE_TIME;
    let ends =
        asks + EVENT_DELAY + settings.commit_delay + settings.action_interval * 2 + RESPONSE_TIME;
    let resets = settings.resets && draw(2) == 0;
    if let Some(plan) = plans.first_mut() {
        plan.extend([
            (begin, Command::Connect { resets }),
            (asks, Command::Commit(7)),
            (asks + EVENT_DELAY, Command::Event),
            (asks + EVENT_DELAY, Command::Read),
            (asks + EVENT_DELAY + RESPONSE_TIME, Command::IsAcked),
        ]);
        plan.push_back((ends, Command::IsServed));
    }
    ends + RESPONSE_TIME
}

fn millis(draw: Draw<'_>, most: u32) -> Duration {
    Duration::from_millis(u64::from(draw(most + 1)))
}
