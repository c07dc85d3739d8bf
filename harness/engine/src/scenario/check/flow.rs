use std::collections::BTreeSet;

use serde_json::{Map, Value};
use shakedown_protocol::requirement::Role;

use super::Checker;
use super::connections::Names;
use crate::document::{Pointer, Problem, did_you_mean};
use crate::scenario::{Binding, NOW, Step, each_step};
use crate::shrink::tree::used_names;
use crate::step::Process;

/// What is true when a step begins.
#[derive(Debug, Clone, Default)]
pub(crate) struct State {
    /// Index of the scenario's own step that the step belongs to.
    top: usize,
    /// Names that have a value.
    pub(crate) bound: BTreeSet<String>,
    /// The connections and streams that have names.
    pub(crate) names: Names,
    /// Something may have come from the implementation under test.
    pub(crate) heard: bool,
    /// The implementation under test has ended.
    pub(crate) ended: bool,
    /// It is the second round of a `repeat`.
    pub(crate) is_again: bool,
}

impl Checker<'_> {
    /// Checks what depends on the order of the steps.
    pub(super) fn flow(&mut self) {
        let steps = &self.scenario.steps;
        let list = Pointer::root().key("steps");
        if steps.is_empty() {
            return self.at(&list, "there is no step", None);
        }
        self.something_is_judged();
        self.every_socket_is_used();
        self.every_value_is_used();
        let mut state = State::default();
        let given = self.protocol.map_or(&[][..], |protocol| protocol.values);
        let given = given.iter().map(|given| given.name);
        state.bound.extend(given.chain([NOW]).map(str::to_owned));
        for (name, binding) in &self.scenario.bindings {
            if let Binding::Value(value) = binding {
                let place = Pointer::root().key("let").key(name).key("value");
                self.uses(value, &place, &state);
            }
            state.bound.insert(name.clone());
        }
        for (index, step) in steps.iter().enumerate() {
            state.top = index;
            self.follow(step, &list.index(index), &mut state);
        }
    }

    fn something_is_judged(&mut self) {
        let mut judges = false;
        each_step(&self.scenario.steps, &Pointer::root(), &mut |step, _| {
            judges |= step.play().judges();
        });
        if !judges {
            let help = match self.is_over_streams() {
                true => "add `read`, `expect_close` or another step that waits",
                false => "add `expect`, `expect_nothing`, `expect_media` or `expect_exit`",
            };
            let message = "no step judges anything: this scenario could not fail";
            self.at(
                &Pointer::root().key("steps"),
                message,
                Some(help.to_owned()),
            );
        }
    }

    fn every_socket_is_used(&mut self) {
        let mut used = BTreeSet::new();
        each_step(&self.scenario.steps, &Pointer::root(), &mut |step, _| {
            used.extend(step.sockets());
        });
        for name in self.scenario.sockets.keys() {
            if !used.contains(name.as_str()) {
                let message = format!("the socket `{name}` is never used");
                let help = "remove it, or name it in a step's `from` or `at`".to_owned();
                let place = Pointer::root().key("sockets").key(name);
                self.at_key(&place, message, Some(help));
            }
        }
    }

    fn every_value_is_used(&mut self) {
        let scenario = self.root.to_value();
        let mut used = BTreeSet::new();
        for part in ["steps", "let"] {
            used_names(scenario.get(part), &mut used);
        }
        for name in self.scenario.bindings.keys() {
            if !used.contains(name) {
                let message = format!("nothing uses the value `{name}`");
                let help = format!("remove it, or write `\"${name}\"` where it belongs");
                self.at_key(&Pointer::root().key("let").key(name), message, Some(help));
            }
        }
    }

    /// Checks the steps of a list one after the other.
    pub(crate) fn follow_each(&mut self, steps: &[Step], list: &Pointer, state: &mut State) {
        for (index, step) in steps.iter().enumerate() {
            self.follow(step, &list.index(index), state);
        }
    }

    fn follow(&mut self, step: &Step, place: &Pointer, state: &mut State) {
        let inside = place.key(step.verb());
        if state.ended && step.process() != Some(Process::IsRestarted) {
            let message = "this step is never reached: the implementation has ended";
            let help = "put `restart_iut` before it, or remove it".to_owned();
            self.at_key(&inside, message, Some(help));
            // One is enough: what follows is not reached for the same reason.
            state.ended = false;
        }
        self.means(step.play().subject(), &inside, &state.names);
        step.form().follow(self, &inside, state);
    }

    /// An initiator has no address before it speaks.
    pub(crate) fn may_send(&mut self, inside: &Pointer, state: &State) {
        if self.scenario.iut.role == Role::Initiator && !state.heard {
            let message = "nothing was received yet: an initiator has no address before it speaks";
            let help = "put an `expect` before this step".to_owned();
            self.at_key(inside, message, Some(help));
        }
    }

    /// Checks that there is a datagram to compare with.
    pub(crate) fn same_as(&mut self, index: Option<usize>, inside: &Pointer, state: &State) {
        let Some(index) = index else {
            return;
        };
        let top = state.top;
        let place = inside.key("same_as");
        let numbering = "steps are counted from 0, those within others not".to_owned();
        if index >= top {
            let count = self.scenario.steps.len();
            let message = if index >= count {
                format!("there is no step {index}: the scenario has {count}")
            } else if index == top {
                format!("step {index} is this step itself")
            } else {
                format!("step {index} comes later than this step, which is step {top}")
            };
            return self.at(&place, message, Some(numbering));
        }
        let step = self.scenario.steps.get(index);
        if let Some(step) = step.filter(|step| !step.has_datagram()) {
            let message = format!("step {index} is `{}`, which gets no frame", step.verb());
            self.at(&place, message, Some(numbering));
        }
    }

    /// The same for fields.
    pub(crate) fn uses_of(&mut self, fields: &Map<String, Value>, inside: &Pointer, state: &State) {
        for (name, value) in fields {
            self.uses(value, &inside.key("fields").key(name), state);
        }
    }

    /// The same for numbers.
    pub(crate) fn uses_in(&mut self, values: Option<&[Value]>, list: &Pointer, state: &State) {
        for (index, value) in values.unwrap_or_default().iter().enumerate() {
            self.uses(value, &list.index(index), state);
        }
    }

    /// Checks that every `$name` in a value has a value by now.
    fn uses(&mut self, value: &Value, place: &Pointer, state: &State) {
        match value {
            Value::String(text) => {
                let name = text.strip_prefix('$');
                if let Some(name) = name.filter(|name| !name.starts_with('$'))
                    && !state.bound.contains(name)
                {
                    self.unbound(name, place, state);
                }
            }
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.uses(value, &place.index(index), state);
                }
            }
            Value::Object(members) => {
                for (key, value) in members {
                    self.uses(value, &place.key(key), state);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn unbound(&mut self, name: &str, place: &Pointer, state: &State) {
        let mut binds = Vec::new();
        let list = Pointer::root().key("steps");
        each_step(&self.scenario.steps, &list, &mut |step, inside| {
            let bound = step.form().binds(inside).into_iter();
            let own = bound.filter(|bind| bind.name == name);
            binds.extend(own.map(|bind| bind.place));
        });
        let later = self.scenario.bindings.contains_key(name);
        let later = later.then(|| Pointer::root().key("let").key(name));
        match later.or_else(|| binds.into_iter().next()) {
            Some(later) => {
                let message = format!("`${name}` may have no value yet here");
                let problem = Problem::new(self.root.place(place), message);
                let problem = problem.related(self.root.key_place(&later), "it gets one here");
                self.problems.push(problem);
            }
            None => {
                let known = state.bound.iter().filter(|name| *name != NOW);
                let known: Vec<_> = known.map(|name| format!("${name}")).collect();
                let wanted = format!("${name}");
                let help = did_you_mean(&wanted, known.iter().map(String::as_str));
                let help = help.or_else(|| {
                    let step = if self.is_over_streams() {
                        "a `read`"
                    } else {
                        "an `expect`"
                    };
                    Some(format!(
                        "bind it in {step} before, or give it a value in `let`"
                    ))
                });
                self.at(place, format!("`${name}` never gets a value"), help);
            }
        }
    }
}

impl State {
    /// What is true after one of several branches, whichever it was. A branch that ends with the
    /// implementation's end says nothing about what follows, unless all do.
    pub(crate) fn join(ends: Vec<Self>) -> Option<Self> {
        let all_ended = ends.iter().all(|state| state.ended);
        let going_on = ends.into_iter().filter(|state| all_ended || !state.ended);
        going_on.reduce(|a, b| Self {
            top: a.top,
            names: a.names.join(&b.names),
            bound: a.bound.intersection(&b.bound).cloned().collect(),
            heard: a.heard || b.heard,
            ended: a.ended && b.ended,
            is_again: a.is_again,
        })
    }
}
