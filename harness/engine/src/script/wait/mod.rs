//! The steps that wait, each as something that takes arrivals or time.

mod media;
mod several;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::scenario::{ExitKind, Expect, ExpectExit};

use super::context::{Check, Context, Decoded, Wrong};
use super::describe::human_time;
use super::inbox::Arrival;
use super::media::Part;
use super::program::{Kind, Op};
use super::window::{Window, resolve, slack};
use super::{Failure, SocketId};

use media::MediaWait;
use several::offer_any;
pub(super) use words::status;
use words::{nothing, unexpected, wanted, wanted_exit};

/// A step that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) op: Arc<Op>,
    /// The branch that it begins, if it does.
    pub(super) title: Option<String>,
    sockets: Vec<SocketId>,
    state: State,
}

#[derive(Debug)]
enum State {
    Frame(Window),
    /// Each expectation's window and socket, and whether it was met.
    Any(Vec<(Window, SocketId, bool)>),
    /// Until when nothing may come.
    Silence {
        start: Duration,
        end: Duration,
    },
    Media(MediaWait),
    Exit(Window),
}

/// What a waiting step makes of an arrival.
pub(super) enum Offer {
    /// It does not look at that socket.
    Elsewhere,
    /// It passes over the frame of this name.
    Ignored(&'static str),
    /// It takes it, and remembers these values.
    Taken {
        /// Whether the step is complete.
        done: bool,
        /// Values to remember.
        bound: Vec<(String, Value)>,
    },
    /// It fails.
    Failed(Box<Failure>),
    /// The scenario is wrong.
    Broken(String),
}

/// What a waiting step makes of the end of its time, or of the process.
pub(super) enum End {
    /// It is complete: at this time, with this to tell.
    Done(Duration, String),
    /// It fails.
    Failed(Box<Failure>),
}

impl Waiter {
    /// The step `op`, begun at `start`.
    ///
    /// # Errors
    /// It does not wait, or names what the scenario does not have.
    pub(super) fn new(op: &Arc<Op>, start: Duration, context: &Context) -> Result<Self, String> {
        let environment = &context.environment;
        let window =
            |expect: &Expect| Window::new(start, expect.after.as_ref(), &expect.within, context);
        let (sockets, state) = match &op.kind {
            Kind::Expect(expect) => {
                let socket = context.socket(expect.at.as_deref())?;
                (vec![socket], State::Frame(window(expect)))
            }
            Kind::ExpectAny(any) => {
                let socket = |expect: &Expect| context.socket(expect.at.as_deref());
                let members = any
                    .of
                    .iter()
                    .map(|one| Ok((window(one), socket(one)?, false)));
                let members = members.collect::<Result<Vec<_>, String>>()?;
                let sockets: BTreeSet<_> = members.iter().map(|(_, socket, _)| *socket).collect();
                (sockets.into_iter().collect(), State::Any(members))
            }
            Kind::ExpectNothing(silence) => {
                let sockets = match &silence.at {
                    Some(name) => vec![context.socket(Some(name))?],
                    None => context.sockets(),
                };
                let end = start.saturating_add(resolve(&silence.span, environment));
                (sockets, State::Silence { start, end })
            }
            Kind::ExpectMedia(media) => {
                let socket = context.socket(media.at.as_deref())?;
                let wait = MediaWait::new(media, start, socket, context);
                (vec![socket], State::Media(wait))
            }
            Kind::ExpectExit(exit) => {
                let window = Window::new(start, exit.after.as_ref(), &exit.within, context);
                (context.sockets(), State::Exit(window))
            }
            Kind::Send(_)
            | Kind::SendRaw(_)
            | Kind::Mutate(_)
            | Kind::Lose(_)
            | Kind::Media(_)
            | Kind::Wait(_)
            | Kind::RestartIut
            | Kind::OverStreams(_)
            | Kind::Either(_)
            | Kind::Repeat { .. }
            | Kind::Again { .. }
            | Kind::Jump(_) => return Err(format!("{:?} is no step that waits", op.verb())),
        };
        Ok(Self {
            op: Arc::clone(op),
            title: None,
            sockets,
            state,
        })
    }

    /// The same, as the first step of a branch.
    pub(super) fn titled(self, title: String) -> Self {
        let title = Some(title);
        Self { title, ..self }
    }

    /// The sockets that it looks at.
    pub(super) fn sockets(&self) -> &[SocketId] {
        &self.sockets
    }

    /// Whether the end of the process is what it waits for.
    pub(super) fn wants_exit(&self) -> bool {
        matches!(self.state, State::Exit(_))
    }

    /// The last moment of its time.
    pub(super) fn due(&self) -> Duration {
        match &self.state {
            State::Frame(window) | State::Exit(window) => window.upper,
            State::Any(members) => {
                let open = members.iter().filter(|(_, _, met)| !met);
                open.map(|(window, _, _)| window.upper)
                    .min()
                    .unwrap_or_default()
            }
            State::Silence { end, .. } => *end,
            State::Media(wait) => wait.window.upper,
        }
    }

    /// Whether its time is over when something happens at `at`.
    pub(super) fn is_over_at(&self, at: Duration) -> bool {
        match self.state {
            State::Silence { end, .. } => at >= end,
            State::Frame(_) | State::Any(_) | State::Media(_) | State::Exit(_) => at > self.due(),
        }
    }

    /// When the frames that complete it came in part only: what is to come of the last.
    pub(super) fn media_part(&self) -> Option<Part> {
        match &self.state {
            State::Media(wait) => wait.part,
            State::Frame(_) | State::Any(_) | State::Silence { .. } | State::Exit(_) => None,
        }
    }

    /// What it has to tell when an arrival completes it.
    pub(super) fn summary(&self, datagram: &[u8], context: &Context) -> String {
        match &self.state {
            State::Media(wait) => format!("got {}", wait.got()),
            State::Frame(_) | State::Any(_) | State::Silence { .. } | State::Exit(_) => {
                format!("got {}", context.describe(datagram))
            }
        }
    }

    /// Takes an arrival, or does not.
    pub(super) fn offer(
        &mut self,
        context: &Context,
        arrival: &Arrival,
        decoded: &Decoded,
    ) -> Offer {
        if !self.sockets.contains(&arrival.socket) {
            return Offer::Elsewhere;
        }
        let op = Arc::clone(&self.op);
        match (&op.kind, &mut self.state) {
            (Kind::Expect(expect), State::Frame(window)) => {
                let check = context.check(expect, window, arrival, decoded);
                let ignored = context.ignores(decoded, &expect.ignore);
                let requirement = expect.requirement.as_deref();
                let by = |wrong: Wrong| wrong.into_failure(context, &op, requirement, arrival);
                match (check, ignored) {
                    (Check::Match(bound), _) => Offer::Taken { done: true, bound },
                    (Check::Broken(why), _) => Offer::Broken(why),
                    (_, Some(frame)) => Offer::Ignored(frame),
                    (Check::Wrong(wrong), None) => Offer::Failed(by(wrong)),
                    (Check::OtherFrame, None) => {
                        let wanted = wanted(expect, window);
                        Offer::Failed(unexpected(context, &op, requirement, arrival, wanted))
                    }
                }
            }
            (Kind::ExpectAny(any), State::Any(members)) => {
                offer_any(context, &op, &any.of, members, arrival, decoded)
            }
            (Kind::ExpectNothing(silence), State::Silence { start, .. }) => {
                let allowed = decoded.frame.filter(|_| !silence.of.is_empty());
                let allowed = allowed.filter(|frame| !silence.of.iter().any(|name| name == frame));
                if let Some(frame) = allowed.or(context.ignores(decoded, &silence.ignore)) {
                    return Offer::Ignored(frame);
                }
                if decoded.frame.is_none() && !silence.of.is_empty() {
                    return Offer::Ignored("unknown or malformed");
                }
                let span = human_time(resolve(&silence.span, &context.environment));
                let what = match silence.of.as_slice() {
                    [] => "nothing".to_owned(),
                    names => format!("no {}", names.join(", no ")),
                };
                let got = format!(
                    "{}{} after {}",
                    context.describe(&arrival.payload),
                    context.place(arrival.socket),
                    human_time(arrival.at.saturating_sub(*start)),
                );
                let requirement = silence.requirement.as_deref();
                let expected = format!("{what} for {span}");
                let mut failure = context.failure_by(&op, requirement, arrival, expected, got);
                let span = resolve(&silence.span, &context.environment);
                failure.slack = Some(slack(span, &context.environment));
                Offer::Failed(failure)
            }
            (Kind::ExpectMedia(media), State::Media(wait)) => {
                wait.offer(context, &op, media, arrival, decoded)
            }
            (Kind::ExpectExit(exit), State::Exit(_)) => {
                match context.ignores(decoded, &exit.ignore) {
                    Some(frame) => Offer::Ignored(frame),
                    None => {
                        let wanted = "the end of the implementation's process".to_owned();
                        let requirement = exit.requirement.as_deref();
                        Offer::Failed(unexpected(context, &op, requirement, arrival, wanted))
                    }
                }
            }
            (_, State::Frame(_) | State::Any(_) | State::Silence { .. }) => Offer::Elsewhere,
            (_, State::Media(_) | State::Exit(_)) => Offer::Elsewhere,
        }
    }

    /// Its time is over. `late` is what came next, after it.
    pub(super) fn end(&self, context: &Context, late: Option<&Arrival>) -> End {
        let op = &self.op;
        let due = self.due();
        let lack = |requirement: Option<&str>, window: &Window, expected: String, got: String| {
            let mut failure = context.failure(op, requirement, due, expected, got);
            failure.slack = Some(window.late_slack(&context.environment));
            End::Failed(failure)
        };
        match (&op.kind, &self.state) {
            (_, State::Silence { start, end }) => {
                let length = human_time(end.saturating_sub(*start));
                End::Done(*end, format!("nothing for {length}"))
            }
            (Kind::Expect(expect), State::Frame(window)) => {
                let got = nothing(expect, window, late, context);
                lack(
                    expect.requirement.as_deref(),
                    window,
                    wanted(expect, window),
                    got,
                )
            }
            (Kind::ExpectAny(any), State::Any(members)) => {
                let mut open = any.of.iter().zip(members).filter(|(_, (_, _, met))| !met);
                let first = open.find(|(_, (window, _, _))| window.upper == due);
                match first {
                    Some((expect, (window, _, _))) => {
                        let got = nothing(expect, window, late, context);
                        lack(
                            expect.requirement.as_deref(),
                            window,
                            wanted(expect, window),
                            got,
                        )
                    }
                    None => End::Done(due, "nothing was expected".to_owned()),
                }
            }
            (Kind::ExpectMedia(media), State::Media(wait)) => {
                let expected = format!("{} within {}", wait.wanted(context), wait.window.length());
                lack(
                    media.requirement.as_deref(),
                    &wait.window,
                    expected,
                    wait.got(),
                )
            }
            (Kind::ExpectExit(exit), State::Exit(window)) => exit_missed(op, exit, window, context),
            (_, State::Frame(_) | State::Any(_) | State::Media(_) | State::Exit(_)) => {
                End::Done(due, String::new())
            }
        }
    }

    /// The process ended at `at`; only asked if it [wants that](Self::wants_exit).
    pub(super) fn exited(&self, context: &Context, at: Duration, code: Option<i32>) -> End {
        let (Kind::ExpectExit(exit), State::Exit(window)) = (&self.op.kind, &self.state) else {
            return self.end(context, None);
        };
        exit_met(&self.op, exit, window, context, at, code)
    }
}

/// What a step that waits for the end of the process makes of it.
pub(super) fn exit_met(
    op: &Op,
    exit: &ExpectExit,
    window: &Window,
    context: &Context,
    at: Duration,
    code: Option<i32>,
) -> End {
    let status = status(code);
    let requirement = exit.requirement.as_deref();
    if window.lower > window.start && at < window.lower {
        let early = window.lower.saturating_sub(window.start);
        let expected = format!("the process to run for {} at least", human_time(early));
        let elapsed = human_time(at.saturating_sub(window.start));
        let got = format!("it ended after {elapsed}: {status}");
        let mut failure = context.failure(op, requirement, at, expected, got);
        failure.slack = Some(window.early_slack(&context.environment));
        return End::Failed(failure);
    }
    let as_wanted = match (exit.status, code) {
        _ if !context.environment.exit.status_tells => true,
        (None, _) => true,
        (Some(ExitKind::Success), code) => code == Some(0),
        (Some(ExitKind::Failure), code) => code.is_some_and(|code| code != 0),
    };
    if as_wanted {
        return End::Done(at, format!("the process ended: {status}"));
    }
    let expected = wanted_exit(exit, window, context);
    End::Failed(context.failure(op, requirement, at, expected, status))
}

/// The process did not end in time.
pub(super) fn exit_missed(op: &Op, exit: &ExpectExit, window: &Window, context: &Context) -> End {
    let expected = wanted_exit(exit, window, context);
    let requirement = exit.requirement.as_deref();
    let got = "it runs on".to_owned();
    let mut failure = context.failure(op, requirement, window.upper, expected, got);
    failure.slack = Some(window.late_slack(&context.environment));
    End::Failed(failure)
}
