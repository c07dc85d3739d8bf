//! The steps that act: what they ask for, and when that cannot be done.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use shakedown_protocol::streams::{Approach, ConnectionNumber, Output, StreamId};

use crate::scenario::streams::{APART, Write};
use crate::scenario::{Span, Step};
use crate::script::context::Context;
use crate::script::describe::human_time;
use crate::script::program::{Kind, Op};
use crate::script::window::resolve;

use super::play::HANDSHAKE_LIMIT;
use super::world::{Ended, Moment, World};
use super::{Doing, StreamScript, hex_bytes, words};

/// How long a write waits for the transport to take it after its last piece.
const TAKING: Duration = Duration::from_millis(200);
/// Bytes that may wait to be sent on a stream.
const MOST_UNWRITTEN: usize = 16 << 20;

/// A `write` on its way.
#[derive(Debug)]
pub(super) struct Writing {
    op: Arc<Op>,
    connection: ConnectionNumber,
    stream: StreamId,
    pieces: VecDeque<Vec<u8>>,
    apart: Duration,
    ends: bool,
    /// When the next piece leaves; after the last, until when it waits to be taken.
    due: Duration,
    text: String,
    /// The packet that comes next when it begins, where its comment stands.
    packet: Option<u64>,
}

/// What an acting step acts on.
struct Target<'a> {
    number: ConnectionNumber,
    stream: Option<StreamId>,
    /// The connection as the step means it.
    called: String,
    /// Whether it needs the handshake done.
    needs_handshake: bool,
    name: Option<&'a str>,
}

impl Writing {
    pub(super) const fn due(&self) -> Duration {
        self.due
    }
}

impl StreamScript {
    /// Does what a step wants done; gives what there is to wait for.
    pub(super) fn act(
        &mut self,
        op: &Arc<Op>,
        step: &Step,
        now: Duration,
    ) -> Result<Doing, String> {
        if let Step::Connect(one) = step {
            let from = one.from.as_ref();
            let from = from.map(|name| self.world.named(name)).transpose()?;
            let number = self.world.connect(&one.name);
            let approach = Approach {
                alpn: one.alpn.clone(),
                from,
                window: one.window,
            };
            self.world
                .outputs
                .push_back(Output::ConnectBy(number, approach));
            return Ok(self.did(op, now, "connecting".to_owned()));
        }
        let Some(target) = target(step, &self.world)? else {
            return Err(format!("{:?} does nothing", step.verb()));
        };
        let Some(connection) = self.world.connections.get(&target.number) else {
            return Err(format!("{} is forgotten", target.called));
        };
        let is_unwanted = target.stream.and_then(|id| {
            let stopped = connection.streams.get(&id)?.stopped;
            stopped.filter(|_| matches!(step, Step::Write(_) | Step::Fin(_)))
        });
        // It is the endpoint whose packets pass again: other connections have it too.
        let resumes = matches!(step, Step::Resume(_));
        if let Some((moment, ended)) = connection.ended.as_ref().filter(|_| !resumes) {
            let (moment, by_script) = (*moment, *ended == Ended::ByScript);
            if by_script && !matches!(step, Step::StopReading(_) | Step::ResumeReading(_)) {
                return Err(format!("{} was closed by an earlier step", target.called));
            }
            let how = connection.how().unwrap_or_default();
            // A client that has done its part may close before the scripted peer does.
            let is_done = matches!(ended, Ended::Application { code: 0, .. });
            let is_done = is_done && !self.world.is_client && matches!(step, Step::Close(_));
            return Ok(self.pass_over(op, &target, step, now, moment, &how, is_done));
        }
        if connection.connected.is_none() && target.needs_handshake {
            return Ok(Doing::Holding {
                op: Arc::clone(op),
                until: now.saturating_add(HANDSHAKE_LIMIT),
            });
        }
        if let Some((moment, code)) = is_unwanted {
            let stream = target.name.unwrap_or_default();
            let how = format!("no more was wanted of `{stream}` (STOP_SENDING, code {code})");
            return Ok(self.pass_over(op, &target, step, now, moment, &how, false));
        }
        self.apply(op, step, &target, now)
    }

    /// Applies a step to a connection that can take it.
    fn apply(
        &mut self,
        op: &Arc<Op>,
        step: &Step,
        target: &Target<'_>,
        now: Duration,
    ) -> Result<Doing, String> {
        let number = target.number;
        let on_stream = || target.stream.ok_or("it names no stream");
        let (output, text) = match step {
            Step::Open(one) => {
                let id = self.world.open(number, one.unidirectional, &one.stream);
                let id = id.ok_or("the connection is forgotten")?;
                let text = format!("opened `{}` (stream {})", one.stream, id.0);
                (Output::Open(number, id), text)
            }
            Step::Write(one) => {
                let writing = match writing(op, one, number, on_stream()?, &self.context, now)? {
                    Ok(writing) => Writing {
                        packet: self.world.next_packet(),
                        ..writing
                    },
                    Err(why) => {
                        let why = format!("the stimulus could not be applied: {why}");
                        self.course.inconclusive(why);
                        return Ok(Doing::Nothing);
                    }
                };
                return Ok(Doing::Writing(writing));
            }
            Step::Fin(one) => {
                let text = format!("ended `{}`", one.stream);
                (Output::Fin(number, on_stream()?), text)
            }
            Step::Reset(one) => {
                let text = format!("broke off `{}` with code {}", one.stream, one.code);
                (Output::Reset(number, on_stream()?, one.code), text)
            }
            Step::StopSending(one) => {
                let (stream, code) = (&one.stream, one.code);
                let text = format!("asked for no more of `{stream}`, with code {code}");
                (Output::StopSending(number, on_stream()?, code), text)
            }
            Step::SendDatagram(one) => {
                let bytes = hex_bytes(&one.hex)?;
                let text = format!("sent the datagram {}", words::bytes(&bytes));
                (Output::Datagram(number, bytes), text)
            }
            Step::Blackhole(_) => (Output::Silence(number, true), "silent".to_owned()),
            Step::Resume(_) => {
                let text = "packets pass again".to_owned();
                (Output::Silence(number, false), text)
            }
            Step::Close(one) => {
                self.world.closes(number, now);
                let output = Output::Close {
                    connection: number,
                    code: one.code,
                    reason: one.reason.clone().unwrap_or_default(),
                };
                (output, format!("closed with code {}", one.code))
            }
            Step::StopReading(one) | Step::ResumeReading(one) => {
                let holds = matches!(step, Step::StopReading(_));
                if let Some(stream) = self.world.stream(number, on_stream()?) {
                    stream.is_held = holds;
                }
                let text = match holds {
                    true => format!("reading no more of `{}`", one.stream),
                    false => format!("reading `{}` again", one.stream),
                };
                return Ok(self.did(op, now, text));
            }
            other => return Err(format!("{:?} does nothing to a connection", other.verb())),
        };
        self.world.outputs.push_back(output);
        Ok(self.did(op, now, text))
    }

    /// An acting step is done. Its comment stands at the packet that comes next.
    fn did(&mut self, op: &Op, now: Duration, text: String) -> Doing {
        let at = now.max(self.course.mark);
        let packet = self.world.next_packet();
        self.course.complete(op, at, text, packet);
        Doing::Nothing
    }

    /// A step cannot act any more. `is_done`: what it wants is so already. Whose end was judged needs no
    /// other judge.
    #[expect(clippy::too_many_arguments, reason = "all of it is told")]
    fn pass_over(
        &mut self,
        op: &Op,
        target: &Target<'_>,
        step: &Step,
        now: Duration,
        moment: Moment,
        how: &str,
        is_done: bool,
    ) -> Doing {
        if let Step::Open(one) = step {
            // Later steps may name it; they are passed over too.
            self.world
                .open(target.number, one.unidirectional, &one.stream);
        }
        let called = &target.called;
        let is_done = is_done || self.judged.contains(&target.number);
        if !is_done && !matches!(step, Step::Resume(_) | Step::ResumeReading(_)) {
            let verb = step.verb();
            let expected = format!("{called} open for `{verb}`");
            let before = human_time(now.saturating_sub(moment.at));
            let got = format!("{how} {before} before");
            let failure = self.context.failure(op, None, now, expected, got);
            self.passed_over.entry(target.number).or_insert_with(|| {
                Box::new(super::Failure {
                    packet: moment.packet,
                    ..*failure
                })
            });
        }
        let text = format!("passed over: {called}: {how}");
        let at = now.max(self.course.mark);
        self.course.complete(op, at, text, None);
        Doing::Nothing
    }

    /// Waits for the handshake before it acts.
    pub(super) fn hold(&mut self, now: Duration, op: Arc<Op>, until: Duration) -> Option<Doing> {
        let Kind::OverStreams(step) = &op.kind else {
            return None;
        };
        let number = match target(step, &self.world) {
            Ok(target) => target.map(|target| target.number),
            Err(why) => {
                self.course.error(why);
                return None;
            }
        };
        let connection = number.and_then(|number| self.world.connections.get(&number));
        let is_ready = connection
            .is_none_or(|connection| connection.connected.is_some() || connection.ended.is_some());
        if is_ready {
            match self.act(&op, step, now) {
                Ok(doing) => self.doing = doing,
                Err(why) => self.course.error(why),
            }
            return None;
        }
        if now >= until {
            let limit = human_time(HANDSHAKE_LIMIT);
            let expected = format!("the handshake done for `{}`", op.verb());
            let got = format!("no end of it in {limit}");
            let failure = self.context.failure(&op, None, now, expected, got);
            self.fail(&op, vec![(String::new(), failure)], false);
            return None;
        }
        Some(Doing::Holding { op, until })
    }

    /// Writes what is due.
    pub(super) fn write(&mut self, now: Duration, mut writing: Writing) -> Option<Doing> {
        let (number, id) = (writing.connection, writing.stream);
        let connection = self.world.connections.get(&number);
        let is_over = connection.is_none_or(|connection| connection.ended.is_some());
        if is_over && !writing.pieces.is_empty() {
            // It goes through `act` again, which passes it over.
            let op = Arc::clone(&writing.op);
            let until = now;
            self.doing = Doing::Holding { op, until };
            return None;
        }
        while now >= writing.due
            && let Some(piece) = writing.pieces.pop_front()
        {
            let at = now.max(self.course.mark);
            self.course.mark = at;
            let Some(stream) = self.world.stream(number, id) else {
                self.course.error("the stream is forgotten".to_owned());
                return None;
            };
            let waits: usize = stream.unwritten.iter().sum();
            if waits + piece.len() > MOST_UNWRITTEN {
                let why = "16 MiB wait to be sent: the stimulus could not be applied";
                self.course.inconclusive(why.to_owned());
                return None;
            }
            if !piece.is_empty() {
                stream.unwritten.push_back(piece.len());
                let write = Output::Write(number, id, piece);
                self.world.outputs.push_back(write);
            }
            let is_last = writing.pieces.is_empty();
            if is_last && writing.ends {
                self.world.outputs.push_back(Output::Fin(number, id));
            }
            let pause = if is_last { TAKING } else { writing.apart };
            writing.due = now.saturating_add(pause);
        }
        let stream = self.world.stream(number, id);
        let is_taken = stream.is_none_or(|stream| stream.unwritten.is_empty());
        if writing.pieces.is_empty() && (is_taken || is_over || now >= writing.due) {
            let Writing {
                op, text, packet, ..
            } = writing;
            let mark = self.course.mark;
            self.course.complete(&op, mark, text, packet);
            return None;
        }
        Some(Doing::Writing(writing))
    }
}

/// What a step acts on; `None` if it is no step that acts on a connection.
fn target<'a>(step: &'a Step, world: &World) -> Result<Option<Target<'a>>, String> {
    let of = |name: &str, needs_handshake| {
        Ok(Some(Target {
            number: world.named(name)?,
            stream: None,
            called: words::connection(name),
            needs_handshake,
            name: None,
        }))
    };
    let on = |name: &'a str| {
        let (number, stream) = world.stream_named(name)?;
        Ok(Some(Target {
            number,
            stream: Some(stream),
            called: world.called(number),
            needs_handshake: true,
            name: Some(name),
        }))
    };
    match step {
        Step::Open(one) => of(&one.connection, true),
        Step::SendDatagram(one) => of(&one.connection, true),
        Step::Blackhole(one) | Step::Resume(one) => of(&one.connection, false),
        Step::Close(one) => of(&one.connection, false),
        Step::Write(one) => on(&one.stream),
        Step::Fin(one) | Step::StopReading(one) | Step::ResumeReading(one) => on(&one.stream),
        Step::Reset(one) | Step::StopSending(one) => on(&one.stream),
        _ => Ok(None),
    }
}

/// What a `write` sends; the inner error says that a value cannot be sent.
fn writing(
    op: &Arc<Op>,
    one: &Write,
    connection: ConnectionNumber,
    stream: StreamId,
    context: &Context,
    now: Duration,
) -> Result<Result<Writing, String>, String> {
    let mut numbers = Vec::new();
    let bytes = match (&one.hex, &one.u32) {
        (Some(hex), None) => hex_bytes(hex)?,
        (None, Some(values)) => {
            let mut bytes = Vec::new();
            for value in values {
                let value = context.bindings.resolve(value)?;
                let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                let Some(number) = number else {
                    return Ok(Err(format!("{value} does not fit into 32 bits")));
                };
                numbers.push(number.to_string());
                bytes.extend(number.to_le_bytes());
            }
            bytes
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err("a `write` needs either `hex` or `u32`".to_owned());
        }
    };
    let times = one.times.unwrap_or(1);
    let count = times as usize;
    if bytes.len().saturating_mul(count) > MOST_UNWRITTEN {
        return Err("more than 16 MiB are written at once".to_owned());
    }
    let pieces = match one.pieces.as_slice() {
        [] => VecDeque::from([bytes.repeat(count)]),
        lengths => {
            let once = split(&bytes, lengths);
            std::iter::repeat_n(once, count).flatten().collect()
        }
    };
    let apart = one.apart.as_ref();
    let apart = apart.map_or(APART, |span: &Span| resolve(span, &context.environment));
    let shown = match numbers.as_slice() {
        [] => words::bytes(&bytes),
        numbers => format!("{} ({})", numbers.join(", "), words::bytes(&bytes)),
    };
    let repeated = match times {
        1 => String::new(),
        times => format!(", {times} times"),
    };
    let end = if one.fin { ", and its end" } else { "" };
    Ok(Ok(Writing {
        op: Arc::clone(op),
        connection,
        stream,
        pieces,
        apart,
        ends: one.fin,
        due: now,
        text: format!("wrote {shown}{repeated} on `{}`{end}", one.stream),
        packet: None,
    }))
}

/// Bytes in pieces of these lengths, and the rest.
fn split(bytes: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, others) = rest.split_at(rest.len().min(*length));
        pieces.push(piece.to_vec());
        rest = others;
    }
    pieces.push(rest.to_vec());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
