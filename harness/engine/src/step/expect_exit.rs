use super::prelude::datagrams::*;
use super::prelude::streams::*;
use super::prelude::*;
use crate::script::outcome::{exit_status, is_crash};

within! {
    /// The end of the implementation's process to wait for.
    pub struct ExpectExit {
        /// How it must end; any end but a crash will do if not given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub status: Option<ExitKind>,
        /// Whether it may end before all was sent: what was sent last is a temptation.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        pub tempted: bool,
        /// Frames that may arrive meanwhile besides the scenario's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub ignore: Vec<String>,
    }
}

/// How a process may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExitKind {
    /// Exit status 0.
    Success,
    /// Another exit status. A signal is neither, nor is 101 or one from 129 to 192, by which
    /// runtimes and shells report a crash.
    Failure,
}

impl Verb for ExpectExit {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.frame_names(&self.ignore, &inside.key("ignore"));
    }

    fn follow(&self, _: &mut Checker<'_>, _: &Pointer, state: &mut State) {
        state.ended = true;
    }

    fn is_by_status(&self) -> bool {
        self.status.is_some()
    }

    fn frames(&self) -> Vec<&str> {
        self.ignore.iter().map(String::as_str).collect()
    }

    fn in_words(&self) -> String {
        let how = match self.status {
            None => "end",
            Some(ExitKind::Success) => "end with success",
            Some(ExitKind::Failure) => "end with failure",
        };
        let window = self.when();
        let tempted = if self.tempted {
            ", before all was sent or after"
        } else {
            ""
        };
        let ignore = words::passing(&self.ignore);
        format!("the implementation must {how}{window}{tempted}{ignore}")
    }
}

impl Waits for ExpectExit {
    fn wait(&self, start: Duration, context: &Context) -> Result<Box<dyn Awaited>, String> {
        Ok(Box::new(Ending::new(self, start, context)?))
    }
}

/// The end of the process that is waited for.
#[derive(Debug)]
struct Ending {
    exit: ExpectExit,
    window: Window,
    /// When the last datagram had left that it must have waited for.
    sent: Duration,
    sockets: Vec<SocketId>,
}

impl Ending {
    fn new(exit: &ExpectExit, start: Duration, context: &Context) -> Result<Self, String> {
        Ok(Self {
            exit: exit.clone(),
            window: Window::of(exit.demand(), start, context)?,
            sent: context.sent.filter(|_| !exit.tempted).unwrap_or_default(),
            sockets: context.sockets(),
        })
    }

    fn wanted(&self, context: &Context) -> String {
        let how = match self.exit.status {
            _ if !context.environment.exit.status_tells => "",
            None => "",
            Some(ExitKind::Success) => " with exit status 0",
            Some(ExitKind::Failure) => " with an exit status that reports a failure",
        };
        format!("the process to end{how} within {}", self.window.length())
    }

    fn met(&self, judge: &Judge<'_>, at: Duration, code: Option<i32>) -> End {
        let (window, environment) = (&self.window, &judge.context.environment);
        let status = exit_status(code);
        if at < self.sent {
            let early = human_time(self.sent.saturating_sub(at));
            let expected = "the process to run until everything was sent".to_owned();
            let got = format!("it ended {early} before: {status}");
            return End::Failed(judge.failure(at, expected, got));
        }
        if window.is_early(at) {
            let early = human_time(window.lower.saturating_sub(window.start));
            let expected = format!("the process to run for {early} at least");
            let elapsed = human_time(at.saturating_sub(window.start));
            let got = format!("it ended after {elapsed}: {status}");
            let mut failure = judge.failure(at, expected, got);
            failure.early = window.lower.checked_sub(at);
            return End::Failed(failure);
        }
        let as_wanted = match (self.exit.status, code) {
            _ if !environment.exit.status_tells => true,
            (None, code) => !is_crash(code),
            (Some(ExitKind::Success), code) => code == Some(0),
            (Some(ExitKind::Failure), code) => code != Some(0) && !is_crash(code),
        };
        match as_wanted {
            true => End::Done(at, format!("the process ended: {status}")),
            false => End::Failed(judge.failure(at, self.wanted(judge.context), status)),
        }
    }

    /// The process did not end in time.
    fn missed(&self, judge: &Judge<'_>) -> End {
        let wanted = self.wanted(judge.context);
        End::Failed(judge.missed(&self.window, wanted, "it runs on".to_owned()))
    }
}

impl Awaited for Ending {
    fn sockets(&self) -> &[SocketId] {
        &self.sockets
    }

    fn due(&self) -> Duration {
        self.window.upper
    }

    fn wants_exit(&self) -> bool {
        true
    }

    fn offer(&mut self, judge: &Judge<'_>, arrival: &Arrival, decoded: &Decoded) -> Offer {
        match judge.context.ignores(decoded, &self.exit.ignore) {
            Some(frame) => Offer::Ignored(frame),
            None => {
                let wanted = "the end of the implementation's process".to_owned();
                Offer::Failed(judge.unexpected(arrival, wanted))
            }
        }
    }

    fn end(&self, judge: &Judge<'_>, _: Option<&Arrival>) -> End {
        self.missed(judge)
    }

    fn exited(&self, judge: &Judge<'_>, at: Duration, code: Option<i32>) -> End {
        self.met(judge, at, code)
    }
}

impl StreamWait for ExpectExit {
    fn subject(&self) -> Subject<'_> {
        Subject::Nothing
    }

    fn begin(&self, start: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        Ok(Box::new(Ending::new(self, start.at, start.context)?))
    }
}

impl Expectation for Ending {
    fn poll(&mut self, view: &View<'_>, _: &mut Connections) -> Result<WaitState, String> {
        let due = self.window.upper;
        let end = match view.exited {
            Some((at, code)) if at <= due => self.met(&view.judge, at, code),
            Some(_) => self.missed(&view.judge),
            None if view.now >= due => self.missed(&view.judge),
            None => return Ok(WaitState::Pending),
        };
        Ok(match end {
            End::Done(at, text) => WaitState::done(at, text),
            End::Failed(failure) => WaitState::Failed {
                failure,
                by_end: false,
            },
        })
    }
}
