use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

use super::tree::{self, STEPS};
use super::{Attempt, Search};
use crate::step::Step;

impl Search<'_> {
    /// Leaves out steps: half of a list at once, then a quarter, then one by one, the last first,
    /// because later steps stand on earlier ones.
    pub(super) fn fewer_steps(&mut self) {
        let mut next = 0;
        // Lists that come later may go with a step, so they are looked for anew.
        while let Some(list) = tree::step_lists(&self.current).get(next).cloned() {
            next += 1;
            self.fewer_of(&list, true);
        }
    }

    /// Leaves out elements of a list; of one of steps also what cannot stand without one.
    pub(super) fn fewer_of(&mut self, list: &str, is_of_steps: bool) {
        let mut many = tree::length(&self.current, list).max(1);
        while many > 0 {
            let mut end = tree::length(&self.current, list);
            while end > 0 && self.finished.is_none() {
                let start = end.saturating_sub(many);
                let gone = start..end;
                let candidate = tree::without(&self.current, list, &gone);
                if self.attempt(candidate.clone()) == Attempt::Invalid && is_of_steps && many == 1 {
                    self.mended(&candidate);
                }
                end = start.min(tree::length(&self.current, list));
            }
            many /= 2;
        }
    }

    /// Where a step was left out whose values others need: without the fields that need them, or
    /// without those steps too.
    fn mended(&mut self, candidate: &Value) {
        if tree::unbound(candidate).is_empty() {
            return;
        }
        for mend in [without_fields, without_steps] {
            if self.takes(mend(candidate.clone())) {
                return;
            }
        }
    }

    /// Takes steps out of those that hold them: what `repeat` repeats, one branch of `either`, the
    /// single frame of `expect_any`.
    pub(super) fn flatter_steps(&mut self) {
        let mut next = 0;
        while let Some(list) = tree::step_lists(&self.current).get(next).cloned() {
            next += 1;
            for index in (0..tree::length(&self.current, &list)).rev() {
                let step = tree::within(&list, &index.to_string());
                for instead in taken_apart(&self.current, &step) {
                    let gone = index..index + 1;
                    if self.takes(tree::replaced(&self.current, &list, &gone, &instead)) {
                        break;
                    }
                }
            }
        }
    }
}

/// What may stand in place of a step: the steps that it holds, or what its verb says.
fn taken_apart(scenario: &Value, step: &str) -> Vec<Vec<Value>> {
    let lists = tree::inner_lists(scenario, step).into_iter();
    let held = lists.filter_map(|list| scenario.pointer(&list)?.as_array().cloned());
    let own = scenario.pointer(step).and_then(Value::as_object);
    let own = own.and_then(|own| own.values().next());
    let decoded = scenario.pointer(step).map(Step::deserialize);
    let reduced = match (own, decoded) {
        (Some(own), Some(Ok(step))) => step.form().reduced(own),
        _ => Vec::new(),
    };
    held.chain(reduced).collect()
}

/// The scenario without the fields whose value nothing gives.
fn without_fields(mut scenario: Value) -> Value {
    let lost = tree::unbound(&scenario);
    tree::each_object(scenario.pointer_mut(STEPS), &mut |members| {
        let fields = members.get_mut("fields").and_then(Value::as_object_mut);
        if let Some(fields) = fields {
            fields.retain(|_, value| !tree::uses(value, &lost));
        }
    });
    tree::tidy(&mut scenario);
    scenario
}

/// The scenario without the steps that use values that nothing gives, nor those that need what
/// these gave.
fn without_steps(mut scenario: Value) -> Value {
    loop {
        let lost = tree::unbound(&scenario);
        let Some((list, index)) = innermost_user(&scenario, &lost) else {
            tree::tidy(&mut scenario);
            return scenario;
        };
        scenario = tree::without(&scenario, &list, &(index..index + 1));
    }
}

/// A step that uses one of the names and holds no other step that does.
fn innermost_user(scenario: &Value, names: &BTreeSet<String>) -> Option<(String, usize)> {
    let lists = tree::step_lists(scenario);
    let inner = lists.into_iter().rev();
    inner.into_iter().find_map(|list| {
        let steps = scenario.pointer(&list)?.as_array()?;
        let index = steps.iter().position(|step| tree::uses(step, names))?;
        Some((list, index))
    })
}
