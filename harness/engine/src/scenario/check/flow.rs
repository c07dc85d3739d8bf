use std::collections::BTreeSet;

use serde_json::{Map, Value};
use shakedown_protocol::requirement::Role;

use super::connections::Names;
use super::{Checker, expected};
use crate::document::{Pointer, Problem, did_you_mean};
use crate::scenario::streams::{self, over_streams};
use crate::scenario::{Binding, Step, each_step};

/// What is true when a step begins.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Names that have a value.
    pub(super) bound: BTreeSet<String>,
    /// The connections and streams that have names.
    pub(super) names: Names,
    /// Something may have come from the implementation under test.
    heard: bool,
    /// The implementation under test has ended.
    ended: bool,
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
        let mut state = State {
            bound: BTreeSet::new(),
            names: Names::default(),
            heard: false,
            ended: false,
        };
        for (name, binding) in &self.scenario.bindings {
            if let Binding::Value(value) = binding {
                let place = Pointer::root().key("let").key(name).key("value");
                self.uses(value, &place, &state);
            }
            state.bound.insert(name.clone());
        }
        for (index, step) in steps.iter().enumerate() {
            self.play(step, &list.index(index), index, &mut state);
        }
    }

    fn something_is_judged(&mut self) {
        let mut judges = false;
        each_step(&self.scenario.steps, &Pointer::root(), &mut |step, _| {
            judges |= match step {
                Step::Expect(_)
                | Step::ExpectAny(_)
                | Step::ExpectNothing(_)
                | Step::ExpectMedia(_)
                | Step::ExpectExit(_) => true,
                Step::Send(_)
                | Step::SendRaw(_)
                | Step::Mutate(_)
                | Step::Lose(_)
                | Step::Media(_)
                | Step::Either(_)
                | Step::Wait(_)
                | Step::Repeat(_)
                | Step::RestartIut(_) => false,
                over_streams!() => streams::judges(step),
            };
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
        each_step(
            &self.scenario.steps,
            &Pointer::root(),
            &mut |step, inside| {
                let own = match step {
                    Step::Send(send) | Step::Lose(send) => send.from.as_deref(),
                    Step::SendRaw(raw) => raw.from.as_deref(),
                    Step::Mutate(mutate) => mutate.from.as_deref(),
                    Step::Media(media) => media.from.as_deref(),
                    Step::ExpectNothing(silence) => silence.at.as_deref(),
                    Step::ExpectMedia(media) => media.at.as_deref(),
                    _ => None,
                };
                used.extend(own);
                let frames = expected(step, inside);
                used.extend(frames.iter().filter_map(|(expect, _)| expect.at.as_deref()));
            },
        );
        for name in self.scenario.sockets.keys() {
            if !used.contains(name.as_str()) {
                let message = format!("the socket `{name}` is never used");
                let help = "remove it, or name it in a step's `from` or `at`".to_owned();
                let place = Pointer::root().key("sockets").key(name);
                self.at_key(&place, message, Some(help));
            }
        }
    }

    /// Plays a step as far as that can be done without an implementation. `top` is the index of
    /// the scenario's own step that it belongs to.
    fn play(&mut self, step: &Step, place: &Pointer, top: usize, state: &mut State) {
        let inside = place.key(step.verb());
        if state.ended && !matches!(step, Step::RestartIut(_)) {
            let message = "this step is never reached: the implementation has ended";
            let help = "put `restart_iut` before it, or remove it".to_owned();
            self.at_key(&inside, message, Some(help));
            // One is enough: what follows is not reached for the same reason.
            state.ended = false;
        }
        match step {
            Step::Send(send) => {
                self.uses_of(&send.fields, &inside, state);
                self.may_send(&inside, state);
            }
            Step::Lose(send) => self.uses_of(&send.fields, &inside, state),
            Step::Mutate(mutate) => {
                self.uses_of(&mutate.fields, &inside, state);
                self.may_send(&inside, state);
            }
            Step::SendRaw(_) | Step::Media(_) => self.may_send(&inside, state),
            Step::Expect(_) | Step::ExpectAny(_) => {
                let frames = expected(step, &inside);
                for (expect, inside) in &frames {
                    self.uses_of(&expect.fields, inside, state);
                    self.same_as(expect.same_as, inside, top);
                }
                for (expect, _) in frames {
                    state.bound.extend(expect.bind.keys().cloned());
                }
                state.heard = true;
            }
            Step::ExpectMedia(_) | Step::Wait(_) => state.heard = true,
            // Silence means that nothing came but what it lets pass.
            Step::ExpectNothing(silence) => {
                let passes = [&silence.ignore, &silence.of, &self.scenario.ignore];
                state.heard |= passes.iter().any(|names| !names.is_empty());
            }
            Step::ExpectExit(_) => state.ended = true,
            Step::RestartIut(_) => {
                state.ended = false;
                state.heard = false;
            }
            over_streams!() => self.play_over_streams(step, &inside, state),
            Step::Repeat(repeat) => {
                let list = inside.key("steps");
                // Twice: what the first round leaves behind is where the second begins.
                for _ in 0..repeat.times.min(2) {
                    for (index, step) in repeat.steps.iter().enumerate() {
                        self.play(step, &list.index(index), top, state);
                    }
                }
            }
            Step::Either(branches) => {
                let mut ends = Vec::new();
                for (index, branch) in branches.iter().enumerate() {
                    let mut state = state.clone();
                    let list = inside.index(index).key("steps");
                    for (index, step) in branch.steps.iter().enumerate() {
                        self.play(step, &list.index(index), top, &mut state);
                    }
                    ends.push(state);
                }
                if let Some(joined) = join(ends) {
                    *state = joined;
                }
            }
        }
    }

    /// An initiator has no address before it speaks.
    fn may_send(&mut self, inside: &Pointer, state: &State) {
        if self.scenario.iut.role == Role::Initiator && !state.heard {
            let message = "nothing was received yet: an initiator has no address before it speaks";
            let help = "put an `expect` before this step".to_owned();
            self.at_key(inside, message, Some(help));
        }
    }

    fn same_as(&mut self, index: Option<usize>, inside: &Pointer, top: usize) {
        let Some(index) = index else {
            return;
        };
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
        if let Some(
            step @ (Step::ExpectNothing(_)
            | Step::ExpectExit(_)
            | Step::Wait(_)
            | Step::RestartIut(_)
            | over_streams!()),
        ) = self.scenario.steps.get(index)
        {
            let message = format!("step {index} is `{}`, which gets no frame", step.verb());
            self.at(&place, message, Some(numbering));
        }
    }

    fn uses_of(&mut self, fields: &Map<String, Value>, inside: &Pointer, state: &State) {
        for (name, value) in fields {
            self.uses(value, &inside.key("fields").key(name), state);
        }
    }

    /// Checks that every `$name` in a value has a value by now.
    pub(super) fn uses(&mut self, value: &Value, place: &Pointer, state: &State) {
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
            for (expect, inside) in expected(step, inside) {
                if expect.bind.contains_key(name) {
                    binds.push(inside.key("bind").key(name));
                }
            }
            if let Step::Read(read) = step
                && read.bind.contains_key(name)
            {
                binds.push(inside.key("bind").key(name));
            }
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
                let known: Vec<_> = state.bound.iter().map(|name| format!("${name}")).collect();
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

/// What is true after one of several branches, whichever it was. A branch that ends with the
/// implementation's end says nothing about what follows, unless all do.
fn join(ends: Vec<State>) -> Option<State> {
    let all_ended = ends.iter().all(|state| state.ended);
    let going_on = ends.into_iter().filter(|state| all_ended || !state.ended);
    going_on.reduce(|a, b| State {
        names: a.names.join(&b.names),
        bound: a.bound.intersection(&b.bound).cloned().collect(),
        heard: a.heard || b.heard,
        ended: a.ended && b.ended,
    })
}
