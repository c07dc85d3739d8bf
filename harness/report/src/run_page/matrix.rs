//! Requirements and scenarios by verdict, a column for each implementation.

use std::collections::BTreeMap;
use std::path::Path;

use indexmap::IndexMap;
use maud::{Markup, html};
use shakedown_engine::event::VerdictEvent;
use shakedown_engine::verdict::Verdict;

use crate::link::target;
use crate::text::{clean_line, count};
use crate::{Record, requirements};

/// One column: its heading and its content.
pub(super) type Column<'a> = (String, &'a Record);

/// The requirements, worst first.
pub(super) fn requirement_table(columns: &[Column<'_>]) -> Markup {
    let judged: Vec<IndexMap<String, Verdict>> = columns
        .iter()
        .map(|(_, record)| record.requirements().into_iter().collect())
        .collect();
    let mut worst: IndexMap<&str, Verdict> = IndexMap::new();
    for (id, verdict) in judged.iter().flatten() {
        let known = worst.entry(id).or_insert(*verdict);
        *known = known.with(*verdict);
    }
    worst.sort_by(|_, a, _, b| b.cmp(a));
    let passed = worst.values().filter(|one| **one == Verdict::Pass).count();
    let all = requirements::all_beside(worst.keys().copied());
    let missing = all
        .iter()
        .filter(|one| !worst.contains_key(one.id.as_str()));
    let missing: Vec<_> = missing.map(|one| one.id.as_str()).collect();
    let is_run = columns.iter().any(|(_, record)| record.run.is_some());
    html! {
        @if !worst.is_empty() {
            section {
                h2 { "Requirements" }
                p { (passed) " of " (all.len()) " pass" }
                div.scroll tabindex="0" role="region" aria-label="requirements" {
                    table {
                        thead {
                            tr {
                                th scope="col" { "requirement" }
                                @for (name, _) in columns { th scope="col" { (name) } }
                                th scope="col" { "level" } th scope="col" { "text" }
                            }
                        }
                        tbody {
                            @for id in worst.keys() {
                                @let found = requirements::find(id);
                                tr {
                                    th scope="row" { (clean_line(id)) }
                                    @for judged in &judged { (cell(judged.get(*id).copied(), html! {})) }
                                    td { (found.map_or("", |found| requirements::level_name(found.level))) }
                                    td { (found.map_or("", |found| &found.text)) }
                                }
                            }
                        }
                    }
                }
                @if !missing.is_empty() && is_run { p { "Not judged here: " (missing.join(", ")) "." } }
            }
        }
    }
}

/// Every scenario that was played, worst first; of the others only how many, by their reasons.
pub(super) fn scenarios(columns: &[Column<'_>], directory: &Path) -> Markup {
    let mut played: BTreeMap<&str, Vec<Option<&VerdictEvent>>> = BTreeMap::new();
    let mut reasons = BTreeMap::<String, usize>::new();
    for (place, (_, record)) in columns.iter().enumerate() {
        for one in record.verdicts.values() {
            if one.was_left_out() {
                let reason = clean_line(one.reason.as_deref().unwrap_or_default());
                *reasons.entry(reason).or_default() += 1;
                continue;
            }
            let row = played.entry(&one.scenario);
            row.or_insert_with(|| vec![None; columns.len()])[place] = Some(one);
        }
    }
    let mut played: Vec<_> = played.into_iter().collect();
    let worst = |row: &[Option<&VerdictEvent>]| row.iter().flatten().map(|one| one.verdict).max();
    played.sort_by_key(|(_, row)| std::cmp::Reverse(worst(row)));
    html! {
        @if !played.is_empty() {
            section {
                h2 { "Scenarios" }
                label for="filter" { "Filter" } br;
                input #filter type="search" placeholder="fail 3way";
                div.scroll tabindex="0" role="region" aria-label="scenarios" {
                    table #scenarios {
                        thead {
                            tr {
                                th scope="col" { "scenario" }
                                @for (name, _) in columns { th scope="col" { (name) } }
                                th scope="col" { "what it shows" }
                            }
                        }
                        tbody { @for (id, row) in &played { (scenario(id, row, directory)) } }
                    }
                }
            }
        }
        @if !reasons.is_empty() {
            section {
                h2 { "Not played" }
                ul { @for (reason, number) in reasons { li { (count(number as u64, "scenario")) ": " (reason) } } }
            }
        }
    }
}

fn scenario(id: &str, row: &[Option<&VerdictEvent>], directory: &Path) -> Markup {
    let title = row.iter().flatten().next().map_or("", |one| &one.title);
    html! {
        tr {
            th scope="row" { code { (clean_line(id)) } }
            @for one in row {
                (cell(one.map(|one| one.verdict), html! {
                    @if let Some(one) = one {
                        small {
                            (format!("{:.2} s", one.seconds))
                            @if let Some(capture) = &one.capture {
                                " " a href=(target(capture, directory)) { "pcapng" }
                            }
                        }
                    }
                }))
            }
            td { (clean_line(title)) }
        }
    }
}

/// A verdict, and what stands below it.
fn cell(verdict: Option<Verdict>, below: Markup) -> Markup {
    html! {
        @match verdict {
            Some(verdict) => td { span class=(class(verdict)) { (verdict.name()) } (below) },
            None => td { "–" },
        }
    }
}

pub(super) const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "good",
        Verdict::Fail | Verdict::Error => "bad",
        Verdict::Inconclusive | Verdict::Advice | Verdict::Waived => "unsure",
        Verdict::NotObserved | Verdict::NotApplicable => "",
    }
}
