use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ConnectionError, Endpoint};
use shakedown_protocol::streams::{
    Closing, ConnectionNumber, Input, OnStream, Output, StreamMachine,
};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::{Happening, Link, Told};

/// Happenings that may wait to be handled; past that the tasks wait, and with them the other side.
const BACKLOG: usize = 64;

/// How long an endpoint may take to say goodbye; who does not answer does not hold it up.
const GOODBYE: Duration = Duration::from_millis(500);

/// The transport's code for a connection that was refused (RFC 9000, section 20.1).
const CONNECTION_REFUSED: u64 = 0x02;

/// Runs a machine over a QUIC endpoint.
///
/// The owner lets it wait for one thing after the other by [`Host::next`]; after it asked the
/// machine for something itself it calls [`Host::obey`].
#[derive(Debug)]
pub struct Host {
    endpoint: Endpoint,
    /// Where a client connects to.
    peer: Option<SocketAddr>,
    start: Instant,
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
    /// In the handshake.
    Handshake(AbortHandle),
    Connected(Link),
}

impl Host {
    /// A host for a machine; `peer` is where a client connects to.
    #[must_use]
    pub fn new(endpoint: Endpoint, peer: Option<SocketAddr>) -> Self {
        let (tell, happenings) = mpsc::channel(BACKLOG);
        tokio::spawn(accept(endpoint.clone(), tell.clone()));
        Self {
            endpoint,
            peer,
            start: Instant::now(),
            happenings,
            tell,
            connections: BTreeMap::new(),
            next: 0,
        }
    }

    /// Time since the host began, which is the machine's time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until something happens or the machine's deadline is due, and lets the machine have it.
    ///
    /// It can be dropped while it waits; nothing is lost.
    pub async fn next(&mut self, machine: &mut dyn StreamMachine) {
        let due = machine.deadline().map(|due| self.start + due);
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

    /// Ends the endpoint, after what it still has to say was sent: the closing of connections.
    pub async fn flush(self) {
        let _ = timeout(GOODBYE, self.endpoint.wait_idle()).await;
    }

    fn hand_on(&mut self, machine: &mut dyn StreamMachine, happening: Happening) {
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
            Happening::Connected(connection, quic) => {
                let Some(stage) = self.connections.get_mut(&connection) else {
                    return;
                };
                *stage = Stage::Connected(Link::new(connection, quic, self.tell.clone()));
                machine.handle(now, Input::Connected { connection });
            }
            Happening::Accepted(connection, send, receive) => {
                let Some(link) = self.link(connection) else {
                    return;
                };
                let stream = link.take(send, receive);
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
            Happening::Closed(connection, why) => {
                if self.connections.remove(&connection).is_some() {
                    close(now, machine, connection, &why);
                }
            }
        }
    }

    fn link(&mut self, connection: ConnectionNumber) -> Option<&mut Link> {
        match self.connections.get_mut(&connection) {
            Some(Stage::Connected(link)) => Some(link),
            Some(Stage::Asked(_) | Stage::Handshake(_)) | None => None,
        }
    }

    /// Does what the machine wants done.
    pub fn obey(&mut self, machine: &mut dyn StreamMachine) {
        while let Some(output) = machine.poll() {
            self.act(machine, output);
        }
        for (connection, stage) in &self.connections {
            if let Stage::Connected(link) = stage {
                link.gate(|stream| machine.reads(*connection, stream));
            }
        }
    }

    fn act(&mut self, machine: &mut dyn StreamMachine, output: Output) {
        match output {
            Output::Admit(connection) => self.admit(machine, connection),
            Output::Refuse(connection) => {
                if let Some(Stage::Asked(incoming)) = self.connections.remove(&connection) {
                    incoming.refuse();
                }
            }
            Output::Connect(connection) => self.connect(machine, connection),
            Output::ConnectBy(connection, _)
            | Output::Reset(connection, ..)
            | Output::StopSending(connection, ..)
            | Output::Datagram(connection, _)
            | Output::Silence(connection, _) => {
                tracing::debug!(
                    connection = connection.0,
                    "asked for what this host cannot do"
                );
            }
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
                Some(Stage::Handshake(task)) => task.abort(),
                Some(Stage::Asked(incoming)) => incoming.refuse(),
                None => {}
            },
            Output::Transition {
                connection,
                from,
                to,
                why,
            } => tracing::debug!(connection = connection.0, "{from} -> {to}: {why}"),
            Output::Ended {
                connection,
                outcome,
            } => tracing::debug!(connection = connection.0, ?outcome, "ended"),
        }
    }

    fn admit(&mut self, machine: &mut dyn StreamMachine, connection: ConnectionNumber) {
        let Some(Stage::Asked(incoming)) = self.connections.remove(&connection) else {
            return;
        };
        match incoming.accept() {
            Ok(connecting) => self.shake_hands(connection, connecting),
            Err(error) => close(self.now(), machine, connection, &error),
        }
    }

    fn connect(&mut self, machine: &mut dyn StreamMachine, connection: ConnectionNumber) {
        let Some(peer) = self.peer else {
            let why = Closing::Other("there is nobody to connect to");
            return machine.handle(self.now(), Input::Closed { connection, why });
        };
        match self.endpoint.connect(peer, "localhost") {
            Ok(connecting) => self.shake_hands(connection, connecting),
            Err(error) => {
                let text = error.to_string();
                let why = Closing::Other(&text);
                machine.handle(self.now(), Input::Closed { connection, why });
            }
        }
    }

    fn shake_hands(&mut self, connection: ConnectionNumber, connecting: quinn::Connecting) {
        let tell = self.tell.clone();
        let task = tokio::spawn(async move {
            let happening = match connecting.await {
                Ok(quic) => Happening::Connected(connection, quic),
                Err(error) => Happening::Closed(connection, error),
            };
            // Who does not listen any more does not want to know.
            let _ = tell.send(happening).await;
        });
        let stage = Stage::Handshake(task.abort_handle());
        self.connections.insert(connection, stage);
    }
}

/// Tells the machine how a connection ended.
fn close(
    now: Duration,
    machine: &mut dyn StreamMachine,
    connection: ConnectionNumber,
    error: &ConnectionError,
) {
    let text = error.to_string();
    let why = match error {
        ConnectionError::ApplicationClosed(close) => Closing::Application {
            code: close.error_code.into_inner(),
            reason: &close.reason,
        },
        ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
            CONNECTION_REFUSED => Closing::Refused,
            code => Closing::Transport {
                code,
                reason: &close.reason,
            },
        },
        ConnectionError::TransportError(error) => Closing::Transport {
            code: u64::from(error.code),
            reason: error.reason.as_bytes(),
        },
        ConnectionError::TimedOut => Closing::TimedOut,
        ConnectionError::Reset => Closing::Reset,
        ConnectionError::VersionMismatch
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => Closing::Other(&text),
    };
    machine.handle(now, Input::Closed { connection, why });
}

/// Takes what comes in, until the endpoint is closed.
async fn accept(endpoint: Endpoint, tell: mpsc::Sender<Happening>) {
    while let Some(incoming) = endpoint.accept().await {
        if tell
            .send(Happening::Incoming(Box::new(incoming)))
            .await
            .is_err()
        {
            return;
        }
    }
}
