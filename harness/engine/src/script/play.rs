use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::scenario::{Scenario, SocketNeed};

use super::context::Context;
use super::describe::human_time;
use super::inbox::{Arrival, Inbox, MAX_WAITING};
use super::media::{MediaRun, NextMedia, Piece};
use super::program::{Kind, Op, compile};
use super::send::{self, From, Sending, Source};
use super::wait::{End, Offer, Waiter, status};
use super::window::resolve;
use super::{Action, Environment, Failure, Input, ScriptOutcome, SocketId, StepEvent};

/// Most `fresh` sockets that are open at once.
const MAX_FRESH: usize = 256;
/// Most steps that are played, those of repeated lists each time.
const MAX_STEPS: u64 = 1_000_000;
/// Most events that are kept; the first ones are.
const MAX_EVENTS: usize = 4_096;
/// Most comments by one step.
const MAX_COMMENTS: u32 = 16;
/// How long the driver may take to send.
const SEND_LIMIT: Duration = Duration::from_secs(30);
/// How long the driver may take to start the implementation again.
const RESTART_LIMIT: Duration = Duration::from_secs(60);

/// A scenario being played; see the [module](super) for the rules.
#[derive(Debug)]
pub struct Script {
    ops: Vec<Arc<Op>>,
    context: Context,
    inbox: Inbox,
    doing: Doing,
    /// Index of the step that comes next.
    next: usize,
    /// How often the repeated lists that are being played are still to be played.
    loops: Vec<u32>,
    /// When the step before was completed.
    mark: Duration,
    begun: bool,
    actions: VecDeque<Action>,
    events: Vec<StepEvent>,
    comments: Vec<u32>,
    ignored: IndexMap<String, u64>,
    completed: Vec<bool>,
    played: u64,
    outcome: Option<ScriptOutcome>,
    exited: Option<(Duration, Option<i32>)>,
    lateness: Lateness,
    /// The last packet of the capture that the script knows of.
    last_packet: Option<u64>,
    /// Sockets to open at the beginning.
    sockets: Vec<bool>,
    fresh: VecDeque<SocketId>,
    next_socket: usize,
    next_tag: u64,
}

#[derive(Debug)]
enum Doing {
    /// The next step is to be begun.
    Nothing,
    Sending(Sending, Option<Duration>),
    Waiting(Waiting),
    Sleeping {
        op: Arc<Op>,
        until: Duration,
    },
    Restarting {
        op: Arc<Op>,
        since: Duration,
    },
}

/// A step that waits, or the first steps of the branches of an `either`.
#[derive(Debug)]
struct Waiting {
    op: Arc<Op>,
    waiters: Vec<Waiter>,
    out: Vec<(String, Box<Failure>)>,
}

/// How late the driver was while the current window was open.
#[derive(Debug, Default)]
struct Lateness {
    worst: Duration,
    last: Duration,
}

impl Script {
    /// A script at its beginning. The scenario was checked when it was loaded; what is wrong with
    /// it nevertheless becomes an [error](ScriptOutcome::Error) when it is played.
    #[must_use]
    pub fn new(scenario: &Scenario, environment: Environment) -> Self {
        let ops = compile(scenario);
        let sockets = scenario.sockets.values();
        let sockets: Vec<_> = sockets
            .map(|need| matches!(need, SocketNeed::OtherAddress {}))
            .collect();
        let (context, outcome) = match Context::new(scenario, environment.clone()) {
            Ok(context) => (context, None),
            Err(why) => {
                let step = "let".to_owned();
                (
                    Context::empty(environment),
                    Some(ScriptOutcome::Error { why, step }),
                )
            }
        };
        Self {
            inbox: Inbox::new(1 + sockets.len()),
            comments: vec![0; ops.len()],
            completed: vec![false; ops.len()],
            next_socket: 1 + sockets.len(),
            ops,
            context,
            doing: Doing::Nothing,
            next: 0,
            loops: Vec::new(),
            mark: Duration::ZERO,
            begun: false,
            actions: VecDeque::new(),
            events: Vec::new(),
            ignored: IndexMap::new(),
            played: 0,
            outcome,
            exited: None,
            lateness: Lateness::default(),
            last_packet: None,
            sockets,
            fresh: VecDeque::new(),
            next_tag: 0,
        }
    }

    /// Takes one input at time `now`, which never falls.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        if self.outcome.is_some() {
            return;
        }
        match input {
            Input::Begin => self.begin(now),
            Input::Datagram {
                socket,
                from,
                payload,
                packet,
            } => {
                self.last_packet = packet.or(self.last_packet);
                self.inbox.arrive(socket, from, now, payload, packet);
            }
            Input::Sent { tag, packet } => self.sent(now, tag, packet),
            Input::Refused { why } => {
                self.inconclusive(format!("the stimulus could not be applied: {why}"));
            }
            Input::Tick => {}
            Input::Exited { code } => {
                let is_ours = matches!(self.doing, Doing::Restarting { .. });
                if !is_ours {
                    self.exited.get_or_insert((now, code));
                }
            }
            Input::Restarted => self.restarted(now),
            Input::Late(by) => self.lateness.note(now, by, self.mark),
        }
        if self.begun {
            self.advance(now);
        }
    }

    /// The next thing that it wants done; `None` when there is nothing more for now.
    pub fn poll(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When it wants an [`Input::Tick`] at the latest, if ever.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.outcome.is_some() || !self.begun {
            return None;
        }
        match &self.doing {
            Doing::Nothing => None,
            Doing::Sending(sending, wait) => match sending.outstanding {
                Some((_, since)) => Some(since.saturating_add(SEND_LIMIT)),
                None => *wait,
            },
            Doing::Waiting(waiting) => waiting.waiters.iter().map(Waiter::due).min(),
            Doing::Sleeping { until, .. } => Some(*until),
            Doing::Restarting { since, .. } => Some(since.saturating_add(RESTART_LIMIT)),
        }
    }

    /// How it ended, once it did. What [`Script::poll`] still has are comments.
    #[must_use]
    pub const fn outcome(&self) -> Option<&ScriptOutcome> {
        self.outcome.as_ref()
    }

    /// What was done so far, step by step; the first 4,096.
    #[must_use]
    pub fn events(&self) -> &[StepEvent] {
        &self.events
    }

    /// Frames that steps passed over, by name.
    #[must_use]
    pub const fn ignored(&self) -> &IndexMap<String, u64> {
        &self.ignored
    }

    /// The values that names stand for by now.
    #[must_use]
    pub fn bindings(&self) -> &IndexMap<String, Value> {
        self.context.bindings.all()
    }

    fn begin(&mut self, now: Duration) {
        if self.begun {
            return;
        }
        self.begun = true;
        self.mark = now;
        for (n, other_address) in self.sockets.iter().enumerate() {
            let socket = SocketId(n + 1);
            self.actions.push_back(Action::Open {
                socket,
                other_address: *other_address,
            });
        }
    }

    /// Plays on until something must be waited for.
    fn advance(&mut self, now: Duration) {
        while self.outcome.is_none() {
            let doing = std::mem::replace(&mut self.doing, Doing::Nothing);
            let blocked = match doing {
                Doing::Nothing => {
                    self.begin_step(now);
                    None
                }
                Doing::Sending(sending, _) => self.send(now, sending),
                Doing::Waiting(waiting) => self.wait(now, waiting),
                Doing::Sleeping { op, until } if now >= until => {
                    self.complete(&op, until, "waited".to_owned(), None);
                    None
                }
                doing @ Doing::Sleeping { .. } => Some(doing),
                Doing::Restarting { since, .. } if now >= since.saturating_add(RESTART_LIMIT) => {
                    let limit = human_time(RESTART_LIMIT);
                    self.error(format!(
                        "the implementation was not started again in {limit}"
                    ));
                    None
                }
                doing @ Doing::Restarting { .. } => Some(doing),
            };
            if let Some(blocked) = blocked {
                self.doing = blocked;
                return;
            }
        }
    }

    fn begin_step(&mut self, now: Duration) {
        let Some(op) = self.ops.get(self.next).cloned() else {
            self.outcome = Some(ScriptOutcome::Passed);
            return;
        };
        self.played += 1;
        if self.played > MAX_STEPS {
            self.error(format!("more than {MAX_STEPS} steps were played"));
            return;
        }
        match self.start(&op, now) {
            Ok(Some(doing)) => self.doing = doing,
            Ok(None) => {}
            Err(why) => self.error(why),
        }
    }

    /// What the step does; `None` if it is done or a jump.
    fn start(&mut self, op: &Arc<Op>, now: Duration) -> Result<Option<Doing>, String> {
        let context = &self.context;
        let same = |datagram: Vec<u8>, times: Option<u32>| Source::Same {
            datagram,
            left: times.unwrap_or(1),
        };
        let doing = match &op.kind {
            Kind::Send(send) => {
                let datagram = send::typed(&send.frame, &send.fields, context)?;
                let from = From::named(send.from.as_deref(), context)?;
                Doing::Sending(Sending::new(op, from, same(datagram, send.times)), None)
            }
            Kind::SendRaw(raw) => {
                let from = From::named(raw.from.as_deref(), context)?;
                Doing::Sending(
                    Sending::new(op, from, same(send::raw(raw)?, raw.times)),
                    None,
                )
            }
            Kind::Mutate(mutate) => {
                let from = From::named(mutate.from.as_deref(), context)?;
                let datagram = send::mutated(mutate, context)?;
                Doing::Sending(Sending::new(op, from, same(datagram, None)), None)
            }
            Kind::Media(media) => {
                let from = From::named(media.from.as_deref(), context)?;
                let run = MediaRun::new(media, self.mark, &context.environment);
                Doing::Sending(Sending::new(op, from, Source::Media(run)), None)
            }
            Kind::Lose(send) => {
                let datagram = send::typed(&send.frame, &send.fields, context)?;
                let text = format!("lost {}", context.describe(&datagram));
                self.context.datagrams.insert(op.top, datagram);
                self.complete(op, now.max(self.mark), text, self.last_packet);
                return Ok(None);
            }
            Kind::Wait(span) => {
                let until = self
                    .mark
                    .saturating_add(resolve(span, &context.environment));
                Doing::Sleeping {
                    op: Arc::clone(op),
                    until,
                }
            }
            Kind::RestartIut => {
                self.actions.push_back(Action::RestartIut);
                self.exited = None;
                self.inbox.clear();
                Doing::Restarting {
                    op: Arc::clone(op),
                    since: now,
                }
            }
            Kind::Expect(_)
            | Kind::ExpectAny(_)
            | Kind::ExpectNothing(_)
            | Kind::ExpectMedia(_)
            | Kind::ExpectExit(_) => {
                let waiters = vec![Waiter::new(op, self.mark, context)?];
                Doing::Waiting(Waiting {
                    op: Arc::clone(op),
                    waiters,
                    out: Vec::new(),
                })
            }
            Kind::Either(branches) => {
                let mut waiters = Vec::new();
                self.heads(branches, "", &mut waiters)?;
                if waiters.is_empty() {
                    return Err("a choice has no branch to take".to_owned());
                }
                Doing::Waiting(Waiting {
                    op: Arc::clone(op),
                    waiters,
                    out: Vec::new(),
                })
            }
            Kind::Repeat { times: 0, end } => {
                self.next = *end;
                return Ok(None);
            }
            Kind::Repeat { times, .. } => {
                self.loops.push(*times);
                self.next += 1;
                return Ok(None);
            }
            Kind::Again { start } => {
                let left = self.loops.pop().unwrap_or(1) - 1;
                if left > 0 {
                    self.loops.push(left);
                }
                self.next = if left > 0 { *start } else { self.next + 1 };
                return Ok(None);
            }
            Kind::Jump(to) => {
                self.next = *to;
                return Ok(None);
            }
        };
        Ok(Some(doing))
    }

    /// The first steps of branches; where that is a choice again, of its branches.
    fn heads(
        &self,
        branches: &[(String, usize)],
        prefix: &str,
        waiters: &mut Vec<Waiter>,
    ) -> Result<(), String> {
        for (title, begin) in branches {
            let title = format!("{prefix}{title}");
            let op = self.ops.get(*begin).ok_or("a branch has no steps")?;
            match &op.kind {
                Kind::Either(inner) => self.heads(inner, &format!("{title}: "), waiters)?,
                _ => {
                    let waiter = Waiter::new(op, self.mark, &self.context)?;
                    waiters.push(waiter.titled(title));
                }
            }
        }
        Ok(())
    }

    fn send(&mut self, now: Duration, mut sending: Sending) -> Option<Doing> {
        if let Some((_, since)) = sending.outstanding {
            if now >= since.saturating_add(SEND_LIMIT) {
                let limit = human_time(SEND_LIMIT);
                self.error(format!("a datagram did not leave in {limit}"));
                return None;
            }
            return Some(Doing::Sending(sending, None));
        }
        let datagram = match &mut sending.source {
            Source::Same { left: 0, .. } => None,
            Source::Same { datagram, left } => {
                *left -= 1;
                Some(datagram.clone())
            }
            Source::Media(run) => match run.next(now, &self.context.environment) {
                Ok(NextMedia::Send(datagram)) => Some(datagram),
                Ok(NextMedia::Wait(until)) => return Some(Doing::Sending(sending, Some(until))),
                Ok(NextMedia::Over) => None,
                Err(error) => {
                    self.error(error.to_string());
                    return None;
                }
            },
        };
        let Some(datagram) = datagram else {
            let text = sending.summary(&self.context);
            self.context
                .datagrams
                .insert(sending.op.top, sending.datagram);
            // The time is that of the last datagram, which `sent` noted.
            self.complete(&sending.op, self.mark, text, None);
            return None;
        };
        let Some(to) = self.destination(sending.from) else {
            self.inconclusive("nothing has come yet, so there is no address to send to".to_owned());
            return None;
        };
        let socket = match sending.from {
            From::Named(socket) => socket,
            From::Fresh => self.open_fresh(),
        };
        let tag = self.next_tag;
        self.next_tag += 1;
        sending.datagram.clone_from(&datagram);
        sending.outstanding = Some((tag, now));
        self.actions.push_back(Action::Send {
            tag,
            socket,
            to,
            payload: datagram,
        });
        Some(Doing::Sending(sending, None))
    }

    /// Where a datagram goes: `Some(None)` to a responder, `Some(Some(_))` to an initiator that
    /// was heard, `None` if none was.
    fn destination(&self, from: From) -> Option<Option<std::net::SocketAddr>> {
        if self.context.environment.iut.is_some() {
            return Some(None);
        }
        let own = match from {
            From::Named(socket) => self.inbox.source(socket),
            From::Fresh => None,
        };
        own.or_else(|| self.inbox.source(SocketId::MAIN)).map(Some)
    }

    fn open_fresh(&mut self) -> SocketId {
        if self.fresh.len() >= MAX_FRESH
            && let Some(socket) = self.fresh.pop_front()
        {
            self.actions.push_back(Action::Close { socket });
        }
        let socket = SocketId(self.next_socket);
        self.next_socket += 1;
        self.fresh.push_back(socket);
        self.actions.push_back(Action::Open {
            socket,
            other_address: false,
        });
        socket
    }

    fn sent(&mut self, now: Duration, tag: u64, packet: Option<u64>) {
        let Doing::Sending(sending, _) = &mut self.doing else {
            return;
        };
        if sending
            .outstanding
            .is_none_or(|(outstanding, _)| outstanding != tag)
        {
            return;
        }
        sending.outstanding = None;
        sending.sent += 1;
        self.last_packet = packet.or(self.last_packet);
        self.mark = now;
        if sending.sent == 1 {
            let op = Arc::clone(&sending.op);
            let text = self.context.describe(&sending.datagram);
            self.comment(&op, packet, &text);
        }
    }

    fn restarted(&mut self, now: Duration) {
        let Doing::Restarting { op, .. } = &self.doing else {
            return;
        };
        let op = Arc::clone(op);
        // A responder says nothing by itself: what came was the old process's. What an initiator
        // says first may have come before its start was reported.
        if self.context.environment.iut.is_some() {
            self.inbox.clear();
        }
        self.doing = Doing::Nothing;
        self.complete(
            &op,
            now,
            "started the implementation again".to_owned(),
            None,
        );
    }

    /// Gives arrivals, the end of the process and the end of the time to a waiting step, in the
    /// order in which they happened.
    fn wait(&mut self, now: Duration, mut waiting: Waiting) -> Option<Doing> {
        loop {
            let mut sockets: Vec<_> = waiting
                .waiters
                .iter()
                .flat_map(|waiter| waiter.sockets().to_vec())
                .collect();
            sockets.sort_unstable();
            sockets.dedup();
            let arrival = self.inbox.oldest(&sockets).cloned();
            let exit = self
                .exited
                .filter(|_| waiting.waiters.iter().any(Waiter::wants_exit));
            let arrived = arrival.as_ref().map(|arrival| arrival.at);
            let next = arrived.into_iter().chain(exit.map(|(at, _)| at)).min();
            if arrival.is_none()
                && let Some((socket, missing)) = self.inbox.missing(&sockets)
            {
                let place = self.context.place(socket);
                self.inconclusive(format!(
                    "more than {MAX_WAITING} datagrams waited unread{place}; {missing} were not \
                     kept, and what they were cannot be judged"
                ));
                return None;
            }
            let over = |waiter: &Waiter| match next {
                Some(at) => waiter.is_over_at(at),
                None => now >= waiter.due(),
            };
            let over = waiting
                .waiters
                .iter()
                .enumerate()
                .filter(|(_, waiter)| over(waiter));
            let over = over.min_by_key(|(_, waiter)| waiter.due()).map(|(n, _)| n);
            if let Some(n) = over {
                let end = waiting.waiters[n].end(&self.context, arrival.as_ref());
                if self.ended(&mut waiting, n, end) {
                    return None;
                }
                continue;
            }
            match (arrival, exit) {
                (Some(arrival), exit) if exit.is_none_or(|(at, _)| arrival.at <= at) => {
                    if self.offer(&mut waiting, &arrival) {
                        return None;
                    }
                }
                (_, Some((at, code))) => {
                    let n = waiting
                        .waiters
                        .iter()
                        .position(Waiter::wants_exit)
                        .unwrap_or(0);
                    let end = waiting.waiters[n].exited(&self.context, at, code);
                    if self.ended(&mut waiting, n, end) {
                        return None;
                    }
                }
                (Some(_) | None, None) => return Some(Doing::Waiting(waiting)),
            }
        }
    }

    /// Offers an arrival to each of the steps that wait. `true` if nothing waits any more.
    fn offer(&mut self, waiting: &mut Waiting, arrival: &Arrival) -> bool {
        let decoded = self.context.decode(&arrival.payload);
        let piece = Piece::of(&self.context, arrival, &decoded);
        let seen = self.context.media.entry(arrival.socket).or_default();
        if piece.is_some_and(|piece| seen.takes_rest(&piece)) {
            self.inbox.take(arrival.socket);
            return false;
        }
        let mut ignored = None;
        let mut n = 0;
        while n < waiting.waiters.len() {
            match waiting.waiters[n].offer(&self.context, arrival, &decoded) {
                Offer::Elsewhere => n += 1,
                Offer::Ignored(frame) => {
                    ignored = Some(frame);
                    n += 1;
                }
                Offer::Taken { done, bound } => {
                    self.inbox.take(arrival.socket);
                    let waiter = waiting.waiters.swap_remove(n);
                    self.taken(waiting, waiter, arrival, bound, done);
                    self.saw(arrival, piece);
                    return done;
                }
                Offer::Failed(failure) => {
                    if self.out(waiting, n, failure) {
                        return true;
                    }
                }
                Offer::Broken(why) => {
                    self.error(why);
                    return true;
                }
            }
        }
        if let Some(frame) = ignored {
            self.inbox.take(arrival.socket);
            *self.ignored.entry(frame.to_owned()).or_default() += 1;
            self.saw(arrival, piece);
        }
        false
    }

    fn saw(&mut self, arrival: &Arrival, piece: Option<Piece>) {
        if let Some(piece) = piece {
            self.context
                .media
                .entry(arrival.socket)
                .or_default()
                .saw(piece.number);
        }
    }

    fn taken(
        &mut self,
        waiting: &mut Waiting,
        waiter: Waiter,
        arrival: &Arrival,
        bound: Vec<(String, Value)>,
        done: bool,
    ) {
        for (name, value) in bound {
            self.context.bindings.set(&name, value);
        }
        self.context
            .datagrams
            .insert(waiter.op.top, arrival.payload.clone());
        let op = Arc::clone(&waiter.op);
        // A choice is made: go on in the branch.
        self.next = op.index;
        let branch = waiter
            .title
            .as_ref()
            .map(|title| format!("{title}: "))
            .unwrap_or_default();
        let text = branch + &waiter.summary(&arrival.payload, &self.context);
        if done {
            let seen = self.context.media.entry(arrival.socket).or_default();
            seen.completed(waiter.media_part());
            self.complete(&op, arrival.at, text, arrival.packet);
        } else {
            waiting.waiters = vec![waiter];
            waiting.out.clear();
            waiting.op = op;
        }
    }

    /// What became of waiter `n` by time or by the process's end. `true` if nothing waits any more.
    fn ended(&mut self, waiting: &mut Waiting, n: usize, end: End) -> bool {
        match end {
            End::Done(at, text) => {
                let waiter = waiting.waiters.swap_remove(n);
                let branch = waiter
                    .title
                    .map(|title| format!("{title}: "))
                    .unwrap_or_default();
                self.next = waiter.op.index;
                self.complete(&waiter.op, at, branch + &text, None);
                true
            }
            End::Failed(failure) => self.out(waiting, n, failure),
        }
    }

    /// Waiter `n` cannot be met any more. `true` if none is left, and the step failed.
    fn out(&mut self, waiting: &mut Waiting, n: usize, failure: Box<Failure>) -> bool {
        let waiter = waiting.waiters.remove(n);
        waiting
            .out
            .push((waiter.title.unwrap_or_default(), failure));
        if !waiting.waiters.is_empty() {
            return false;
        }
        let out = std::mem::take(&mut waiting.out);
        self.fail(&waiting.op, out);
        true
    }

    fn complete(&mut self, op: &Op, at: Duration, text: String, packet: Option<u64>) {
        self.comment(op, packet, &text);
        self.event(op, at, text);
        self.mark = at;
        self.lateness.forget_before(at);
        self.completed[op.index] = true;
        self.next = op.index + 1;
    }

    /// Ends the script with what its last hope failed by.
    fn fail(&mut self, op: &Op, mut out: Vec<(String, Box<Failure>)>) {
        let slack = out.iter().filter_map(|(_, failure)| failure.slack).max();
        let requirement = out.first().map(|(_, failure)| failure.requirement.clone());
        let choices = out.len();
        let each = |part: fn(&Failure) -> &str| {
            let each = out
                .iter()
                .map(|(title, failure)| format!("{title}: {}", part(failure)));
            each.collect::<Vec<_>>().join("; ")
        };
        let (expected, got) = match choices {
            1 => (None, None),
            _ => {
                let wanted = each(|failure| &failure.expected);
                (
                    Some(format!("one of these: {wanted}")),
                    Some(each(|failure| &failure.got)),
                )
            }
        };
        let Some((_, mut failure)) = out.pop() else {
            return;
        };
        failure.expected = expected.unwrap_or(failure.expected);
        failure.got = got.unwrap_or(failure.got);
        failure.requirement = requirement.unwrap_or(failure.requirement);
        failure.judged = self.judged();
        if choices > 1 {
            failure.step.clone_from(&op.path);
        }
        if let Some((at, code)) = self.exited {
            let status = status(code);
            let before = human_time(failure.time.saturating_sub(at));
            if at <= failure.time && !failure.got.contains(&status) {
                failure.got += &format!(" (the process had ended {before} before: {status})");
            }
        }
        let text = format!("expected {}, got {}", failure.expected, failure.got);
        self.event(op, failure.time, text.clone());
        let late = self.lateness.worst;
        if slack.is_some_and(|slack| late > slack) {
            let late = human_time(late);
            let why = format!("{text}; but the harness itself was late by {late}");
            self.outcome = Some(ScriptOutcome::Inconclusive {
                why,
                step: failure.step,
            });
            return;
        }
        self.comment_always(
            op,
            failure.packet,
            &format!("FAILED {}: {text}", failure.requirement),
        );
        self.outcome = Some(ScriptOutcome::Failed(failure));
    }

    /// Requirements named by steps all of which were completed.
    fn judged(&self) -> Vec<String> {
        let mut all: IndexMap<&str, bool> = IndexMap::new();
        for (op, completed) in self.ops.iter().zip(&self.completed) {
            for requirement in op.requirements() {
                *all.entry(requirement).or_insert(true) &= *completed;
            }
        }
        let judged = all.into_iter().filter(|(_, completed)| *completed);
        judged
            .map(|(requirement, _)| requirement.to_owned())
            .collect()
    }

    fn inconclusive(&mut self, why: String) {
        let step = self.path();
        self.outcome = Some(ScriptOutcome::Inconclusive { why, step });
    }

    fn error(&mut self, why: String) {
        let step = self.path();
        self.outcome = Some(ScriptOutcome::Error { why, step });
    }

    /// The path of the step that is played, or of the last.
    fn path(&self) -> String {
        let op = self.ops.get(self.next).or(self.ops.last());
        op.map(|op| op.path.clone()).unwrap_or_default()
    }

    fn event(&mut self, op: &Op, time: Duration, text: String) {
        if self.events.len() < MAX_EVENTS {
            let (step, verb) = (op.path.clone(), op.verb());
            self.events.push(StepEvent {
                step,
                verb,
                time,
                text,
            });
        }
    }

    fn comment(&mut self, op: &Op, packet: Option<u64>, text: &str) {
        if packet.is_some() && self.comments[op.index] < MAX_COMMENTS {
            self.comments[op.index] += 1;
            self.comment_always(op, packet, text);
        }
    }

    fn comment_always(&mut self, op: &Op, packet: Option<u64>, text: &str) {
        if let Some(packet) = packet {
            let text = format!("step {} {}: {text}", op.path, op.verb());
            self.actions.push_back(Action::Comment { packet, text });
        }
    }
}

impl Lateness {
    fn note(&mut self, now: Duration, by: Duration, window: Duration) {
        let fresh = self.last < window;
        self.worst = if fresh { by } else { self.worst.max(by) };
        self.last = now;
    }

    /// A window opens at `start`: what was late before it does not count.
    fn forget_before(&mut self, start: Duration) {
        if self.last < start {
            self.worst = Duration::ZERO;
        }
    }
}
