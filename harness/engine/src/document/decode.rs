use std::ops::Range;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::{Document, Kind, Member, Node, Pointer, Problem, suggest};

/// How many problems of one file are looked for.
const MAX_PROBLEMS: usize = 100;

/// What [`decode()`] made of a document.
#[derive(Debug)]
pub struct Decoded<T> {
    /// The value, without the parts that are wrong; `None` if too much is wrong.
    pub value: Option<T>,
    /// The tree that the value was made of, for looking up places.
    pub root: Node,
    /// Everything that does not fit the type.
    pub problems: Vec<Problem>,
    /// Members of the root that have their default because they are missing or wrong.
    pub defaulted: Vec<String>,
}

/// Makes a typed value of a document.
///
/// What does not fit is noted and taken out, and the rest is tried again, so that one call tells
/// every problem. `defaults` are values of required members of the root: one that is missing or
/// wrong is noted and replaced, so that the rest can still be looked at.
#[must_use]
pub fn decode<T: DeserializeOwned>(document: &Document, defaults: &[(&str, Value)]) -> Decoded<T> {
    let mut repair = Repair {
        root: document.root.clone(),
        problems: Vec::new(),
        taken: Vec::new(),
        defaulted: Vec::new(),
    };
    let mut value = None;
    while repair.problems.len() < MAX_PROBLEMS {
        match serde_path_to_error::deserialize(repair.root.to_value()) {
            Ok(decoded) => {
                value = Some(decoded);
                break;
            }
            Err(error) => {
                let pointer = existing(&repair.root, error.path());
                if !repair.take_out(&pointer, &error.inner().to_string(), defaults) {
                    break;
                }
            }
        }
    }
    Decoded {
        value,
        root: repair.root,
        problems: repair.problems,
        defaulted: repair.defaulted,
    }
}

struct Repair {
    root: Node,
    problems: Vec<Problem>,
    /// Members that were taken out: the object that they were in, and their name (or the name
    /// that was probably meant).
    taken: Vec<(Range<usize>, String)>,
    defaulted: Vec<String>,
}

impl Repair {
    /// Notes an error and removes its cause; `false` if nothing can be removed.
    fn take_out(&mut self, pointer: &Pointer, error: &str, defaults: &[(&str, Value)]) -> bool {
        let Some(node) = self.root.get(pointer) else {
            return false;
        };
        let place = node.range.clone();
        let is_object = matches!(node.kind, Kind::Object(_));
        if let Some(name) = error.strip_prefix("missing field ").and_then(first_quoted) {
            if !self.was_taken(&place, name) {
                let message = format!("`{name}` is missing");
                self.problems.push(Problem::new(node.mark(), message));
            }
            let default = defaults.iter().find(|(key, _)| *key == name);
            return match default {
                Some((key, value)) if pointer.parts().next().is_none() => {
                    self.root.insert(key, value);
                    self.defaulted.push((*key).to_owned());
                    true
                }
                _ => self.remove(pointer),
            };
        }
        if let Some(unknown) = error.strip_prefix("unknown field ").and_then(first_quoted) {
            let key = pointer.key(unknown);
            let known = expected(error);
            let what = format!("there is no `{unknown}` here");
            let problem = Problem::new(self.root.key_place(&key), what);
            self.problems
                .push(problem.help(suggest::did_you_mean(unknown, known.iter().copied())));
            let meant = suggest::closest(unknown, known.iter().copied()).unwrap_or(unknown);
            self.taken.push((place, meant.to_owned()));
            return self.root.remove(&key);
        }
        let is_consequence = is_object && self.taken.iter().any(|(range, _)| *range == place);
        if !is_consequence {
            let problem = self.explain(pointer, error);
            self.problems.push(problem);
        }
        self.remove(pointer)
    }

    fn was_taken(&self, place: &Range<usize>, name: &str) -> bool {
        let mut taken = self.taken.iter();
        taken.any(|(range, taken)| range == place && taken == name)
    }

    fn remove(&mut self, pointer: &Pointer) -> bool {
        if let Some((parent, name)) = pointer.split_last()
            && let Some(parent) = self.root.get(&parent)
        {
            self.taken.push((parent.range.clone(), name.to_owned()));
        }
        self.root.remove(pointer)
    }

    fn explain(&self, pointer: &Pointer, error: &str) -> Problem {
        let place = self.root.place(pointer);
        if let Some(unknown) = error
            .strip_prefix("unknown variant ")
            .and_then(first_quoted)
        {
            let key = self.root.key_place(&pointer.key(unknown));
            let help = suggest::did_you_mean(unknown, expected(error));
            return Problem::new(key, format!("`{unknown}` is not known here")).help(help);
        }
        if error.contains("map with a single key") {
            let message = "this must be an object with exactly one key";
            return Problem::new(place, message);
        }
        let wrong = error
            .strip_prefix("invalid type: ")
            .or_else(|| error.strip_prefix("invalid value: "))
            .and_then(|rest| rest.rsplit_once(", expected "));
        match wrong {
            Some((got, wanted)) => {
                let (got, wanted) = (plain(got), plain(wanted));
                Problem::new(place, format!("expected {wanted}, got {got}"))
            }
            None => Problem::new(place, error),
        }
    }
}

impl Node {
    /// Puts a value into an object; its place is the object's.
    fn insert(&mut self, key: &str, value: &Value) {
        let range = self.mark();
        if let Kind::Object(members) = &mut self.kind {
            members.push(Member {
                key: key.to_owned(),
                key_range: range.clone(),
                value: Self::synthetic(range, value),
            });
        }
    }

    fn synthetic(range: Range<usize>, value: &Value) -> Self {
        let kind = match value {
            Value::Array(elements) => {
                let elements = elements.iter();
                Kind::Array(
                    elements
                        .map(|element| Self::synthetic(range.clone(), element))
                        .collect(),
                )
            }
            Value::Object(members) => Kind::Object(
                members
                    .iter()
                    .map(|(key, value)| Member {
                        key: key.clone(),
                        key_range: range.clone(),
                        value: Self::synthetic(range.clone(), value),
                    })
                    .collect(),
            ),
            scalar => Kind::Scalar(scalar.clone()),
        };
        Self { range, kind }
    }
}

/// The innermost value of an error's path that the tree has.
fn existing(root: &Node, path: &serde_path_to_error::Path) -> Pointer {
    let mut pointer = Pointer::root();
    for segment in path {
        let next = match segment {
            Segment::Seq { index } => pointer.index(*index),
            Segment::Map { key } => pointer.key(key),
            Segment::Enum { variant } => pointer.key(variant),
            Segment::Unknown => break,
        };
        if root.get(&next).is_none() {
            break;
        }
        pointer = next;
    }
    pointer
}

fn first_quoted(text: &str) -> Option<&str> {
    text.split('`').nth(1)
}

/// The names that a message lists after "expected".
fn expected(error: &str) -> Vec<&str> {
    let list = error
        .rsplit_once(", expected ")
        .map_or("", |(_, list)| list);
    list.split('`').skip(1).step_by(2).collect()
}

/// A type as people call it.
fn plain(text: &str) -> String {
    match text {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" | "sequence" => "a list".to_owned(),
        "a map" | "map" => "an object".to_owned(),
        "null" => "null".to_owned(),
        _ if text.starts_with("struct ") || text.starts_with("variant ") => "an object".to_owned(),
        _ if text.starts_with("enum ") => "a name, or an object with one key".to_owned(),
        _ => text.replace('`', ""),
    }
}
