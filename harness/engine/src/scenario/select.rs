use std::str::FromStr;

use shakedown_protocol::requirement::Role;

use super::{Library, Loaded};
use crate::document::closest;

/// Which scenarios of a library are wanted. An empty selection wants all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Ids, last parts of ids, beginnings of ids that end at a `/`, or patterns with `*` and `?`;
    /// any of them.
    pub names: Vec<String>,
    /// Patterns with `*` and `?`, or parts of an id or title; any of them.
    pub filters: Vec<String>,
    /// Only this protocol.
    pub protocol: Option<String>,
    /// Only this mode.
    pub mode: Option<String>,
    /// Only this role of the implementation under test.
    pub role: Option<Role>,
    /// Only this part of what the rest selects.
    pub shard: Option<Shard>,
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
    #[error("no scenario is called {name:?}{}", hint(.meant))]
    NoSuchScenario {
        /// The name.
        name: String,
        /// The id that was probably meant.
        meant: Option<String>,
    },
    /// All that the rest selects is excluded by something.
    #[error("no scenario matches {what}{}", hint(.meant))]
    Nothing {
        /// What excludes everything.
        what: String,
        /// What was probably meant.
        meant: Option<String>,
    },
}

fn hint(meant: &Option<String>) -> String {
    meant
        .as_ref()
        .map_or_else(String::new, |meant| format!("; did you mean `{meant}`?"))
}

impl Library {
    /// The scenarios that a selection wants, sorted by id.
    ///
    /// # Errors
    /// [`SelectionError`] if a name matches no scenario, or if nothing is left.
    pub fn select(&self, selection: &Selection) -> Result<Vec<&Loaded>, SelectionError> {
        let mut selected: Vec<&Loaded> = self.scenarios().iter().collect();
        for name in &selection.names {
            if !selected.iter().any(|loaded| is_named(loaded, name)) {
                return Err(self.no_such(name));
            }
        }
        if !selection.names.is_empty() {
            selected.retain(|loaded| selection.names.iter().any(|name| is_named(loaded, name)));
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
            selected.retain(|loaded| {
                selection
                    .filters
                    .iter()
                    .any(|filter| passes(loaded, filter))
            });
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
            selected = shard.of(selected);
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
        // Whoever leaves out the folders means the last part.
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

impl Shard {
    fn of<T>(self, items: Vec<T>) -> Vec<T> {
        let numbered = items.into_iter().enumerate();
        numbered
            .filter(|(index, _)| index % self.count == self.index - 1)
            .map(|(_, item)| item)
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
        let meant = closest(wanted, known.iter().map(String::as_str));
        return Err(SelectionError::Nothing {
            what: format!("{what} {wanted:?}"),
            meant: meant.map(str::to_owned),
        });
    }
    Ok(())
}

fn part(loaded: &Loaded, index: usize) -> &str {
    loaded.scenario.id.split('/').nth(index).unwrap_or_default()
}

fn is_named(loaded: &Loaded, name: &str) -> bool {
    let id = &loaded.scenario.id;
    let name = name.trim_end_matches('/');
    let is_folder = || {
        id.strip_prefix(name)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let is_last_part = || id.rsplit('/').next() == Some(name);
    id == name || is_last_part() || is_folder() || (is_pattern(name) && glob(name, id))
}

fn passes(loaded: &Loaded, filter: &str) -> bool {
    let (id, title) = (&loaded.scenario.id, &loaded.scenario.title);
    if is_pattern(filter) {
        glob(filter, id)
    } else {
        id.contains(filter) || title.to_lowercase().contains(&filter.to_lowercase())
    }
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a pattern matches the whole text: `*` is any characters (also `/`), `?` is one.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: it takes one character more.
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                retry = Some((p + 1, t + 1));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((after, taken)) => {
                    (p, t) = (after, taken);
                    retry = Some((after, taken + 1));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_takes_any_characters_and_a_question_mark_one() {
        for (pattern, text) in [
            ("*", ""),
            ("*lost*", "a-lost-ack"),
            ("a-?ost-*", "a-lost-ack"),
            ("mediastream/*/initiator/*", "mediastream/3way/initiator/x"),
            ("*ab*ab", "abcababab"),
            ("a**", "a"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("a", ""),
            ("?", ""),
            ("a*b", "abc"),
            ("*ab*ab", "ab"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn shards_are_all_of_a_selection_and_have_nothing_in_common() {
        let items: Vec<u32> = (0..20).collect();
        let mut parts: Vec<u32> = ["1/3", "2/3", "3/3"]
            .iter()
            .flat_map(|shard| shard.parse::<Shard>().unwrap().of(items.clone()))
            .collect();
        parts.sort_unstable();
        assert_eq!(parts, items);
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["", "1", "0/3", "4/3", "1/0", "0/0", "a/b", "1/3/5", "-1/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text:?}");
        }
    }
}
