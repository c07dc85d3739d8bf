//! Faults that an implementation shows after an input.

use schemars::JsonSchema;
use serde::Serialize;

use crate::process::{Output, ProcessExit};

/// What sanitizers and runtimes print about a fault.
const REPORTS: [&str; 8] = [
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: MemorySanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
    "panicked at",
    TRACEBACK,
    "goroutine 1 [",
];
/// First line of an uncaught exception in Python, which the last line names.
const TRACEBACK: &str = "Traceback (most recent call last)";
/// Most characters of a report.
const MAX_REPORT: usize = 160;

/// A fault of an implementation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Fault {
    /// The process ended.
    Exit {
        /// Exit status or signal.
        status: String,
        /// Whether its exit status is 0.
        success: bool,
        /// Report of a sanitizer or runtime.
        report: Option<String>,
    },
    /// The process printed such a report and goes on.
    Report { report: String },
    /// It does not respond any more.
    Hang {
        /// How it was probed.
        tried: String,
    },
    /// Its memory grew by more than `bound`, in bytes.
    Memory { grew_by: u64, bound: u64 },
    /// It does not serve a conforming peer any more.
    Degraded {
        /// A scenario that passes with a fresh process.
        scenario: String,
        /// Why it fails.
        problem: String,
    },
}

impl Fault {
    /// The cause of every hang: nothing distinguishes them.
    pub(super) const HANG: &'static str = "hang";

    /// The exit of a process, with its report.
    pub(super) fn of_exit(ended: ProcessExit, output: &Output) -> Self {
        Self::Exit {
            status: ended.to_string(),
            success: ended.code == Some(0),
            report: report(&output.tail()),
        }
    }

    /// The report in the output of a running process.
    pub(super) fn of_output(output: &Output) -> Option<Self> {
        report(&output.tail()).map(|report| Self::Report { report })
    }

    /// Whether the process exited with status 0 and without a report.
    pub(super) fn is_normal_exit(&self) -> bool {
        match self {
            Self::Exit {
                success, report, ..
            } => *success && report.is_none(),
            Self::Report { .. }
            | Self::Hang { .. }
            | Self::Memory { .. }
            | Self::Degraded { .. } => false,
        }
    }

    /// The kind as in events, for file names.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Exit { .. } => "exit",
            Self::Report { .. } => "report",
            Self::Hang { .. } => "hang",
            Self::Memory { .. } => "memory",
            Self::Degraded { .. } => "degraded",
        }
    }

    /// Key by which findings are deduplicated. Exits without a report are distinguished by the `last` frame sent.
    #[must_use]
    pub fn cause(&self, last: &str) -> String {
        match self {
            Self::Exit {
                report: Some(report),
                ..
            }
            | Self::Report { report } => format!("report {}", normalized(report)),
            Self::Exit { status, .. } => format!("exit {status} after {last}"),
            Self::Hang { .. } => String::from(Self::HANG),
            Self::Memory { .. } => String::from("memory"),
            Self::Degraded { scenario, .. } => format!("degraded {scenario}"),
        }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exit { status, report, .. } => {
                write!(f, "its process ended ({status})")?;
                report.iter().try_for_each(|report| write!(f, ": {report}"))
            }
            Self::Report { report } => write!(f, "it printed: {report}"),
            Self::Hang { tried } => write!(f, "it does not answer any more: {tried}"),
            Self::Memory { grew_by, bound } => {
                write!(f, "its memory grew by {grew_by} bytes, beyond {bound}")
            }
            Self::Degraded { scenario, problem } => {
                write!(
                    f,
                    "it fails {scenario} afterwards, which a fresh process passes: {problem}"
                )
            }
        }
    }
}

/// The first line of a report in the output of a process; of a Python traceback the line of the exception.
pub(crate) fn report(output: &str) -> Option<String> {
    let is_report = |line: &&str| REPORTS.iter().any(|report| line.contains(report));
    let mut lines = output.lines().skip_while(|line| !is_report(line));
    let first = lines.next()?;
    // The lines of the stack are indented.
    let is_exception = |line: &&str| line.starts_with(|letter: char| !letter.is_whitespace());
    let line = match first.contains(TRACEBACK) {
        true => lines.find(is_exception).unwrap_or(first),
        false => first,
    };
    Some(line.trim().chars().take(MAX_REPORT).collect())
}

/// A report without addresses and numbers.
fn normalized(report: &str) -> String {
    let is_number = |word: &str| word.chars().all(|letter| !letter.is_alphabetic());
    let words = report.split_whitespace();
    let words: Vec<_> = words
        .map(
            |word| match word.contains("0x") || word.contains("==") || is_number(word) {
                true => "#",
                false => word,
            },
        )
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sanitizer_reports_at_different_addresses_have_one_cause() {
        let cause = |pid: u32, address: &str| {
            let output = format!(
                "ready\n=={pid}==ERROR: AddressSanitizer: heap-buffer-overflow on address {address}\nmore\n"
            );
            let report = report(&output);
            let status = String::from("exit status 1");
            let success = false;
            Fault::Exit {
                status,
                success,
                report,
            }
            .cause("")
        };
        assert_eq!(cause(71, "0x6020"), cause(4_711, "0x7fff01"));
        assert!(cause(1, "0x1").contains("heap-buffer-overflow"));
    }

    #[test]
    fn of_a_traceback_the_exception_is_the_report_and_ordinary_output_has_none() {
        let output = "Traceback (most recent call last):\n  File \"x.py\"\nKeyError: 7\nready\n";
        assert_eq!(report(output).as_deref(), Some("KeyError: 7"));
        assert_eq!(
            report("listening on 127.0.0.1:1\nerror: a client was rude\n"),
            None
        );
    }
}
