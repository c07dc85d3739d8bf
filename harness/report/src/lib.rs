//! One event stream of a run, several sinks: terminal, JSON lines, JUnit, Markdown, the plot of a
//! load, and pages of runs and of tables of implementations.
//!
//! The owner of a run opens the [`Sinks`], hands every [`Event`](shakedown_engine::event::Event) to
//! them and finishes them; a new report never touches the runner. All that a report needs besides
//! the newest event is in the [`Record`] that the sinks share.
//!
//! A sink that cannot write is dropped and reported once, in [`Outcome::failures`]; the others go
//! on. Files are complete at every moment: JSON lines are flushed one by one, JUnit and Markdown are
//! replaced atomically, first at the start (as an unfinished run), then at the end.
//!
//! Text that comes from an implementation under test, a capture or a scenario file passes through
//! [`text`] before it reaches a terminal or a document.
//!
//! This crate depends on `shakedown-engine` for the events and on `shakedown-protocol` for the text
//! of requirements; it writes files, and touches no sockets, processes, threads or clocks.

mod again;
mod cases;
mod cause;
mod comparison;
pub mod dissection;
mod document;
mod file;
#[cfg(test)]
mod fixture;
mod fuzz_page;
pub mod hexdump;
mod json;
mod ladder;
mod left_out;
mod link;
mod load;
mod merge;
mod plan;
mod printed;
mod record;
mod replay;
mod requirements;
mod sink;
mod sinks;
mod stream_frames;
mod table;
mod terminal;
pub mod text;

pub use comparison::{Change, Comparison};
pub use document::Document;
pub use fuzz_page::{FuzzPage, ReportedFault};
pub use json::JsonLines;
pub use ladder::{Frame, Ladder, Peer, Row, RowContent};
pub use merge::{MergeError, check_together};
pub use plan::plan_lines;
pub use printed::{Format, Printed};
pub use record::{Record, Run};
pub use replay::{Replay, ReplayError};
pub use sink::{Failure, Outcome, Sink};
pub use sinks::Sinks;
pub use stream_frames::DecodedFrame;
pub use table::Table;
pub use terminal::{Detail, Progress, Terminal};

/// Declares the module of each report: one with `prints` is a format, one with `writes` a file in the directory
/// of a run.
macro_rules! reports {
    ($($module:ident $(prints $about:literal)? $(writes $file:literal)?;)*) => {
        $(mod $module;)*

        /// What `--format` offers besides the terminal report and JSON lines.
        pub static FORMATS: &[Format] = &[
            $($(Format { name: stringify!($module), about: $about, render: $module::render },)?)*
        ];

        /// The documents in the directory of a run, by their file names, in the order in which they are written.
        static DOCUMENTS: &[(&str, document::Render)] = &[$($(($file, $module::document),)?)*];
    };
}

reports! {
    tap prints "TAP 14: a test point for each scenario, pair or requirement of a capture";
    sarif prints "SARIF 2.1.0: findings";
    github prints "GitHub Actions annotations";
    markdown prints "Markdown, as in summary.md" writes "summary.md";
    plot writes "load.svg";
    run_page writes "report.html";
    html writes "interop.html";
    // Last, so that it can list the others that could not be written.
    junit writes "junit.xml";
}
