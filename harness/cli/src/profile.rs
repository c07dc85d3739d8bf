//! What `shakedown.toml` says, in the directory in which the program is called: profiles, flags of `run`; and
//! waivers.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use shakedown_engine::document::{did_you_mean, read_file};
use shakedown_engine::iut::ProjectWaivers;
use toml::{Table, Value};

use crate::exit::{Failure, usage};
use crate::vectors::wrong_file;

/// The file.
const FILE: &str = ProjectWaivers::FILE;
/// Most bytes of it.
const MOST_BYTES: usize = 1 << 20;
/// Its key of waivers.
const WAIVE: &str = "waive";
/// The profile that is taken where none is named.
const DEFAULT: &str = "default";
/// What is named to take none.
const NONE: &str = "none";
/// The key of what is selected, which has no flag.
const SCENARIOS: &str = "scenarios";

/// The words of a call of `run` with those of its profile, if it has one. A flag that the call has itself is not taken
/// from the profile.
///
/// # Errors
/// The file cannot be read, or has no such profile; or the profile names a flag that there is not.
pub(crate) fn with_profile(
    words: &[OsString],
    command: &Command,
    matches: &ArgMatches,
) -> Result<Option<Vec<OsString>>, Failure> {
    let Some(("run", given)) = matches.subcommand() else {
        return Ok(None);
    };
    let named = given.get_one::<String>("profile").map(String::as_str);
    let Some(profile) = read(named)? else {
        return Ok(None);
    };
    let run = command.find_subcommand("run");
    let place = words.iter().position(|word| word == "run");
    let (Some(run), Some(place)) = (run, place) else {
        return Ok(None);
    };
    let mut added = Vec::new();
    for (key, value) in &profile {
        let mut flags = run.get_arguments().filter(|arg| arg.get_long().is_some());
        let id = match flags.find(|arg| arg.get_long() == Some(key)) {
            _ if key == SCENARIOS => SCENARIOS,
            Some(flag) if key != "profile" => flag.get_id().as_str(),
            Some(_) | None => return Err(unknown(key, run)),
        };
        if given.value_source(id) != Some(ValueSource::CommandLine) {
            words_of(key, value, &mut added)?;
        }
    }
    let mut all = words.to_vec();
    all.splice(place + 1..=place, added.into_iter().map(OsString::from));
    Ok(Some(all))
}

/// The profile with this name, or the default one if there is any.
fn read(named: Option<&str>) -> Result<Option<Table>, Failure> {
    if named == Some(NONE) || named.is_none() && !Path::new(FILE).exists() {
        return Ok(None);
    }
    let text = text()?;
    let mut file: Table = text
        .parse()
        .map_err(|error: toml::de::Error| wrong(&error))?;
    let profiles = match file.remove("profile") {
        Some(Value::Table(profiles)) => profiles,
        Some(_) | None => Table::new(),
    };
    if let Some(key) = file.keys().find(|key| *key != WAIVE) {
        return Err(wrong(&format!(
            "there is no `{key}`; flags of `run` stand below [profile.{DEFAULT}], waivers below [[{WAIVE}]]"
        )));
    }
    match (profiles.get(named.unwrap_or(DEFAULT)), named) {
        (Some(Value::Table(profile)), _) => Ok(Some(profile.clone())),
        (Some(_), _) => Err(wrong(&"a profile is a table: [profile.ci]")),
        (None, None) => Ok(None),
        (None, Some(name)) => {
            let help = did_you_mean(name, profiles.keys().map(String::as_str));
            let help = help.unwrap_or_else(|| String::from("it has none"));
            Err(wrong(&format!("it has no profile `{name}`; {help}")))
        }
    }
}

/// The waivers of the project, if its file is there.
///
/// # Errors
/// The file cannot be read, or something is wrong with them.
pub(crate) fn waivers() -> Result<ProjectWaivers, Failure> {
    if !Path::new(FILE).exists() {
        return Ok(ProjectWaivers::default());
    }
    ProjectWaivers::parse(FILE, &text()?).map_err(|problems| wrong_file(&problems))
}

fn text() -> Result<String, Failure> {
    let bytes = read_file(Path::new(FILE), MOST_BYTES).map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

fn wrong(why: &dyn std::fmt::Display) -> Failure {
    usage(format!("{FILE}: {why}"))
}

/// The words of a flag with its value.
fn words_of(key: &str, value: &Value, words: &mut Vec<String>) -> Result<(), Failure> {
    let flag = |value: &str| match key {
        SCENARIOS => value.to_owned(),
        key => format!("--{key}={value}"),
    };
    match value {
        Value::Boolean(true) => words.push(format!("--{key}")),
        Value::Boolean(false) => {}
        Value::String(text) => words.push(flag(text)),
        Value::Integer(number) => words.push(flag(&number.to_string())),
        Value::Float(number) => words.push(flag(&number.to_string())),
        Value::Array(values) => {
            for value in values {
                words_of(key, value, words)?;
            }
        }
        Value::Datetime(_) | Value::Table(_) => {
            return Err(usage(format!(
                "{FILE}: `{key}` is a text, a number, true or false, or a list of them"
            )));
        }
    }
    Ok(())
}

fn unknown(key: &str, run: &Command) -> Failure {
    let flags = run.get_arguments().filter_map(clap::Arg::get_long);
    let help = did_you_mean(key, flags.chain([SCENARIOS]));
    let help = help.map_or(String::new(), |help| format!("; {help}"));
    usage(format!("{FILE}: `run` has no flag `--{key}`{help}"))
}
