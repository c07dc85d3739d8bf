//! Logs, on standard error.

use std::io::IsTerminal;

use anstream::ColorChoice;
use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable that takes filter directives and wins over `-v`.
const VARIABLE: &str = "SHAKEDOWN_LOG";

/// Flags of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// Log more to standard error: -v progress, -vv also recoverable errors, -vvv each datagram
    ///
    /// `SHAKEDOWN_LOG` takes directives such as `shakedown_net=debug` and overrides this flag.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,

    /// Coloured output; `auto`: on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colours::Auto, global = true)]
    color: Colours,
}

/// Whether output has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Colours {
    Auto,
    Always,
    Never,
}

impl Global {
    /// Lets all that is printed have colours, or none.
    pub(crate) fn choose_colours(&self) {
        match self.color {
            Colours::Auto => ColorChoice::Auto,
            Colours::Always => ColorChoice::Always,
            Colours::Never => ColorChoice::Never,
        }
        .write_global();
    }
}

/// Starts logging; `verbose` is how often `-v` was given.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::WARN,
        1 => LevelFilter::INFO,
        2 => LevelFilter::DEBUG,
        3.. => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .with_env_var(VARIABLE)
        .from_env_lossy();
    let colour = std::io::stderr().is_terminal()
        && anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .init();
}
