use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use shakedown_engine::event::{Event, LoadProgress};
use shakedown_engine::script::SocketId;
use shakedown_engine::script::{Action, Environment, Input, Program, Script, ScriptOutcome};
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::process::{Process, ProcessExit as End};

use super::measure::{CompletedPlay, Measured};
use super::tuples::{Received, Tuple, Tuples};

/// Most runs that wait for their first response, so that a slow implementation is not overloaded;
/// one that waits longer than [`GREETING_TIMEOUT`] does not count.
const UNANSWERED: usize = 256;
const GREETING_TIMEOUT: Duration = Duration::from_millis(50);

/// Datagrams that are taken before timers are looked at.
const BATCH: usize = 4_096;

/// How often signals and the implementation's process are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Interval of progress reports.
const TELL_EVERY: Duration = Duration::from_millis(500);

/// Runs a program this many times, with this concurrency.
pub(super) struct Player {
    pub(super) program: Program,
    pub(super) environment: Environment,
    pub(super) scenario: String,
    pub(super) tuples: Tuples,
    pub(super) plays: u64,
    pub(super) concurrency: usize,
    /// The longest time that a play may take.
    pub(super) limit: Duration,
    pub(super) process: Option<Arc<Process>>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) stop: watch::Receiver<bool>,
}

/// How a load went.
pub(super) struct Loaded {
    pub(super) measured: Measured,
    pub(super) started: u64,
    pub(super) cut_off: u64,
    pub(super) took: Duration,
    pub(super) peak_memory: Option<u64>,
    pub(super) dropped: u64,
    /// How the implementation's process ended, if it did so meanwhile.
    pub(super) ended: Option<End>,
    pub(super) interrupted: bool,
}

struct Play {
    script: Script,
    started: Duration,
    /// The latest time that was passed to the script.
    told: Duration,
    /// When it must be over.
    limit: Duration,
    /// The time of its entry in the timer queue.
    armed: Duration,
    first_answer: Option<Duration>,
    /// When the last datagram left before any media came.
    last_sent: Option<Duration>,
    /// Whether it is one of those that wait for their first answer.
    unanswered: bool,
}

/// The plays that are on, and what they came to.
struct Plays {
    tuples: Tuples,
    clock: Clock,
    on: HashMap<Tuple, Box<Play>>,
    /// One entry a play; it may be due before its play is.
    timers: BinaryHeap<Reverse<(Duration, Tuple)>>,
    unanswered: usize,
    greeting: VecDeque<(Duration, Tuple)>,
    measured: Measured,
}

impl Player {
    /// Plays to the end, until `stop` turns true or the implementation ends.
    ///
    /// # Errors
    /// The system's, if the sockets fail.
    pub(super) fn run(self) -> io::Result<Loaded> {
        let mut plays = Plays {
            tuples: self.tuples,
            clock: Clock::start(),
            on: HashMap::new(),
            timers: BinaryHeap::new(),
            unanswered: 0,
            greeting: VecDeque::new(),
            measured: Measured::default(),
        };
        let mut started = 0;
        let (mut looked, mut told) = (Duration::ZERO, Duration::ZERO);
        let mut peak_memory = None;
        let (mut interrupted, mut ended) = (false, None);
        loop {
            let now = plays.clock.now();
            if now >= looked {
                looked = now + LOOK_EVERY;
                interrupted = *self.stop.borrow();
                ended = self.process.as_ref().and_then(|process| process.ended());
                if interrupted || ended.is_some() {
                    break;
                }
            }
            if now >= told {
                told = now + TELL_EVERY;
                peak_memory = self
                    .process
                    .as_ref()
                    .and_then(|process| process.peak_memory())
                    .max(peak_memory);
                let progress = LoadProgress {
                    scenario: self.scenario.clone(),
                    time: now.as_secs_f64(),
                    plays: self.plays,
                    started,
                    completed: plays.measured.completed,
                    failed: plays.measured.failed,
                };
                // The receiver may be gone.
                let _ = self.events.send(Event::LoadProgress(progress));
            }
            plays.drop_overdue(now);
            while started < self.plays
                && plays.on.len() < self.concurrency
                && plays.unanswered < UNANSWERED
            {
                let Some(tuple) = plays.tuples.take(now)? else {
                    break;
                };
                let environment = Environment {
                    seed: self.environment.seed ^ started.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                    ..self.environment.clone()
                };
                plays.begin(tuple, Script::of(&self.program, environment), self.limit);
                started += 1;
            }
            if started == self.plays && plays.on.is_empty() {
                break;
            }
            // What arrived before this moment is read before a timer of this moment is due.
            let now = plays.clock.now();
            let within = plays.idle(now).min(looked.saturating_sub(now));
            if plays.receive(within)? {
                continue;
            }
            plays.tick(now);
        }
        Ok(Loaded {
            started,
            cut_off: plays.on.len() as u64,
            took: plays.clock.now(),
            peak_memory: self
                .process
                .as_ref()
                .and_then(|process| process.peak_memory())
                .max(peak_memory),
            dropped: plays.tuples.drops(),
            measured: plays.measured,
            ended,
            interrupted,
        })
    }
}

impl Plays {
    fn begin(&mut self, tuple: Tuple, script: Script, limit: Duration) {
        let now = self.clock.now();
        let limit = now.saturating_add(limit);
        let play = Play {
            script,
            started: now,
            told: now,
            limit,
            armed: Duration::MAX,
            first_answer: None,
            last_sent: None,
            unanswered: true,
        };
        self.on.insert(tuple, Box::new(play));
        self.unanswered += 1;
        self.greeting.push_back((now, tuple));
        self.handle(tuple, now, Input::Begin);
    }

    /// Those that have waited long enough for an answer do not hold up others any more.
    fn drop_overdue(&mut self, now: Duration) {
        while let Some((since, tuple)) = self.greeting.front().copied() {
            let play = self.on.get_mut(&tuple);
            match play.filter(|play| play.started == since && play.unanswered) {
                Some(_) if since + GREETING_TIMEOUT > now => return,
                Some(play) => {
                    play.unanswered = false;
                    self.unanswered -= 1;
                }
                None => {}
            }
            self.greeting.pop_front();
        }
    }

    /// How long there is nothing to do but to listen.
    fn idle(&self, now: Duration) -> Duration {
        let timer = self.timers.peek().map(|Reverse((at, _))| *at);
        let timeout = self
            .greeting
            .front()
            .map(|(since, _)| *since + GREETING_TIMEOUT);
        let next = [timer, timeout, self.tuples.next_free()];
        let next = next.into_iter().flatten().min();
        next.map_or(LOOK_EVERY, |at| at.saturating_sub(now))
    }

    /// Passes arrivals to their runs. Returns whether there may be more.
    fn receive(&mut self, within: Duration) -> io::Result<bool> {
        let ready = self.tuples.wait(within)?;
        let share = (BATCH / ready.len().max(1)).max(1);
        let mut more = false;
        for socket in ready {
            for left in (0..share).rev() {
                match self.tuples.receive(socket, &self.clock) {
                    Ok(Some(received)) => self.arrived(&received),
                    Ok(None) => break,
                    // An ICMP error about something that was sent earlier; the socket goes on.
                    Err(error) => tracing::debug!("{error}"),
                }
                more |= left == 0;
            }
        }
        Ok(more)
    }

    fn arrived(&mut self, received: &Received) {
        let Some(play) = self.on.get_mut(&received.tuple) else {
            return;
        };
        if !self.tuples.is_from_iut(received.from) {
            return;
        }
        play.first_answer.get_or_insert(received.at);
        if std::mem::take(&mut play.unanswered) {
            self.unanswered -= 1;
        }
        play.told = play.told.max(received.at);
        let input = Input::Datagram {
            socket: SocketId::MAIN,
            from: received.from,
            payload: self.tuples.payload(received),
            packet: None,
        };
        play.script.handle(play.told, input);
        self.carry_out(received.tuple);
    }

    fn tick(&mut self, now: Duration) {
        while let Some(Reverse((at, tuple))) = self.timers.peek().copied() {
            if at > now {
                return;
            }
            self.timers.pop();
            let Some(play) = self.on.get_mut(&tuple).filter(|play| play.armed == at) else {
                continue;
            };
            play.armed = Duration::MAX;
            if play.limit <= now {
                let why = String::from("the play took longer than its steps can take");
                let step = String::new();
                self.end(tuple, &ScriptOutcome::Error { why, step });
                continue;
            }
            self.handle(tuple, now, Input::Tick);
        }
    }

    fn handle(&mut self, tuple: Tuple, at: Duration, input: Input<'_>) {
        if let Some(play) = self.on.get_mut(&tuple) {
            play.told = play.told.max(at);
            play.script.handle(play.told, input);
            self.carry_out(tuple);
        }
    }

    /// Does what a play wants done, and arms its timer or ends it.
    fn carry_out(&mut self, tuple: Tuple) {
        let Some(play) = self.on.get_mut(&tuple) else {
            return;
        };
        while let Some(action) = play.script.poll() {
            match action {
                Action::Send { tag, payload, .. } => {
                    let sent = self.tuples.send(tuple, &payload);
                    let now = self.clock.now();
                    play.told = play.told.max(now);
                    match sent {
                        Ok(()) => {
                            if play.script.first_media().is_none() {
                                play.last_sent = Some(now);
                            }
                            let packet = None;
                            play.script.handle(play.told, Input::Sent { tag, packet });
                        }
                        Err(error) => {
                            let why = format!("cannot send: {error}");
                            play.script.handle(play.told, Input::Refused { why: &why });
                        }
                    }
                }
                // Scenarios with such steps are no load.
                Action::Open { .. } | Action::RestartIut { .. } => {
                    let why = "a play of a load has one tuple and no say about the process";
                    play.script.handle(play.told, Input::Refused { why });
                }
                Action::Close { .. } | Action::Comment { .. } | Action::Secrets(_) => {}
            }
        }
        if let Some(outcome) = play.script.outcome() {
            let outcome = outcome.clone();
            return self.end(tuple, &outcome);
        }
        let deadline = play.script.deadline().unwrap_or(play.limit);
        let deadline = deadline.min(play.limit);
        if deadline < play.armed {
            play.armed = deadline;
            self.timers.push(Reverse((deadline, tuple)));
        }
    }

    fn end(&mut self, tuple: Tuple, outcome: &ScriptOutcome) {
        let Some(play) = self.on.remove(&tuple) else {
            return;
        };
        self.unanswered -= usize::from(play.unanswered);
        let first_media = play.script.first_media();
        // A play that sends once has asked and not confirmed: then the answer is the end of it.
        let handshake = play
            .first_answer
            .map(|at| at.max(play.last_sent.unwrap_or_default()));
        self.measured.add(&CompletedPlay {
            started: play.started,
            ended: play.told,
            handshake,
            first_media,
            outcome,
        });
        self.tuples.give_back(tuple, self.clock.now());
    }
}
