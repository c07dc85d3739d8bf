use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::{Document, Kind, Member, Node, Pointer, Problem, suggest};

const LIST_FOR_OBJECT: &str = "expected an object, got a list";

/// How many problems of one file are looked for.
const MAX_PROBLEMS: usize = 40;

/// Values of required members: one that is missing or wrong is noted and replaced, so that the rest
/// can still be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Defaults<'a> {
    /// Members of the root.
    pub root: &'a [(&'a str, Value)],
    /// Members of anything else.
    pub inside: &'a [(&'a str, Value)],
}

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
/// What does not fit is noted and taken out, and the rest is tried again, so that one call reports
/// every problem.
#[must_use]
pub fn decode<T>(document: &Document, defaults: &Defaults<'_>) -> Decoded<T>
where
    T: DeserializeOwned + Serialize,
{
    let mut repair = Repair {
        defaults,
        root: document.root.clone(),
        problems: Vec::new(),
        taken: Vec::new(),
        defaulted: Vec::new(),
    };
    let mut value = None;
    while repair.problems.len() < MAX_PROBLEMS {
        match serde_path_to_error::deserialize(repair.root.to_value()) {
            Ok(decoded) => {
                repair.refuse_what_was_read_otherwise(&decoded);
                value = Some(decoded);
                break;
            }
            Err(error) => {
                let pointer = existing(&repair.root, error.path());
                if !repair.take_out(&pointer, &error.inner().to_string()) {
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

struct Repair<'a> {
    defaults: &'a Defaults<'a>,
    root: Node,
    problems: Vec<Problem>,
    /// Members that were taken out: the object that they were in, and their name (or the name
    /// that was probably meant).
    taken: Vec<(Range<usize>, String)>,
    defaulted: Vec<String>,
}

impl Repair<'_> {
    /// Notes an error and removes its cause; `false` if nothing can be removed.
    fn take_out(&mut self, pointer: &Pointer, error: &str) -> bool {
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
            return self.put_default(pointer, name) || self.remove(pointer);
        }
        if let Some(unknown) = error.strip_prefix("unknown field ").and_then(first_quoted) {
            // The path of such an error leads to the member itself.
            let (parent, key) = match pointer.split_last() {
                Some((parent, last)) if last == unknown => (parent, pointer.clone()),
                _ => (pointer.clone(), pointer.key(unknown)),
            };
            let place = self
                .root
                .get(&parent)
                .map_or(place, |node| node.range.clone());
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

    /// Puts the default of a member that is missing into the object there.
    fn put_default(&mut self, pointer: &Pointer, name: &str) -> bool {
        let is_root = pointer.parts().next().is_none();
        let defaults = if is_root {
            self.defaults.root
        } else {
            self.defaults.inside
        };
        let Some((_, value)) = defaults.iter().find(|(key, _)| *key == name) else {
            return false;
        };
        if is_root {
            self.defaulted.push(name.to_owned());
        }
        let mut parts = pointer.parts();
        let object = parts.try_fold(&mut self.root, |node, part| node.child_mut(part));
        object.is_some_and(|object| {
            object.insert(name, value);
            true
        })
    }

    /// serde decodes a list of the right length as an object, its members by position. That is
    /// never intended.
    fn refuse_what_was_read_otherwise(&mut self, decoded: &impl Serialize) {
        if let Ok(meant) = serde_json::to_value(decoded) {
            refuse_otherwise(&self.root, &meant, &mut self.problems);
        }
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
        if error.contains("unit variant, expected") {
            let name = self
                .root
                .get(pointer)
                .map(|node| node.to_value().to_string());
            let help = name.map(|name| format!("write {{ {name}: {{ .. }} }}"));
            return Problem::new(place, "a name alone is not enough here").help(help);
        }
        if error.starts_with("invalid length") {
            return Problem::new(place, LIST_FOR_OBJECT);
        }
        if let Some(most) = error.strip_prefix("invalid value: ").and_then(most_of_type) {
            let got = self.root.get(pointer).map(Node::to_value);
            let got = got.unwrap_or_default();
            let message = format!("expected a whole number from 0 to {most}, got {got}");
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

fn refuse_otherwise(node: &Node, meant: &Value, problems: &mut Vec<Problem>) {
    match (&node.kind, meant) {
        (Kind::Array(_), Value::Object(_)) => {
            problems.push(Problem::new(node.mark(), LIST_FOR_OBJECT));
        }
        (Kind::Array(elements), Value::Array(meant)) => {
            for (element, meant) in elements.iter().zip(meant) {
                refuse_otherwise(element, meant, problems);
            }
        }
        (Kind::Object(members), Value::Object(meant)) => {
            for member in members {
                match meant.get(&member.key) {
                    Some(meant) => refuse_otherwise(&member.value, meant, problems),
                    None if member.value.kind == Kind::Scalar(Value::Null) => {
                        let message = format!("`{}` has no value", member.key);
                        let problem = Problem::new(member.value.mark(), message);
                        problems.push(problem.help("leave it out".to_owned()));
                    }
                    None => {}
                }
            }
        }
        (Kind::Object(_) | Kind::Array(_) | Kind::Scalar(_), _) => {}
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

/// The largest value of the type that an error ends with, if it is one of small numbers.
fn most_of_type(error: &str) -> Option<u32> {
    match error.rsplit_once(", expected ")?.1 {
        "u8" => Some(u8::MAX.into()),
        "u16" => Some(u16::MAX.into()),
        "u32" => Some(u32::MAX),
        _ => None,
    }
}

/// A type as people call it.
fn plain(text: &str) -> String {
    match text {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "f64" => "a number".to_owned(),
        "a sequence" | "sequence" => "a list".to_owned(),
        "a map" | "map" => "an object".to_owned(),
        "string or map" => "a name, or an object with one key".to_owned(),
        "unit" | "unit variant" => "the name alone".to_owned(),
        "null" => "null".to_owned(),
        _ if text.starts_with("struct ") || text.starts_with("variant ") => "an object".to_owned(),
        _ if text.starts_with("enum ") => "a name, or an object with one key".to_owned(),
        _ => text.replace('`', ""),
    }
}
