use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use globset::{Glob, GlobMatcher};
use shakedown_protocol::requirement::Role;

use super::{Library, Loaded};
use crate::document::{closest, did_you_mean};

/// No scenario takes less, in seconds, when shards are made: starting a process takes as long.
const LEAST_TIME: f64 = 0.01;

/// Which scenarios of a library are wanted. An empty selection wants all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Ids, last parts of ids, beginnings of ids that end at a `/`, or patterns as globset reads
    /// them, in which `*` also takes a `/`; any of them.
    pub names: Vec<String>,
    /// Patterns as in `names`, or parts of an id or title; any of them.
    pub filters: Vec<String>,
    pub protocol: Option<String>,
    pub mode: Option<String>,
    /// Only this role of the implementation under test.
    pub role: Option<Role>,
    /// Only this part of what the rest selects.
    pub shard: Option<Shard>,
    /// How long scenarios took, in seconds, by their ids: shards get equal shares of it. One that is not there
    /// counts as the mean of those that are.
    pub seconds: BTreeMap<String, f64>,
}

/// One of several parts of a selection: `2/3`. The parts have no scenario in common and are all
/// of it; the same files give the same parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 1.
    index: usize,
    /// How many parts there are.
    count: usize,
}

/// Nothing is selected, or a name selects nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A name matches no scenario.
    #[error("no scenario is called {name:?}; {}", hint(.meant))]
    NoSuchScenario {
        name: String,
        /// The id that was probably meant.
        meant: Option<String>,
    },
    /// A pattern cannot be read.
    #[error("{pattern:?} is no pattern: {why}")]
    Pattern { pattern: String, why: String },
    /// All that the rest selects is excluded by something.
    #[error("no scenario matches {what}{}", .meant.as_ref().map_or_else(String::new, |meant| format!("; {meant}")))]
    Nothing {
        what: String,
        /// What would be right, in a sentence.
        meant: Option<String>,
    },
}

fn hint(meant: &Option<String>) -> String {
    match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "`shakedown list scenarios` shows all of them".to_owned(),
    }
}

impl Library {
    /// The scenarios that a selection wants, sorted by id.
    ///
    /// # Errors
    /// [`SelectionError`] if a name matches no scenario, or if nothing is left.
    pub fn select(&self, selection: &Selection) -> Result<Vec<&Loaded>, SelectionError> {
        let mut selected: Vec<&Loaded> = self.scenarios().iter().collect();
        let names = Wanted::all(&selection.names)?;
        for name in &names {
            if !selected.iter().any(|loaded| name.names(loaded)) {
                return Err(self.no_such(name.text));
            }
        }
        if !names.is_empty() {
            selected.retain(|loaded| names.iter().any(|name| name.names(loaded)));
        }
        if let Some(protocol) = &selection.protocol {
            let of = |loaded: &Loaded| part(loaded, 0).to_owned();
            narrow(&mut selected, "protocol", protocol, of)?;
        }
        if let Some(mode) = &selection.mode {
            let of = |loaded: &Loaded| loaded.scenario.iut.mode.clone();
            narrow(&mut selected, "mode", mode, of)?;
        }
        if let Some(role) = selection.role {
            let of = |loaded: &Loaded| loaded.scenario.iut.role.name().to_owned();
            narrow(&mut selected, "role", role.name(), of)?;
        }
        if !selection.filters.is_empty() {
            let filters = Wanted::all(&selection.filters)?;
            selected.retain(|loaded| filters.iter().any(|filter| filter.passes(loaded)));
            if selected.is_empty() {
                let what = format!("the filter {:?}", selection.filters.join("\" or \""));
                return Err(SelectionError::Nothing { what, meant: None });
            }
        }
        if selected.is_empty() {
            let what = "anything: there are none".to_owned();
            return Err(SelectionError::Nothing { what, meant: None });
        }
        if let Some(shard) = selection.shard {
            let total = selected.len();
            let known = selected
                .iter()
                .filter_map(|loaded| time_of(loaded, selection));
            let (sum, count) =
                known.fold((0.0, 0.0), |(sum, count), time| (sum + time, count + 1.0));
            let mean = if sum > 0.0 { sum / count } else { 1.0 };
            selected = shard.of(selected, |loaded| {
                time_of(loaded, selection).unwrap_or(mean)
            });
            if selected.is_empty() {
                let what = format!("shard {shard}: only {total} are selected");
                return Err(SelectionError::Nothing { what, meant: None });
            }
        }
        Ok(selected)
    }

    fn no_such(&self, name: &str) -> SelectionError {
        let ids = self
            .scenarios()
            .iter()
            .map(|loaded| loaded.scenario.id.as_str());
        // Folders of ids first: they are what a short name is closest to.
        let folders = ids.clone().filter_map(|id| Some(id.rsplit_once('/')?.0));
        let outer = folders
            .clone()
            .filter_map(|id| Some(id.rsplit_once('/')?.0));
        let by_id = || {
            let depth = name.matches('/').count();
            let known = outer.chain(folders).chain(ids.clone());
            closest(name, known.filter(|id| id.matches('/').count() == depth))
        };
        // An id without folders is its last part.
        let by_name = || {
            let names = ids.clone().filter_map(|id| id.rsplit('/').next());
            let meant = closest(name.rsplit('/').next().unwrap_or(name), names)?;
            ids.clone().find(|id| id.rsplit('/').next() == Some(meant))
        };
        let meant = if name.contains('/') {
            by_id().or_else(by_name)
        } else {
            by_name()
        };
        SelectionError::NoSuchScenario {
            name: name.to_owned(),
            meant: meant.map(str::to_owned),
        }
    }
}

fn time_of(loaded: &Loaded, selection: &Selection) -> Option<f64> {
    selection.seconds.get(&loaded.scenario.id).copied()
}

impl Shard {
    /// The longest first, each goes to the part that has least so far; this part's in their own order. Where
    /// all take the same time, that is one after the other.
    fn of<T>(self, items: Vec<T>, time: impl Fn(&T) -> f64) -> Vec<T> {
        let times: Vec<f64> = items
            .iter()
            .map(|item| time(item).max(LEAST_TIME))
            .collect();
        let mut longest_first: Vec<usize> = (0..items.len()).collect();
        longest_first.sort_by(|a, b| times[*b].total_cmp(&times[*a]));
        // There are no more parts with something in them than items.
        let mut parts = vec![0.0; self.count.min(items.len())];
        let mut is_ours = vec![false; items.len()];
        for item in longest_first {
            let (mut least, mut part) = (f64::INFINITY, 0);
            for (place, taken) in parts.iter().enumerate() {
                if *taken < least {
                    (least, part) = (*taken, place);
                }
            }
            parts[part] += times[item];
            is_ours[item] = part == self.index - 1;
        }
        let numbered = items.into_iter().zip(is_ours);
        numbered
            .filter_map(|(item, is_ours)| is_ours.then_some(item))
            .collect()
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match numbers {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Self { index, count }),
            Some((_, count)) if count > 0 => Err(format!(
                "there is no part {text}; they go from 1/{count} to {count}/{count}"
            )),
            _ => Err(format!("{text:?} is no shard; write I/N, for example 1/3")),
        }
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// Keeps those whose value is `wanted`.
fn narrow(
    selected: &mut Vec<&Loaded>,
    what: &str,
    wanted: &str,
    of: impl Fn(&Loaded) -> String,
) -> Result<(), SelectionError> {
    let known: Vec<String> = selected.iter().map(|loaded| of(loaded)).collect();
    selected.retain(|loaded| of(loaded) == wanted);
    if selected.is_empty() {
        let known: BTreeSet<&str> = known.iter().map(String::as_str).collect();
        return Err(SelectionError::Nothing {
            what: format!("{what} {wanted:?}"),
            meant: did_you_mean(wanted, known),
        });
    }
    Ok(())
}

fn part(loaded: &Loaded, index: usize) -> &str {
    loaded.scenario.id.split('/').nth(index).unwrap_or_default()
}

/// A name or a filter, with what it matches if it is a pattern.
struct Wanted<'a> {
    text: &'a str,
    pattern: Option<GlobMatcher>,
}

impl<'a> Wanted<'a> {
    fn all(texts: &'a [String]) -> Result<Vec<Self>, SelectionError> {
        texts.iter().map(|text| Self::new(text)).collect()
    }

    fn new(text: &'a str) -> Result<Self, SelectionError> {
        let is_pattern = text.contains(['*', '?', '[', '{']);
        let pattern = is_pattern
            .then(|| Glob::new(text.trim_end_matches('/')))
            .transpose();
        let pattern = pattern.map_err(|error| SelectionError::Pattern {
            pattern: text.to_owned(),
            why: error.kind().to_string(),
        })?;
        let pattern = pattern.map(|glob| glob.compile_matcher());
        Ok(Self { text, pattern })
    }

    fn names(&self, loaded: &Loaded) -> bool {
        let id = &loaded.scenario.id;
        let name = self.text.trim_end_matches('/');
        let rest = id.strip_prefix(name);
        let is_id_or_folder = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match &self.pattern {
            Some(pattern) => pattern.is_match(id),
            None => is_id_or_folder || id.rsplit('/').next() == Some(name),
        }
    }

    fn passes(&self, loaded: &Loaded) -> bool {
        let (id, title) = (&loaded.scenario.id, &loaded.scenario.title);
        match &self.pattern {
            Some(pattern) => pattern.is_match(id),
            None => {
                id.contains(self.text) || title.to_lowercase().contains(&self.text.to_lowercase())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_ids() {
        let pattern = |text: &str| Wanted::new(text).unwrap().pattern.unwrap();
        for (text, id) in [
            ("*lost*", "a-lost-ack"),
            ("a-?ost-*", "a-lost-ack"),
            ("mediastream/*/initiator/*", "mediastream/3way/initiator/x"),
            ("mediastream/*/x", "mediastream/3way/initiator/x"),
            ("*/{3way,start3}/*", "mediastream/start3/initiator/x"),
            ("*/[a-f]ck", "mediastream/ack"),
        ] {
            assert!(pattern(text).is_match(id), "{text} {id}");
        }
        for (text, id) in [("a*b", "abc"), ("?", "ab"), ("*ab*ab", "ab")] {
            assert!(!pattern(text).is_match(id), "{text} {id}");
        }
        assert!(Wanted::new("a-name").unwrap().pattern.is_none());
        let error = Wanted::new("{a").err().unwrap().to_string();
        assert!(
            error.starts_with("\"{a\" is no pattern: unclosed"),
            "{error}"
        );
    }

    #[test]
    fn shards_are_all_of_a_selection_and_have_nothing_in_common() {
        let items: Vec<u32> = (0..20).collect();
        let mut parts: Vec<u32> = ["1/3", "2/3", "3/3"]
            .iter()
            .flat_map(|shard| shard.parse::<Shard>().unwrap().of(items.clone(), |_| 0.0))
            .collect();
        parts.sort_unstable();
        assert_eq!(parts, items);
    }

    #[test]
    fn shards_have_equal_shares_of_the_time_that_scenarios_took() {
        let seconds = vec![1, 1, 6, 1, 3, 1, 2, 3];
        let part = |shard: &str| {
            let shard = shard.parse::<Shard>().unwrap();
            shard.of(seconds.clone(), |seconds| f64::from(*seconds))
        };
        assert_eq!(part("1/3"), [6]);
        assert_eq!(part("2/3"), [1, 3, 2]);
        assert_eq!(part("3/3"), [1, 1, 1, 3]);
        assert_eq!(part("9/1000000000000"), [] as [i32; 0]);
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["", "1", "0/3", "4/3", "1/0", "0/0", "a/b", "1/3/5", "-1/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text:?}");
        }
    }
}
