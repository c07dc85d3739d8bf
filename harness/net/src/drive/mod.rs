//! The driver: runs a script over real sockets, and records the traffic.
//!
//! Arrivals carry the kernel's time stamps and reach the script in the order and at the times at
//! which they came, whatever else the machine had to do. Before anything is sent, what has arrived
//! is recorded, so that the capture has the true order.

mod actions;
mod after;
mod bound;
mod busy;
mod capture;
mod driven;
mod end;
mod parallel;
mod record;
mod sockets;

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use shakedown_engine::scenario::Needs;
use shakedown_engine::script::{Input, Script, Share};
use tokio::sync::watch;
use tokio::time::sleep_until;

use crate::clock::Clock;
use crate::launch::{Instance, LaunchError, Launcher};
use crate::process::ProcessExit;
use crate::socket::PeerSocket;
use crate::stop::stopped;

pub use bound::{bound, bound_through, wait};
pub use busy::Busy;
pub use capture::{EdgeRecorder, ScenarioCapture};
pub use driven::DriveResult;
pub use end::End;
pub use parallel::ParallelCapture;
pub use record::{Recorded, Recorder};
pub(crate) use sockets::OTHER_LOOPBACK;
pub use sockets::Sockets;

use sockets::{Received, delay};

/// How often the driver looks whether it gets to run when it should.
const HEARTBEAT: Duration = Duration::from_millis(20);

/// How the implementation is restarted.
#[derive(Debug, Clone)]
pub struct Restart {
    /// How it is started.
    pub launcher: Arc<Launcher>,
    /// What the scenario needs.
    pub needs: Needs,
}

/// What is needed to play a scenario.
pub struct Setup {
    /// The script at its beginning.
    pub script: Script,
    pub main: PeerSocket,
    /// The scenario's clock; the script counts from its start.
    pub clock: Clock,
    /// Where it is recorded.
    pub capture: ScenarioCapture,
    /// The implementation under test.
    pub instance: Instance,
    /// How that is started again.
    pub restart: Restart,
    /// Where the driver says when it sent the last datagram, as nanoseconds of the time of day, for
    /// those who share the implementation.
    pub last_sent_at: Arc<AtomicU64>,
}

/// One scenario on its way over the wire.
pub struct ScenarioDriver {
    script: Script,
    clock: Clock,
    sockets: Sockets,
    capture: ScenarioCapture,
    instance: Option<Instance>,
    restart: Restart,
    restarting: Option<Restarting>,
    /// Datagrams that arrived, are recorded, and are not yet passed to the script.
    pending: VecDeque<(Received, Option<u64>)>,
    /// What is pending of what the scripts of a run may hold.
    share: Share,
    limit: Duration,
    stop: watch::Receiver<bool>,
    /// The latest time that was passed to the script.
    last_input: Duration,
    ended: Option<ProcessExit>,
    ended_at: Duration,
    /// When it was stopped to be started again.
    stopped: Vec<Duration>,
    /// When the script learns of that, and the exit status.
    pending_exit: Option<(Duration, Option<i32>)>,
    last_sent: Option<u64>,
    last_sent_at: Arc<AtomicU64>,
    lateness: Duration,
    /// How much later than the script wanted our datagrams have left since the implementation's
    /// last one: its timers did not wait for them.
    behind: Duration,
    busy: Busy,
}

type Restarting = Pin<Box<dyn Future<Output = Result<Instance, LaunchError>> + Send>>;

impl ScenarioDriver {
    /// A driver at the start of the script, which runs to its end, to `limit`, or until `stop`
    /// turns true.
    #[must_use]
    pub fn new(setup: Setup, limit: Duration, stop: watch::Receiver<bool>) -> Self {
        Self {
            share: setup.script.budget().share(),
            limit,
            stop,
            clock: setup.clock,
            sockets: Sockets::new(setup.main, setup.script.named_sockets()),
            script: setup.script,
            capture: setup.capture,
            instance: Some(setup.instance),
            restart: setup.restart,
            restarting: None,
            pending: VecDeque::new(),
            last_input: Duration::ZERO,
            ended: None,
            ended_at: Duration::ZERO,
            stopped: Vec::new(),
            pending_exit: None,
            last_sent: None,
            last_sent_at: setup.last_sent_at,
            lateness: Duration::ZERO,
            behind: Duration::ZERO,
            busy: Busy::default(),
        }
    }

    pub async fn run(mut self) -> DriveResult {
        let end = self.play().await;
        let took = self.clock.now();
        let missed_by = self.linger(&end).await;
        self.close_gracefully().await;
        let closed = self.capture.close().await;
        self.sockets.keep_relay(closed.kept, closed.own);
        let (end, last_sent) = match &closed.packets {
            Some(packets) => (end.renumbered(packets), packets.of(self.last_sent)),
            None => (end, self.last_sent),
        };
        DriveResult {
            end,
            judgements: self.script.judgements(),
            drops: self.sockets.drops() + closed.drops,
            missed: closed.missed,
            effects: closed.effects,
            recorded: closed.recorded,
            instance: self.instance,
            ended: self.ended.map(|ended| (ended, self.ended_at)),
            stopped: self.stopped,
            last_sent,
            lateness: self.lateness,
            busy: self.busy,
            missed_by,
            took,
            own: self.sockets.own(),
            sockets: self.sockets,
            events: self.script.events().to_vec(),
        }
    }

    /// Looks how the implementation fares.
    fn look(&mut self) {
        let process = self.instance.as_ref().and_then(|it| it.process.as_ref());
        let group = process.and_then(|process| process.group());
        self.busy.look(self.clock.now(), group);
    }

    /// Why nothing more is done, whatever there is to do: who sends without end must not hold it up.
    fn cut_off(&self) -> Option<End> {
        if *self.stop.borrow() {
            return Some(End::Interrupted);
        }
        (self.clock.now() >= self.limit).then_some(End::OutOfTime(self.limit))
    }

    async fn play(&mut self) -> End {
        self.handle(Input::Begin, self.clock.now()).await;
        loop {
            // What arrives from here on may be in time for a deadline that is due after it.
            let now = self.clock.now();
            let more = self.drain().await;
            self.handle_pending().await;
            if !more {
                self.report_exit(now).await;
                self.tick_until(now).await;
            }
            if let Some(outcome) = self.script.outcome() {
                return End::Played(outcome.clone());
            }
            let flooded = || self.capture.full().map(End::Flooded);
            if let Some(end) = self.cut_off().or_else(flooded) {
                return end;
            }
            match more {
                true => tokio::task::yield_now().await,
                false => self.wait().await,
            }
        }
    }

    /// Waits until there is something to do, and does it unless it is about datagrams or timers.
    async fn wait(&mut self) {
        let beat = self.clock.now() + HEARTBEAT;
        let deadline = self.script.deadline().unwrap_or(beat);
        let pending_exit = self.pending_exit.map_or(beat, |(due, _)| due);
        let target = deadline.min(beat).min(self.limit).min(pending_exit);
        let wakeup = tokio::select! {
            biased;
            () = stopped(&mut self.stop) => Wakeup::Nothing,
            () = self.sockets.readable() => Wakeup::Nothing,
            ended = ended(self.instance.as_ref(), self.ended) => Wakeup::Exited(ended),
            restarted = restarted(&mut self.restarting) => Wakeup::Restarted(restarted),
            () = sleep_until(self.clock.instant(target)) => Wakeup::Woke,
        };
        match wakeup {
            Wakeup::Nothing => {}
            Wakeup::Woke => {
                self.look();
                let late = self.clock.now().saturating_sub(target);
                self.note_lateness(late).await;
            }
            Wakeup::Exited(ended) => {
                self.ended = Some(ended);
                self.ended_at = self.clock.now();
                // What it sent before it ended comes first.
                let due = self.ended_at + self.capture.slowest();
                self.pending_exit = Some((due, ended.code));
            }
            Wakeup::Restarted(restarted) => {
                self.restarting = None;
                let now = self.clock.now();
                match restarted {
                    Ok(instance) => {
                        self.instance = Some(instance);
                        self.handle(Input::Restarted, now).await;
                    }
                    Err(error) => {
                        let why = error.to_string();
                        self.handle(Input::Refused { why: &why }, now).await;
                    }
                }
            }
        }
    }

    /// Reports the end of the implementation's process to the script, if that is due.
    async fn report_exit(&mut self, now: Duration) {
        if let Some((due, code)) = self.pending_exit.filter(|(due, _)| *due <= now) {
            self.pending_exit = None;
            self.tick_until(due).await;
            self.handle(Input::Exited { code }, due).await;
        }
    }

    /// Records arrivals, and reports late reads to the script. Returns whether there may be more.
    async fn drain(&mut self) -> bool {
        let (more, late) = self.record_arrivals();
        let late = late.max(self.capture.take_lateness());
        self.note_lateness(late).await;
        more
    }

    /// Records arrivals. Returns whether there may be more, and how late the first was read.
    ///
    /// What there is no room for stays in the kernel's buffers, which count what they drop.
    fn record_arrivals(&mut self) -> (bool, Duration) {
        if !self.share.has_room() {
            return (true, Duration::ZERO);
        }
        let (received, more) = self.sockets.drain(&self.clock);
        let late = delay(&received, self.clock.now());
        for received in received {
            let Received { local, arrival, .. } = &received;
            let packet = self
                .capture
                .note(arrival.at, arrival.from, *local, &arrival.payload);
            self.share.take(received.cost());
            self.pending.push_back((received, packet));
        }
        (more, late)
    }

    /// Passes arrivals to the script, and the deadlines that were due in between.
    async fn handle_pending(&mut self) {
        while let Some(at) = self.pending.front().map(|(it, _)| it.arrival.at) {
            if !self.is_over() {
                self.tick_until(at).await;
            }
            // Arrivals after the end are kept there.
            if self.is_over() {
                return;
            }
            let Some((received, packet)) = self.pending.pop_front() else {
                return;
            };
            self.share.give_back(received.cost());
            let input = Input::Datagram {
                socket: received.socket,
                from: received.arrival.from,
                payload: &received.arrival.payload,
                packet,
            };
            // It is judged by how late we were before; what it triggers begins anew.
            let behind = self.behind;
            self.handle(input, at).await;
            self.behind = self.behind.saturating_sub(behind);
        }
    }

    /// Whether the script has all its input.
    fn is_over(&self) -> bool {
        let is_done = self.script.outcome().is_some() && self.script.is_quiet();
        is_done || self.cut_off().is_some()
    }

    /// Every deadline that is due at `now` gets its tick, at its own time.
    async fn tick_until(&mut self, now: Duration) {
        while let Some(deadline) = self.script.deadline().filter(|due| *due <= now)
            && self.cut_off().is_none()
        {
            self.handle(Input::Tick, deadline).await;
            if self.script.deadline() == Some(deadline) {
                // Its deadline moved to a later time: it gets that one too.
                return self.handle(Input::Tick, now).await;
            }
        }
    }

    /// Passes one input to the script and executes its outputs.
    async fn handle(&mut self, input: Input<'_>, at: Duration) {
        self.last_input = self.last_input.max(at);
        self.script.handle(self.last_input, input);
        while self.cut_off().is_none()
            && let Some(action) = self.script.poll()
        {
            self.act(action).await;
        }
    }
}

enum Wakeup {
    Nothing,
    Woke,
    Exited(ProcessExit),
    Restarted(Result<Instance, LaunchError>),
}

/// Waits until the process ends by itself, unless that was reported.
async fn ended(instance: Option<&Instance>, reported: Option<ProcessExit>) -> ProcessExit {
    match (
        instance.and_then(|instance| instance.process.as_ref()),
        reported,
    ) {
        (Some(process), None) => process.wait().await,
        (Some(_) | None, _) => std::future::pending().await,
    }
}

async fn restarted(restarting: &mut Option<Restarting>) -> Result<Instance, LaunchError> {
    match restarting {
        Some(restarting) => restarting.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
