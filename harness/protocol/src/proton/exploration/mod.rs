//! Random runs of `proton`: a server, one to three clients with owners that ask them for anything at any
//! time, and what no monitor can see of them.
//!
//! # What must hold besides what the monitor judges
//!
//! | fact | requirement |
//! |---|---|
//! | an owner is told what it asked for, in its order: acks, answers, items | PR-E-03, PR-K-01, PR-A-01 |
//! | a connection ends once, for the machine and for its owner, and nothing is done with it afterwards | PR-R-03 |
//! | the counters of connections add up | PR-R-03 |
//! | what waits for a window is bounded | PR-T-04 |
//! | no connection is closed by a code for which there is no reason | PR-C-03 |
//! | when all has healed and ended nothing is left | PR-C-02, PR-C-05 |
//! | then a new client is served at once | PR-C-02, PR-C-05 |

mod counted;
mod owner;

use std::time::Duration;

pub(super) use counted::Counted;
pub(super) use owner::{Command, OwnedClient, Plan};

use super::{ClientSettings, CloseCode, Profile, STARTUP_DELAY, Server, ServerSettings};
use crate::exploration::{Draw, Explored, Faulty, Participant, Participants, RandomRuns, Rest};
use crate::monitor::Vantage;
use crate::requirement::Role;
use crate::streams::StreamMachine as _;

/// See the [module](self).
pub(super) static RANDOM_RUNS: RandomRuns = RandomRuns {
    participants,
    unending: "PR-R-03",
};

/// Longer than a server waits that was started anew, than what was sent before is on its way, and than the
/// idle timeout, which is long where round trips were.
const CALM: Duration = Duration::from_secs(60);

/// What an owner waits for an answer that comes at once, and whoever comes next.
const MOMENT: Duration = Duration::from_secs(2);

fn participants(draw: Draw<'_>, faulty: Faulty<'_>) -> Participants {
    let settings = server_settings(draw);
    let count = 1 + draw(3);
    let (mut plans, quiet) = commands(draw, count);
    let rest = quiet + CALM;
    let ends = is_served_again(draw, &mut plans, rest, &settings);
    let clients = plans.into_iter().map(|plan| {
        let told = ClientSettings {
            profile: settings.profile,
            first_event: match draw(8) {
                0 => u32::MAX - draw(4),
                _ => 1 + draw(100),
            },
        };
        let window = (draw(3) == 0).then(|| 4 + draw(60));
        reference(
            Role::Initiator,
            OwnedClient::new(told, window, plan),
            CODES[0],
            faulty,
        )
    });
    Participants {
        clients: clients.collect(),
        setting: format!(
            "{}{}, commits of {:?}, an item every {:?}, {count} clients",
            settings.profile.name(),
            if settings.resets { "" } else { ", no reset" },
            settings.commit_delay,
            settings.action_interval,
        ),
        mode: Some(settings.profile.name()),
        server: reference(Role::Responder, Server::new(settings), CODES[1], faulty),
        quiet,
        delay: {
            let least = millis(draw, 50);
            [least, least + millis(draw, 150)]
        },
        vantage: Vantage::Sender,
        rest: Some(Rest {
            at: rest,
            requirement: "PR-C-02",
        }),
        ends,
    }
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

/// A machine that is judged.
pub(super) fn reference(
    role: Role,
    machine: impl Explored + 'static,
    codes: &'static [CloseCode],
    faulty: Faulty<'_>,
) -> Participant {
    let machine = faulty(role, Box::new(machine));
    Participant {
        machine: Box::new(Counted::new(role, machine, codes)),
        is_judged: true,
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
            0 => Duration::from_secs(240),
            1 => Duration::from_secs(290),
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

/// What the owners of so many clients ask for, and when the last of them has ended its connection.
fn commands(draw: Draw<'_>, count: u32) -> (Vec<Plan>, Duration) {
    let mut plans: Vec<Plan> = (0..count).map(|_| Plan::new()).collect();
    let is_long = draw(64) == 0;
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
            _ if is_long => millis(draw, 310_000),
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
    plans: &mut [Plan],
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
