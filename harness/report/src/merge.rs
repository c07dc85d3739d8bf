//! Whether several finished runs can be merged.

use std::collections::BTreeMap;

use shakedown_engine::event::{Event, PlannedImplementation, RunPlan};

use crate::Replay;

/// Why runs cannot be merged. Each is named by its path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A part is there and another one is not.
    #[error("part {part} is missing; give the reports of all parts")]
    Missing {
        /// The part: `2/3`.
        part: String,
    },
    /// A part, or a scenario of an implementation, is there twice.
    #[error("{what} is in {first} and in {second}; leave out one of them")]
    Twice {
        what: String,
        first: String,
        second: String,
    },
    /// The runs are parts of different ones.
    #[error("{first} and {second} are parts of different runs: their {what} differ")]
    Different {
        first: String,
        second: String,
        /// Scenarios, implementations or flags.
        what: &'static str,
    },
}

/// Whether these are all parts of one run, each once, or runs that have no scenario of an
/// implementation in common.
///
/// # Errors
/// [`MergeError`]: the first thing that is wrong.
pub fn check_together(replays: &[(String, Replay)]) -> Result<(), MergeError> {
    let mut parts: Vec<(&String, &RunPlan, &str)> = Vec::new();
    let mut judged: BTreeMap<(&str, &str), (usize, &String)> = BTreeMap::new();
    for (index, (path, replay)) in replays.iter().enumerate() {
        let mut of = "";
        for event in &replay.events {
            match event {
                Event::RunStarted { iut, plan, .. } => {
                    of = iut;
                    parts.extend(plan.part.as_deref().map(|part| (path, plan, part)));
                }
                Event::Verdict(verdict) => {
                    let known = judged.insert((of, &verdict.scenario), (index, path));
                    if let Some((_, first)) = known.filter(|(first, _)| *first != index) {
                        return Err(MergeError::Twice {
                            what: verdict.scenario.clone(),
                            first: first.clone(),
                            second: path.clone(),
                        });
                    }
                }
                _ => {}
            }
        }
    }
    complete(&parts)
}

/// Whether all parts are there, each once.
fn complete(parts: &[(&String, &RunPlan, &str)]) -> Result<(), MergeError> {
    let Some((first, plan, part)) = parts.first() else {
        return Ok(());
    };
    let total = |part: &str| part.split_once('/').map(|(_, total)| total.to_owned());
    let mut known: BTreeMap<&str, &String> = BTreeMap::new();
    for (path, other, number) in parts {
        let differs = [
            (
                other.suite != plan.suite || total(number) != total(part),
                "scenarios",
            ),
            (!are_of_the_same(plan, other), "implementations"),
            (conditions(plan) != conditions(other), "flags"),
        ];
        if let Some((_, what)) = differs.into_iter().find(|(differs, _)| *differs) {
            return Err(MergeError::Different {
                first: (*first).clone(),
                second: (*path).clone(),
                what,
            });
        }
        if let Some(earlier) = known.insert(number, path) {
            return Err(MergeError::Twice {
                what: format!("part {number}"),
                first: earlier.clone(),
                second: (*path).clone(),
            });
        }
    }
    let total = total(part).unwrap_or_default();
    let numbers = 1..=total.parse::<usize>().unwrap_or_default();
    let mut all = numbers.map(|number| format!("{number}/{total}"));
    match all.find(|part| !known.contains_key(part.as_str())) {
        Some(part) => Err(MergeError::Missing { part }),
        None => Ok(()),
    }
}

/// Whether the same implementation plays each side, where both parts have scenarios for one.
fn are_of_the_same(one: &RunPlan, other: &RunPlan) -> bool {
    one.implementations.iter().all(|first| {
        let side = |it: &PlannedImplementation| (it.protocol.clone(), it.side.clone());
        let mut played = other.implementations.iter();
        played.all(|second| side(first) != side(second) || first.name == second.name)
    })
}

/// The flags that verdicts depend on. Files and interfaces may have other names on another machine.
fn conditions(plan: &RunPlan) -> Vec<&str> {
    let mut words = plan.again.iter().map(String::as_str);
    let mut conditions = Vec::new();
    while let Some(word) = words.next() {
        match word {
            "--iut" | "--capture" => drop(words.next()),
            word => conditions.push(word),
        }
    }
    conditions
}

#[cfg(test)]
mod tests {
    use shakedown_engine::event::VERSION;

    use super::*;
    use crate::fixture;

    fn part(path: &str, part: Option<&str>, suite: &str, scenarios: &[&str]) -> (String, Replay) {
        let plan = RunPlan {
            part: part.map(str::to_owned),
            suite: suite.to_owned(),
            ..RunPlan::default()
        };
        let started = Event::RunStarted {
            version: VERSION,
            iut: "acme".to_owned(),
            seed: 1,
            capture: "tap".to_owned(),
            scenarios: scenarios.len(),
            plan,
        };
        let template = fixture::run().into_iter().find_map(|event| match event {
            Event::Verdict(verdict) => Some(verdict),
            _ => None,
        });
        let verdict = |id: &&str| {
            let mut verdict = template.clone().unwrap();
            verdict.scenario = (*id).to_owned();
            Event::Verdict(verdict)
        };
        let events = [started].into_iter().chain(scenarios.iter().map(verdict));
        let replay = Replay {
            events: events.collect(),
            notes: Vec::new(),
        };
        (path.to_owned(), replay)
    }

    /// A part that plays this implementation with these flags.
    fn played(of: (String, Replay), name: &str, again: &[&str]) -> (String, Replay) {
        let (path, mut replay) = of;
        if let Some(Event::RunStarted { plan, .. }) = replay.events.first_mut() {
            plan.again = again.iter().map(|word| (*word).to_owned()).collect();
            plan.implementations.push(PlannedImplementation {
                name: name.to_owned(),
                protocol: "mediastream".to_owned(),
                side: "responder".to_owned(),
                modes: Vec::new(),
                scenarios: 1,
                not_applicable: 0,
                too_slow: 0,
                in_turn: None,
            });
        }
        (path, replay)
    }

    fn said(replays: &[(String, Replay)]) -> String {
        check_together(replays).map_or_else(|error| error.to_string(), |()| "right".to_owned())
    }

    #[test]
    fn all_parts_of_one_run_are_one() {
        let (one, two) = (Some("1/2"), Some("2/2"));
        assert_eq!(
            said(&[part("x", one, "s", &["a"]), part("y", two, "s", &["b"])]),
            "right"
        );
        assert_eq!(
            said(&[part("x", None, "s", &["a"]), part("y", None, "t", &["b"])]),
            "right"
        );
    }

    #[test]
    fn a_part_that_is_missing_or_there_twice_is_named() {
        let (one, two) = (Some("1/3"), Some("2/3"));
        let missing = said(&[part("x", one, "s", &["a"]), part("y", two, "s", &["b"])]);
        assert_eq!(
            missing,
            "part 3/3 is missing; give the reports of all parts"
        );
        let twice = said(&[part("x", one, "s", &[]), part("y", one, "s", &[])]);
        assert_eq!(twice, "part 1/3 is in x and in y; leave out one of them");
    }

    #[test]
    fn parts_of_different_selections_are_not_one() {
        let (one, two) = (Some("1/2"), Some("2/2"));
        let suites = said(&[part("x", one, "s", &["a"]), part("y", two, "t", &["b"])]);
        assert_eq!(
            suites,
            "x and y are parts of different runs: their scenarios differ"
        );
        let totals = said(&[
            part("x", one, "s", &["a"]),
            part("y", Some("2/3"), "s", &["b"]),
        ]);
        assert_eq!(totals, suites);
    }

    #[test]
    fn parts_of_other_implementations_or_with_other_flags_are_not_one() {
        let first = || {
            let part = part("x", Some("1/2"), "s", &["a"]);
            played(part, "acme", &["--iut", "/x/acme.toml", "--slow"])
        };
        let second = |name, again: &[&str]| {
            let part = part("y", Some("2/2"), "s", &["b"]);
            said(&[first(), played(part, name, again)])
        };
        let right = ["--iut", "/y/acme.toml", "--slow"];
        assert_eq!(second("acme", &right), "right");
        let differ = |what| format!("x and y are parts of different runs: their {what} differ");
        assert_eq!(second("other", &right), differ("implementations"));
        assert_eq!(second("acme", &right[..2]), differ("flags"));
        let lax = ["--slow", "--impair", "loss=0.1"];
        assert_eq!(second("acme", &lax), differ("flags"));
    }

    #[test]
    fn a_scenario_that_two_runs_of_an_implementation_judged_is_named() {
        let twice = said(&[part("x", None, "s", &["a"]), part("y", None, "s", &["a"])]);
        assert_eq!(twice, "a is in x and in y; leave out one of them");
    }
}
