//! What is wrong with a run and shows before anything is started or sent.

use std::env;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::PathBuf;

use nix::unistd::{AccessFlags, access};
use shakedown_engine::event::matches_nothing;
use shakedown_engine::iut::Iut;

use super::summary::past;
use super::{Assignment, CaptureBy, why_not_applicable};
use crate::clock::Clock;
use crate::launch::{LaunchError, is_in_use};
use crate::process::{StartError, located};

/// What a run would meet, in human-readable sentences.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Preflight {
    /// What would keep it from playing anything.
    pub wrong: Vec<String>,
    /// What would fail it, whatever the implementation does: waivers.
    pub failing: Vec<String>,
}

/// Looks whether programs and the interface are there, addresses are free, and waivers still count.
#[must_use]
pub fn preflight(assignments: &[Assignment], capture: &CaptureBy) -> Preflight {
    let mut preflight = Preflight::default();
    preflight.wrong.extend(capture.begin().err());
    for assignment in assignments {
        preflight.wrong.extend(unusable(&assignment.iut));
        preflight.failing.extend(stale(assignment));
    }
    preflight
}

/// Programs and addresses of a description that cannot be used.
fn unusable(iut: &Iut) -> Vec<String> {
    let start = iut.start.as_ref();
    let commands = start.map(|start| &start.command);
    let commands = commands
        .into_iter()
        .chain(start.and_then(|start| start.plain.as_ref()))
        .chain(
            iut.observe
                .as_ref()
                .and_then(|observe| observe.command.as_ref()),
        );
    let programs = commands.filter_map(|command| command.first());
    let mut problems: Vec<String> = Vec::new();
    for program in programs {
        let problem = missing(program, iut).map(|why| StartError {
            program: program.clone(),
            why: why.to_owned(),
        });
        let problem = problem.map(|problem| format!("{}: {problem}", iut.name));
        problems.extend(problem.filter(|problem| !problems.contains(problem)));
    }
    let reach = start.and(iut.reach.as_ref());
    let address = reach.and_then(|reach| reach.address.parse::<SocketAddr>().ok());
    if let Some(address) = address.filter(|address| is_in_use(*address)) {
        let problem = LaunchError::PortInUse { address };
        problems.push(format!("{}: {problem}", iut.name));
    }
    problems
}

/// Why a program cannot be started; `None` if it can, or if what it is called shows only in the run.
fn missing(program: &str, iut: &Iut) -> Option<&'static str> {
    if program.contains('{') {
        return None;
    }
    let places: Vec<PathBuf> = match program.contains('/') {
        true => vec![located(OsStr::new(program), &iut.directory())],
        false => {
            let start = iut.start.as_ref();
            let own = start.and_then(|start| start.environment.get("PATH"));
            let path = own.map(OsString::from).or_else(|| env::var_os("PATH"));
            let path = path.unwrap_or_default();
            env::split_paths(&path)
                .map(|folder| folder.join(program))
                .collect()
        }
    };
    if places
        .iter()
        .any(|place| program.contains('/') && place.is_dir())
    {
        return Some("it is a folder");
    }
    let files: Vec<PathBuf> = places.into_iter().filter(|place| place.is_file()).collect();
    if files.is_empty() {
        return Some("there is no such program");
    }
    let may_run = |file: &PathBuf| access(file, AccessFlags::X_OK).is_ok();
    (!files.iter().any(may_run)).then_some("it may not be executed (permission denied)")
}

/// Waivers that are past their day, or for a scenario that is not played although all are selected.
fn stale(assignment: &Assignment) -> Vec<String> {
    let Assignment {
        iut,
        scenarios,
        is_full,
    } = assignment;
    let today = Clock::start().today();
    let mut problems = Vec::new();
    for waiver in iut
        .waive
        .iter()
        .filter(|waiver| !waiver.is_of_earlier_run())
    {
        let is_played = waiver.scenario.as_ref().is_none_or(|id| {
            let mut known = scenarios.iter().filter(|scenario| scenario.id == *id);
            known.any(|scenario| why_not_applicable(iut, scenario).is_none())
        });
        if waiver.is_past(today) {
            problems.push(past(&iut.name, waiver));
        } else if *is_full && !is_played {
            problems.push(matches_nothing(&iut.name, &waiver.to_string()));
        }
    }
    problems
}
