use std::collections::BTreeSet;

use serde_json::{Value, json};
use shakedown_engine::event::VerdictEvent;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::verdict::Verdict;
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Seen;

/// Requirements that a scenario lists and nothing judged: no step, no rule of the monitor. What shows
/// only from inside is the affair of an observer, and a step of a branch judges others than the reference,
/// which took another branch.
pub(crate) fn not_judged<'s>(
    protocol: &Protocol,
    scenario: &'s Scenario,
    verdict: &VerdictEvent,
) -> Vec<&'s str> {
    let listed = scenario.requirements.iter().filter(|id| {
        let rule = protocol.requirement(id);
        rule.is_none_or(|rule| rule.seen != [Seen::Inner])
    });
    let mut in_branches = BTreeSet::new();
    named(&json!(scenario.steps), false, &mut in_branches);
    let silent = listed.filter(|id| verdict.requirements[*id] != Verdict::Pass);
    let silent = silent.filter(|id| !in_branches.contains(*id));
    silent.map(String::as_str).collect()
}

/// The requirements that steps within branches name.
fn named(step: &Value, is_branch: bool, all: &mut BTreeSet<String>) {
    match step {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(id) if key == "requirement" && is_branch => {
                        all.insert(id.clone());
                    }
                    value => named(value, is_branch || key == "either", all),
                }
            }
        }
        Value::Array(steps) => steps.iter().for_each(|step| named(step, is_branch, all)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
