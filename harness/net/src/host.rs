//! A reference machine on a real socket and the system's clock.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::machine::{Input, Machine, Outcome, Output};
use tokio::net::UdpSocket;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{debug, info, trace};

use crate::clock::Clock;
use crate::socket::{self, LARGEST};

/// Datagrams that are taken in a row before timers and signals are looked at.
const BATCH: usize = 64;

/// How long the system may keep a datagram waiting that is to be sent.
const SEND_WITHIN: Duration = Duration::from_secs(1);

/// One UDP socket that drives one machine.
#[derive(Debug)]
pub struct Host {
    socket: UdpSocket,
    local: SocketAddr,
    clock: Clock,
    errors: Errors,
}

/// What the system refused, by its reason. None of it ends the machine.
#[derive(Debug, Default)]
struct Errors {
    send: BTreeMap<String, u64>,
    receive: BTreeMap<String, u64>,
}

/// How a machine's run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// How its last session went, if it had one.
    pub outcome: Option<Outcome>,
    /// Whether SIGINT or SIGTERM ended it.
    pub interrupted: bool,
}

/// The wish that the program ends: SIGINT or SIGTERM. From its creation on neither ends the
/// program by itself.
#[derive(Debug)]
pub struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
}

impl Host {
    /// Opens the machine's socket at `address`; port 0 for any.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = socket::open(address)?;
        let local = socket.local_addr()?;
        Ok(Self {
            socket,
            local,
            clock: Clock::start(),
            errors: Errors::default(),
        })
    }

    /// The address that it is bound to.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Drives `machine` until it is finished; `stop` makes it finish.
    pub async fn run(&mut self, machine: &mut dyn Machine, stop: &mut StopSignal) -> Finished {
        let mut finished = Finished {
            outcome: None,
            interrupted: false,
        };
        let mut buffer = vec![0; LARGEST];
        loop {
            self.carry_out(machine, &mut finished).await;
            if machine.is_finished() {
                return finished;
            }
            let deadline = machine.deadline();
            tokio::select! {
                biased;
                () = stop.wait() => {
                    finished.interrupted = true;
                    machine.handle(self.clock.now(), Input::Stop);
                }
                () = self.sleep_until(deadline) => machine.handle(self.clock.now(), Input::Tick),
                _ = self.socket.readable() => {}
            }
            // Also after a timer: one that is always due must not shut the ears.
            self.take_batch(machine, &mut buffer, &mut finished).await;
        }
    }

    /// What the system refused: `send_errors` and `receive_errors`, by reason.
    #[must_use]
    pub fn counters(&self) -> serde_json::Value {
        serde_json::json!({
            "send_errors": self.errors.send,
            "receive_errors": self.errors.receive,
        })
    }

    /// Takes what has arrived, each datagram at the time at which it is read.
    async fn take_batch(
        &mut self,
        machine: &mut dyn Machine,
        buffer: &mut [u8],
        finished: &mut Finished,
    ) {
        for _ in 0..BATCH {
            match self.socket.try_recv_from(buffer) {
                Ok((length, from)) => {
                    trace!(%from, length, "received");
                    let payload = &buffer[..length];
                    machine.handle(self.clock.now(), Input::Datagram { from, payload });
                    self.carry_out(machine, finished).await;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    debug!(%error, "cannot receive");
                    *self.errors.receive.entry(reason(&error)).or_default() += 1;
                    return;
                }
            }
        }
    }

    /// Does what the machine wants done.
    async fn carry_out(&mut self, machine: &mut dyn Machine, finished: &mut Finished) {
        while let Some(output) = machine.poll() {
            match output {
                Output::Send { to, payload } => self.send(to, &payload).await,
                Output::Transition {
                    peer,
                    from,
                    to,
                    why,
                } => info!(%peer, "{from} -> {to}: {why}"),
                Output::Ended { peer, outcome } => {
                    match &outcome {
                        Outcome::Completed => info!(%peer, "completed"),
                        Outcome::Failed(failure) => info!(%peer, "failed: {failure}"),
                    }
                    finished.outcome = Some(outcome);
                }
            }
        }
    }

    /// Sends one datagram. A failure is counted: to the machine it is a datagram that was lost.
    async fn send(&mut self, to: SocketAddr, payload: &[u8]) {
        let sent = match self.socket.try_send_to(payload, to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tokio::time::timeout(SEND_WITHIN, self.socket.send_to(payload, to))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            sent => sent,
        };
        match sent {
            Ok(length) => trace!(%to, length, "sent"),
            Err(error) => {
                debug!(%to, length = payload.len(), %error, "cannot send");
                *self.errors.send.entry(reason(&error)).or_default() += 1;
            }
        }
    }

    async fn sleep_until(&self, deadline: Option<Duration>) {
        match deadline {
            Some(at) if at <= self.clock.now() => {}
            Some(at) => tokio::time::sleep_until(self.clock.instant(at)).await,
            None => std::future::pending().await,
        }
    }
}

impl StopSignal {
    /// Begins to listen for the signals. Needs a running runtime.
    ///
    /// # Errors
    /// The system's.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Ready when one of the signals came.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The system's name of an error (`EMSGSIZE`), as a key under which it is counted.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", nix::errno::Errno::from_raw(number)),
        None => format!("{:?}", error.kind()),
    }
}
