//! The reference of proton among peers that do anything, and the monitor beside it.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use shakedown_capture::quic::{At, Event, EventKind};
use shakedown_protocol::MonitorSettings;
use shakedown_protocol::monitor::StreamMonitor as _;
use shakedown_protocol::monitor::{Observation, Vantage};
use shakedown_protocol::proton::fuzz::{Audit, Plan, Step, What as Doing};
use shakedown_protocol::proton::monitor::Monitor;
use shakedown_protocol::proton::{
    Client, ClientSettings, Kind, Profile, RESET, Server, ServerSettings, TRANSPORT,
};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{
    ConnectionNumber, Fault, Input, Output, StreamId, StreamMachine,
};

use crate::network::Delay;
use crate::streams::{Conditions, Place, StreamNetwork, Watch};

/// The list of ALPN with `proton` alone.
const OFFER: &[u8] = b"\x06proton";

/// The monitor takes no address from a single packet.
const SOMEBODY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Peers of a server.
const PEERS: usize = 3;

/// When a run is over.
const LIMIT: Duration = Duration::from_secs(660);

/// Plays a plan while the monitor looks on, beside the reference: whatever the peers do, the
/// reference never breaks a requirement. The bits of the options are: the reference is the client,
/// pull, no reset, commits of four minutes, small windows, a capture on the path, slow streams, and a
/// profile that the monitor knows.
pub(super) fn run(bytes: &[u8]) {
    let plan = Plan::read(bytes);
    match plan.is_on(1) {
        false => judge_server(&plan),
        true => judge_client(&plan),
    }
}

fn profile(plan: &Plan<'_>) -> Profile {
    match plan.is_on(2) {
        true => Profile::Pull,
        false => Profile::Push,
    }
}

fn conditions(plan: &Plan<'_>) -> Conditions {
    let usual = Conditions::of(&TRANSPORT, u64::from(plan.options));
    let slow = Delay {
        least: Duration::from_millis(1),
        most: Duration::from_millis(150),
    };
    Conditions {
        to_server: if plan.is_on(64) {
            slow
        } else {
            usual.to_server
        },
        to_client: if plan.is_on(64) {
            slow
        } else {
            usual.to_client
        },
        window: if plan.is_on(16) { 32 } else { usual.window },
        bidirectional: usual.bidirectional + 1,
        unidirectional: 1,
        datagrams: true,
        ..usual
    }
}

fn judge_server(plan: &Plan<'_>) {
    let server = Server::new(ServerSettings {
        profile: profile(plan),
        resets: !plan.is_on(4),
        commit_delay: match plan.is_on(8) {
            true => Duration::from_secs(240),
            false => Duration::ZERO,
        },
        ..ServerSettings::default()
    });
    let judge = Judge::new(plan, Place::Server);
    let mut network = StreamNetwork::new(server, conditions(plan), judge);
    for _ in 0..PEERS {
        network.join(Peer::default());
    }
    for step in &plan.steps {
        if network.now() > LIMIT {
            break;
        }
        let client = usize::from(step.connection) % PEERS;
        match step.what {
            Doing::Wait => pass(&mut network, step.time()),
            Doing::Deadline => pass(&mut network, Duration::from_secs(1)),
            _ => {
                network.ask(client, |peer, _| peer.client_does(step));
            }
        }
    }
    pass(&mut network, Duration::from_secs(10));
    network.watch_mut().finish();
}

fn judge_client(plan: &Plan<'_>) {
    let judge = Judge::new(plan, Place::Client(0));
    let mut network = StreamNetwork::new(Peer::default(), conditions(plan), judge);
    network.join(Client::new(ClientSettings {
        profile: profile(plan),
        first_event: match plan.is_on(4) {
            true => u32::MAX - 3,
            false => 1,
        },
    }));
    for step in &plan.steps {
        if network.now() > LIMIT {
            break;
        }
        match step.what {
            Doing::Wait => pass(&mut network, step.time()),
            Doing::Deadline => pass(&mut network, Duration::from_secs(1)),
            Doing::Command => {
                network.ask(0, |client, now| command(client, now, step));
            }
            _ => network.ask_server(|peer, _| peer.server_does(step)),
        }
    }
    pass(&mut network, Duration::from_secs(10));
    network.watch_mut().finish();
}

/// An owner asks the client for something. It knows what PR-C-06 asks of it.
fn command(client: &mut Client, now: Duration, step: &Step<'_>) {
    let wait = shakedown_protocol::proton::STARTUP_DELAY;
    let may_connect = client.lost_at().is_none_or(|lost| lost + wait <= now);
    // What it cannot do now it says, and that is all.
    let _ = match step.stream % 6 {
        0 if may_connect => client.connect(false).map(drop),
        0 | 1 => client.connect(true).map(drop),
        2 => client.send_event(now).map(drop),
        3 => client.commit(now, step.number()),
        4 => client.read_action(now),
        _ => client.close(now),
    };
    while client.take_news().is_some() {}
}

fn pass<C: StreamMachine, S: StreamMachine>(
    network: &mut StreamNetwork<C, S, Judge>,
    span: Duration,
) {
    let span = span.min((LIMIT + Duration::from_secs(10)).saturating_sub(network.now()));
    let passed = network.run_for(span);
    assert!(passed.is_ok(), "{passed:?}");
}

/// A peer that does what its plan says.
#[derive(Debug, Default)]
struct Peer {
    wants: VecDeque<Output>,
    /// The connection that is meant.
    connection: Option<ConnectionNumber>,
    connections: u64,
    refuses: bool,
    reads_nothing: bool,
    is_silent: bool,
    /// Discriminators that it said on this connection, and its last id.
    kinds: usize,
    last: u32,
    /// Words that it got on streams, to be answered.
    heard: VecDeque<(StreamId, Vec<u8>)>,
}

impl Peer {
    fn client_does(&mut self, step: &Step<'_>) {
        let id = StreamId(u64::from(step.stream));
        match step.what {
            Doing::Asked | Doing::Connected => {
                let connection = ConnectionNumber(self.connections);
                self.connections += 1;
                self.connection = Some(connection);
                self.kinds = 0;
                self.last = 0;
                self.wants.push_back(Output::Connect(connection));
            }
            Doing::Sense => self.speaks(id, step),
            Doing::Command => {
                let first = StreamId(0);
                self.wants(|connection| Output::Open(connection, first));
                self.wants(|connection| Output::Write(connection, first, vec![RESET]));
                self.wants(|connection| Output::Fin(connection, first));
            }
            _ => self.does(id, step),
        }
    }

    /// The next discriminator on a stream that it opens, or a word on one that it has.
    fn speaks(&mut self, id: StreamId, step: &Step<'_>) {
        let next = Kind::ALL.get(self.kinds);
        if let Some(kind) = next {
            self.kinds += 1;
            let byte = vec![kind.number()];
            self.wants(|connection| Output::Open(connection, id));
            self.wants(|connection| Output::Write(connection, id, byte));
            return;
        }
        self.last = self.last.saturating_add(1 + step.number() % 3);
        let word = self.last.to_le_bytes().to_vec();
        self.wants(|connection| Output::Write(connection, id, word));
    }

    fn server_does(&mut self, step: &Step<'_>) {
        let id = StreamId(u64::from(step.stream));
        match step.what {
            Doing::Asked => self.refuses = !self.refuses,
            // It answers what it heard, rightly for events if it is no more than one.
            Doing::Sense => {
                if let Some((id, bytes)) = self.heard.pop_front() {
                    self.wants(|connection| Output::Write(connection, id, bytes));
                }
            }
            _ => self.does(id, step),
        }
    }

    /// What both sides can do.
    fn does(&mut self, id: StreamId, step: &Step<'_>) {
        let code = u64::from(step.number());
        let bytes = step.bytes.to_vec();
        match step.what {
            Doing::Opened => self.wants(|connection| Output::Open(connection, id)),
            Doing::Bytes => self.wants(|connection| Output::Write(connection, id, bytes)),
            Doing::Fin => self.wants(|connection| Output::Fin(connection, id)),
            Doing::Reset => self.wants(|connection| Output::Reset(connection, id, code)),
            Doing::Stopped => self.wants(|connection| Output::StopSending(connection, id, code)),
            Doing::Datagram => self.wants(|connection| Output::Datagram(connection, bytes)),
            Doing::Closed => self.wants(|connection| Output::Close {
                connection,
                code,
                reason: String::new(),
            }),
            Doing::Written => self.reads_nothing = !self.reads_nothing,
            Doing::Stop => {
                self.is_silent = !self.is_silent;
                let is_silent = self.is_silent;
                self.wants(|connection| Output::Misbehave(connection, Fault::Silent(is_silent)));
            }
            Doing::Asked
            | Doing::Connected
            | Doing::Sense
            | Doing::Command
            | Doing::Wait
            | Doing::Deadline => {}
        }
    }

    fn wants(&mut self, output: impl FnOnce(ConnectionNumber) -> Output) {
        let connection = self.connection;
        self.wants.extend(connection.map(output));
    }
}

impl StreamMachine for Peer {
    fn handle(&mut self, _: Duration, input: Input<'_>) {
        match input {
            Input::Incoming { connection, .. } => {
                self.wants.push_back(match self.refuses {
                    true => Output::Refuse(connection),
                    false => Output::Admit(connection),
                });
                self.connection = Some(connection);
            }
            Input::Stream {
                stream,
                what: shakedown_protocol::streams::OnStream::Bytes(bytes),
                ..
            } => {
                // Without the discriminators.
                if bytes.len() > 1 && self.heard.len() < 1_000 {
                    self.heard.push_back((stream, bytes.to_vec()));
                }
            }
            Input::Connected { .. }
            | Input::Stream { .. }
            | Input::Datagram { .. }
            | Input::Closed { .. }
            | Input::Tick
            | Input::Stop => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.wants.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
        !self.reads_nothing
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// The monitor, which sees what passes the edge of the reference.
#[derive(Debug)]
struct Judge {
    edge: Place,
    monitor: Monitor,
    audit: Audit,
    packets: u64,
    /// What was seen last, for whoever reads the message.
    recent: VecDeque<String>,
}

impl Judge {
    fn new(plan: &Plan<'_>, edge: Place) -> Self {
        let settings = MonitorSettings {
            vantage: match plan.is_on(32) {
                true => Vantage::Path,
                false => Vantage::Sender,
            },
            mode: plan.is_on(128).then(|| profile(plan).name().to_owned()),
            ..MonitorSettings::default()
        };
        Self {
            edge,
            monitor: Monitor::new(&settings),
            audit: Audit::default(),
            packets: 1,
            recent: VecDeque::new(),
        }
    }

    fn see(&mut self, now: Duration, connection: u64, kind: &EventKind<'_>) {
        let event = Event {
            connection: Some(connection),
            at: At {
                number: self.packets,
                time: Duration::from_secs(1_700_000_000) + now,
                source: SOMEBODY,
                destination: SOMEBODY,
            },
            kind: *kind,
        };
        self.packets += u64::from(matches!(kind, EventKind::Packet(_)));
        if self.recent.len() == 60 {
            self.recent.pop_front();
        }
        self.recent
            .push_back(format!("{now:?} {connection} {kind:?}"));
        self.audit.begin(&event);
        let (audit, recent, role) = (&mut self.audit, &self.recent, role(self.edge));
        self.monitor.event(&event, &mut |said| {
            audit.hear(&said);
            accept(role, recent, &said);
        });
    }

    fn finish(&mut self) {
        let (recent, role) = (&self.recent, role(self.edge));
        self.monitor.finish(&mut |said| accept(role, recent, &said));
    }
}

impl Watch for Judge {
    fn passes(&mut self, now: Duration, edge: Place, connection: u64, seen: &EventKind<'_>) {
        if edge != self.edge {
            return;
        }
        self.see(now, connection, seen);
        if matches!(seen, EventKind::ConnectionOpened { .. }) {
            let offer = EventKind::ClientHello {
                alpn: Some(OFFER),
                server_name: None,
                parameters: None,
            };
            self.see(now, connection, &offer);
        }
    }
}

const fn role(place: Place) -> Role {
    match place {
        Place::Client(_) => Role::Initiator,
        Place::Server => Role::Responder,
    }
}

/// What the peers do wrong is theirs; the reference does nothing wrong.
fn accept(role: Role, recent: &VecDeque<String>, said: &Observation) {
    if let Observation::Finding(finding) = said
        && finding.party == role
    {
        let recent: Vec<_> = recent.iter().map(String::as_str).collect();
        unreachable!(
            "the reference breaks a rule: {finding:#?}\n{}",
            recent.join("\n")
        );
    }
}
