//! The `shakedown` program: flags, exit codes, and the wiring of the crates below.
//!
//! Each command is one module of [`commands`]; [`exit`] holds the exit codes and the way in which
//! a command fails. Standard output carries what was asked for and nothing else; logs and errors
//! go to standard error.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the program may read the clock and start threads"
)]

mod commands;
mod conduct;
mod endpoint;
mod exit;
mod guard;
mod logging;
mod numbers;
mod player;
mod proof;
mod quic_lines;
mod quic_words;
mod reference;
mod reports;
mod run_directory;
mod vectors;

use std::process::ExitCode;

use anstream::eprintln;
use clap::Parser;

use crate::commands::Command;
use crate::exit::Failure;
use crate::logging::Global;

/// A packet-level conformance and fuzz test harness for protocols over UDP and over QUIC.
#[derive(Debug, Parser)]
#[command(
    name = "shakedown",
    version,
    propagate_version = true,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = exit::help(),
)]
struct Cli {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.global.verbose);
    match cli.command.execute(&cli.global) {
        Ok(exit) => exit.into(),
        Err(Failure { exit, message }) => {
            if !message.is_empty() {
                eprintln!("{} {message}", exit::error_label());
            }
            exit.into()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let call = format!("  shakedown {}", command.get_name());
            assert!(
                help.contains(&call),
                "{}: no example in {help:?}",
                command.get_name()
            );
        }
    }
}
