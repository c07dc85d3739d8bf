use serde_json::Value;

use super::Search;
use super::tree;

/// Members of a scenario that stay: its name, and what it needs of the implementation.
const HEAD: [&str; 5] = ["$schema", "id", "title", "comment", "iut"];

/// Members without which there would be more and not less: a shorter stretch of a stream or of time
/// becomes a long one, and what is random becomes so for each run anew.
const KEPT: [&str; 4] = ["within", "for", "frames", "seed"];

impl Search<'_> {
    /// Leaves out elements of lists that are no steps: faults, patches, requirements, branches.
    pub(super) fn fewer_elements(&mut self) {
        let mut next = 0;
        while let Some(list) = places(&self.current).lists.get(next).cloned() {
            next += 1;
            self.fewer_of(&list, false);
        }
    }

    /// Leaves out members: fields, sockets, options of a step, what the network does.
    pub(super) fn fewer_members(&mut self) {
        // No member's place changes by another's absence.
        for (place, member) in places(&self.current).members {
            let mut candidate = self.current.clone();
            let members = candidate.pointer_mut(&place).and_then(Value::as_object_mut);
            let gone = members.and_then(|members| members.shift_remove(&member));
            if gone.is_some() {
                tree::tidy(&mut candidate);
                self.takes(candidate);
            }
        }
    }
}

/// What might be missing.
#[derive(Default)]
struct Places {
    /// Lists of anything but steps.
    lists: Vec<String>,
    /// Objects with the names of their members, outer ones first.
    members: Vec<(String, String)>,
}

fn places(scenario: &Value) -> Places {
    let mut places = Places::default();
    let Some(root) = scenario.as_object() else {
        return places;
    };
    for (name, value) in root {
        if HEAD.contains(&name.as_str()) || name == "let" {
            continue;
        }
        places.members.push((String::new(), name.clone()));
        collect(value, &tree::within("", name), &mut places);
    }
    places
}

fn collect(value: &Value, place: &str, places: &mut Places) {
    match value {
        Value::Array(elements) => {
            if !place.ends_with("/steps") {
                places.lists.push(place.to_owned());
            }
            for (index, element) in elements.iter().enumerate() {
                collect(element, &tree::within(place, &index.to_string()), places);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                if !KEPT.contains(&name.as_str()) {
                    places.members.push((place.to_owned(), name.clone()));
                }
                // A field's value is one thing.
                if !place.ends_with("/fields") {
                    collect(value, &tree::within(place, name), places);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
