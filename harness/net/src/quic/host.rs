use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use quinn::{Connecting, ConnectionError, Endpoint};
use shakedown_carrier::closing;
use shakedown_protocol::machine::Outcome;
use shakedown_protocol::streams::{
    Closing, ConnectionNumber, Input, OnStream, Output, StreamMachine,
};
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep_until;

use super::connection::{Happening, Link, Told, varint};
use super::transport::SERVER_NAME;
use crate::clock::Clock;

/// Happenings that may wait to be handled; past that the tasks wait, and with them the other side.
const BACKLOG: usize = 64;

/// Runs a machine over QUIC endpoints.
///
/// The owner lets it wait for one thing after the other by [`Host::next`]; after it asked the
/// machine for something itself it calls [`Host::obey`].
#[derive(Debug)]
pub struct Host {
    /// The endpoint of a server, or the one from which a client makes all its connections.
    endpoint: Endpoint,
    /// Where a client connects to.
    peer: Option<SocketAddr>,
    clock: Clock,
    happenings: mpsc::Receiver<Happening>,
    tell: mpsc::Sender<Happening>,
    connections: BTreeMap<ConnectionNumber, Stage>,
    /// The number of the next connection that comes in.
    next: u64,
}

/// How far a connection is.
#[derive(Debug)]
enum Stage {
    /// It waits for the machine's word.
    Asked(Box<quinn::Incoming>),
    /// In the handshake, and what gives it up.
    Handshake(oneshot::Sender<()>),
    /// The machine closed it before it heard how the handshake ended.
    Leaving {
        code: u64,
        reason: String,
    },
    Connected(Link),
}

impl Host {
    /// A host for a machine with one endpoint; `peer` is where a client connects to.
    #[must_use]
    pub fn new(endpoint: Endpoint, peer: Option<SocketAddr>) -> Self {
        let (tell, happenings) = mpsc::channel(BACKLOG);
        tokio::spawn(accept(endpoint.clone(), tell.clone()));
        Self {
            endpoint,
            peer,
            clock: Clock::start(),
            happenings,
            tell,
            connections: BTreeMap::new(),
            next: 0,
        }
    }

    /// The host's time, which is the machine's.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    /// Waits until something happens or the machine's deadline is due, and lets the machine have it.
    ///
    /// It can be dropped while it waits; nothing is lost.
    pub async fn next(&mut self, machine: &mut (dyn StreamMachine + Send)) {
        let due = machine.deadline().map(|due| self.clock.instant(due));
        let wake = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        let happening = tokio::select! {
            biased;
            happening = self.happenings.recv() => happening,
            () = wake => None,
        };
        match happening {
            Some(happening) => self.hand_on(machine, happening),
            None => machine.handle(self.now(), Input::Tick),
        }
        self.obey(machine);
    }

    fn hand_on(&mut self, machine: &mut (dyn StreamMachine + Send), happening: Happening) {
        let now = self.now();
        match happening {
            Happening::Incoming(incoming) => {
                let connection = ConnectionNumber(self.next);
                self.next += 1;
                let from = incoming.remote_address();
                let asked = Stage::Asked(incoming);
                self.connections.insert(connection, asked);
                machine.handle(now, Input::Incoming { connection, from });
            }
            Happening::Connected(connection, quic) => match self.connections.remove(&connection) {
                Some(Stage::Leaving { code, reason }) => {
                    quic.close(varint(code), reason.as_bytes());
                }
                Some(Stage::Asked(_) | Stage::Handshake(_) | Stage::Connected(_)) => {
                    let link = Link::new(connection, quic, self.tell.clone());
                    self.connections.insert(connection, Stage::Connected(link));
                    machine.handle(now, Input::Connected { connection });
                }
                None => {}
            },
            Happening::Accepted(connection, send, receive, token) => {
                let Some(link) = self.link(connection) else {
                    return;
                };
                let stream = link.take(send, receive, token);
                let what = OnStream::Opened;
                let input = Input::Stream {
                    connection,
                    stream,
                    what,
                };
                machine.handle(now, input);
            }
            Happening::Stream(connection, stream, told) => {
                if self.link(connection).is_none() {
                    return;
                }
                let what = match &told {
                    Told::Bytes(bytes) => OnStream::Bytes(bytes),
                    Told::Fin => OnStream::Fin,
                    Told::Reset(code) => OnStream::Reset(*code),
                    Told::Stopped(code) => OnStream::Stopped(*code),
                    Told::Written => OnStream::Written,
                };
                let input = Input::Stream {
                    connection,
                    stream,
                    what,
                };
                machine.handle(now, input);
            }
            Happening::Datagram(connection, bytes) => {
                if self.link(connection).is_some() {
                    let bytes = &bytes;
                    machine.handle(now, Input::Datagram { connection, bytes });
                }
            }
            Happening::Closed(connection, why) => match self.connections.remove(&connection) {
                Some(Stage::Leaving { .. }) | None => {}
                Some(Stage::Asked(_) | Stage::Handshake(_) | Stage::Connected(_)) => {
                    close(now, machine, connection, &why);
                }
            },
        }
    }

    fn link(&mut self, connection: ConnectionNumber) -> Option<&mut Link> {
        match self.connections.get_mut(&connection) {
            Some(Stage::Connected(link)) => Some(link),
            Some(Stage::Asked(_) | Stage::Handshake(_) | Stage::Leaving { .. }) | None => None,
        }
    }

    /// Does what the machine wants done.
    pub fn obey(&mut self, machine: &mut (dyn StreamMachine + Send)) {
        while let Some(output) = machine.poll() {
            self.act(machine, output);
        }
        for (connection, stage) in &self.connections {
            if let Stage::Connected(link) = stage {
                link.gate(|stream| machine.reads(*connection, stream));
            }
        }
    }

    fn act(&mut self, machine: &mut (dyn StreamMachine + Send), output: Output) {
        match output {
            Output::Admit(connection) | Output::AdmitBy(connection, _) => {
                self.admit(machine, connection);
            }
            Output::Refuse(connection) => {
                if let Some(Stage::Asked(incoming)) = self.connections.remove(&connection) {
                    incoming.refuse();
                }
            }
            Output::Connect(connection) => self.connect(machine, connection),
            Output::ConnectBy(connection, _) => self.connect(machine, connection),
            Output::Reset(connection, stream, code) => {
                if let Some(link) = self.link(connection) {
                    link.reset(stream, code);
                }
            }
            Output::StopSending(connection, stream, code) => {
                if let Some(link) = self.link(connection) {
                    link.stop(stream, code);
                }
            }
            Output::Datagram(connection, bytes) => {
                if let Some(link) = self.link(connection) {
                    link.datagram(bytes);
                }
            }
            // Only test peers ask for it, and they have a carrier.
            Output::Misbehave(..) => {}
            Output::Open(connection, stream) => {
                if let Some(link) = self.link(connection) {
                    link.open(stream);
                }
            }
            Output::Write(connection, stream, bytes) => {
                if let Some(link) = self.link(connection) {
                    link.write(stream, bytes);
                }
            }
            Output::Fin(connection, stream) => {
                if let Some(link) = self.link(connection) {
                    link.fin(stream);
                }
            }
            Output::Close {
                connection,
                code,
                reason,
            } => match self.connections.remove(&connection) {
                Some(Stage::Connected(link)) => link.close(code, &reason),
                Some(Stage::Handshake(give_up)) => {
                    // The handshake may be over already.
                    let _ = give_up.send(());
                    let leaving = Stage::Leaving { code, reason };
                    self.connections.insert(connection, leaving);
                }
                Some(Stage::Asked(incoming)) => incoming.refuse(),
                Some(Stage::Leaving { .. }) | None => {}
            },
            Output::Transition {
                connection,
                from,
                to,
                why,
            } => tracing::info!(connection = connection.0, "{from} -> {to}: {why}"),
            Output::Ended {
                connection,
                outcome,
            } => match outcome {
                Outcome::Completed => tracing::info!(connection = connection.0, "completed"),
                Outcome::Failed(failure) => {
                    tracing::info!(connection = connection.0, "failed: {failure}");
                }
            },
        }
    }

    fn admit(&mut self, machine: &mut (dyn StreamMachine + Send), connection: ConnectionNumber) {
        let Some(Stage::Asked(incoming)) = self.connections.remove(&connection) else {
            return;
        };
        match incoming.accept() {
            Ok(connecting) => self.shake_hands(connection, connecting),
            Err(error) => close(self.now(), machine, connection, &error),
        }
    }

    fn connect(&mut self, machine: &mut (dyn StreamMachine + Send), connection: ConnectionNumber) {
        match self.approach() {
            Ok(connecting) => self.shake_hands(connection, connecting),
            Err(why) => {
                let why = Closing::NotBegun(&why);
                machine.handle(self.now(), Input::Closed { connection, why });
            }
        }
    }

    fn approach(&self) -> Result<Connecting, String> {
        let peer = self.peer.ok_or("there is nobody to connect to")?;
        let connecting = self.endpoint.connect(peer, SERVER_NAME);
        connecting.map_err(|error| error.to_string())
    }

    fn shake_hands(&mut self, connection: ConnectionNumber, connecting: Connecting) {
        let tell = self.tell.clone();
        let (stage, given_up) = oneshot::channel();
        tokio::spawn(async move {
            let shaken = tokio::select! {
                biased;
                shaken = connecting => shaken,
                _ = given_up => Err(ConnectionError::LocallyClosed),
            };
            let happening = match shaken {
                Ok(quic) => Happening::Connected(connection, quic),
                Err(error) => Happening::Closed(connection, error),
            };
            // Who does not listen any more does not want to know.
            let _ = tell.send(happening).await;
        });
        self.connections.insert(connection, Stage::Handshake(stage));
    }
}

/// Tells the machine how a connection ended.
fn close(
    now: Duration,
    machine: &mut (dyn StreamMachine + Send),
    connection: ConnectionNumber,
    error: &ConnectionError,
) {
    let text = error.to_string();
    let why = closing(error, &text);
    machine.handle(now, Input::Closed { connection, why });
}

/// Takes what comes in, until the endpoint is closed or nobody wants it any more.
async fn accept(endpoint: Endpoint, tell: mpsc::Sender<Happening>) {
    loop {
        let incoming = tokio::select! {
            biased;
            () = tell.closed() => return,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else {
            return;
        };
        // Who does not listen any more is noticed above.
        let _ = tell.send(Happening::Incoming(Box::new(incoming))).await;
    }
}
