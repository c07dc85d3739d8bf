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
mod completing;
mod conduct;
mod coverage;
mod earlier;
mod endpoint;
mod exit;
mod guard;
mod logging;
mod metrics;
mod numbers;
mod page;
mod player;
mod profile;
mod reference;
mod reports;
mod run_directory;
mod vectors;

use std::process::ExitCode;

use anstream::eprintln;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser};
use shakedown_engine::document::closest;

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
    completing::answer(Cli::command);
    let command = numbers::may_be_negative(Cli::command());
    let words: Vec<_> = std::env::args_os().collect();
    let matches = command
        .clone()
        .try_get_matches_from(&words)
        .unwrap_or_else(|error| with_hint(error, &command).exit());
    let matches = match profile::with_profile(&words, &command, &matches) {
        Ok(None) => matches,
        Ok(Some(words)) => command.get_matches_from(words),
        Err(failure) => return failed(failure),
    };
    let cli = Cli::from_arg_matches(&matches)
        .unwrap_or_else(|error| error.format(&mut Cli::command()).exit());
    cli.global.choose_colours();
    logging::start(cli.global.verbose);
    match cli.command.execute(&cli.global) {
        Ok(exit) => exit.into(),
        Err(failure) => failed(failure),
    }
}

/// Says which command was probably meant, where clap sees no likeness: `rnu`. Of a negative time, `-5s`,
/// it would say that `-5` is no flag.
fn with_hint(mut error: clap::Error, command: &clap::Command) -> clap::Error {
    let flag = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if error.kind() == ErrorKind::UnknownArgument => flag,
        _ => "",
    };
    let after = flag.strip_prefix('-').unwrap_or_default();
    if after.starts_with(|first: char| first.is_ascii_digit()) {
        let message =
            format!("{flag}... is negative, and no flag takes a negative number or time\n");
        return clap::Error::raw(ErrorKind::ValueValidation, message);
    }
    let has_hint = error.get(ContextKind::SuggestedSubcommand).is_some();
    let wrong = error.get(ContextKind::InvalidSubcommand);
    if let Some(ContextValue::String(wrong)) = wrong.filter(|_| !has_hint) {
        let known = command.get_subcommands().map(clap::Command::get_name);
        if let Some(meant) = closest(wrong, known) {
            let meant = ContextValue::Strings(vec![meant.to_owned()]);
            error.insert(ContextKind::SuggestedSubcommand, meant);
        }
    }
    error
}

/// Says why a command failed.
fn failed(Failure { exit, message }: Failure) -> ExitCode {
    if !message.is_empty() {
        eprintln!("{} {message}", exit::error_label());
    }
    exit.into()
}

#[cfg(test)]
mod tests {
    use std::any::TypeId;
    use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};

    use clap::{Command, CommandFactory};

    use super::Cli;
    use crate::numbers::may_be_negative;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// The words of each command that has flags.
    fn calls(command: &Command) -> Vec<(Vec<String>, &Command)> {
        let own = (vec![command.get_name().to_owned()], command);
        let inner = command.get_subcommands().flat_map(calls);
        let inner = inner.map(|(words, inner)| {
            let words = [own.0.clone(), words].concat();
            (words, inner)
        });
        std::iter::once(own.clone()).chain(inner).collect()
    }

    #[test]
    fn the_error_of_every_number_says_what_is_right_and_what_the_number_is_for() {
        let whole_numbers = [
            TypeId::of::<u8>(),
            TypeId::of::<u32>(),
            TypeId::of::<u64>(),
            TypeId::of::<usize>(),
            TypeId::of::<NonZeroU32>(),
            TypeId::of::<NonZeroU64>(),
            TypeId::of::<NonZeroUsize>(),
        ];
        let mut command = may_be_negative(Cli::command());
        command.build();
        let mut numbers = 0;
        for (words, of) in calls(&command) {
            let is_number = |arg: &&clap::Arg| {
                let read = arg.get_value_parser().type_id();
                arg.get_action().takes_values()
                    && whole_numbers.iter().any(|number| read == *number)
            };
            for arg in of.get_arguments().filter(is_number) {
                let flag = format!("--{}", arg.get_long().unwrap());
                let help = arg.get_help().unwrap().to_string();
                for wrong in ["x", "-1", "1.5", "99999999999999999999999"] {
                    let call = words.iter().map(String::as_str).chain([&*flag, wrong]);
                    let error = command.clone().try_get_matches_from(call).unwrap_err();
                    let error = error.to_string();
                    assert!(
                        error.contains("it takes a whole number "),
                        "{words:?} {error}"
                    );
                    assert!(error.contains(&help), "{words:?} {error}");
                }
                numbers += 1;
            }
        }
        assert!(numbers >= 25, "{numbers}");
    }

    /// The words of a call as a shell reads them, up to where another program begins; `None` in a line
    /// that calls another program alone.
    fn example(line: &str) -> Option<Vec<String>> {
        let at = line.find("shakedown ")?;
        let mut words = vec![String::new()];
        let mut quote = None;
        for letter in line[at..].chars() {
            match (letter, quote) {
                ('\'' | '"', None) => quote = Some(letter),
                (letter, Some(open)) if letter == open => quote = None,
                (' ', None) => words.push(String::new()),
                (letter, _) => words.last_mut().unwrap().push(letter),
            }
        }
        let ends = |word: &String| ["|", "&&", ">", "<", "#"].contains(&word.as_str());
        let end = words.iter().position(ends).unwrap_or(words.len());
        words.truncate(end);
        words.retain(|word| !word.is_empty());
        Some(words)
    }

    #[test]
    fn the_help_of_every_command_shows_examples_that_the_program_takes() {
        let mut command = may_be_negative(Cli::command());
        command.build();
        let mut examples = 0;
        for (words, of) in calls(&command).into_iter().skip(1) {
            // clap's own help command.
            if words[1] == "help" {
                continue;
            }
            let help = of.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default().replace("\\\n", "");
            let own: Vec<_> = help.lines().filter_map(example).collect();
            let is_own = own.iter().any(|example| example.starts_with(&words));
            assert!(is_own, "{words:?}: no example in {help:?}");
            for example in own {
                if let Err(error) = command.clone().try_get_matches_from(&example) {
                    panic!("{example:?}: {error}");
                }
                examples += 1;
            }
        }
        assert!(examples >= 80, "{examples}");
    }
}
