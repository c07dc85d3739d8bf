//! The server: by itself over services that only note what they are asked, and with its real ones
//! among many clients in virtual time.

mod many_clients;
mod rules;
mod uploads;

use std::collections::{BTreeMap, BTreeSet};

use super::super::initiator::Initiator;
use super::super::settings::tests::{given, settings};
use super::super::uploader::Uploader;
use super::*;
use crate::StreamParameters;
use crate::event_loop::{EventLoop, InFlight, Next};
use crate::machine::Outcome;
use crate::mediastream::Mode;
use crate::mediastream::frame::JOIN_TOKEN;

/// Time that a datagram takes.
const LATENCY: Duration = Duration::from_millis(1);

fn remote(n: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], 10_000 + n))
}

fn server_address() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4444))
}

/// Settings of a stream of so many seconds at 5 frames a second.
fn short(options: &[&str], extra: &[(&str, &str)], seconds: u32) -> Settings {
    let mut given = given("legacy", options);
    given.stream = StreamParameters {
        bits_per_second: 40_000,
        frames_per_second: 5,
        seconds,
    };
    given.extra = extra
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    Settings::new(&given).unwrap()
}

fn sends(server: &mut impl Machine) -> Vec<(SocketAddr, Vec<u8>)> {
    let outputs = std::iter::from_fn(|| server.poll());
    outputs
        .filter_map(|output| match output {
            Output::Send { to, payload } => Some((to, payload)),
            Output::Transition { .. } | Output::Ended { .. } => None,
        })
        .collect()
}

fn names(sends: &[(SocketAddr, Vec<u8>)]) -> Vec<&'static str> {
    let name = |payload| Frame::decode(payload).unwrap().unwrap().name();
    sends.iter().map(|(_, payload)| name(payload)).collect()
}

/// A server and many clients, which may go on whenever their time has come.
struct ManyClients {
    server: Server<Responder, Uploads>,
    clients: BTreeMap<SocketAddr, Box<dyn Machine>>,
    timers: BTreeSet<(Duration, SocketAddr)>,
    event_loop: EventLoop<InFlight<(SocketAddr, SocketAddr, Vec<u8>)>>,
    outcomes: BTreeMap<SocketAddr, Outcome>,
    server_outcomes: Vec<(SocketAddr, Outcome)>,
    most_streams: usize,
    most_awaiting: usize,
}

impl ManyClients {
    fn new(server: Settings) -> Self {
        Self {
            server: Server::of(server),
            clients: BTreeMap::new(),
            timers: BTreeSet::new(),
            event_loop: EventLoop::new(InFlight::new()),
            outcomes: BTreeMap::new(),
            server_outcomes: Vec::new(),
            most_streams: 0,
            most_awaiting: 0,
        }
    }

    fn add(&mut self, address: SocketAddr, client: impl Machine + 'static) {
        self.clients.insert(address, Box::new(client));
        self.timers.insert((self.now(), address));
    }

    fn add_initiator(&mut self, n: u16, settings: &Settings) {
        let client = Initiator::new(settings.clone(), Mode::Legacy, server_address());
        self.add(remote(n), client);
    }

    fn add_uploader(&mut self, n: u16, settings: &Settings) {
        self.add(remote(n), Uploader::new(settings.clone(), server_address()));
    }

    const fn now(&self) -> Duration {
        self.event_loop.now()
    }

    /// Runs until nothing more happens, or until `end`.
    fn run_until(&mut self, end: Duration) {
        loop {
            let timer = self.timers.first().copied();
            let deadlines = [self.server.deadline(), timer.map(|(at, _)| at)];
            match (self.event_loop.next_until(end, &deadlines), timer) {
                (Some(Next::Arrival((from, to, payload))), _) => {
                    let payload = payload.as_slice();
                    let input = Input::Datagram { from, payload };
                    match to == server_address() {
                        true => self.serve(input),
                        false => self.feed(to, input),
                    }
                }
                (Some(Next::Deadline(1)), Some((at, address))) => {
                    self.timers.remove(&(at, address));
                    self.feed(address, Input::Tick);
                }
                (Some(Next::Deadline(_)), _) => self.serve(Input::Tick),
                (None, _) => return,
            }
        }
    }

    fn feed(&mut self, address: SocketAddr, input: Input<'_>) {
        let Some(client) = self.clients.get_mut(&address) else {
            return;
        };
        if let Some(due) = client.deadline() {
            self.timers.remove(&(due, address));
        }
        client.handle(self.event_loop.now(), input);
        if let Some(due) = client.deadline() {
            self.timers.insert((due, address));
        }
        while let Some(output) = self
            .clients
            .get_mut(&address)
            .and_then(|client| client.poll())
        {
            match output {
                Output::Send { to, payload } => self.launch(address, to, payload),
                Output::Ended { outcome, .. } => {
                    self.outcomes.insert(address, outcome);
                }
                Output::Transition { .. } => {}
            }
        }
    }

    fn serve(&mut self, input: Input<'_>) {
        self.server.handle(self.now(), input);
        while let Some(output) = self.server.poll() {
            match output {
                Output::Send { to, payload } => self.launch(server_address(), to, payload),
                Output::Ended { peer, outcome } => self.server_outcomes.push((peer, outcome)),
                Output::Transition { .. } => {}
            }
        }
        let streams = self.server.admission.connected(Side::Send);
        assert_eq!(streams, self.server.streams.sessions());
        self.most_streams = self.most_streams.max(streams);
        self.most_awaiting = self.most_awaiting.max(self.server.admission.awaiting());
    }

    fn launch(&mut self, from: SocketAddr, to: SocketAddr, payload: Vec<u8>) {
        let at = self.now() + LATENCY;
        self.event_loop.network.put(at, (from, to, payload));
    }
}
