//! The scenarios and descriptions that are built into the program, so that it works outside of the
//! repository. Paths on the command line win over them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anstream::eprintln;
use flate2::read::GzDecoder;
use shakedown_engine::document::{Problems, did_you_mean};
use shakedown_engine::event::Event;
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::{Library, LibraryError, Loaded, Selection, SelectionError, Shard};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{PROTOCOLS, Protocol};
use shakedown_report::Replay;
use shakedown_report::text::{clean_line, count};

use crate::exit::{Failure, harness, usage};

/// The texts of all that is built in, by their paths below `vectors`.
#[expect(clippy::expect_used, reason = "the build script packed them")]
static VECTORS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let packed: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/vectors.json.gz"));
    let text = io::read_to_string(GzDecoder::new(packed)).expect("the vectors can be unpacked");
    serde_json::from_str(&text).expect("the vectors are texts by path")
});

/// The scenarios that are built in.
pub(crate) fn library() -> Result<Library, Failure> {
    let scenarios = VECTORS
        .iter()
        .filter(|(path, _)| path.contains("/scenarios/"));
    let texts = scenarios.map(|(path, text)| (format!("vectors/{path}"), text.as_str()));
    Library::from_texts(texts).map_err(|error| wrong_files(&error))
}

/// The ids of the scenarios that are built in, by their files alone.
pub(crate) fn scenario_ids() -> Vec<String> {
    let id = |path: &String| {
        let (protocol, rest) = path.split_once("/scenarios/")?;
        Some(format!("{protocol}/{}", rest.strip_suffix(".json")?))
    };
    VECTORS.keys().filter_map(id).collect()
}

/// The scenarios with this id, or whose id ends in this.
pub(crate) fn named<'a>(library: &'a Library, name: &str) -> Vec<&'a Loaded> {
    let ends = |loaded: &&Loaded| loaded.scenario.id.rsplit('/').next() == Some(name);
    match library.get(name) {
        Some(loaded) => vec![loaded],
        None => library.scenarios().iter().filter(ends).collect(),
    }
}

/// The texts of all vectors of frames, and of sequences of them, that are built in.
pub(crate) fn frames() -> Vec<&'static str> {
    let is_frame = |path: &str| path.contains("/frames/") || path.contains("/sequences/");
    let frames = VECTORS.iter().filter(|(path, _)| is_frame(path));
    frames.map(|(_, text)| text.as_str()).collect()
}

/// The description of the reference of a protocol in a role.
pub(crate) fn reference(protocol: &Protocol, role: Role) -> Result<Iut, Failure> {
    let name = format!("{}/reference-{}.toml", protocol.id, protocol.side(role));
    let text = VECTORS
        .get(&name)
        .ok_or_else(|| harness(format!("this program was built without vectors/{name}")))?;
    Iut::parse(&format!("vectors/{name}"), text).map_err(|problems| wrong_file(&problems))
}

/// Whether this is the reference, started as its own description says. What it streams and how it
/// is judged may be another matter.
pub(crate) fn is_reference(iut: &Iut) -> Result<bool, Failure> {
    let Some(protocol) = shakedown_protocol::protocol(&iut.protocol) else {
        return Ok(false);
    };
    let own = reference(protocol, iut.role)?;
    let same = iut.protocol == own.protocol && iut.modes == own.modes && iut.start == own.start;
    Ok(same && iut.timing.buffer_period == own.timing.buffer_period)
}

/// Reads the description of an implementation.
pub(crate) fn description(path: &Path) -> Result<Iut, Failure> {
    Iut::read(path).map_err(|problems| wrong_file(&problems))
}

/// Which scenarios a command is about.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct SelectionArgs {
    /// Files, folders, ids, id prefixes or patterns (*, ?, [a-z], {a,b}) [default: all built-in
    /// scenarios]
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenarios: Vec<String>,

    /// Only scenarios whose id or title contains this, or whose id matches this pattern
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Vec<String>,

    /// Only scenarios of this protocol
    #[arg(long)]
    pub(crate) protocol: Option<String>,

    /// Only scenarios of this mode; a combination such as 3way,start3 is a separate mode
    #[arg(long)]
    pub(crate) mode: Option<String>,

    /// Only scenarios for this role of the implementation under test
    #[arg(long, value_parser = role)]
    pub(crate) role: Option<Role>,

    /// Only shard I of N of the selected scenarios
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,

    /// An earlier run (directory or events.jsonl) by whose times --shard balances the shards
    #[arg(long, value_name = "RUN", requires = "shard")]
    pub(crate) durations: Option<PathBuf>,
}

impl SelectionArgs {
    /// Whether a selected scenario was read from a file or folder that was given.
    pub(crate) fn is_from_file(&self, loaded: &Loaded) -> bool {
        let mut paths = self.scenarios.iter().map(Path::new);
        paths.any(|path| path.exists() && Path::new(&loaded.file).starts_with(path))
    }

    /// How long each scenario took in the run of `--durations`.
    fn seconds(&self) -> Result<BTreeMap<String, f64>, Failure> {
        let Some(run) = &self.durations else {
            return Ok(BTreeMap::new());
        };
        let replay = Replay::read(run).map_err(|error| usage(error.to_string()))?;
        let mut seconds = BTreeMap::new();
        for event in replay.events {
            if let Event::Verdict(verdict) = event {
                *seconds.entry(verdict.scenario).or_default() += verdict.seconds;
            }
        }
        Ok(seconds)
    }

    /// The scenarios, sorted by id. One from a file stands in for the built-in one of the same id.
    pub(crate) fn select(&self) -> Result<Selected, Failure> {
        let (paths, names): (Vec<String>, Vec<String>) = self
            .scenarios
            .iter()
            .cloned()
            .partition(|argument| Path::new(argument).exists());
        if let Some(missing) = names.iter().find(|name| is_path(name)) {
            return Err(missing_file(missing));
        }
        let mut selection = Selection {
            names,
            filters: self.filter.clone(),
            protocol: self.protocol.clone(),
            mode: self.mode.clone(),
            role: self.role,
            ..Selection::default()
        };
        let library = if paths.is_empty() {
            library()?
        } else {
            let read = Library::read(&paths).map_err(|error| wrong_files(&error))?;
            if let Some(left) = read.left() {
                eprintln!("left out: {}", clean_line(&left));
            }
            if selection.names.is_empty() {
                read
            } else {
                let ids = read.scenarios().iter().map(|one| one.scenario.id.clone());
                selection.names.extend(ids);
                library()?.overridden_by(read)
            }
        };
        let nothing = |error: SelectionError| usage(error.to_string());
        let suite = Library::digest(&library.select(&selection).map_err(nothing)?);
        selection.shard = self.shard;
        selection.seconds = self.seconds()?;
        let selected = library.select(&selection).map_err(nothing)?;
        Ok(Selected {
            scenarios: selected.into_iter().cloned().collect(),
            of: library.scenarios().len(),
            suite,
        })
    }
}

/// The scenarios that a command is about.
#[derive(Debug)]
pub(crate) struct Selected {
    /// The scenarios, sorted by id.
    pub(crate) scenarios: Vec<Loaded>,
    /// How many there are to select from.
    pub(crate) of: usize,
    /// Digest of those of all shards.
    pub(crate) suite: String,
}

pub(crate) fn role(name: &str) -> Result<Role, String> {
    let mut sides = PROTOCOLS.iter().flat_map(|protocol| {
        let roles = Protocol::ROLES.into_iter();
        roles.map(|role| (protocol.side(role), role))
    });
    let found = sides.find_map(|(side, role)| (side == name).then_some(role));
    found.ok_or_else(|| {
        let known = PROTOCOLS.iter().flat_map(|protocol| protocol.sides);
        let help = did_you_mean(name, known);
        format!("no role is called `{name}`; {}", help.unwrap_or_default())
    })
}

/// Whether an argument can only be meant as a path. Ids have neither a suffix nor a dot in front.
fn is_path(argument: &str) -> bool {
    Path::new(argument).extension().is_some() || argument.starts_with(['.', '/'])
}

fn missing_file(path: &str) -> Failure {
    if path.ends_with(".toml") {
        return usage(format!(
            "there is no file {path:?}; the description of an implementation is given by --iut"
        ));
    }
    let name = Path::new(path).file_stem().unwrap_or_default();
    let selection = Selection {
        names: vec![name.to_string_lossy().into_owned()],
        ..Selection::default()
    };
    let meant = library().map(|library| match library.select(&selection) {
        Ok(found) => found.first().map(|one| one.scenario.id.clone()),
        Err(SelectionError::NoSuchScenario { meant, .. }) => meant,
        Err(SelectionError::Nothing { .. } | SelectionError::Pattern { .. }) => None,
    });
    let hint = match meant {
        Ok(Some(id)) => format!("; did you mean the scenario `{id}`?"),
        Ok(None) | Err(_) => String::new(),
    };
    usage(format!("there is no file {path:?}{hint}"))
}

pub(crate) fn wrong_file(problems: &Problems) -> Failure {
    let count = match problems.list().len() {
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let (file, text) = (problems.file(), problems.render(true));
    usage(format!("{count} in {file}\n\n{text}"))
}

fn wrong_files(error: &LibraryError) -> Failure {
    let invalid = match error.files.len() {
        0 => String::new(),
        files => format!("{}; ", count(files as u64, "invalid scenario")),
    };
    usage(format!(
        "{invalid}nothing was run\n\n{}",
        error.render(true)
    ))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use shakedown_engine::iut::Start;

    use super::*;
    use crate::Cli;

    /// A word of a command with its placeholders replaced by something that fits.
    fn filled(word: &str, modes: &[String]) -> String {
        let address = "127.0.0.1:4444";
        let values = [
            ("{address}", address),
            ("{peer}", address),
            ("{mode}", modes.last().unwrap().as_str()),
        ];
        let numbers = [
            "{number}",
            "{seed}",
            "{bits_per_second}",
            "{frames_per_second}",
            "{seconds}",
        ];
        let values = values.into_iter().chain(numbers.map(|name| (name, "1")));
        values.fold(
            word.replace("{shakedown}", "shakedown"),
            |word, (name, value)| word.replace(name, value),
        )
    }

    #[test]
    fn the_commands_of_the_reference_are_calls_that_this_program_understands() {
        let each = |protocol| Protocol::ROLES.map(|role| (protocol, role));
        for (protocol, role) in PROTOCOLS.into_iter().flat_map(each) {
            let iut = reference(protocol, role).unwrap();
            assert_eq!((iut.protocol.as_str(), iut.role), (protocol.id, role));
            let start: Start = iut.start.unwrap();
            let options = start.options.values().flatten();
            let with_options: Vec<_> = start.command.iter().chain(options).collect();
            let plain = start.plain.iter().map(|plain| plain.iter().collect());
            for command in std::iter::once(with_options).chain(plain) {
                let words: Vec<_> = command
                    .into_iter()
                    .map(|word| filled(word, &iut.modes))
                    .collect();
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{words:?}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_scenarios_that_are_built_in_load() {
        assert!(library().unwrap().scenarios().len() >= 60);
    }
}
