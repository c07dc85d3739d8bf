//! What a run is about to do, in lines for people.

use shakedown_engine::event::RunPlan;

use crate::text::{clean_line, count};

/// The lines; the first says what is tested.
#[must_use]
pub fn plan_lines(plan: &RunPlan, seed: u64) -> Vec<String> {
    let mut lines = Vec::new();
    if plan.reference {
        lines.push(String::from(
            "testing the built-in reference; --iut FILE tests an implementation",
        ));
    }
    let mut selected = 0;
    for one in &plan.implementations {
        selected += one.scenarios;
        let modes = one.modes.join(" ");
        let scenarios = count(one.scenarios as u64, "scenario");
        let (name, protocol, side) = (&one.name, &one.protocol, &one.side);
        lines.push(clean_line(&format!(
            "{name}: {protocol} {side}, {modes}: {scenarios}"
        )));
    }
    let part = plan.part.as_ref();
    let part = part.map_or_else(String::new, |part| format!(", part {part}"));
    let jobs = match plan.jobs {
        0 => String::new(),
        jobs => format!(", {jobs} at a time"),
    };
    let of = plan.of;
    lines.push(format!(
        "{selected} of {of} scenarios{part}{jobs}, seed {seed}"
    ));
    lines
}
