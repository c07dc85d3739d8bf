//! What a shell offers at Tab besides flags: modes, ids, and files of the right kind.

use std::ffi::OsStr;
use std::path::Path;

use clap::{Arg, Command};
use clap_complete::CompleteEnv;
use clap_complete::engine::{
    ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter,
};
use clap_complete::env::Shells;
use shakedown_protocol::{PROTOCOLS, Protocol};

use crate::vectors;

/// The variable by which the script of a shell asks the program what may come next.
const ASKED: &str = "SHAKEDOWN_COMPLETE";

/// Shells for which there is a script.
pub(crate) fn shells() -> Vec<&'static str> {
    Shells::builtins().names().collect()
}

/// The script of a shell: it asks the program at each Tab.
pub(crate) fn script(shell: &str) -> std::io::Result<Vec<u8>> {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(shell) {
        shell.write_registration(ASKED, "shakedown", "shakedown", "shakedown", &mut script)?;
    }
    Ok(script)
}

/// Answers a shell that asks, and ends the program then.
pub(crate) fn answer(command: impl Fn() -> Command) {
    CompleteEnv::with_factory(|| with_values(command(), None))
        .var(ASKED)
        .complete();
}

/// The same command, whose arguments know their values. Below the name of a protocol they are that one's.
fn with_values(command: Command, of: Option<&'static Protocol>) -> Command {
    let id = command.get_name();
    let of = PROTOCOLS
        .into_iter()
        .find(|protocol| protocol.id == id)
        .or(of);
    command
        .mut_args(|arg| match Values::of(&arg) {
            None => arg,
            Some(values) => arg.add(ArgValueCompleter::new(Completer { values, of })),
        })
        .mut_subcommands(|command| with_values(command, of))
}

/// What an argument takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    Protocols,
    /// One or several, with commas between.
    Modes,
    Sides,
    Requirements,
    Twins,
    Scenarios,
    /// A requirement, a scenario or a description.
    Anything,
    Descriptions,
    Captures,
    Directories,
}

impl Values {
    /// Flags of the same name take the same.
    fn of(arg: &Arg) -> Option<Self> {
        if !arg.get_possible_values().is_empty() {
            return None;
        }
        match arg.get_id().as_str() {
            "protocol" => Some(Self::Protocols),
            "mode" | "modes" => Some(Self::Modes),
            "role" => Some(Self::Sides),
            "requirement" => Some(Self::Requirements),
            "without" | "names" => Some(Self::Twins),
            "scenario" | "scenarios" | "then" => Some(Self::Scenarios),
            "id" => Some(Self::Anything),
            "iut" | "iuts" => Some(Self::Descriptions),
            "capture" | "captures" => Some(Self::Captures),
            "runs" | "failed" | "baseline" | "corpus" | "directory" => Some(Self::Directories),
            _ => None,
        }
    }
}

/// Completes the values of an argument, of one protocol or of all.
#[derive(Debug)]
struct Completer {
    values: Values,
    of: Option<&'static Protocol>,
}

impl ValueCompleter for Completer {
    fn complete(&self, typed: &OsStr) -> Vec<CompletionCandidate> {
        let text = typed.to_str().unwrap_or_default();
        let protocols = || PROTOCOLS.into_iter().filter(|one| self.is_meant(one));
        match self.values {
            Values::Protocols => {
                let ids = PROTOCOLS.map(|protocol| (protocol.id, protocol.summary));
                beginning_with(text, ids)
            }
            Values::Modes => {
                let modes = protocols().flat_map(|protocol| protocol.modes);
                modes_behind(text, modes.copied())
            }
            Values::Sides => {
                let sides = protocols().flat_map(|protocol| protocol.sides);
                beginning_with(text, sides.map(|side| (side, "")))
            }
            Values::Requirements => requirements(text, protocols()),
            Values::Twins => {
                let twins = protocols().flat_map(|protocol| protocol.twins);
                beginning_with(text, twins.map(|twin| (twin.name, twin.fault)))
            }
            Values::Scenarios => scenarios(typed),
            Values::Anything => {
                let mut all = requirements(text, protocols());
                all.extend(scenarios(typed));
                all.extend(files(typed, &["toml"]));
                all
            }
            Values::Descriptions => files(typed, &["toml"]),
            Values::Captures => files(typed, &["pcap", "pcapng"]),
            Values::Directories => PathCompleter::dir().complete(typed),
        }
    }
}

impl Completer {
    fn is_meant(&self, protocol: &Protocol) -> bool {
        self.of.is_none_or(|of| of.id == protocol.id)
    }
}

/// Those that begin with what was typed, large or small, once each, and what each means.
fn beginning_with<'a>(
    typed: &str,
    all: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Vec<CompletionCandidate> {
    let begins = |name: &str| {
        let beginning = name.get(..typed.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(typed))
    };
    let mut fitting: Vec<_> = all.into_iter().filter(|(name, _)| begins(name)).collect();
    fitting.sort_by_key(|(name, _)| *name);
    fitting.dedup_by_key(|(name, _)| *name);
    let candidate = |(name, help): (&str, &str)| {
        let help = (!help.is_empty()).then(|| help.to_owned().into());
        CompletionCandidate::new(name).help(help)
    };
    fitting.into_iter().map(candidate).collect()
}

/// Modes behind the last comma.
fn modes_behind(
    typed: &str,
    modes: impl Iterator<Item = &'static str>,
) -> Vec<CompletionCandidate> {
    let (before, last) = match typed.rsplit_once(',') {
        Some((before, last)) => (format!("{before},"), last),
        None => (String::new(), typed),
    };
    let fitting = beginning_with(last, modes.map(|mode| (mode, "")));
    let fitting = fitting.into_iter();
    fitting.map(|mode| mode.add_prefix(&before)).collect()
}

fn requirements(
    typed: &str,
    protocols: impl Iterator<Item = &'static Protocol>,
) -> Vec<CompletionCandidate> {
    let all = protocols.flat_map(|protocol| (protocol.requirements)());
    beginning_with(typed, all.map(|one| (one.id.as_str(), one.text.as_str())))
}

/// Ids of scenarios, a part of the path at a time as with files, and files of scenarios.
fn scenarios(typed: &OsStr) -> Vec<CompletionCandidate> {
    let text = typed.to_str().unwrap_or_default();
    let ids = vectors::scenario_ids();
    let parts = ids.iter().map(|id| {
        let rest = id.get(text.len()..).unwrap_or_default();
        let end = rest
            .find('/')
            .map_or(id.len(), |slash| text.len() + slash + 1);
        (&id[..end], "")
    });
    let mut all = beginning_with(text, parts);
    all.extend(files(typed, &["json"]));
    all
}

/// Directories, and files with these extensions.
fn files(typed: &OsStr, extensions: &'static [&str]) -> Vec<CompletionCandidate> {
    let is_wanted = move |path: &Path| {
        let extension = path.extension().and_then(OsStr::to_str);
        path.is_dir() || extension.is_some_and(|one| extensions.contains(&one))
    };
    PathCompleter::any().filter(is_wanted).complete(typed)
}
