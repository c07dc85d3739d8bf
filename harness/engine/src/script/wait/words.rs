use crate::scenario::{ExitKind, Expect, ExpectExit};
use crate::script::Failure;
use crate::script::context::{Context, Wrong};
use crate::script::describe::human_time;
use crate::script::inbox::Arrival;
use crate::script::program::Op;
use crate::script::window::Window;

/// What the end of a process means for people.
pub(in crate::script) fn status(code: Option<i32>) -> String {
    match code {
        Some(code) => format!("exit status {code}"),
        None => "ended by a signal".to_owned(),
    }
}

impl Wrong {
    /// The failure of a step by an arrival that is wrong so.
    pub(super) fn into_failure(
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

/// The failure of a step by an arrival that it does not wait for.
pub(super) fn unexpected(
    context: &Context,
    op: &Op,
    requirement: Option<&str>,
    arrival: &Arrival,
    wanted: String,
) -> Box<Failure> {
    let got = context.describe(&arrival.payload) + &context.place(arrival.socket);
    context.failure_by(op, requirement, arrival, wanted, got)
}

/// What a step that waits for a frame wants.
pub(super) fn wanted(expect: &Expect, window: &Window) -> String {
    format!("{} within {}", expect.frame, window.length())
}

/// What a step that waits for the end of the process wants.
pub(super) fn wanted_exit(exit: &ExpectExit, window: &Window, context: &Context) -> String {
    let how = match exit.status {
        _ if !context.environment.exit.status_tells => "",
        None => "",
        Some(ExitKind::Success) => " with exit status 0",
        Some(ExitKind::Failure) => " with an exit status other than 0",
    };
    format!("the process to end{how} within {}", window.length())
}

/// What came instead of a frame whose time is over.
pub(super) fn nothing(
    expect: &Expect,
    window: &Window,
    late: Option<&Arrival>,
    context: &Context,
) -> String {
    let late = late.filter(|late| context.decode(&late.payload).frame == Some(&expect.frame));
    match late {
        None => "nothing".to_owned(),
        Some(late) => {
            let elapsed = human_time(late.at.saturating_sub(window.start));
            format!("{} only after {elapsed}", expect.frame)
        }
    }
}
