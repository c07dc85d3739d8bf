//! Executes one conversation over sockets, as fast as the implementation responds.
//!
//! Steps that wait are cut short: once the implementation is known to have read everything that was sent, the
//! script's waits are [settled](Script::settle). That is known by the response to a probe that was sent afterwards;
//! over QUIC by an acknowledgement and a short time without data; otherwise by a longer time without data.

mod io;

use std::collections::BTreeMap;
use std::io::Result;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_engine::fuzzing::{Behaviour, DatagramMutator};
use shakedown_engine::script::{Input, Script, SocketId};
use shakedown_protocol::vocabulary::Vocabulary;
use socket2::Socket;
use tokio::sync::watch;

use super::coverage::MonitorCoverage;
use super::liveness::Probe;
use crate::clock::Clock;
use crate::drive::Recorder;
use crate::kernel;
use crate::process::Process;
use crate::socket::LARGEST;

/// Waits that are not cut short.
const SHORT_WAIT: Duration = Duration::from_millis(5);
/// Longest poll: interruption and the exit of the process are noticed after it.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Time after which an unanswered probe is repeated.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);
/// The same for PINGs over QUIC.
const PING_INTERVAL: Duration = Duration::from_millis(5);
/// How long a close may be retransmitted.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(100);
/// Datagrams of one conversation after which it is cancelled.
const MAX_RECEIVED: u64 = 50_000;
/// Datagrams of a burst that are sent at a time: fewer than fit into a socket's buffer.
const BATCH: usize = 64;
/// Batches of a burst, at least and at most.
const MIN_BATCHES: u32 = 4;
const MAX_BATCHES: u32 = 64;
/// How often the system is asked whether they were read.
const READ_INTERVAL: Duration = Duration::from_millis(1);

/// When waits end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// When they say, as in a run.
    RealTime,
    /// After `idle_timeout` without data, or after `response_delay` if everything was acknowledged; the first response
    /// may take `first_response`.
    Fast {
        idle_timeout: Duration,
        response_delay: Duration,
        first_response: Duration,
    },
}

/// How a conversation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All steps were played.
    Completed,
    /// The process exited.
    Exited,
    /// A probe was not answered in time.
    Unresponsive,
    /// It took too long, sent too much, or was interrupted.
    Cancelled,
}

/// Executes a conversation.
pub(super) struct Executor<'a> {
    pub(super) script: &'a mut Script,
    /// Address of the implementation; `None` for a client, which speaks first.
    pub(super) address: Option<SocketAddr>,
    pub(super) process: Option<&'a Process>,
    pub(super) probe: Option<&'a mut Probe>,
    pub(super) pace: Pace,
    pub(super) vocabulary: &'a dyn Vocabulary,
    pub(super) clock: Clock,
    /// Time limit of the conversation.
    pub(super) limit: Duration,
    /// Time limit of a probe.
    pub(super) hang_timeout: Duration,
    pub(super) stop: &'a watch::Receiver<bool>,
    pub(super) recorder: Option<&'a mut Recorder>,
    pub(super) coverage: Option<MonitorCoverage>,
    pub(super) behaviour: Behaviour,
    /// Longest time from a datagram sent to the first response.
    pub(super) slowest_response: Duration,
    /// Longest time from an acknowledgement to a response that a step waited for.
    pub(super) longest_delay: Duration,
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    pub(super) state: State,
}

/// State of a conversation.
#[derive(Debug, Default)]
pub(super) struct State {
    /// When a datagram was last sent, and whether one was received since.
    last_sent: Option<Duration>,
    has_response: bool,
    last_received: Duration,
    /// When a datagram was last sent or received, or waits were settled.
    last_activity: Duration,
    probing: Option<Probing>,
    /// Whether waits were settled before.
    has_settled: bool,
    /// Since when everything sent is acknowledged.
    acknowledged: Option<Duration>,
    pub(super) datagrams_received: u64,
    pub(super) datagrams_sent: u64,
    /// The first datagrams sent from the main socket.
    sent: Vec<Vec<u8>>,
    /// Whether received datagrams are not passed to the script any more.
    discards: bool,
    buffer: Vec<u8>,
}

/// A probe without a response.
#[derive(Debug, Clone, Copy)]
struct Probing {
    first_sent: Duration,
    last_sent: Duration,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; LARGEST],
            ..Self::default()
        }
    }
}

impl Executor<'_> {
    /// Plays the script to its end.
    ///
    /// # Errors
    /// The system's, if a socket fails.
    pub(super) fn run(&mut self) -> Result<Outcome> {
        self.handle(Input::Begin)?;
        loop {
            let received = self.receive()?;
            if self.script.outcome().is_some() {
                self.close()?;
                return Ok(Outcome::Completed);
            }
            let now = self.clock.now();
            let is_late = now >= self.limit || self.state.datagrams_received > MAX_RECEIVED;
            if *self.stop.borrow() || is_late {
                return Ok(Outcome::Cancelled);
            }
            if self.script.deadline().is_some_and(|due| due <= now) {
                self.handle(Input::Tick)?;
            } else if !received && let Some(outcome) = self.wait(now)? {
                return Ok(outcome);
            }
        }
    }

    /// Sends probes until one is answered.
    ///
    /// # Errors
    /// The system's, if a socket fails.
    pub(super) fn probe(&mut self) -> Result<Outcome> {
        let since = self.clock.now();
        self.state.probing = None;
        if let Some(probe) = self.probe.as_deref_mut() {
            probe.reset();
        }
        loop {
            let now = self.clock.now();
            self.send_probe(now, since);
            let is_answered = self.poll(POLL_INTERVAL)?;
            self.receive()?;
            if is_answered {
                return Ok(Outcome::Completed);
            }
            if let Some(outcome) = self.probe_timeout(now, since) {
                return Ok(outcome);
            }
        }
    }

    /// Sends mutated datagrams from the main socket in batches, the next when the last was read: a probe shows that, or
    /// the system, or else there is only one. They go on for at least as long as the conversation took. `latest` gets
    /// the last two batches: what was read of the first may still be at work.
    ///
    /// # Errors
    /// The system's, if a socket fails.
    pub(super) fn burst(
        &mut self,
        mutator: &mut DatagramMutator,
        latest: &mut Vec<Vec<u8>>,
    ) -> Result<Outcome> {
        self.sockets.retain(|id, _| *id == SocketId::MAIN);
        self.state.discards = true;
        mutator.set_sent(self.state.sent.iter().map(Vec::as_slice));
        let (Some(socket), Some(to)) = (self.sockets.get(&SocketId::MAIN), self.address) else {
            return Ok(Outcome::Completed);
        };
        // Spares the system a look at its routes for each datagram.
        socket.connect(&to.into())?;
        let is_seen = self.probe.is_some() || kernel::is_read(to).is_some();
        // The clock began with the conversation.
        let until = self.clock.now() * 2;
        let mut batches = 0;
        while let Some(socket) = self.sockets.get(&SocketId::MAIN) {
            latest.drain(..latest.len().saturating_sub(BATCH));
            for _ in 0..BATCH {
                let datagram = mutator.next_datagram();
                // A datagram that the system refuses is lost; the next may be sent.
                let _ = socket.send(&datagram);
                latest.push(datagram);
            }
            self.state.datagrams_sent += BATCH as u64;
            batches += 1;
            let outcome = match self.probe {
                Some(_) => self.probe()?,
                None if is_seen => self.wait_until_read(to)?,
                None => break,
            };
            if outcome != Outcome::Completed {
                return Ok(outcome);
            }
            let is_long = batches >= MIN_BATCHES && self.clock.now() >= until;
            if is_long || batches >= MAX_BATCHES {
                break;
            }
        }
        Ok(Outcome::Completed)
    }

    /// Waits until the implementation has read what was sent to it.
    fn wait_until_read(&mut self, address: SocketAddr) -> Result<Outcome> {
        let since = self.clock.now();
        loop {
            self.receive()?;
            if kernel::is_read(address) == Some(true) {
                return Ok(Outcome::Completed);
            }
            if let Some(outcome) = self.probe_timeout(self.clock.now(), since) {
                return Ok(outcome);
            }
            self.poll(READ_INTERVAL)?;
        }
    }

    /// Waits for data, or settles the script's waits if none will come.
    fn wait(&mut self, now: Duration) -> Result<Option<Outcome>> {
        let due = self.script.deadline().unwrap_or(self.limit).min(self.limit);
        let until = |then: Duration| then.saturating_sub(now).min(POLL_INTERVAL);
        let is_fast = matches!(self.pace, Pace::Fast { .. });
        if is_fast && self.script.paces_itself() {
            self.settle()?;
            return Ok(self.exited());
        }
        let window = self.script.waits_until();
        let is_cut_short = is_fast && window.is_some_and(|window| window > now + SHORT_WAIT);
        if !is_cut_short {
            self.poll(until(due))?;
            return Ok(self.exited());
        }
        if self.probe.is_none() {
            let end = self.idle_deadline(now)?;
            if end > now {
                self.poll(until(due.min(end)))?;
            }
            if !self.receive()? && self.clock.now() >= end {
                self.settle()?;
            }
            return Ok(self.exited());
        }
        let since = self.state.probing.map_or(now, |probing| probing.first_sent);
        self.send_probe(now, since);
        if self.poll(until(due))? {
            // Responses to earlier datagrams have arrived, too.
            if !self.receive()? {
                self.settle()?;
            }
            return Ok(None);
        }
        Ok(self.probe_timeout(now, since))
    }

    /// Sends a probe if none was sent within [`PROBE_INTERVAL`]; the first was sent at `since`.
    fn send_probe(&mut self, now: Duration, since: Duration) {
        let last = self.state.probing.map(|probing| probing.last_sent);
        let is_due = last.is_none_or(|last| now >= last.saturating_add(PROBE_INTERVAL));
        if let Some(probe) = self.probe.as_deref_mut().filter(|_| is_due) {
            if last.is_some() {
                probe.reset();
            }
            probe.send();
            self.state.probing = Some(Probing {
                first_sent: since,
                last_sent: now,
            });
        }
    }

    /// When waits are settled if no data arrives, where no probe is answered at once.
    fn idle_deadline(&mut self, now: Duration) -> Result<Duration> {
        let Pace::Fast {
            idle_timeout,
            response_delay,
            first_response,
        } = self.pace
        else {
            return Ok(self.limit);
        };
        let has_exited = self.process.is_none_or(|process| process.ended().is_some());
        // A client speaks first; a server responds to what was sent.
        let expects_data = self.address.is_none() || self.state.last_sent.is_some();
        let is_first = self.state.datagrams_received == 0 && !self.state.has_settled;
        if is_first && expects_data && !has_exited {
            return Ok(self.state.last_activity.saturating_add(first_response));
        }
        let Some(is_acknowledged) = self.script.is_read() else {
            // A stream of media is not a response.
            let probing = self.state.probing.get_or_insert(Probing {
                first_sent: now,
                last_sent: now,
            });
            let latest = probing.first_sent.saturating_add(idle_timeout * 2);
            let idle = self.state.last_activity.saturating_add(idle_timeout);
            return Ok(idle.min(latest));
        };
        let since = match self.state.probing {
            Some(probing) => probing.first_sent,
            None if is_acknowledged => return Ok(now),
            None => now,
        };
        let latest = since.saturating_add(idle_timeout);
        if is_acknowledged {
            let acknowledged = *self.state.acknowledged.get_or_insert(now);
            let last = acknowledged.max(self.state.last_received);
            return Ok(last.saturating_add(response_delay).min(latest));
        }
        self.state.acknowledged = None;
        let last = self.state.probing.map(|probing| probing.last_sent);
        if last.is_none_or(|last| now >= last.saturating_add(PING_INTERVAL)) {
            self.state.probing = Some(Probing {
                first_sent: since,
                last_sent: now,
            });
            self.script.ask(now);
            self.perform()?;
        }
        Ok(latest)
    }

    fn probe_timeout(&self, now: Duration, since: Duration) -> Option<Outcome> {
        if let Some(outcome) = self.exited() {
            return Some(outcome);
        }
        if *self.stop.borrow() {
            return Some(Outcome::Cancelled);
        }
        (now >= since.saturating_add(self.hang_timeout)).then_some(Outcome::Unresponsive)
    }

    fn exited(&self) -> Option<Outcome> {
        // A client may exit at any time; its script ends when no data arrives.
        let process = self.process.filter(|_| self.address.is_some());
        process.and_then(Process::ended).map(|_| Outcome::Exited)
    }

    fn settle(&mut self) -> Result<()> {
        let now = self.clock.now();
        self.state.last_activity = now;
        self.state.has_settled = true;
        self.state.probing = None;
        self.state.acknowledged = None;
        self.script.settle(now);
        self.perform()
    }

    /// Closes connections, if the carrier has any.
    fn close(&mut self) -> Result<()> {
        self.handle(Input::End)?;
        if matches!(self.pace, Pace::Fast { .. }) {
            // A peer that missed the close gets another one in the next conversation.
            return Ok(());
        }
        let until = self.clock.now() + CLOSE_TIMEOUT;
        while !self.script.is_quiet() {
            let now = self.clock.now();
            let due = self.script.deadline().unwrap_or(until).min(until);
            if now >= until {
                break;
            }
            if due <= now {
                self.handle(Input::Tick)?;
            } else {
                self.poll(due - now)?;
                self.receive()?;
            }
        }
        Ok(())
    }
}
