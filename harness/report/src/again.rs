//! The call that plays one scenario of a run again.

use std::path::Path;

use indexmap::IndexSet;
use shakedown_engine::event::RunPlan;

use crate::Record;

/// How a run was called, as far as it matters for playing one of its scenarios again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Call {
    words: Vec<String>,
    seed: u64,
    selected: IndexSet<String>,
    files: Vec<(String, String)>,
}

impl Call {
    /// `None` if the run's command line is unknown.
    pub(crate) fn new(plan: &RunPlan, seed: u64) -> Option<Self> {
        (plan.reference || !plan.again.is_empty()).then(|| Self {
            words: plan.again.clone(),
            seed,
            selected: plan.selected.iter().cloned().collect(),
            files: plan.files.clone().into_iter().collect(),
        })
    }

    fn of(&self, scenario: &str) -> String {
        let file = self.files.iter().find(|(id, _)| id == scenario);
        let scenario = file.map_or(scenario, |(_, file)| file);
        let seed = self.seed.to_string();
        let words = ["shakedown", "run"].into_iter().map(str::to_owned);
        let words = words.chain(self.words.iter().cloned());
        let words = words.chain(["--seed".to_owned(), seed, scenario.to_owned()]);
        let words: Vec<_> = words.map(|word| quoted(&word)).collect();
        words.join(" ")
    }
}

impl Record {
    /// The call that plays this scenario, and no other, as it was played.
    #[must_use]
    pub fn again(&self, scenario: &str) -> Option<String> {
        let call = match self.run.as_ref()?.calls.as_slice() {
            [only] => Some(only),
            calls => calls.iter().find(|call| call.selected.contains(scenario)),
        };
        call.map(|call| call.of(scenario))
    }
}

/// The call that draws a capture.
pub(crate) fn drawing(capture: &str) -> String {
    let path = Path::new(capture).display().to_string();
    format!("shakedown dissect --ladder {}", quoted(&path))
}

/// A word as shells take it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./,:=@%+".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_called_by_its_file_if_it_has_one_and_words_are_quoted() {
        let call = Call {
            words: ["--iut", "my server's.toml"].map(str::to_owned).to_vec(),
            seed: 7,
            selected: IndexSet::new(),
            files: vec![("x/own".to_owned(), "own.json".to_owned())],
        };
        let beginning = r"shakedown run --iut 'my server'\''s.toml' --seed 7";
        assert_eq!(call.of("x/own"), format!("{beginning} own.json"));
        assert_eq!(
            call.of("x/3way,start3/y"),
            format!("{beginning} x/3way,start3/y")
        );
    }
}
