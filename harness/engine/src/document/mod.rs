//! Files that people write, with the place of every word in them.
//!
//! JSON (strict) and TOML become the same tree of [`Node`]s; [`decode()`] turns a tree into a typed
//! value and says everything that is wrong with it, not only the first thing. [`Problems`] shows
//! each problem with file, line, column, the line itself and what would be right.

mod decode;
mod json;
mod pointer;
mod problem;
mod read;
mod suggest;
mod toml;

use std::ops::Range;

use serde_json::{Map, Value};

pub use decode::{Decoded, Defaults, decode};
pub use json::placeless;
pub use pointer::Pointer;
pub use problem::{Place, Problem, Problems};
pub use read::{MAX_BYTES, check_text, json_files, read, read_file};
pub use suggest::{closest, did_you_mean, mode_meant, one_of, requirement_meant};

/// A file's text and the tree in it.
#[derive(Debug, Clone)]
pub struct Document {
    /// The file's path, as it is shown.
    pub file: String,
    pub text: String,
    pub root: Node,
}

impl Document {
    /// Reads strict JSON: no comments, no trailing commas, no key twice.
    ///
    /// # Errors
    /// [`Problems`] if the text is not JSON.
    pub fn json(file: &str, text: &str) -> Result<Self, Problems> {
        Self::parse(file, text, json::parse)
    }

    /// Reads TOML.
    ///
    /// # Errors
    /// [`Problems`] if the text is not TOML.
    pub fn toml(file: &str, text: &str) -> Result<Self, Problems> {
        Self::parse(file, text, toml::parse)
    }

    fn parse(
        file: &str,
        text: &str,
        parse: fn(&str) -> Result<Node, Vec<Problem>>,
    ) -> Result<Self, Problems> {
        let root = parse(text).map_err(|list| Problems::new(file, text, list))?;
        Ok(Self {
            file: file.to_owned(),
            text: text.to_owned(),
            root,
        })
    }

    /// The problems of this file.
    #[must_use]
    pub fn problems(&self, list: Vec<Problem>) -> Problems {
        Problems::new(&self.file, &self.text, list)
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its bytes in the text.
    pub range: Range<usize>,
    pub kind: Kind,
}

/// What a [`Node`] is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// An object or table, in the file's order.
    Object(Vec<Member>),
    Array(Vec<Node>),
    /// A string, number, boolean, date or null.
    Scalar(Value),
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    pub key: String,
    /// Where the name stands.
    pub key_range: Range<usize>,
    pub value: Node,
}

impl Node {
    /// The value without its places.
    #[must_use]
    pub fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Object(members) => {
                let members = members.iter();
                let members = members.map(|member| (member.key.clone(), member.value.to_value()));
                Value::Object(members.collect::<Map<_, _>>())
            }
            Kind::Array(elements) => Value::Array(elements.iter().map(Self::to_value).collect()),
            Kind::Scalar(value) => value.clone(),
        }
    }

    #[must_use]
    pub fn get(&self, pointer: &Pointer) -> Option<&Self> {
        pointer
            .parts()
            .try_fold(self, |node, part| node.child(part))
    }

    /// The place of the value there, or of the innermost value around it that exists.
    #[must_use]
    pub fn place(&self, pointer: &Pointer) -> Range<usize> {
        let mut node = self;
        for part in pointer.parts() {
            match node.child(part) {
                Some(child) => node = child,
                None => break,
            }
        }
        node.mark()
    }

    /// The place of the name of the member there; that of its value if it is no member.
    #[must_use]
    pub fn key_place(&self, pointer: &Pointer) -> Range<usize> {
        let member = pointer.split_last().and_then(|(parent, key)| {
            let node = self.get(&parent)?;
            node.members().find(|member| member.key == key)
        });
        member.map_or_else(|| self.place(pointer), |member| member.key_range.clone())
    }

    /// The members, if it is an object.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        match &self.kind {
            Kind::Object(members) => members.as_slice(),
            Kind::Array(_) | Kind::Scalar(_) => &[],
        }
        .iter()
    }

    /// The bytes to point at: an object or array would mark too much, its bracket says enough.
    #[must_use]
    pub fn mark(&self) -> Range<usize> {
        match self.kind {
            Kind::Scalar(_) => self.range.clone(),
            Kind::Object(_) | Kind::Array(_) => {
                self.range.start..self.range.end.min(self.range.start + 1)
            }
        }
    }

    fn child(&self, part: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Object(members) => {
                let member = members.iter().find(|member| member.key == part)?;
                Some(&member.value)
            }
            Kind::Array(elements) => elements.get(part.parse::<usize>().ok()?),
            Kind::Scalar(_) => None,
        }
    }

    fn child_mut(&mut self, part: &str) -> Option<&mut Self> {
        match &mut self.kind {
            Kind::Object(members) => {
                let member = members.iter_mut().find(|member| member.key == part)?;
                Some(&mut member.value)
            }
            Kind::Array(elements) => elements.get_mut(part.parse::<usize>().ok()?),
            Kind::Scalar(_) => None,
        }
    }

    /// Takes out the value there; `false` if there is none.
    fn remove(&mut self, pointer: &Pointer) -> bool {
        let Some((parent, part)) = pointer.split_last() else {
            return false;
        };
        let Some(node) = parent
            .parts()
            .try_fold(self, |node, part| node.child_mut(part))
        else {
            return false;
        };
        match &mut node.kind {
            Kind::Object(members) => {
                let before = members.len();
                members.retain(|member| member.key != part);
                members.len() < before
            }
            Kind::Array(elements) => match part.parse::<usize>() {
                Ok(index) if index < elements.len() => {
                    elements.remove(index);
                    true
                }
                _ => false,
            },
            Kind::Scalar(_) => false,
        }
    }
}
