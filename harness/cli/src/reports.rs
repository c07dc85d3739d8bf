//! The reports of commands that judge: their flags, and how they are opened and closed.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::LazyLock;

use anstream::eprintln;
use clap::ValueEnum;
use clap::builder::PossibleValue;
use shakedown_report::{Detail, FORMATS, JsonLines, Printed, Progress, Sinks, Terminal};

use crate::exit::{Exit, Failure, error_label, usage};
use crate::logging::Global;
use crate::run_directory::{DirectoryArgs, RunDirectory};

/// Columns of a report where there is no terminal to ask.
const WIDTH: usize = 100;

/// Flags about reports.
#[derive(Debug, clap::Args)]
pub(crate) struct ReportArgs {
    /// Directory for the reports, created if missing [default: for a run a new one in reports/,
    /// which reports/latest links to]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    #[command(flatten)]
    directory: DirectoryArgs,

    /// No progress; report only what did not pass, and the summary
    #[arg(long, short)]
    quiet: bool,

    /// Format of standard output
    #[arg(long, value_enum, default_value_t = ReportFormat::Terminal)]
    pub(crate) format: ReportFormat,
}

/// The format of a report on standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ReportFormat {
    Terminal,
    Json,
    Printed(&'static shakedown_report::Format),
}

impl ValueEnum for ReportFormat {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<ReportFormat>> = LazyLock::new(|| {
            let printed = FORMATS.iter().map(ReportFormat::Printed);
            [ReportFormat::Terminal, ReportFormat::Json]
                .into_iter()
                .chain(printed)
                .collect()
        });
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Terminal => PossibleValue::new("terminal")
                .alias("text")
                .help("Human-readable"),
            Self::Json => PossibleValue::new("json").help("JSON lines: one object per event"),
            Self::Printed(format) => PossibleValue::new(format.name).help(format.about),
        })
    }
}

/// Format of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Human-readable
    #[value(alias = "text")]
    Terminal,
    /// JSON lines
    Json,
}

impl ReportArgs {
    /// The directory that `--out` names.
    pub(crate) fn directory(&self) -> Result<Option<RunDirectory>, Failure> {
        let out = self.out.as_deref();
        out.map(|out| RunDirectory::at(out, &self.directory))
            .transpose()
    }

    /// The directory that `--out` names, or a new one for a run with this name.
    pub(crate) fn directory_for(&self, name: &str) -> Result<RunDirectory, Failure> {
        match self.directory()? {
            Some(directory) => Ok(directory),
            None => RunDirectory::new(name, &self.directory),
        }
    }

    /// Whether the directory of the reports can be taken, as far as shows without taking it.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        RunDirectory::check(self.out.as_deref(), &self.directory)
    }

    /// Opens the reports: those of standard output, and those in a directory. Progress is shown on
    /// standard error where `progress` says that there is any.
    pub(crate) fn open(
        &self,
        global: &Global,
        directory: Option<&RunDirectory>,
        progress: bool,
    ) -> Result<Sinks, Failure> {
        let mut sinks = Sinks::new();
        if let Some(directory) = directory {
            let added = sinks.add_directory(directory.path());
            added.map_err(|failure| {
                usage(format!("{failure}; give another directory with --out"))
            })?;
        }
        match self.format {
            ReportFormat::Json => sinks.add(JsonLines::to_output(std::io::stdout())),
            ReportFormat::Printed(format) => sinks.add(Printed::new(format, std::io::stdout())),
            ReportFormat::Terminal => {
                let progress = match progress && !self.quiet {
                    true => self::progress(global),
                    false => Progress::Off,
                };
                let terminal = Terminal::new(progress, anstream::stdout(), width());
                sinks.add(terminal.with(match (self.quiet, global.verbose) {
                    (true, _) => Detail::Least,
                    (false, 0) => Detail::Usual,
                    (false, _) => Detail::Most,
                }));
            }
        }
        Ok(sinks)
    }
}

/// Completes the reports, prints those that could not be written, and returns the exit code.
pub(crate) fn close(sinks: Sinks, exit: u8) -> Exit {
    let outcome = sinks.finish();
    report_failures(outcome.unreported());
    let exit = outcome.exit(exit);
    let known = Exit::ALL.into_iter().find(|known| *known as u8 == exit);
    known.unwrap_or(Exit::Harness)
}

/// Prints reports that could not be written.
pub(crate) fn report_failures(failures: &[shakedown_report::Failure]) {
    for failure in failures {
        let label = error_label();
        let text = failure.to_string();
        eprintln!("{label} {}", shakedown_report::text::clean(&text));
    }
}

/// A bar on a terminal that is not shared with the log; else lines.
fn progress(global: &Global) -> Progress {
    let is_log = std::env::var_os("CI").is_some() || global.verbose > 0;
    match std::io::stderr().is_terminal() && !is_log {
        true => Progress::bar(),
        false => Progress::lines(anstream::stderr()),
    }
}

/// Columns of the terminal; of `COLUMNS` where there is none.
pub(crate) fn width() -> usize {
    if let Some((terminal_size::Width(columns), _)) =
        terminal_size::terminal_size_of(std::io::stdout())
    {
        return columns.into();
    }
    let told = std::env::var("COLUMNS").ok();
    told.and_then(|columns| columns.parse().ok())
        .unwrap_or(WIDTH)
}
