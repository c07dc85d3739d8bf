//! The plan of a run, as text.

use shakedown_engine::event::RunPlan;

use crate::text::{clean_line, count};

/// Said at the end of a run in each format for people and for CI jobs.
pub(crate) const REFERENCE_TESTED: &str =
    "the built-in reference was tested; --iut FILE tests an implementation";

/// The lines; the first says what is tested.
#[must_use]
pub fn plan_lines(plan: &RunPlan, seed: u64) -> Vec<String> {
    let mut lines = Vec::new();
    if plan.reference {
        lines.push(String::from(
            "testing the built-in reference; --iut FILE tests an implementation",
        ));
    }
    let mut played = 0;
    for one in &plan.implementations {
        played += one.played();
        let modes = one.modes.join(" ");
        let scenarios = count(one.played() as u64, "scenario");
        let left_out = [
            (one.not_applicable, "more do not apply to it"),
            (one.too_slow, "more only with --slow"),
        ];
        let left_out = left_out.into_iter().filter(|(number, _)| *number > 0);
        let left_out: String = left_out
            .map(|(number, why)| format!(", {number} {why}"))
            .collect();
        let in_turn = one.in_turn.map_or_else(String::new, |seconds| {
            let time = match seconds {
                0..120 => format!("{seconds} s"),
                _ => format!("{} min", seconds.div_ceil(60)),
            };
            format!(", one after the other, {time} at least: the same process plays them all")
        });
        let (name, protocol, side) = (&one.name, &one.protocol, &one.side);
        lines.push(clean_line(&format!(
            "{name}: {protocol} {side}, {modes}: {scenarios}{in_turn}{left_out}"
        )));
    }
    let part = plan.part.as_ref();
    let part = part.map_or_else(String::new, |part| format!(", part {part}"));
    let are_in_turn = plan.implementations.iter().all(|one| one.in_turn.is_some());
    let jobs = match plan.jobs {
        0 => String::new(),
        _ if are_in_turn => String::new(),
        jobs => format!(", {jobs} at a time"),
    };
    let of = plan.of;
    lines.push(format!(
        "{played} of {of} scenarios{part}{jobs}, seed {seed}"
    ));
    lines
}
