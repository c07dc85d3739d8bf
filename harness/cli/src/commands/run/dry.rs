//! What `--dry-run` says.

use shakedown_engine::event::{PlannedImplementation, RunPlan};
use shakedown_engine::iut::Iut;
use shakedown_net::run::{Assignment, CaptureBy, preflight};
use shakedown_report::text::clean_line;

use super::Args;
use crate::exit::{Exit, Failure, usage};
use crate::reference::print_line;

impl Args {
    /// Reports problems of a run that show without traffic.
    pub(super) fn preflight(&self, assignments: &[Assignment]) -> Result<Exit, Failure> {
        self.reports.check()?;
        let capture = match self.in_virtual_time {
            true => &CaptureBy::Tap,
            false => &self.capture,
        };
        let preflight = preflight(assignments, capture);
        let exit = match preflight.wrong.is_empty() {
            true => Exit::Fail,
            false => Exit::Usage,
        };
        let problems = [preflight.wrong, preflight.failing].concat();
        match problems.is_empty() {
            true => Ok(Exit::Success),
            false => Err(Failure {
                exit,
                message: problems.join("\n"),
            }),
        }
    }
}

/// Whether a run of this plan would judge anything.
pub(super) fn check_judged(told: &RunPlan) -> Result<(), Failure> {
    let sum = |count: fn(&PlannedImplementation) -> usize| {
        let all = told.implementations.iter().map(count);
        all.sum::<usize>()
    };
    let selected = sum(|one| one.scenarios);
    let (not_applicable, too_slow) = (sum(|one| one.not_applicable), sum(|one| one.too_slow));
    if not_applicable + too_slow < selected {
        return Ok(());
    }
    let slow = match too_slow {
        0 => String::new(),
        too_slow => format!(", {too_slow} would be played with --slow alone"),
    };
    Err(usage(format!(
        "nothing would be judged: {not_applicable} of the {selected} scenarios selected do not apply{slow}"
    )))
}

impl Args {
    /// Writes the ids of the scenarios that would be played to standard output.
    pub(super) fn list(&self, assignments: &[Assignment]) -> Result<(), Failure> {
        let slow = self.slow || self.in_virtual_time;
        for one in assignments.iter().flat_map(|one| one.played(slow)) {
            print_line(&format!("  {}", one.id))?;
        }
        Ok(())
    }
}

/// Writes a plan to standard output, and how the implementations are started that descriptions have.
pub(super) fn show_plan(
    told: &RunPlan,
    assignments: &[Assignment],
    seed: u64,
) -> Result<(), Failure> {
    for line in shakedown_report::plan_lines(told, seed) {
        print_line(&line)?;
    }
    let described = assignments.iter().filter(|_| !told.reference);
    for line in described.filter_map(|one| started(&one.iut)) {
        print_line(&clean_line(&line))?;
    }
    Ok(())
}

/// How an implementation is started. Values of variables may be secrets.
fn started(iut: &Iut) -> Option<String> {
    let start = iut.start.as_ref()?;
    let (name, command) = (&iut.name, start.command.join(" "));
    let directory = match iut.directory() {
        path if path.as_os_str().is_empty() => String::from("the current directory"),
        path => path.display().to_string(),
    };
    let names: Vec<_> = start.environment.keys().map(String::as_str).collect();
    let variables = match names.is_empty() {
        true => String::new(),
        false => format!(", with {} set", names.join(", ")),
    };
    Some(format!(
        "{name}: started as `{command}` in {directory}{variables}"
    ))
}
