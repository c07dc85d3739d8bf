//! The steps that act: what they ask for, and when that cannot be done.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use shakedown_protocol::streams::{ConnectionNumber, StreamId};

use crate::scenario::words;
use crate::script::context::Context;
use crate::script::describe::human_time;
use crate::script::program::Op;
use crate::step::Play;

use super::play::HANDSHAKE_LIMIT;
use super::world::{Connections, Ended, Moment};
use super::{Doing, StreamScript};

/// A step that acts.
pub(crate) trait Acts {
    /// What it acts on.
    fn on(&self) -> On<'_>;

    /// Does it.
    ///
    /// # Errors
    /// It names what there is not, or its bytes cannot be made.
    fn act(
        &self,
        target: Target,
        context: &Context,
        world: &mut Connections,
        now: Duration,
    ) -> Result<Act, String>;

    /// Whether it waits for the connection's handshake.
    fn needs_handshake(&self) -> bool {
        true
    }

    /// Whether it sends on its stream, of which the other side may want no more.
    fn sends(&self) -> bool {
        false
    }

    /// What becomes of it once its connection has ended.
    fn after_end(&self, _: Target, ended: &Ended, _: &mut Connections) -> AfterEnd {
        AfterEnd::of(ended)
    }
}

/// What a step acts on, by its name.
pub(crate) enum On<'a> {
    /// Nothing that is there.
    Nothing,
    Connection(&'a str),
    Stream(&'a str),
}

/// What a step acts on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    Nothing,
    Connection(ConnectionNumber),
    Stream(ConnectionNumber, StreamId),
}

/// What a step did.
pub(crate) enum Act {
    /// All of it; what, in words.
    Done(String),
    Goes(Box<dyn Ongoing>),
    /// Nothing: why the stimulus cannot be applied.
    Unfit(String),
}

/// What becomes of a step whose connection has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AfterEnd {
    Acts,
    /// It is passed over, and nothing is missed.
    NeedsNot,
    /// It is passed over, and its stimulus is missed.
    Misses,
    /// The scenario is wrong: an earlier step has closed the connection.
    Broken,
}

/// A step that acts for a while.
pub(crate) trait Ongoing: Debug + Send {
    /// When it goes on at the latest.
    fn due(&self) -> Duration;

    /// Goes on. `mark` is when it did something last.
    fn go_on(&mut self, now: Duration, mark: &mut Duration, world: &mut Connections) -> Going;
}

/// How far a step is that acts for a while.
pub(crate) enum Going {
    On,
    /// It is done; what, in words.
    Done(String),
    /// The connection ended meanwhile.
    Ended,
    /// The stimulus cannot be applied.
    Unfit(String),
    /// The scenario is wrong.
    Broken(String),
}

impl Target {
    /// # Errors
    /// There is none.
    pub(crate) fn connection(self) -> Result<ConnectionNumber, String> {
        match self {
            Self::Connection(number) | Self::Stream(number, _) => Ok(number),
            Self::Nothing => Err("it names no connection".to_owned()),
        }
    }

    /// # Errors
    /// There is none.
    pub(crate) fn stream(self) -> Result<(ConnectionNumber, StreamId), String> {
        match self {
            Self::Stream(number, id) => Ok((number, id)),
            Self::Nothing | Self::Connection(_) => Err("it names no stream".to_owned()),
        }
    }
}

impl AfterEnd {
    /// That of a step whose stimulus counts.
    pub(crate) fn of(ended: &Ended) -> Self {
        match ended {
            Ended::ByScript => Self::Broken,
            Ended::Application { .. }
            | Ended::Transport { .. }
            | Ended::TimedOut
            | Ended::Refused
            | Ended::Reset
            | Ended::Other(_) => Self::Misses,
        }
    }
}

/// A step that acts on a connection, as it is told.
struct Acting<'a> {
    op: &'a Arc<Op>,
    step: &'a dyn Acts,
    number: ConnectionNumber,
    /// The connection as the step means it.
    called: String,
}

impl StreamScript {
    /// Does what a step wants done; gives what there is to wait for.
    pub(super) fn act(
        &mut self,
        op: &Arc<Op>,
        step: &dyn Acts,
        now: Duration,
    ) -> Result<Doing, String> {
        let (target, called) = target(step, &self.world)?;
        if let Ok(number) = target.connection() {
            let acting = Acting {
                op,
                step,
                number,
                called,
            };
            if let Some(instead) = self.instead(&acting, target, now)? {
                return Ok(instead);
            }
        }
        let packet = self.world.next_packet();
        Ok(
            match step.act(target, &self.context, &mut self.world, now)? {
                Act::Done(text) => {
                    // Its comment stands at the packet that comes next.
                    let at = now.max(self.course.mark);
                    self.course.complete(op, at, text, packet);
                    Doing::Nothing
                }
                Act::Goes(ongoing) => Doing::Acting {
                    op: Arc::clone(op),
                    ongoing,
                    packet,
                },
                Act::Unfit(why) => {
                    self.unfit(&why);
                    Doing::Nothing
                }
            },
        )
    }

    fn unfit(&mut self, why: &str) {
        let why = format!("the stimulus could not be applied: {why}");
        self.course.inconclusive(why);
    }

    /// What is done instead where a step cannot act on its connection now.
    fn instead(
        &mut self,
        acting: &Acting<'_>,
        target: Target,
        now: Duration,
    ) -> Result<Option<Doing>, String> {
        let called = &acting.called;
        let Some(connection) = self.world.connections.get(&acting.number) else {
            return Err(format!("{called} is forgotten"));
        };
        if let Some((moment, ended)) = connection.ended.clone() {
            let how = connection.how().unwrap_or_default();
            let misses = match acting.step.after_end(target, &ended, &mut self.world) {
                AfterEnd::Acts => return Ok(None),
                AfterEnd::NeedsNot => false,
                AfterEnd::Misses => true,
                AfterEnd::Broken => {
                    return Err(format!("{called} was closed by an earlier step"));
                }
            };
            return Ok(Some(self.pass_over(acting, now, moment, &how, misses)));
        }
        if connection.connected.is_none() && acting.step.needs_handshake() {
            return Ok(Some(Doing::Holding {
                op: Arc::clone(acting.op),
                until: now.saturating_add(HANDSHAKE_LIMIT),
            }));
        }
        let stream = target.stream().ok().filter(|_| acting.step.sends());
        let stream = stream.and_then(|(_, id)| connection.streams.get(&id));
        let Some((moment, code)) = stream.and_then(|stream| stream.stopped) else {
            return Ok(None);
        };
        let name = match acting.step.on() {
            On::Stream(name) => name,
            On::Nothing | On::Connection(_) => "",
        };
        let how = format!("no more was wanted of `{name}` (STOP_SENDING, code {code})");
        Ok(Some(self.pass_over(acting, now, moment, &how, true)))
    }

    /// A step cannot act any more. `misses`: its stimulus is missed, unless somebody judged how the
    /// connection ended.
    fn pass_over(
        &mut self,
        acting: &Acting<'_>,
        now: Duration,
        moment: Moment,
        how: &str,
        misses: bool,
    ) -> Doing {
        let Acting {
            op, called, number, ..
        } = acting;
        if misses && !self.judged.contains(number) {
            let expected = format!("{called} open for `{}`", op.verb());
            let before = human_time(now.saturating_sub(moment.at));
            let got = format!("{how} {before} before");
            let mut failure = op.own_judge(&self.context).failure(now, expected, got);
            failure.packet = moment.packet;
            self.passed_over.entry(*number).or_insert(failure);
        }
        let text = format!("passed over: {called}: {how}");
        let at = now.max(self.course.mark);
        self.course.complete(op, at, text, None);
        Doing::Nothing
    }

    /// Waits for the handshake before it acts.
    pub(super) fn hold(&mut self, now: Duration, op: Arc<Op>, until: Duration) -> Option<Doing> {
        let Some(Play::Acts(step)) = op.play() else {
            return None;
        };
        let number = match target(step, &self.world) {
            Ok((target, _)) => target.connection(),
            Err(why) => {
                self.course.error(why);
                return None;
            }
        };
        let connection = number
            .ok()
            .and_then(|number| self.world.connections.get(&number));
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
            let failure = op.own_judge(&self.context).failure(now, expected, got);
            self.fail(&op, vec![(String::new(), failure)], false);
            return None;
        }
        Some(Doing::Holding { op, until })
    }

    /// Goes on with a step that acts for a while.
    pub(super) fn go_on(
        &mut self,
        now: Duration,
        op: Arc<Op>,
        mut ongoing: Box<dyn Ongoing>,
        packet: Option<u64>,
    ) -> Option<Doing> {
        match ongoing.go_on(now, &mut self.course.mark, &mut self.world) {
            Going::On => {
                return Some(Doing::Acting {
                    op,
                    ongoing,
                    packet,
                });
            }
            Going::Done(text) => {
                let mark = self.course.mark;
                self.course.complete(&op, mark, text, packet);
            }
            // It goes through `act` again, which passes it over.
            Going::Ended => self.doing = Doing::Holding { op, until: now },
            Going::Unfit(why) => self.unfit(&why),
            Going::Broken(why) => self.course.error(why),
        }
        None
    }
}

/// What a step acts on, and how the connection is called.
fn target(step: &dyn Acts, world: &Connections) -> Result<(Target, String), String> {
    Ok(match step.on() {
        On::Nothing => (Target::Nothing, String::new()),
        On::Connection(name) => {
            let target = Target::Connection(world.named(name)?);
            (target, words::the_connection(name))
        }
        On::Stream(name) => {
            let (number, stream) = world.stream_named(name)?;
            (Target::Stream(number, stream), world.called(number))
        }
    })
}
