//! The steps that wait, each as something that looks at what came and at the time.

use std::sync::Arc;
use std::time::Duration;

use shakedown_protocol::streams::{ConnectionNumber, StreamId};

use crate::scenario::Step;
use crate::script::context::Context;
use crate::script::describe::human_time;
use crate::script::program::{Kind, Op};
use crate::script::wait::{End, exit_met, exit_missed};
use crate::script::window::{Window, resolve};

use super::accept::Accepting;
use super::hex_bytes;
use super::judge::{Judge, Look, View, done};
use super::quiet::disturbance;
use super::read::Reading;
use super::words;
use super::world::World;

/// A step that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) op: Arc<Op>,
    /// The branch that it begins, if it does.
    pub(super) title: Option<String>,
    state: State,
}

#[derive(Debug)]
enum State {
    Connected(ConnectionNumber, Window),
    Accept(Accepting, Window),
    Stream {
        connection: ConnectionNumber,
        prefix: Vec<u8>,
        window: Window,
        found: Option<StreamId>,
    },
    Read(Reading, Window),
    Silence {
        connection: ConnectionNumber,
        stream: Option<StreamId>,
        start: Duration,
        end: Duration,
    },
    Alive {
        connection: ConnectionNumber,
        start: Duration,
        end: Duration,
    },
    Close(ConnectionNumber, Window),
    Exit(Window),
}

impl Waiter {
    /// The step `op`, begun at `start`.
    ///
    /// # Errors
    /// It does not wait, or names what there is not.
    pub(super) fn new(
        op: &Arc<Op>,
        start: Duration,
        context: &Context,
        world: &World,
    ) -> Result<Self, String> {
        let end = |span| start.saturating_add(resolve(span, &context.environment));
        let window = |after: Option<&_>, within| Window::new(start, after, within, context);
        let state = match &op.kind {
            Kind::ExpectExit(exit) => State::Exit(window(exit.after.as_ref(), &exit.within)),
            Kind::OverStreams(step) => match step.as_ref() {
                Step::ExpectConnected(one) => {
                    let window = window(one.after.as_ref(), &one.within);
                    State::Connected(world.named(&one.connection)?, window)
                }
                Step::Accept(one) => {
                    let window = window(one.after.as_ref(), &one.within);
                    State::Accept(Accepting::default(), window)
                }
                Step::ExpectStream(one) => State::Stream {
                    connection: world.named(&one.connection)?,
                    prefix: hex_bytes(one.starts_with.as_deref().unwrap_or_default())?,
                    window: window(one.after.as_ref(), &one.within),
                    found: None,
                },
                Step::Read(one) => {
                    let window = window(one.after.as_ref(), &one.within);
                    State::Read(Reading::new(one, context, world)?, window)
                }
                Step::ExpectQuiet(one) => {
                    let (connection, stream) = match &one.stream {
                        Some(name) => {
                            let (connection, stream) = world.stream_named(name)?;
                            (connection, Some(stream))
                        }
                        None => (world.named(&one.connection)?, None),
                    };
                    State::Silence {
                        connection,
                        stream,
                        start,
                        end: end(&one.span),
                    }
                }
                Step::ExpectAlive(one) => State::Alive {
                    connection: world.named(&one.connection)?,
                    start,
                    end: end(&one.span),
                },
                Step::ExpectClose(one) => {
                    let window = window(one.after.as_ref(), &one.within);
                    State::Close(world.named(&one.connection)?, window)
                }
                other => return Err(format!("{:?} is no step that waits", other.verb())),
            },
            _ => return Err(format!("{:?} is no step that waits", op.verb())),
        };
        Ok(Self {
            op: Arc::clone(op),
            title: None,
            state,
        })
    }

    /// The same, as the first step of a branch.
    pub(super) fn titled(self, title: String) -> Self {
        let title = Some(title);
        Self { title, ..self }
    }

    /// The last moment of its time.
    pub(super) const fn due(&self) -> Duration {
        match &self.state {
            State::Connected(_, window)
            | State::Accept(_, window)
            | State::Stream { window, .. }
            | State::Read(_, window)
            | State::Close(_, window)
            | State::Exit(window) => window.upper,
            State::Silence { end, .. } | State::Alive { end, .. } => *end,
        }
    }

    /// The connection whose end it has judged when it is complete.
    pub(super) const fn judges_end_of(&self) -> Option<ConnectionNumber> {
        match &self.state {
            State::Close(connection, _) => Some(*connection),
            State::Connected(..)
            | State::Accept(..)
            | State::Stream { .. }
            | State::Read(..)
            | State::Silence { .. }
            | State::Alive { .. }
            | State::Exit(_) => None,
        }
    }

    /// Looks at what came, and at the time. `is_alone`: no other step waits, so that what it has
    /// looked at need not be kept.
    pub(super) fn look(&mut self, view: View<'_>, world: &mut World, is_alone: bool) -> Look {
        let op = Arc::clone(&self.op);
        let due = self.due();
        let judge = Judge {
            op: &op,
            view,
            requirement: op.requirements().next(),
        };
        match (&op.kind, &mut self.state) {
            (Kind::ExpectExit(exit), State::Exit(window)) => {
                let end = match view.exited {
                    Some((at, code)) if at <= due => {
                        exit_met(&op, exit, window, view.context, at, code)
                    }
                    Some(_) => exit_missed(&op, exit, window, view.context),
                    None if view.now >= due => exit_missed(&op, exit, window, view.context),
                    None => return Look::Pending,
                };
                match end {
                    End::Done(at, text) => done(world.moment(at), text),
                    End::Failed(failure) => Look::Failed {
                        failure,
                        by_end: false,
                    },
                }
            }
            (Kind::OverStreams(step), state) => match (step.as_ref(), state) {
                (Step::ExpectConnected(one), State::Connected(number, window)) => {
                    let what = words::connection(&one.connection);
                    let expected = format!("the handshake of {what} done");
                    let Some(connection) = world.connections.get(number) else {
                        return forgotten();
                    };
                    match (connection.connected, &connection.ended) {
                        (Some(moment), _) => {
                            let said = "the handshake is done".to_owned();
                            judge.came(window, moment, &expected, said, Vec::new())
                        }
                        (None, Some((moment, _))) => {
                            let got = connection.how().unwrap_or_default();
                            judge.instead(window, *moment, &expected, &got).by_end()
                        }
                        (None, None) => judge.not_yet(window, &expected, "nothing"),
                    }
                }
                (Step::Accept(one), State::Accept(accepting, window)) => {
                    accepting.look(&judge, window, one.refuse, world)
                }
                (
                    Step::ExpectStream(one),
                    State::Stream {
                        connection,
                        prefix,
                        window,
                        found,
                    },
                ) => {
                    let place = words::connection(&one.connection);
                    let begins = match prefix.as_slice() {
                        [] => String::new(),
                        prefix => format!(" that begins with {}", words::bytes(prefix)),
                    };
                    let expected = format!("a stream{begins} on {place}");
                    let Some(connection) = world.connections.get(connection) else {
                        return forgotten();
                    };
                    let mut others = Vec::new();
                    for (id, stream) in &connection.streams {
                        let Some(opened) = stream.opened.filter(|_| !stream.is_named) else {
                            continue;
                        };
                        let own = stream.unread.iter().take(prefix.len()).copied();
                        let own: Vec<_> = own.collect();
                        if own == *prefix {
                            let last = stream.taken + prefix.len() as u64;
                            let last = last.checked_sub(1).and_then(|last| stream.came(last));
                            let last = last.filter(|_| !prefix.is_empty()).unwrap_or(opened);
                            *found = Some(*id);
                            let said = format!("got a stream{begins}");
                            return judge.came(window, last, &expected, said, Vec::new());
                        }
                        others.push(match own.as_slice() {
                            [] => "a stream without bytes".to_owned(),
                            own => format!("a stream that begins with {}", words::bytes(own)),
                        });
                    }
                    let got = match others.as_slice() {
                        [] => "nothing".to_owned(),
                        others => others.join(", "),
                    };
                    match connection.ended {
                        Some((moment, _)) => {
                            let how = connection.how().unwrap_or_default();
                            let got = format!("{got}, and {place} was {how}");
                            judge.instead(window, moment, &expected, &got).by_end()
                        }
                        None => judge.not_yet(window, &expected, &got),
                    }
                }
                (Step::Read(one), State::Read(reading, window)) => {
                    reading.look(one, &judge, window, world, is_alone)
                }
                (
                    Step::ExpectQuiet(one),
                    State::Silence {
                        connection,
                        stream,
                        start,
                        end,
                    },
                ) => {
                    let span = human_time(end.saturating_sub(*start));
                    let place = match &one.stream {
                        Some(stream) => format!("`{stream}`"),
                        None => words::connection(&one.connection),
                    };
                    let disturbed = disturbance(world, *connection, *stream, *start);
                    match disturbed.filter(|one| one.moment.at < *end) {
                        Some(one) => {
                            let expected = format!("nothing on {place} for {span}");
                            let look = judge.broken(*start..*end, one.moment, &expected, &one.what);
                            if one.is_end { look.by_end() } else { look }
                        }
                        None if view.now >= *end => {
                            done(world.moment(*end), format!("nothing for {span}"))
                        }
                        None => Look::Pending,
                    }
                }
                (
                    Step::ExpectAlive(one),
                    State::Alive {
                        connection,
                        start,
                        end,
                    },
                ) => {
                    let what = words::connection(&one.connection);
                    let span = human_time(end.saturating_sub(*start));
                    let known = world.connections.get(connection);
                    let ended = known.and_then(|known| Some((known.ended.as_ref()?.0, known)));
                    match ended.filter(|(moment, _)| moment.at < *end) {
                        Some((moment, known)) => {
                            let expected = format!("{what} to live for {span}");
                            let got = known.how().unwrap_or_default();
                            let look = judge.broken(*start..*end, moment, &expected, &got);
                            look.by_end()
                        }
                        None if view.now >= *end => {
                            done(world.moment(*end), format!("it lived for {span}"))
                        }
                        None => Look::Pending,
                    }
                }
                (Step::ExpectClose(one), State::Close(number, window)) => {
                    let what = words::connection(&one.connection);
                    let expected = format!("{what} {}", words::wanted_end(one));
                    let Some(connection) = world.connections.get(number) else {
                        return forgotten();
                    };
                    match &connection.ended {
                        Some((moment, _)) => {
                            let how = connection.how().unwrap_or_default();
                            match connection.ended_so(one) {
                                true => judge.came(window, *moment, &expected, how, Vec::new()),
                                false => judge.instead(window, *moment, &expected, &how).by_end(),
                            }
                        }
                        None => judge.not_yet(window, &expected, "it lives on"),
                    }
                }
                _ => forgotten(),
            },
            _ => forgotten(),
        }
    }

    /// Takes what completed it, and gives names to what it found.
    pub(super) fn take(&self, world: &mut World) {
        let Kind::OverStreams(step) = &self.op.kind else {
            return;
        };
        match (step.as_ref(), &self.state) {
            (Step::Accept(one), State::Accept(accepting, _)) => {
                if let Some((number, _)) = accepting.taken {
                    world.add(number, &one.name);
                }
            }
            (
                Step::ExpectStream(one),
                State::Stream {
                    connection,
                    prefix,
                    found: Some(id),
                    ..
                },
            ) => {
                world.found(*connection, *id, &one.stream);
                if let Some(stream) = world.stream(*connection, *id) {
                    let end = stream.taken + prefix.len() as u64;
                    stream.take(end);
                }
            }
            (_, State::Read(reading, _)) => reading.take(world),
            _ => {}
        }
    }

    /// It waits no more, whatever came of it.
    pub(super) fn let_go(&self, world: &mut World) {
        if let State::Read(reading, _) = &self.state {
            reading.let_go(world);
        }
    }
}

/// What a step waits for is not there any more.
fn forgotten() -> Look {
    Look::Unfair("what this step waits for is forgotten".to_owned())
}
