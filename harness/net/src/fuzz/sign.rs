//! What shows that an implementation did not outlive what it was told.

use schemars::JsonSchema;
use serde::Serialize;

use crate::process::{Output, ProcessExit};

/// What programs print that were built to tell of their faults, or that give up.
const COMPLAINTS: [&str; 8] = [
    "ERROR: AddressSanitizer",
    "ERROR: LeakSanitizer",
    "WARNING: MemorySanitizer",
    "WARNING: ThreadSanitizer",
    "runtime error:",
    "panicked at",
    TRACEBACK,
    "goroutine 1 [",
];
/// Where Python begins to tell of an exception that nobody caught; the last line says which.
const TRACEBACK: &str = "Traceback (most recent call last)";
/// Letters of a complaint that count.
const MOST: usize = 160;

/// What shows a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Sign {
    /// Its process ended.
    Ended {
        /// How, in words.
        status: String,
        /// Whether its exit status is 0.
        success: bool,
        /// What it printed of it, if anything.
        complaint: Option<String>,
    },
    /// It printed that it is at fault, and went on.
    Complained { complaint: String },
    /// It answers nothing any more.
    Hang { tried: String },
    /// Its memory grew beyond all bounds.
    Memory { grew_by: u64, bound: u64 },
    /// It does not serve a peer any more that does everything right.
    Spoilt {
        /// What that peer did: a scenario, which passes with a fresh process.
        scenario: String,
        /// What was wanted, and what came.
        problem: String,
    },
}

impl Sign {
    /// The cause of all that hang: nothing tells them apart.
    pub(super) const HANG: &'static str = "hang";

    /// The end of a process, with what it printed.
    pub(super) fn of_end(ended: ProcessExit, output: &Output) -> Self {
        Self::Ended {
            status: ended.to_string(),
            success: ended.code == Some(0),
            complaint: complaint(&output.tail()),
        }
    }

    /// What a process printed of itself, if it did.
    pub(super) fn of_output(output: &Output) -> Option<Self> {
        complaint(&output.tail()).map(|complaint| Self::Complained { complaint })
    }

    /// Whether its process ended as if all were well.
    pub(super) fn is_in_peace(&self) -> bool {
        match self {
            Self::Ended {
                success, complaint, ..
            } => *success && complaint.is_none(),
            Self::Complained { .. }
            | Self::Hang { .. }
            | Self::Memory { .. }
            | Self::Spoilt { .. } => false,
        }
    }

    /// The kind in a word, for names of files.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Ended { .. } => "ended",
            Self::Complained { .. } => "complained",
            Self::Hang { .. } => "hang",
            Self::Memory { .. } => "memory",
            Self::Spoilt { .. } => "spoilt",
        }
    }

    /// What two findings of one cause have in common. An end without a word is told from another by what was said
    /// `last`.
    #[must_use]
    pub fn cause(&self, last: &str) -> String {
        match self {
            Self::Ended {
                complaint: Some(complaint),
                ..
            }
            | Self::Complained { complaint } => format!("said {}", plain(complaint)),
            Self::Ended { status, .. } => format!("ended {status} after {last}"),
            Self::Hang { .. } => String::from(Self::HANG),
            Self::Memory { .. } => String::from("memory"),
            Self::Spoilt { scenario, .. } => format!("spoilt {scenario}"),
        }
    }
}

impl std::fmt::Display for Sign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended {
                status, complaint, ..
            } => {
                write!(f, "its process ended ({status})")?;
                complaint
                    .iter()
                    .try_for_each(|complaint| write!(f, ": {complaint}"))
            }
            Self::Complained { complaint } => write!(f, "it printed: {complaint}"),
            Self::Hang { tried } => write!(f, "it does not answer any more: {tried}"),
            Self::Memory { grew_by, bound } => {
                write!(f, "its memory grew by {grew_by} bytes, beyond {bound}")
            }
            Self::Spoilt { scenario, problem } => {
                write!(
                    f,
                    "it fails {scenario} afterwards, which a fresh process passes: {problem}"
                )
            }
        }
    }
}

/// The first line of an output that tells of a fault; of a Python traceback the last, which says which.
fn complaint(output: &str) -> Option<String> {
    let is_complaint = |line: &&str| COMPLAINTS.iter().any(|complaint| line.contains(complaint));
    let first = output.lines().find(is_complaint)?;
    let line = match first.contains(TRACEBACK) {
        true => output.lines().rev().find(|line| !line.trim().is_empty())?,
        false => first,
    };
    Some(line.trim().chars().take(MOST).collect())
}

/// A complaint without what is another number each time.
fn plain(complaint: &str) -> String {
    let is_number = |word: &str| word.chars().all(|letter| !letter.is_alphabetic());
    let words = complaint.split_whitespace();
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
    fn a_sanitizers_report_is_one_cause_wherever_it_lies_in_memory() {
        let cause = |pid: u32, address: &str| {
            let output = format!(
                "ready\n=={pid}==ERROR: AddressSanitizer: heap-buffer-overflow on address {address}\nmore\n"
            );
            let complaint = complaint(&output);
            let status = String::from("exit status 1");
            let success = false;
            Sign::Ended {
                status,
                success,
                complaint,
            }
            .cause("")
        };
        assert_eq!(cause(71, "0x6020"), cause(4_711, "0x7fff01"));
        assert!(cause(1, "0x1").contains("heap-buffer-overflow"));
    }

    #[test]
    fn of_a_traceback_the_last_line_counts_and_ordinary_output_is_no_complaint() {
        let output = "Traceback (most recent call last):\n  File \"x.py\"\nKeyError: 7\n";
        assert_eq!(complaint(output).as_deref(), Some("KeyError: 7"));
        assert_eq!(
            complaint("listening on 127.0.0.1:1\nerror: a client was rude\n"),
            None
        );
    }
}
