//! One conversation over sockets, as fast as the implementation answers.
//!
//! Nothing is waited for that does not come: whoever knows that the implementation has read all that it was
//! sent so far [settles](Script::settle) what the script waits for. That is known by the answer to a question
//! that was sent after it, where the implementation answers one at once; over QUIC by an acknowledgement, and a
//! moment in which the implementation says nothing; elsewhere by a longer silence.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shakedown_engine::fuzzing::{Behaviour, Volley};
use shakedown_engine::script::{Action, Input, Script, SocketId};
use shakedown_protocol::vocabulary::Vocabulary;
use socket2::Socket;
use tokio::sync::watch;

use super::question::{Question, Reply, open};
use super::seen::Seen;
use crate::clock::Clock;
use crate::drive::{OTHER_LOOPBACK, Recorder};
use crate::process::Process;
use crate::socket::{self, LARGEST};

/// Waits up to this long are waited for.
const SHORT: Duration = Duration::from_millis(5);
/// How long the system is asked to wait at a time: signals and the end of the process show after it.
const SLICE: Duration = Duration::from_millis(20);
/// How long a question stays without an answer before it is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// The same over QUIC.
const PING_AGAIN: Duration = Duration::from_millis(5);
/// How long what is closed at the end may be repeated.
const GOODBYE: Duration = Duration::from_millis(100);
/// Datagrams that are taken from a socket before time is looked at.
const BATCH: usize = 256;
/// Datagrams of one conversation that are listened to.
const MOST_DATAGRAMS: u64 = 50_000;
/// Datagrams that are sent before it is asked whether they were read: fewer than a socket has room for.
const LOAD: u64 = 64;
/// How many such loads follow a conversation.
const LOADS: u64 = 4;
/// Datagrams that are remembered to go on from.
const MOST_SAID: usize = 24;

/// How the time of a conversation goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// As in a run: what is waited for is waited for.
    Real,
    /// What does not come after this long without anything does not come, and after `settled` where all was read; the
    /// first word may take longer.
    Quick {
        patience: Duration,
        settled: Duration,
        first: Duration,
    },
}

/// How a conversation went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The script is over.
    Played,
    /// The process ended.
    Ended,
    /// A question was not answered for as long as anybody waits.
    Silent,
    /// It took too long, or the user wants an end.
    CutOff,
}

/// What is needed to talk.
pub(super) struct Talk<'a> {
    pub(super) script: &'a mut Script,
    /// Where the implementation is reached; `None` if it speaks first.
    pub(super) address: Option<SocketAddr>,
    pub(super) process: Option<&'a Process>,
    pub(super) question: Option<&'a mut Question>,
    pub(super) pace: Pace,
    pub(super) vocabulary: &'a dyn Vocabulary,
    pub(super) clock: Clock,
    pub(super) limit: Duration,
    /// How long an answer to a question is waited for.
    pub(super) hangs_after: Duration,
    pub(super) stop: &'a watch::Receiver<bool>,
    pub(super) recorder: Option<&'a mut Recorder>,
    pub(super) seen: Option<Seen>,
    pub(super) behaviour: Behaviour,
    /// The slowest first answer to something that was sent.
    pub(super) slowest: Duration,
    /// By how much the latest answer that a step waited for came after all was read.
    pub(super) latest: Duration,
    pub(super) sockets: BTreeMap<SocketId, Socket>,
    pub(super) state: State,
}

/// Where a conversation is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// When something was last sent, and whether it was answered.
    sent: Option<Duration>,
    answered: bool,
    /// When something last happened.
    last: Duration,
    /// When the question was asked, if its answer is waited for, and first.
    asked: Option<(Duration, Duration)>,
    /// Whether something that was waited for did not come.
    has_settled: bool,
    /// Since when all that was said is read, and when something came last.
    read: Option<Duration>,
    heard: Duration,
    pub(super) datagrams: u64,
    /// What was sent from the first socket, as long as it is not much.
    said: Vec<Vec<u8>>,
    /// How many datagrams were sent.
    pub(super) leaving: u64,
    /// Whether what arrives is only taken.
    is_deaf: bool,
    /// Room for the largest.
    buffer: Vec<u8>,
}

impl State {
    /// Where a conversation begins.
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; LARGEST],
            ..Self::default()
        }
    }
}

impl Talk<'_> {
    /// Talks to the end.
    ///
    /// # Errors
    /// The system's, if a socket fails.
    pub(super) fn run(&mut self) -> io::Result<End> {
        self.tell(Input::Begin)?;
        loop {
            let more = self.listen()?;
            if self.script.outcome().is_some() {
                self.say_goodbye()?;
                return Ok(End::Played);
            }
            let now = self.clock.now();
            if *self.stop.borrow() || now >= self.limit || self.state.datagrams > MOST_DATAGRAMS {
                return Ok(End::CutOff);
            }
            if self.script.deadline().is_some_and(|due| due <= now) {
                self.tell(Input::Tick)?;
            } else if !more && let Some(end) = self.wait(now)? {
                return Ok(end);
            }
        }
    }

    /// Asks whether the implementation has read everything and still answers.
    ///
    /// # Errors
    /// The system's, if a socket fails.
    pub(super) fn ask(&mut self) -> io::Result<End> {
        let since = self.clock.now();
        self.state.asked = None;
        loop {
            let now = self.clock.now();
            if let Some(question) = self.question.as_deref_mut()
                && self
                    .state
                    .asked
                    .is_none_or(|(asked, _)| now >= asked + ASK_AGAIN)
            {
                question.renew();
                question.ask();
                self.state.asked = Some((now, since));
            }
            let is_answered = self.poll(SLICE)?;
            self.listen()?;
            if is_answered {
                return Ok(End::Played);
            }
            if let Some(end) = self.given_up(now, since) {
                return Ok(end);
            }
        }
    }

    /// Sends datagrams that are damaged by their forms, from the first socket, and asks after each load of them
    /// whether they were read. `sent` has the last load.
    ///
    /// # Errors
    /// The system's, if a socket fails.
    pub(super) fn volley(
        &mut self,
        volley: &mut Volley,
        sent: &mut Vec<Vec<u8>>,
    ) -> io::Result<End> {
        self.sockets.retain(|id, _| *id == SocketId::MAIN);
        self.state.is_deaf = true;
        volley.learn(self.state.said.iter().map(Vec::as_slice));
        for _ in 0..LOADS {
            let (Some(socket), Some(to)) = (self.sockets.get(&SocketId::MAIN), self.address) else {
                break;
            };
            sent.clear();
            for _ in 0..LOAD {
                let datagram = volley.datagram();
                // What the system refuses is not sent; the next one may be.
                let _ = socket.send_to(&datagram, &to.into());
                sent.push(datagram);
            }
            self.state.leaving += LOAD;
            let end = self.ask()?;
            if end != End::Played {
                return Ok(end);
            }
        }
        Ok(End::Played)
    }

    /// Waits for something to happen; gives the end if there is one.
    fn wait(&mut self, now: Duration) -> io::Result<Option<End>> {
        let due = self.script.deadline().unwrap_or(self.limit).min(self.limit);
        let until = |then: Duration| then.saturating_sub(now).min(SLICE);
        let Pace::Quick {
            patience,
            settled,
            first,
        } = self.pace
        else {
            self.poll(until(due))?;
            return Ok(self.has_ended());
        };
        if self.script.paces_itself() {
            self.settle()?;
            return Ok(self.has_ended());
        }
        let window = self
            .script
            .waits_until()
            .filter(|window| *window > now + SHORT);
        if window.is_none() {
            self.poll(until(due))?;
            return Ok(self.has_ended());
        }
        if self.question.is_none() {
            let is_gone = self.process.is_none_or(|process| process.ended().is_some());
            // Nobody answers what was not said; a client speaks first.
            let is_asked = self.address.is_none() || self.state.sent.is_some();
            let end = match self.state.datagrams {
                0 if is_asked && !is_gone && !self.state.has_settled => {
                    self.state.last.saturating_add(first)
                }
                _ => match self.script.is_read() {
                    Some(is_read) => self.acknowledged(is_read, now, patience, settled)?,
                    None => {
                        // A stream of media is no answer.
                        let (_, since) = *self.state.asked.get_or_insert((now, now));
                        let silent = self.state.last.saturating_add(patience);
                        silent.min(since.saturating_add(patience * 2))
                    }
                },
            };
            if end > now {
                self.poll(until(due.min(end)))?;
            }
            if !self.listen()? && self.clock.now() >= end {
                self.settle()?;
            }
            return Ok(self.has_ended());
        }
        let (asked, since) = self.state.asked.unwrap_or((Duration::ZERO, now));
        if self.state.asked.is_none() || now >= asked.saturating_add(ASK_AGAIN) {
            if let Some(question) = self.question.as_deref_mut() {
                if self.state.asked.is_some() {
                    question.renew();
                }
                question.ask();
            }
            self.state.asked = Some((now, since));
        }
        if self.poll(until(due))? {
            // What was answered before the question is there already.
            if !self.listen()? {
                self.settle()?;
            }
            return Ok(None);
        }
        Ok(self.given_up(now, since))
    }

    /// Asks over QUIC whether all was read, where that is not known; gives the moment at which nothing more comes if
    /// nothing does.
    fn acknowledged(
        &mut self,
        is_read: bool,
        now: Duration,
        patience: Duration,
        settled: Duration,
    ) -> io::Result<Duration> {
        let Some((asked, since)) = self.state.asked.or((!is_read).then_some((now, now))) else {
            // Nothing was said since nothing more came.
            return Ok(now);
        };
        let at_last = since.saturating_add(patience);
        if is_read {
            let read = *self.state.read.get_or_insert(now);
            let quiet = read.max(self.state.heard).saturating_add(settled);
            return Ok(quiet.min(at_last));
        }
        self.state.read = None;
        if self.state.asked.is_none() || now >= asked.saturating_add(PING_AGAIN) {
            self.state.asked = Some((now, since));
            self.script.ask(now);
            self.carry_out()?;
        }
        Ok(at_last)
    }

    fn given_up(&self, now: Duration, since: Duration) -> Option<End> {
        if let Some(end) = self.has_ended() {
            return Some(end);
        }
        if *self.stop.borrow() {
            return Some(End::CutOff);
        }
        (now >= since.saturating_add(self.hangs_after)).then_some(End::Silent)
    }

    fn has_ended(&self) -> Option<End> {
        // A client may end whenever it likes; its script is over when nothing comes any more.
        let process = self.process.filter(|_| self.address.is_some());
        process.and_then(Process::ended).map(|_| End::Ended)
    }

    /// What is waited for does not come.
    fn settle(&mut self) -> io::Result<()> {
        let now = self.clock.now();
        self.state.last = now;
        self.state.has_settled = true;
        self.state.asked = None;
        self.state.read = None;
        self.script.settle(now);
        self.carry_out()
    }

    /// Waits until there is something to read, for so long. Whether the question was answered.
    fn poll(&mut self, within: Duration) -> io::Result<bool> {
        let own = self.sockets.values().map(AsFd::as_fd);
        let question = self.question.as_deref().map(Question::fd);
        let mut ready: Vec<_> = own
            .chain(question)
            .map(|socket| PollFd::new(socket, PollFlags::POLLIN))
            .collect();
        // To the next millisecond, so that nothing is polled in a circle.
        let millis = u16::try_from(within.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
        poll(&mut ready, PollTimeout::from(millis)).map_err(io::Error::from)?;
        let Some(question) = self.question.as_deref_mut() else {
            return Ok(false);
        };
        let is_answered = question.reply() == Reply::Fresh;
        if is_answered {
            self.state.asked = None;
        }
        Ok(is_answered)
    }

    /// Takes what has arrived. Whether anything has.
    fn listen(&mut self) -> io::Result<bool> {
        let mut heard = false;
        let ids: Vec<_> = self.sockets.keys().copied().collect();
        for id in ids {
            for _ in 0..BATCH {
                let Some(socket) = self.sockets.get(&id) else {
                    break;
                };
                let arrival =
                    match socket::read(socket.as_raw_fd(), &mut self.state.buffer, &self.clock) {
                        Ok(arrival) => arrival,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        // An ICMP error about something that was sent earlier.
                        Err(_) => continue,
                    };
                heard = true;
                if self.state.is_deaf {
                    continue;
                }
                let local = socket.local_addr()?.as_socket();
                let now = self.clock.now();
                if let (Some(seen), Some(local)) = (&mut self.seen, local) {
                    seen.datagram(now, arrival.from, local, &arrival.payload);
                }
                let packet = local.and_then(|local| {
                    let recorder = self.recorder.as_deref_mut()?;
                    recorder.record(now, arrival.from, local, &arrival.payload)
                });
                let after = self
                    .state
                    .sent
                    .map_or(Duration::ZERO, |sent| now.saturating_sub(sent));
                if self.state.sent.is_some() && !std::mem::replace(&mut self.state.answered, true) {
                    self.slowest = self.slowest.max(after);
                }
                self.behaviour
                    .answered(self.vocabulary, &arrival.payload, after);
                self.state.last = now;
                self.state.heard = now;
                self.state.datagrams += 1;
                let (awaited, read) = (self.script.waits_until(), self.state.read);
                self.tell(Input::Datagram {
                    socket: id,
                    from: arrival.from,
                    payload: &arrival.payload,
                    packet,
                })?;
                if let Some(read) = read.filter(|_| self.script.waits_until() != awaited) {
                    self.latest = self.latest.max(now.saturating_sub(read));
                }
            }
        }
        Ok(heard)
    }

    fn tell(&mut self, input: Input<'_>) -> io::Result<()> {
        self.script.handle(self.clock.now(), input);
        self.carry_out()
    }

    /// Does what the script wants done.
    fn carry_out(&mut self) -> io::Result<()> {
        while let Some(action) = self.script.poll() {
            match action {
                Action::Open {
                    socket,
                    other_address,
                } => self.open(socket, other_address)?,
                Action::Close { socket } => drop(self.sockets.remove(&socket)),
                Action::Send {
                    tag,
                    socket,
                    to,
                    payload,
                } => {
                    let packet = self.send(socket, to, &payload)?;
                    self.script
                        .handle(self.clock.now(), Input::Sent { tag, packet });
                }
                Action::RestartIut { .. } => {
                    let why = "a process that is fuzzed is not started again by a step";
                    self.script.handle(self.clock.now(), Input::Refused { why });
                }
                Action::Secrets(lines) => {
                    if let Some(recorder) = self.recorder.as_deref_mut() {
                        recorder.secrets(&lines);
                    }
                }
                Action::Comment { packet, text } => {
                    if let Some(recorder) = self.recorder.as_deref_mut() {
                        recorder.comment(packet, text);
                    }
                }
            }
        }
        Ok(())
    }

    fn send(
        &mut self,
        socket: SocketId,
        to: Option<SocketAddr>,
        payload: &[u8],
    ) -> io::Result<Option<u64>> {
        if socket == SocketId::MAIN && self.state.said.len() < MOST_SAID {
            self.state.said.push(payload.to_vec());
        }
        let (Some(socket), Some(to)) = (self.sockets.get(&socket), to.or(self.address)) else {
            return Ok(None);
        };
        let local = socket.local_addr()?.as_socket();
        // What the system refuses, such as too many bytes, is not sent; the conversation goes on.
        let sent = socket.send_to(payload, &to.into()).is_ok();
        let now = self.clock.now();
        self.state.leaving += 1;
        self.state.sent = Some(now);
        self.state.answered = false;
        self.state.last = now;
        if let Some(question) = self.question.as_deref_mut() {
            question.forget();
        }
        if self.script.is_read().is_none() {
            self.state.asked = None;
        }
        if let (Some(seen), Some(local)) = (&mut self.seen, local) {
            seen.datagram(now, local, to, payload);
        }
        Ok(local.filter(|_| sent).and_then(|local| {
            let recorder = self.recorder.as_deref_mut()?;
            recorder.record(now, local, to, payload)
        }))
    }

    fn open(&mut self, id: SocketId, other_address: bool) -> io::Result<()> {
        let main = self.sockets.get(&SocketId::MAIN);
        let main = main.map(Socket::local_addr).transpose()?;
        let Some(ip) = main.and_then(|main| main.as_socket()).map(|main| main.ip()) else {
            return Ok(());
        };
        let ip = match other_address && ip.is_loopback() && ip.is_ipv4() {
            true => OTHER_LOOPBACK,
            false => ip,
        };
        self.sockets.insert(id, open(ip)?);
        Ok(())
    }

    /// Closes what is open, where the carrier can.
    fn say_goodbye(&mut self) -> io::Result<()> {
        self.tell(Input::End)?;
        if matches!(self.pace, Pace::Quick { .. }) {
            // Whoever goes on is told by the conversation after this one.
            return Ok(());
        }
        let until = self.clock.now() + GOODBYE;
        while !self.script.is_quiet() {
            let now = self.clock.now();
            let due = self.script.deadline().unwrap_or(until).min(until);
            if now >= until {
                break;
            }
            if due <= now {
                self.tell(Input::Tick)?;
            } else {
                self.poll(due - now)?;
                self.listen()?;
            }
        }
        Ok(())
    }
}
