//! A reference machine on a real socket and the system's clock.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_protocol::machine::{Failure, Input, Machine, Outcome, Output};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{debug, info, trace};

use crate::clock::Clock;
use crate::key_log::KeyLog;
use crate::socket::{LARGEST, PeerSocket};

/// Datagrams that are taken in a row before timers and signals are looked at.
const BATCH: usize = 64;

/// How long a machine that is done is kept to retransmit its closes.
const GOODBYE: Duration = Duration::from_millis(500);

/// One UDP socket that drives one machine.
#[derive(Debug)]
pub struct Host {
    socket: PeerSocket,
    clock: Clock,
    errors: Errors,
    key_log: Option<KeyLog>,
    exit_after: Option<u64>,
}

/// What the system refused, by its reason. None of it ends the machine.
#[derive(Debug, Default)]
struct Errors {
    send: BTreeMap<String, u64>,
    receive: BTreeMap<String, u64>,
}

/// How a machine's run ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostResult {
    /// How its last session went, if it had one.
    pub outcome: Option<Outcome>,
    /// Sessions that ended before it was stopped.
    pub ended: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// How the first of these failed.
    pub first_failure: Option<Failure>,
    /// What stopped it, if it did not end by itself.
    pub stopped: Option<StopCause>,
    /// Where the last datagram came from.
    pub last_from: Option<SocketAddr>,
}

/// What stops a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopCause {
    /// SIGINT, SIGTERM, SIGHUP or SIGQUIT.
    Signal,
    /// As many sessions have ended as [`Host::with_exit_after`] says.
    ExitAfter,
}

/// For whom a machine runs.
pub trait Owner<M: ?Sized> {
    /// Its next request. The future is cancel-safe.
    fn next_request(&mut self) -> impl Future<Output = OwnerRequest<M>> + Send {
        std::future::pending()
    }

    /// Looks at the machine after whatever happened; `true` if nothing more is wanted of it.
    fn has_enough(&mut self, machine: &mut M) -> bool;

    /// Whether nothing passes to or from the machine.
    fn is_frozen(&self) -> bool {
        false
    }
}

/// A request of an owner to its machine.
pub enum OwnerRequest<M: ?Sized> {
    Stop,
    /// Call this with the machine and the time.
    Call(MachineCall<M>),
}

/// A call on a machine with the current time.
pub type MachineCall<M> = Box<dyn FnOnce(&mut M, Duration) + Send>;

/// The request to stop the program: SIGINT, SIGTERM, SIGHUP or SIGQUIT. From its creation on none of them
/// ends the program by itself.
#[derive(Debug)]
pub struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
    quit: Signal,
    /// Not where the program was started to go on without its terminal, as `nohup` does.
    hangup: Option<Signal>,
}

impl Host {
    /// Opens the machine's socket at `address`; port 0 for any.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            socket: PeerSocket::bind(address)?,
            clock: Clock::start(),
            errors: Errors::default(),
            key_log: None,
            exit_after: None,
        })
    }

    pub(crate) const fn socket(&self) -> &PeerSocket {
        &self.socket
    }

    /// The socket, which stays open.
    #[must_use]
    pub fn into_socket(self) -> PeerSocket {
        self.socket
    }

    /// The same with a file for the secrets of the machine's TLS sessions.
    #[must_use]
    pub fn with_key_log(mut self, key_log: Option<KeyLog>) -> Self {
        self.key_log = key_log;
        self
    }

    /// The same, which stops its machine once this many sessions have ended, well or not.
    #[must_use]
    pub const fn with_exit_after(mut self, sessions: Option<u64>) -> Self {
        self.exit_after = sessions;
        self
    }

    /// The address that it is bound to.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.socket.local()
    }

    /// Drives `machine` until its owner has enough.
    pub async fn run<M, O>(&mut self, machine: &mut M, owner: &mut O) -> HostResult
    where
        M: Machine + ?Sized,
        O: Owner<M>,
    {
        let mut finished = HostResult::default();
        let mut buffer = vec![0; LARGEST];
        let mut until = None;
        loop {
            self.carry_out(machine, owner.is_frozen(), &mut finished)
                .await;
            if owner.has_enough(machine) {
                let now = self.clock.now();
                // Who does not answer does not hold it up.
                let until = *until.get_or_insert(now + GOODBYE);
                if machine.is_idle() || now >= until {
                    return finished;
                }
            }
            let enough = self.exit_after.is_some_and(|limit| finished.ended >= limit);
            if enough && finished.stopped.is_none() {
                finished.stopped = Some(StopCause::ExitAfter);
                machine.handle(self.clock.now(), Input::Stop);
                continue;
            }
            let deadline = machine.deadline().into_iter().chain(until).min();
            tokio::select! {
                biased;
                wish = owner.next_request() => match wish {
                    OwnerRequest::Stop => {
                        finished.stopped = Some(StopCause::Signal);
                        machine.handle(self.clock.now(), Input::Stop);
                    }
                    OwnerRequest::Call(ask) => ask(machine, self.clock.now()),
                },
                () = self.sleep_until(deadline) => machine.handle(self.clock.now(), Input::Tick),
                _ = self.socket.inner().readable() => {}
            }
            // Also after a timer: one that is always due must not shut the ears.
            let is_frozen = owner.is_frozen();
            self.take_batch(machine, is_frozen, &mut buffer, &mut finished)
                .await;
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
    async fn take_batch<M: Machine + ?Sized>(
        &mut self,
        machine: &mut M,
        is_frozen: bool,
        buffer: &mut [u8],
        finished: &mut HostResult,
    ) {
        for _ in 0..BATCH {
            match self.socket.inner().try_recv_from(buffer) {
                Ok(_) if is_frozen => {}
                Ok((length, from)) => {
                    trace!(%from, length, "received");
                    finished.last_from = Some(from);
                    let payload = &buffer[..length];
                    machine.handle(self.clock.now(), Input::Datagram { from, payload });
                    self.carry_out(machine, is_frozen, finished).await;
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
    async fn carry_out<M: Machine + ?Sized>(
        &mut self,
        machine: &mut M,
        is_frozen: bool,
        finished: &mut HostResult,
    ) {
        while let Some(output) = machine.poll() {
            match output {
                Output::Send { .. } if is_frozen => {}
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
                    finished.count(outcome);
                }
            }
        }
        let secrets = machine.take_secrets();
        if let Some(key_log) = &self.key_log {
            key_log.write(&secrets);
        }
    }

    /// Sends one datagram. A failure is counted: to the machine it is a datagram that was lost.
    async fn send(&mut self, to: SocketAddr, payload: &[u8]) {
        match self.socket.send(payload, to).await {
            Ok(()) => trace!(%to, length = payload.len(), "sent"),
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

impl HostResult {
    fn count(&mut self, outcome: Outcome) {
        if self.stopped.is_none() {
            self.ended += 1;
            if let Outcome::Failed(failure) = &outcome {
                self.failed += 1;
                self.first_failure.get_or_insert_with(|| failure.clone());
            }
        }
        self.outcome = Some(outcome);
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
            quit: signal(SignalKind::quit())?,
            hangup: match is_ignored(SignalKind::hangup()) {
                true => None,
                false => Some(signal(SignalKind::hangup())?),
            },
        })
    }

    /// Ready when one of the signals came.
    pub async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.quit.recv() => {}
            Some(_) = async { self.hangup.as_mut()?.recv().await } => {}
        }
    }
}

/// Whether a signal does nothing to this program.
fn is_ignored(kind: SignalKind) -> bool {
    let status = procfs::process::Process::myself().and_then(|own| own.status());
    let bit = u64::try_from(kind.as_raw_value() - 1).unwrap_or_default();
    status.is_ok_and(|status| status.sigign & (1 << bit) != 0)
}

impl<M: Machine + ?Sized> Owner<M> for StopSignal {
    async fn next_request(&mut self) -> OwnerRequest<M> {
        self.wait().await;
        OwnerRequest::Stop
    }

    fn has_enough(&mut self, machine: &mut M) -> bool {
        machine.is_finished()
    }
}

/// The system's name of an error (`EMSGSIZE`), as a key under which it is counted.
fn reason(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => format!("{:?}", nix::errno::Errno::from_raw(number)),
        None => format!("{:?}", error.kind()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use shakedown_protocol::machine::Failure;
    use shakedown_protocol::requirement::Role;

    use super::*;

    /// How long a test waits for what must come.
    const BOUND: Duration = Duration::from_secs(10);

    /// Sends given data at a deadline, and is finished by the first datagram or by a stop.
    struct ScriptedMachine {
        due: Option<Duration>,
        sends: Vec<(SocketAddr, usize)>,
        outputs: VecDeque<Output>,
        finished: bool,
    }

    impl ScriptedMachine {
        fn new(sends: Vec<(SocketAddr, usize)>) -> Self {
            Self {
                due: Some(Duration::from_millis(20)),
                sends,
                outputs: VecDeque::new(),
                finished: false,
            }
        }

        fn end(&mut self, peer: SocketAddr, outcome: Outcome) {
            self.finished = true;
            self.outputs.push_back(Output::Ended { peer, outcome });
        }
    }

    impl Machine for ScriptedMachine {
        fn role(&self) -> Role {
            Role::Initiator
        }

        fn handle(&mut self, now: Duration, input: Input<'_>) {
            match input {
                Input::Tick if self.due.is_some_and(|due| due <= now) => {
                    self.due = None;
                    for (to, length) in self.sends.drain(..) {
                        let payload = vec![0; length];
                        self.outputs.push_back(Output::Send { to, payload });
                    }
                }
                Input::Tick => {}
                Input::Datagram { from, .. } => self.end(from, Outcome::Completed),
                Input::Stop => {
                    let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
                    let failure = Failure {
                        cause: "stopped",
                        message: String::from("stopped"),
                    };
                    self.end(nobody, Outcome::Failed(failure));
                }
            }
        }

        fn poll(&mut self) -> Option<Output> {
            self.outputs.pop_front()
        }

        fn deadline(&self) -> Option<Duration> {
            self.due
        }

        fn is_finished(&self) -> bool {
            self.finished
        }

        fn counters(&self) -> serde_json::Value {
            serde_json::Value::Null
        }
    }

    fn here() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[tokio::test]
    async fn what_the_system_refuses_to_send_is_counted_and_the_rest_is_sent() {
        let mut host = Host::bind(here()).unwrap();
        let nowhere = "[::1]:9".parse().unwrap();
        let itself = host.local();
        let sends = vec![
            (itself, 65_508),
            (itself, 65_508),
            (nowhere, 1),
            (itself, 65_507),
        ];
        let mut machine = ScriptedMachine::new(sends);
        let mut stop = StopSignal::new().unwrap();
        let run = host.run(&mut machine, &mut stop);
        let finished = tokio::time::timeout(BOUND, run).await.unwrap();
        assert_eq!(finished.outcome, Some(Outcome::Completed));
        assert_eq!(finished.stopped, None);
        let errors = &host.counters()["send_errors"];
        assert_eq!(
            (&errors["EMSGSIZE"], &errors["EAFNOSUPPORT"]),
            (&2.into(), &1.into())
        );
    }

    #[tokio::test]
    async fn a_port_at_which_nobody_listens_is_no_error() {
        let mut host = Host::bind(here()).unwrap();
        let closed = Host::bind(here()).unwrap().local();
        let mut machine = ScriptedMachine::new(vec![(closed, 1), (closed, 1), (host.local(), 1)]);
        let mut stop = StopSignal::new().unwrap();
        let run = host.run(&mut machine, &mut stop);
        let finished = tokio::time::timeout(BOUND, run).await.unwrap();
        assert_eq!(finished.outcome, Some(Outcome::Completed));
        assert_eq!(host.counters()["send_errors"], serde_json::json!({}));
    }

    #[tokio::test]
    async fn an_address_in_use_is_the_systems_error() {
        let first = Host::bind(here()).unwrap();
        let error = Host::bind(first.local()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
