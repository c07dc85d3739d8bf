//! The steps that wait, each as something that takes arrivals or time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::scenario::{ExitKind, Expect, ExpectExit, ExpectMedia};

use super::context::{Check, Context, Decoded, Wrong};
use super::describe::human_time;
use super::inbox::Arrival;
use super::media::{Part, Piece};
use super::program::{Kind, Op};
use super::window::{Window, resolve};
use super::{Failure, FieldPlace, SocketId};

/// Time for media to begin to come besides the time that the frames take.
const MEDIA_GRACE: Duration = Duration::from_secs(2);
/// Most frame numbers that one step keeps apart.
const MAX_NUMBERS: usize = 1 << 20;

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

#[derive(Debug)]
struct MediaWait {
    window: Window,
    numbers: BTreeSet<u64>,
    /// How many; `None` for all up to the stream's last.
    frames: Option<u64>,
    /// Every number must be above.
    floor: Option<u64>,
    part: Option<Part>,
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
                failure.slack = Some(super::window::slack(span, &context.environment));
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
            (Kind::ExpectExit(exit), State::Exit(window)) => {
                let expected = wanted_exit(exit, window, context);
                lack(
                    exit.requirement.as_deref(),
                    window,
                    expected,
                    "it runs on".to_owned(),
                )
            }
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
        let status = status(code);
        let requirement = exit.requirement.as_deref();
        if window.lower > window.start && at < window.lower {
            let early = window.lower.saturating_sub(window.start);
            let expected = format!("the process to run for {} at least", human_time(early));
            let elapsed = human_time(at.saturating_sub(window.start));
            let got = format!("it ended after {elapsed}: {status}");
            let mut failure = context.failure(&self.op, requirement, at, expected, got);
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
        End::Failed(context.failure(&self.op, requirement, at, expected, status))
    }
}

impl Wrong {
    fn into_failure(
        self,
        context: &Context,
        op: &Op,
        requirement: Option<&str>,
        arrival: &Arrival,
    ) -> Box<Failure> {
        let failure = context.failure_by(op, requirement, arrival, self.expected, self.got);
        Box::new(Failure {
            field: self.field,
            slack: self.slack,
            ..*failure
        })
    }
}

impl MediaWait {
    fn new(media: &ExpectMedia, start: Duration, socket: SocketId, context: &Context) -> Self {
        let environment = &context.environment;
        let frames = media.frames.unwrap_or(environment.stream.frames());
        let window = match &media.within {
            Some(within) => Window::new(start, None, within, context),
            None => {
                let frames = u32::try_from(frames).unwrap_or(u32::MAX);
                let length = environment.stream.interval().saturating_mul(frames);
                let within = length.saturating_add(MEDIA_GRACE);
                Window::between(start, Duration::ZERO, within, context)
            }
        };
        let seen = context.media.get(&socket).and_then(|seen| seen.highest);
        Self {
            window,
            numbers: BTreeSet::new(),
            frames: media.frames,
            floor: seen.filter(|_| media.goes_on),
            part: None,
        }
    }

    fn offer(
        &mut self,
        context: &Context,
        op: &Op,
        media: &ExpectMedia,
        arrival: &Arrival,
        decoded: &Decoded,
    ) -> Offer {
        let requirement = media.requirement.as_deref();
        let Some(piece) = Piece::of(context, arrival, decoded) else {
            return match context.ignores(decoded, &media.ignore) {
                Some(frame) => Offer::Ignored(frame),
                None => {
                    let wanted = self.wanted(context);
                    Offer::Failed(unexpected(context, op, requirement, arrival, wanted))
                }
            };
        };
        let wrong = |expected: String| {
            let frame = decoded.frame.unwrap_or_default();
            let got = format!("{frame} with sequence_number {}", piece.number);
            let failure = context.failure_by(op, requirement, arrival, expected, got);
            let name = "sequence_number";
            let place = context.vocabulary().locate(frame, name, &arrival.payload);
            let field = place.map(|(offset, length)| FieldPlace {
                name: name.to_owned(),
                offset,
                length,
            });
            Offer::Failed(Box::new(Failure { field, ..*failure }))
        };
        if let Some(first) = media.first.filter(|_| self.numbers.is_empty())
            && piece.number != first
        {
            return wrong(format!("media that begins with sequence_number {first}"));
        }
        if let Some(floor) = self.floor.filter(|floor| piece.number <= *floor) {
            return wrong(format!("media that goes on: sequence_number above {floor}"));
        }
        if self.numbers.len() < MAX_NUMBERS {
            self.numbers.insert(piece.number);
        }
        piece.add_to(&mut self.part);
        let done = match self.frames {
            Some(frames) => self.numbers.len() as u64 >= frames,
            None => piece.number == context.environment.stream.frames(),
        };
        Offer::Taken {
            done,
            bound: Vec::new(),
        }
    }

    fn wanted(&self, context: &Context) -> String {
        match self.frames {
            Some(1) => "a frame of media".to_owned(),
            Some(frames) => format!("{frames} frames of media"),
            None => format!("media up to frame {}", context.environment.stream.frames()),
        }
    }

    fn got(&self) -> String {
        match (
            self.numbers.len(),
            self.numbers.first(),
            self.numbers.last(),
        ) {
            (1, Some(first), _) => format!("1 frame of media: number {first}"),
            (count, Some(first), Some(last)) => {
                format!("{count} frames of media: numbers {first} to {last}")
            }
            _ => "no media".to_owned(),
        }
    }
}

/// What the end of a process means for people.
pub(super) fn status(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("exit status {code}"),
        None => "ended by a signal".to_owned(),
    }
}

fn offer_any(
    context: &Context,
    op: &Op,
    of: &[Expect],
    members: &mut [(Window, SocketId, bool)],
    arrival: &Arrival,
    decoded: &Decoded,
) -> Offer {
    let mut looks = false;
    let mut ignored = None;
    let mut wrong: Option<Box<Failure>> = None;
    let mut missing = Vec::new();
    for n in 0..of.len() {
        let (expect, (window, socket, met)) = (&of[n], members[n]);
        if met {
            continue;
        }
        missing.push(expect.frame.clone());
        if socket != arrival.socket {
            continue;
        }
        looks = true;
        match context.check(expect, &window, arrival, decoded) {
            Check::Match(bound) => {
                members[n].2 = true;
                let done = members.iter().all(|(_, _, met)| *met);
                return Offer::Taken { done, bound };
            }
            Check::Broken(why) => return Offer::Broken(why),
            Check::OtherFrame => {}
            Check::Wrong(fault) => {
                let requirement = expect.requirement.as_deref();
                wrong.get_or_insert_with(|| fault.into_failure(context, op, requirement, arrival));
            }
        }
        ignored = ignored.or(context.ignores(decoded, &expect.ignore));
    }
    match (looks, ignored, wrong) {
        (false, _, _) => Offer::Elsewhere,
        (true, Some(frame), _) => Offer::Ignored(frame),
        (true, None, Some(failure)) => Offer::Failed(failure),
        (true, None, None) => {
            let requirement = of.iter().find_map(|expect| expect.requirement.as_deref());
            let wanted = missing.join(" or ");
            Offer::Failed(unexpected(context, op, requirement, arrival, wanted))
        }
    }
}

fn unexpected(
    context: &Context,
    op: &Op,
    requirement: Option<&str>,
    arrival: &Arrival,
    wanted: String,
) -> Box<Failure> {
    let got = context.describe(&arrival.payload) + &context.place(arrival.socket);
    context.failure_by(op, requirement, arrival, wanted, got)
}

fn wanted(expect: &Expect, window: &Window) -> String {
    format!("{} within {}", expect.frame, window.length())
}

fn wanted_exit(exit: &ExpectExit, window: &Window, context: &Context) -> String {
    let how = match exit.status {
        _ if !context.environment.exit.status_tells => "",
        None => "",
        Some(ExitKind::Success) => " with exit status 0",
        Some(ExitKind::Failure) => " with an exit status other than 0",
    };
    format!("the process to end{how} within {}", window.length())
}

/// What came instead of a frame whose time is over.
fn nothing(expect: &Expect, window: &Window, late: Option<&Arrival>, context: &Context) -> String {
    let late = late.filter(|late| context.decode(&late.payload).frame == Some(&expect.frame));
    match late {
        None => "nothing".to_owned(),
        Some(late) => {
            let elapsed = human_time(late.at.saturating_sub(window.start));
            format!("{} only after {elapsed}", expect.frame)
        }
    }
}
