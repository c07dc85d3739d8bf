//! A scenario as JSON: where its parts are, and what it is without some of them.
//!
//! Places are JSON pointers (RFC 6901), as [`Value::pointer`] takes them.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::{Map, Value};

use super::Size;

/// The scenario's own steps.
pub(crate) const STEPS: &str = "/steps";

/// Members of `impair` that are no fault by themselves.
const NO_FAULTS: [&str; 4] = ["from", "seed", "faults", "delay"];

/// How large a scenario is.
pub(super) fn size(scenario: &Value) -> Size {
    let lists = step_lists(scenario);
    let steps = lists.iter().map(|list| length(scenario, list)).sum();
    let impair = scenario.get("impair").and_then(Value::as_object);
    let faults = impair.map_or(0, |impair| {
        let exact = impair.get("faults").and_then(Value::as_array);
        let random = impair
            .keys()
            .filter(|key| !NO_FAULTS.contains(&key.as_str()));
        exact.map_or(0, Vec::len) + random.count()
    });
    Size { steps, faults }
}

/// The place of a member or an element.
pub(crate) fn within(place: &str, key: &str) -> String {
    format!("{place}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// How many elements the list there has.
pub(crate) fn length(scenario: &Value, list: &str) -> usize {
    let list = scenario.pointer(list).and_then(Value::as_array);
    list.map_or(0, Vec::len)
}

/// All lists of steps, each before those within its steps.
pub(crate) fn step_lists(scenario: &Value) -> Vec<String> {
    let mut lists = vec![STEPS.to_owned()];
    let mut next = 0;
    while let Some(list) = lists.get(next).cloned() {
        next += 1;
        for index in 0..length(scenario, &list) {
            let step = within(&list, &index.to_string());
            lists.extend(inner_lists(scenario, &step));
        }
    }
    lists
}

/// The lists of steps that a step holds: that of what its verb takes, or those of its branches.
pub(super) fn inner_lists(scenario: &Value, step: &str) -> Vec<String> {
    let verbs = scenario.pointer(step).and_then(Value::as_object);
    let verb = verbs.and_then(|verbs| verbs.keys().next());
    let Some(own) = verb.map(|verb| within(step, verb)) else {
        return Vec::new();
    };
    let branches = (0..length(scenario, &own)).map(|branch| within(&own, &branch.to_string()));
    let holders = std::iter::once(own.clone()).chain(branches);
    let lists = holders.map(|holder| within(&holder, "steps"));
    lists
        .filter(|list| scenario.pointer(list).is_some())
        .collect()
}

/// The scenario without some elements of a list, and without what then stands for nothing.
pub(super) fn without(scenario: &Value, list: &str, gone: &Range<usize>) -> Value {
    replaced(scenario, list, gone, &[])
}

/// The scenario with other elements in place of some of a list.
pub(super) fn replaced(
    scenario: &Value,
    list: &str,
    gone: &Range<usize>,
    instead: &[Value],
) -> Value {
    let mut scenario = scenario.clone();
    let elements = scenario.pointer_mut(list).and_then(Value::as_array_mut);
    if let Some(elements) = elements.filter(|elements| gone.end <= elements.len()) {
        elements.splice(gone.clone(), instead.iter().cloned());
    }
    if list == STEPS {
        renumber(&mut scenario, gone, instead.len());
    }
    tidy(&mut scenario);
    scenario
}

/// `same_as` counts the scenario's own steps: it follows the step that it means, and goes with it.
fn renumber(scenario: &mut Value, gone: &Range<usize>, come: usize) {
    let gone = gone.start as u64..gone.end as u64;
    let moved = |index: u64| match index {
        index if index < gone.start => Some(index),
        index if index >= gone.end => Some(index - (gone.end - gone.start) + come as u64),
        // What it was taken apart into ends where it ended.
        _ if come > 0 => Some(gone.start + come as u64 - 1),
        _ => None,
    };
    each_object(scenario.pointer_mut(STEPS), &mut |members| {
        let Some(index) = members.get("same_as").and_then(Value::as_u64) else {
            return;
        };
        match moved(index) {
            Some(index) => members["same_as"] = index.into(),
            None => drop(members.shift_remove("same_as")),
        }
    });
}

/// Removes sockets and values that no step uses any more.
pub(crate) fn tidy(scenario: &mut Value) {
    let mut sockets = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut steps = scenario.pointer(STEPS).cloned();
    each_object(steps.as_mut(), &mut |members| {
        for key in ["from", "at"] {
            let socket = members.get(key).and_then(Value::as_str);
            sockets.extend(socket.map(str::to_owned));
        }
    });
    used_names(scenario.pointer(STEPS), &mut names);
    used_names(scenario.get("let"), &mut names);
    retain(scenario, "sockets", &sockets);
    retain(scenario, "let", &names);
}

fn retain(scenario: &mut Value, member: &str, used: &BTreeSet<String>) {
    let Some(members) = scenario.get_mut(member).and_then(Value::as_object_mut) else {
        return;
    };
    members.retain(|name, _| used.contains(name));
    if members.is_empty()
        && let Some(root) = scenario.as_object_mut()
    {
        root.shift_remove(member);
    }
}

/// The names that are used but never get a value.
pub(super) fn unbound(scenario: &Value) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    used_names(scenario.pointer(STEPS), &mut used);
    let bindings = scenario.get("let").and_then(Value::as_object);
    for name in bindings.into_iter().flat_map(Map::keys) {
        used.remove(name);
    }
    let mut steps = scenario.pointer(STEPS).cloned();
    each_object(steps.as_mut(), &mut |members| {
        let bound = members.get("bind").and_then(Value::as_object);
        for name in bound.into_iter().flat_map(Map::keys) {
            used.remove(name);
        }
    });
    used
}

pub(super) fn uses(value: &Value, names: &BTreeSet<String>) -> bool {
    let mut used = BTreeSet::new();
    used_names(Some(value), &mut used);
    !used.is_disjoint(names)
}

/// Collects the names that a value uses.
pub(crate) fn used_names(value: Option<&Value>, names: &mut BTreeSet<String>) {
    match value {
        Some(Value::String(text)) => {
            let name = text.strip_prefix('$');
            names.extend(
                name.filter(|name| !name.starts_with('$'))
                    .map(str::to_owned),
            );
        }
        Some(Value::Array(elements)) => {
            for element in elements {
                used_names(Some(element), names);
            }
        }
        Some(Value::Object(members)) => {
            for member in members.values() {
                used_names(Some(member), names);
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_)) | None => {}
    }
}

/// Calls `visit` for each object in a value, itself included, those within others after them.
pub(crate) fn each_object(
    value: Option<&mut Value>,
    visit: &mut impl FnMut(&mut Map<String, Value>),
) {
    match value {
        Some(Value::Object(members)) => {
            visit(members);
            for member in members.values_mut() {
                each_object(Some(member), visit);
            }
        }
        Some(Value::Array(elements)) => {
            for element in elements {
                each_object(Some(element), visit);
            }
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => {}
    }
}
