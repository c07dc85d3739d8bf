//! Random runs of `proton`: a server, one to three clients with random requests at random times,
//! and properties that no monitor can see.
//!
//! # What must hold besides what the monitor judges
//!
//! | fact | requirement |
//! |---|---|
//! | a client gets the responses to its requests, in order: acks, answers, items with the server's numbers | PR-E-03, PR-K-01, PR-A-01 |
//! | a client waits for no answer longer than 5 minutes | PR-T-01 |
//! | a connection ends once, for the machine and for its owner, and nothing is done with it afterwards | PR-R-03 |
//! | the counters of connections add up | PR-R-03 |
//! | what waits for a window is bounded | PR-T-04 |
//! | no connection is closed by a code for which there is no reason | PR-C-03 |
//! | when all has healed and ended nothing is left | PR-C-02, PR-C-05 |
//! | then a new client is served at once | PR-C-02, PR-E-01, PR-K-01, PR-A-01 |

mod counted;
mod owner;

use std::time::Duration;

pub(super) use counted::Counted;
pub(super) use owner::{Command, OwnedClient, Schedule};

use super::{
    Client, ClientSettings, CloseCode, Deviations, Profile, STARTUP_DELAY, Server, ServerSettings,
};
use crate::MonitorSettings;
use crate::exploration::{
    Draw, Explored, ExploredMachine, Participant, Participants, Rest, RunSettings, SideChoice,
};
use crate::monitor::Vantage;
use crate::requirement::Role;
use crate::streams::StreamMachine as _;

/// Longer than a server waits that was started anew, than what was sent before is on its way, and than the
/// idle timeout, which is long where round trips were.
const CALM: Duration = Duration::from_secs(60);

/// The requirement that is broken if a run has no end.
pub(super) const UNENDING: &str = "PR-R-03";

/// Work on a StateCommit that is nearly as long as a request may take.
const SLOW: Duration = Duration::from_secs(290);

/// Work that takes longer than a client may wait. A server that does it is no reference.
const TOO_SLOW: Duration = Duration::from_secs(320);

/// How long a client waits for an immediate response, and before the next client.
const MOMENT: Duration = Duration::from_secs(2);

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
    let count = 1 + draw(3);
    let is_slow = settings.commit_delay >= SLOW;
    let (mut plans, quiet) = commands(draw, count, is_slow);
    let rest = quiet + CALM;
    let ends = is_served_again(draw, &mut plans, rest, &settings);
    let judged_by = judged_by(Vantage::Sender, Some(settings.profile));
    let clients = plans.into_iter().map(|plan| {
        let told = ClientSettings {
            profile: settings.profile,
            first_event: match draw(8) {
                0 => u32::MAX - draw(4),
                _ => 1 + draw(100),
            },
        };
        let window = (draw(3) == 0).then(|| 4 + draw(60));
        let client = Client::new(told).without(without);
        let owner = OwnedClient::new(client, window, plan).expects_items(settings.first_action);
        reference(Role::Initiator, owner, CODES[0], without, &judged_by)
    });
    let clients = clients.collect();
    let least = millis(draw, 50);
    Ok(Participants {
        clients,
        pair: None,
        facts: None,
        setting: format!(
            "{}{}, commits of {:?}, an item every {:?}, {count} clients",
            settings.profile.name(),
            if settings.resets { "" } else { ", no reset" },
            settings.commit_delay,
            settings.action_interval,
        ),
        server: Participant {
            judged_by: (settings.commit_delay < TOO_SLOW).then(|| judged_by.clone()),
            ..reference(
                Role::Responder,
                Server::new(settings).without(without),
                CODES[1],
                without,
                &judged_by,
            )
        },
        quiet: Some(quiet),
        delay: [least, least + millis(draw, 150)],
        rest: Some(Rest {
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
    role: Role,
    machine: impl Explored + 'static,
    codes: &'static [CloseCode],
    without: Deviations,
    judged_by: &MonitorSettings,
) -> Participant {
    let machine = Box::new(Counted::new(role, machine, codes));
    Participant {
        machine: ExploredMachine::Streams(machine, without.transport()),
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
    fn is_at_rest(&self) -> bool {
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
            2..20 => millis(draw, 3_000),
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
        startup_delay: match draw(8) {
            0 => STARTUP_DELAY,
            _ => Duration::ZERO,
        },
    }
}

/// The requests of these clients, and when the last of them has closed. In a slow run they wait
/// for a response that takes minutes, or never comes.
fn commands(draw: Draw<'_>, count: u32, is_slow: bool) -> (Vec<Schedule>, Duration) {
    let mut plans: Vec<Schedule> = (0..count).map(|_| Schedule::new()).collect();
    let mut now = Duration::ZERO;
    for _ in 0..5 + draw(30) {
        let plan = &mut plans[draw(count) as usize];
        let choice = draw(17);
        let number = match draw(3) {
            0 => u32::MAX - draw(2),
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

/// The first client comes again when everything is over, and must be served. The result is when that
/// is over, too.
fn is_served_again(
    draw: Draw<'_>,
    plans: &mut [Schedule],
    begin: Duration,
    settings: &ServerSettings,
) -> Duration {
    let asks = begin + MOMENT;
    let ends = asks + settings.commit_delay + settings.action_interval * 2 + MOMENT;
    let resets = settings.resets && draw(2) == 0;
    if let Some(plan) = plans.first_mut() {
        plan.extend([
            (begin, Command::Connect { resets }),
            (asks, Command::Event),
            (asks, Command::Commit(7)),
            (asks, Command::Read),
        ]);
        plan.push_back((ends, Command::IsServed));
    }
    ends + MOMENT
}

fn millis(draw: Draw<'_>, most: u32) -> Duration {
    Duration::from_millis(u64::from(draw(most + 1)))
}
