use std::time::Duration;

use super::input::{FuzzInput, Step, StepKind};
use crate::MonitorSettings;
use crate::exploration::{Participant, Participants};
use crate::monitor::Vantage;
use crate::proton::exploration::{
    Command, Counted, OwnedClient, PeerAction, PeerSchedule, TestPeer, UNENDING, judged_by,
    reference,
};
use crate::proton::{
    Client, ClientSettings, CloseCode, Deviations, Kind, Profile, Server, ServerSettings,
};
use crate::requirement::Role;
use crate::streams::StreamId;

/// Peers of a server.
const PEERS: usize = 3;

/// When a plan is over at the latest.
const LIMIT: Duration = Duration::from_secs(660);

/// What an owner or a peer waits after its last step.
const AFTER: Duration = Duration::from_secs(10);

/// Takes the bytes as a plan for a reference and its peers. The bits of the options are: the reference is
/// the client, pull, no reset (of a client: its ids are near the last one), commits of four minutes, small
/// windows, a capture on the path, a slow network, and a profile that the monitor knows.
#[must_use]
pub fn participants(bytes: &[u8]) -> Participants {
    let plan = FuzzInput::read(bytes);
    let profile = match plan.is_on(2) {
        true => Profile::Pull,
        false => Profile::Push,
    };
    let (steps, ends) = timed(&plan.steps);
    let vantage = match plan.is_on(32) {
        true => Vantage::Path,
        false => Vantage::Sender,
    };
    let judged_by = judged_by(vantage, plan.is_on(128).then_some(profile));
    let (server, clients) = match plan.is_on(1) {
        false => of_server(&plan, profile, steps, &judged_by),
        true => of_client(&plan, profile, steps, &judged_by),
    };
    Participants {
        setting: String::new(),
        pair: None,
        facts: None,
        delay: match plan.is_on(64) {
            true => [Duration::ZERO, Duration::from_millis(150)],
            false => [Duration::ZERO; 2],
        },
        server,
        clients,
        quiet: Some(ends),
        idle_check: None,
        ends: Some(ends),
        unending: UNENDING,
    }
}

type Steps<'a> = Vec<(Duration, Step<'a>)>;

/// The steps of a side, with their times, and the end.
fn timed<'a>(steps: &[Step<'a>]) -> (Steps<'a>, Duration) {
    let mut now = Duration::ZERO;
    let mut timed = Vec::new();
    for step in steps {
        if now > LIMIT {
            break;
        }
        match step.what {
            StepKind::Wait => now += step.time(),
            StepKind::Deadline => now += Duration::from_secs(1),
            _ => timed.push((now, *step)),
        }
    }
    (timed, now.min(LIMIT) + AFTER)
}

fn of_server(
    plan: &FuzzInput<'_>,
    profile: Profile,
    steps: Steps<'_>,
    judged_by: &MonitorSettings,
) -> (Participant, Vec<Participant>) {
    let server = Server::new(ServerSettings {
        profile,
        resets: !plan.is_on(4),
        commit_delay: match plan.is_on(8) {
            true => Duration::from_secs(240),
            false => Duration::ZERO,
        },
        ..ServerSettings::default()
    });
    let window = plan.is_on(16).then_some(32);
    let peers = (0..PEERS).map(|peer| {
        let own = steps.iter();
        let own = own.filter(|(_, step)| usize::from(step.connection) % PEERS == peer);
        TestPeer::new(window, schedule(Role::Initiator, own)).participant()
    });
    let peers = peers.collect();
    let without = Deviations::default();
    let server = Counted::new(Role::Responder, server, &CloseCode::ALL);
    let server = reference(server, without, judged_by);
    (server, peers)
}

fn of_client(
    plan: &FuzzInput<'_>,
    profile: Profile,
    steps: Steps<'_>,
    judged_by: &MonitorSettings,
) -> (Participant, Vec<Participant>) {
    let settings = ClientSettings {
        profile,
        first_event: match plan.is_on(4) {
            true => u32::MAX - 3,
            false => 1,
        },
    };
    let (commands, steps): (Steps<'_>, Steps<'_>) = steps
        .into_iter()
        .partition(|(_, step)| step.what == StepKind::Command);
    let commands = commands.iter().map(|(at, step)| (*at, command(step)));
    let commands = commands.collect();
    let window = plan.is_on(16).then_some(32);
    let client = OwnedClient::new(Client::new(settings), window, commands);
    let without = Deviations::default();
    let client = Counted::new(Role::Initiator, client, &CloseCode::ALL);
    let client = reference(client, without, judged_by);
    let peer = TestPeer::new(None, schedule(Role::Responder, steps.iter()));
    (peer.participant(), vec![client])
}

fn command(step: &Step<'_>) -> Command {
    match step.stream % 6 {
        0 => Command::Connect { resets: false },
        1 => Command::Connect { resets: true },
        2 => Command::Event,
        3 => Command::Commit(step.number()),
        4 => Command::Read,
        _ => Command::Close,
    }
}

/// What a peer of this role does at its steps. One that makes sense says a discriminator on a stream that it opens or,
/// when all three are said, a rising id, or the step's number where all its bytes are given.
fn schedule<'s>(role: Role, steps: impl Iterator<Item = &'s (Duration, Step<'s>)>) -> PeerSchedule {
    let mut schedule = PeerSchedule::new();
    let (mut kinds, mut last) = (Kind::ALL.iter(), 0_u32);
    for (at, step) in steps {
        let (id, code) = (StreamId(step.stream.into()), step.code());
        let bytes = || step.bytes.to_vec();
        let action = match (step.what, role) {
            (StepKind::Opened, _) => PeerAction::Open(id),
            (StepKind::Bytes, _) => PeerAction::Write(id, bytes()),
            (StepKind::Fin, _) => PeerAction::Fin(id),
            (StepKind::Reset, _) => PeerAction::Reset(id, code),
            (StepKind::Stopped, _) => PeerAction::StopSending(id, code),
            (StepKind::Datagram, _) => PeerAction::Datagram(bytes()),
            (StepKind::Closed, _) => PeerAction::Close(code),
            (StepKind::Written, _) => PeerAction::ToggleReading,
            (StepKind::Stop, _) => PeerAction::ToggleSilent,
            (StepKind::Asked | StepKind::Connected, Role::Initiator) => {
                (kinds, last) = (Kind::ALL.iter(), 0);
                PeerAction::Connect
            }
            (StepKind::Sense, Role::Initiator) => match kinds.next() {
                Some(kind) => {
                    schedule.push_back((*at, PeerAction::Open(id)));
                    PeerAction::Write(id, vec![kind.number()])
                }
                None => {
                    last = match step.bytes.len() {
                        0..4 => last.saturating_add(1 + step.number() % 3),
                        4.. => step.number(),
                    };
                    PeerAction::Write(id, last.to_le_bytes().to_vec())
                }
            },
            (StepKind::Command, Role::Initiator) => PeerAction::SendReset,
            (StepKind::Asked, Role::Responder) => PeerAction::ToggleRefuse,
            // Rightly for events if it is no more than one.
            (StepKind::Sense, Role::Responder) => PeerAction::Echo(0),
            (StepKind::Connected | StepKind::Command, Role::Responder)
            | (StepKind::Wait | StepKind::Deadline, _) => continue,
        };
        schedule.push_back((*at, action));
    }
    schedule
}
