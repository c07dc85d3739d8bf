//! What `shakedown.toml` says, in the directory in which the program is called: profiles, flags of `run`; and
//! waivers.

use std::ffi::OsString;
use std::path::Path;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use serde_json::Value;
use shakedown_engine::document::{
    Document, Kind, Member, Node, Pointer, Problem, did_you_mean, read_file,
};
use shakedown_engine::iut::ProjectWaivers;

use crate::exit::{Failure, usage};
use crate::vectors::wrong_file;

const FILE: &str = ProjectWaivers::FILE;
/// Most bytes of it.
const MOST_BYTES: usize = 1 << 20;
/// Its key of profiles.
const PROFILE: &str = "profile";
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
    let Some((document, profile)) = read(named)? else {
        return Ok(None);
    };
    let run = command.find_subcommand("run");
    let place = words.iter().position(|word| word == "run");
    let (Some(run), Some(place)) = (run, place) else {
        return Ok(None);
    };
    let (mut added, mut problems) = (Vec::new(), Vec::new());
    for Member {
        key,
        key_range,
        value,
    } in profile.members()
    {
        let mut flags = run.get_arguments().filter(|arg| arg.get_long().is_some());
        let id = match flags.find(|arg| arg.get_long() == Some(key)) {
            _ if key == SCENARIOS => SCENARIOS,
            Some(flag) if key != "profile" => flag.get_id().as_str(),
            Some(_) | None => {
                let flags = run.get_arguments().filter_map(clap::Arg::get_long);
                let help = did_you_mean(key, flags.chain([SCENARIOS]));
                let message = format!("`run` has no flag `--{key}`");
                problems.push(Problem::new(key_range.clone(), message).help(help));
                continue;
            }
        };
        if given.value_source(id) != Some(ValueSource::CommandLine) {
            let mut own = Vec::new();
            let read = words_of(key, value, &mut own);
            match read.and_then(|()| check_values(command, &own)) {
                Ok(()) => added.append(&mut own),
                Err(message) => problems.push(Problem::new(value.mark(), message)),
            }
        }
    }
    if !problems.is_empty() {
        return Err(wrong_file(&document.problems(problems)));
    }
    let mut all = words.to_vec();
    all.splice(place + 1..=place, added.into_iter().map(OsString::from));
    Ok(Some(all))
}

/// The file, and in it the profile with this name, or the default one if there is any.
fn read(named: Option<&str>) -> Result<Option<(Document, Node)>, Failure> {
    if named == Some(NONE) || named.is_none() && !Path::new(FILE).exists() {
        return Ok(None);
    }
    let document = Document::toml(FILE, &text()?).map_err(|problems| wrong_file(&problems))?;
    let at = |place, message: String| {
        let problem = Problem::new(place, message);
        Err(wrong_file(&document.problems(vec![problem])))
    };
    let is_known = |member: &&Member| [WAIVE, PROFILE].contains(&member.key.as_str());
    if let Some(wrong) = document.root.members().find(|member| !is_known(member)) {
        let message = format!(
            "there is no `{}`; flags of `run` stand below [profile.{DEFAULT}], waivers below [[{WAIVE}]]",
            wrong.key
        );
        return at(wrong.key_range.clone(), message);
    }
    let place = Pointer::root().key(PROFILE);
    let profile = place.key(named.unwrap_or(DEFAULT));
    match document.root.get(&profile).cloned() {
        Some(profile) if matches!(profile.kind, Kind::Object(_)) => Ok(Some((document, profile))),
        Some(wrong) => at(
            wrong.mark(),
            "a profile is a table: [profile.ci]".to_owned(),
        ),
        None => {
            let Some(name) = named else {
                return Ok(None);
            };
            let profiles = document.root.get(&place);
            let known = profiles.into_iter().flat_map(Node::members);
            let help = did_you_mean(name, known.map(|known| known.key.as_str()));
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
fn words_of(key: &str, value: &Node, words: &mut Vec<String>) -> Result<(), String> {
    let flag = |value: &str| match key {
        SCENARIOS => value.to_owned(),
        key => format!("--{key}={value}"),
    };
    match &value.kind {
        Kind::Scalar(Value::Bool(true)) => words.push(format!("--{key}")),
        Kind::Scalar(Value::Bool(false)) => {}
        Kind::Scalar(Value::String(text)) => words.push(flag(text)),
        Kind::Scalar(value) => words.push(flag(&value.to_string())),
        Kind::Array(values) => {
            for value in values {
                words_of(key, value, words)?;
            }
        }
        Kind::Object(_) => {
            return Err(format!(
                "`{key}` is a text, a number, true or false, or a list of them"
            ));
        }
    }
    Ok(())
}

/// Whether the values of a flag are right, as far as shows without the other flags.
fn check_values(command: &Command, flag: &[String]) -> Result<(), String> {
    let call = ["shakedown", "run"].into_iter();
    let call = call.chain(flag.iter().map(String::as_str));
    match command.clone().try_get_matches_from(call) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::UnknownArgument
            ) =>
        {
            let text = error.to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let lines: Vec<_> = first.lines().map(str::trim).collect();
            Err(lines.join(" ").trim_start_matches("error: ").to_owned())
        }
        Ok(_) | Err(_) => Ok(()),
    }
}
