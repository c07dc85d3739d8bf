//! Exit codes, and how a command fails.

use std::fmt::Write;
use std::io;
use std::process::ExitCode;

/// How the program ends. No other exit code is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Everything that is required was judged and passed.
    Success = 0,
    /// The implementation, or the capture, does not conform.
    Fail = 1,
    /// The call or a file is wrong, or there was nothing to judge.
    Usage = 2,
    /// The harness failed, or something could not be judged.
    Harness = 3,
    Interrupted = 130,
}

impl Exit {
    pub(crate) const ALL: [Self; 5] = [
        Self::Success,
        Self::Fail,
        Self::Usage,
        Self::Harness,
        Self::Interrupted,
    ];

    /// Its meaning, for `--help`.
    const fn meaning(self) -> &'static str {
        match self {
            Self::Success => "everything required was judged and passed",
            Self::Fail => "the implementation, or the capture, does not conform",
            Self::Usage => "usage error or invalid file, or nothing to judge",
            Self::Harness => "harness error, or something could not be judged",
            Self::Interrupted => "interrupted; results so far are kept",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The end of `shakedown --help`.
pub(crate) fn help() -> String {
    let mut help = String::from("Exit codes:\n");
    for exit in Exit::ALL {
        let _ = writeln!(help, "  {:3}  {}", exit as u8, exit.meaning());
    }
    help + "\n`shakedown COMMAND --help` shows an example of each command."
}

/// Why a command did not do what was asked: a human-readable sentence, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What is wrong and what would be right; empty if there is nothing to say.
    pub(crate) message: String,
}

/// The call or a file is wrong.
pub(crate) fn usage(message: impl Into<String>) -> Failure {
    let message = message.into();
    Failure {
        exit: Exit::Usage,
        message,
    }
}

pub(crate) fn harness(message: impl Into<String>) -> Failure {
    let message = message.into();
    Failure {
        exit: Exit::Harness,
        message,
    }
}

/// Writing to standard output failed. A reader that went away (`| head`) has what it wanted.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self {
                exit: Exit::Success,
                message: String::new(),
            },
            _ => Self {
                exit: Exit::Harness,
                message: format!("cannot write to standard output: {error}"),
            },
        }
    }
}

/// `warning:` in the style of [`error_label`].
pub(crate) fn warning_label() -> String {
    let style = clap::builder::Styles::styled();
    let warning = style.get_invalid();
    format!("{warning}warning:{warning:#}")
}

/// `error:` as clap prints it.
pub(crate) fn error_label() -> String {
    let style = clap::builder::Styles::styled();
    let error = style.get_error();
    format!("{error}error:{error:#}")
}
