//! Clients and a server with nothing but pipes between them.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::streams::{Closing, Input, Output, StreamMachine, StreamUpdate};

pub(super) struct Rig {
    pub(super) server: Server,
    pub(super) clients: Vec<Client>,
    pub(super) now: Duration,
    /// Where clients went that a URL sent there: to the same server, unless nobody is there.
    pub(super) went_to: Vec<SocketAddr>,
    pub(super) dead: Option<SocketAddr>,
}

/// The number that the server knows the n-th client's connection by.
fn at_server(n: usize, connection: ConnectionNumber) -> ConnectionNumber {
    ConnectionNumber(connection.0 * 10 + n as u64)
}

impl Rig {
    fn new(mode: &str) -> Self {
        Self::with(|settings| settings.services = Service::of_mode(mode).unwrap())
    }

    pub(super) fn with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let mut settings = ServerSettings {
            epoch: START,
            ..ServerSettings::default()
        };
        change(&mut settings);
        Self {
            server: Server::new(settings),
            clients: Vec::new(),
            now: Duration::ZERO,
            went_to: Vec::new(),
            dead: None,
        }
    }

    pub(super) fn add(&mut self, change: impl FnOnce(&mut ClientSettings)) {
        let mut settings = ClientSettings {
            epoch: START,
            seed: self.clients.len() as u64,
            services: self.services(),
            ..ClientSettings::default()
        };
        change(&mut settings);
        let mut client = Client::new(settings);
        client.handle(self.now, Input::Tick);
        self.clients.push(client);
        self.settle();
    }

    fn services(&self) -> Vec<Service> {
        self.server.services().to_vec()
    }

    pub(super) fn settle(&mut self) {
        loop {
            let mut is_silent = true;
            for n in 0..self.clients.len() {
                while let Some(output) = self.clients[n].poll() {
                    is_silent = false;
                    self.carry(n, output, true);
                }
            }
            while let Some(output) = self.server.poll() {
                is_silent = false;
                let n = connection_of(&output).map_or(0, |connection| connection.0 as usize % 10);
                self.carry(n, output, false);
            }
            if is_silent {
                return;
            }
        }
    }

    fn give(&mut self, n: usize, connection: ConnectionNumber, to_client: bool, what: Given<'_>) {
        let (machine, connection): (&mut dyn StreamMachine, _) = match to_client {
            true => (&mut self.clients[n], ConnectionNumber(connection.0 / 10)),
            false => (&mut self.server, connection),
        };
        let input = match what {
            Given::Connected => Input::Connected { connection },
            Given::Stream(stream, what) => Input::Stream {
                connection,
                stream,
                what,
            },
            Given::Delivered(stream) => Input::Delivered { connection, stream },
            Given::Datagram(bytes) => Input::Datagram { connection, bytes },
            Given::Closed(why) => Input::Closed { connection, why },
        };
        machine.handle(self.now, input);
    }

    fn carry(&mut self, n: usize, output: Output, by_client: bool) {
        let number = |connection| match by_client {
            true => at_server(n, connection),
            false => connection,
        };
        match output {
            Output::ConnectBy(connection, how) => {
                self.went_to.extend(how.to);
                match how.to == self.dead {
                    true => {
                        let lost = Given::Closed(Closing::TimedOut);
                        self.give(n, number(connection), by_client, lost);
                    }
                    false => self.carry(n, Output::Connect(connection), by_client),
                }
            }
            Output::Connect(connection) => {
                let from = ([127, 0, 0, 1], 50_000).into();
                let connection = number(connection);
                self.server
                    .handle(self.now, Input::Incoming { connection, from });
            }
            Output::Admit(connection) => {
                self.give(n, connection, true, Given::Connected);
                self.give(n, connection, false, Given::Connected);
            }
            Output::Open(connection, stream) => {
                let what = Given::Stream(stream, StreamUpdate::Opened);
                self.give(n, number(connection), !by_client, what);
            }
            Output::Write(connection, stream, bytes) => {
                let connection = number(connection);
                for piece in bytes.chunks(700) {
                    let what = Given::Stream(stream, StreamUpdate::Bytes(piece));
                    self.give(n, connection, !by_client, what);
                }
                let what = Given::Stream(stream, StreamUpdate::Written);
                self.give(n, connection, by_client, what);
            }
            Output::Fin(connection, stream) => {
                let what = Given::Stream(stream, StreamUpdate::Fin);
                self.give(n, number(connection), !by_client, what);
                self.give(n, number(connection), by_client, Given::Delivered(stream));
            }
            Output::Reset(connection, stream, code) => {
                let what = Given::Stream(stream, StreamUpdate::Reset(code));
                self.give(n, number(connection), !by_client, what);
            }
            Output::StopSending(connection, stream, code) => {
                let what = Given::Stream(stream, StreamUpdate::Stopped(code));
                self.give(n, number(connection), !by_client, what);
            }
            Output::Datagram(connection, bytes) => {
                let what = Given::Datagram(&bytes);
                self.give(n, number(connection), !by_client, what);
            }
            Output::Close {
                connection, code, ..
            } => {
                let reason = &[];
                let what = Given::Closed(Closing::Application { code, reason });
                self.give(n, number(connection), !by_client, what);
            }
            Output::Transition { .. } | Output::Ended { .. } => {}
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let due = self.clients.iter().filter_map(StreamMachine::deadline);
            let Some(due) = due.min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            for client in &mut self.clients {
                client.handle(self.now, Input::Tick);
            }
            self.settle();
        }
        self.now = end;
    }
}

enum Given<'a> {
    Connected,
    Stream(StreamId, StreamUpdate<'a>),
    Delivered(StreamId),
    Datagram(&'a [u8]),
    Closed(Closing<'a>),
}

fn connection_of(output: &Output) -> Option<ConnectionNumber> {
    match output {
        Output::Admit(connection)
        | Output::Open(connection, _)
        | Output::Write(connection, ..)
        | Output::Fin(connection, _)
        | Output::Reset(connection, ..)
        | Output::StopSending(connection, ..)
        | Output::Datagram(connection, _)
        | Output::Close { connection, .. } => Some(*connection),
        _ => None,
    }
}

#[rstest::rstest]
#[case::audio(MediaKind::Audio)]
#[case::video(MediaKind::Video)]
#[case::datagrams(MediaKind::Datagrams)]
fn what_one_client_publishes_another_one_receives(#[case] kind: MediaKind) {
    let mut rig = Rig::new("gc,mc,mh");
    rig.add(|settings| settings.receives = 40);
    rig.add(|settings| {
        settings.publishes = Some(kind);
        settings.frames = 40;
        settings.payload = 3_000;
    });
    rig.wait(Duration::from_secs(5));
    for client in &rig.clients {
        assert_eq!(client.outcome(), Some(&Ok(())), "{:?}", client.counters());
    }
    assert_eq!(rig.clients[0].counters()["frames_received"], 40);
    assert_eq!(rig.clients[1].counters()["frames_sent"], 40);
    let counters = rig.server.counters();
    assert_eq!(counters["media"]["copies"], 40, "{counters}");
    assert_eq!(counters["signaling"]["left"]["VOLUNTARY"], 2, "{counters}");
}

#[rstest::rstest]
#[case("gc", "informed")]
#[case("mc", "joined")]
#[case("mh", "authenticated")]
fn each_service_can_be_alone(#[case] mode: &str, #[case] counter: &str) {
    let mut rig = Rig::new(mode);
    rig.add(|_| ());
    rig.wait(Duration::from_secs(5));
    let client = &rig.clients[0];
    assert_eq!(client.outcome(), Some(&Ok(())));
    assert_eq!(client.counters()[counter], 1);
}

#[test]
fn a_service_that_is_not_offered_and_a_wrong_secret_are_failures() {
    let mut rig = Rig::new("gc,mc");
    rig.add(|settings| settings.services.push(Service::Handler));
    rig.add(|settings| settings.secret = Secret::new("other"));
    rig.wait(Duration::from_secs(5));
    let failures: Vec<_> = rig.clients.iter().map(|client| client.failure()).collect();
    let [Some(refused), Some(unauthorized)] = failures[..] else {
        panic!("{failures:?}");
    };
    assert!(refused.contains("404"), "{refused}");
    assert!(
        unauthorized.contains("with 401, UNAUTHORIZED"),
        "{unauthorized}"
    );
}

#[test]
fn a_connection_that_is_lost_is_made_anew_with_a_new_token_and_join() {
    let mut rig = Rig::new("gc,mc");
    rig.add(|settings| settings.stays = true);
    let connection = ConnectionNumber(0);
    let why = Closing::TimedOut;
    rig.server
        .handle(rig.now, Input::Closed { connection, why });
    rig.clients[0].handle(rig.now, Input::Closed { connection, why });
    rig.settle();
    let counters = rig.clients[0].counters();
    for counter in ["connections", "informed", "joined"] {
        assert_eq!(counters[counter], 2, "{counters}");
    }
}

#[test]
fn a_message_may_lack_a_part() {
    let mut rig = Rig::with(|settings| {
        settings.services = vec![Service::Controller];
        settings.without.add("DT-S-05/media").unwrap();
    });
    rig.add(|_| ());
    assert_eq!(rig.clients[0].counters()["joined"], 1);
}
