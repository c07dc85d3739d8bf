use shakedown_engine::event::LoadSummary;

use super::style::{self, paint};
use crate::load::numbers;
use crate::text::clean_line;

/// What a load measured. Why plays failed stands with the scenario's findings.
pub(super) fn render(load: &LoadSummary) -> String {
    let name = clean_line(&load.scenario);
    let mut text = format!(
        "{}  {}\n",
        paint(style::BOLD, "LOAD"),
        paint(style::BOLD, &name)
    );
    for (name, value) in numbers(load) {
        text += &format!("  {name:<24}{value}\n");
    }
    text
}
