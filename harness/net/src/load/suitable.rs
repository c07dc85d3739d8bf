use shakedown_engine::document::Pointer;
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::{Scenario, each_step};
use shakedown_engine::step::{Process, Step};
use shakedown_protocol::Protocol;

use crate::run::why_not_applicable;

/// Why a scenario cannot be repeated as load with this concurrency; `None` if it can.
#[must_use]
pub fn why_not(
    protocol: &Protocol,
    iut: &Iut,
    scenario: &Scenario,
    concurrency: Option<u64>,
) -> Option<String> {
    let [asks, answers] = Protocol::ROLES;
    let id = &scenario.id;
    if iut.role == asks || scenario.iut.role == asks {
        return Some(format!(
            "{id} cannot be repeated as load: its IUT is the {}, which comes by itself and once \
             a process; take a scenario whose IUT answers",
            protocol.side(asks)
        ));
    }
    if let Some(several) = concurrency.filter(|&most| protocol.serves_one && most > 1) {
        let (name, side) = (protocol.id, protocol.side(answers));
        return Some(format!(
            "{id} cannot be played {several} times at once: a {side} of {name} serves one at a time and \
             turns the others away; leave --concurrency out"
        ));
    }
    if let Some(why) = why_not_applicable(iut, scenario) {
        return Some(format!("{id} cannot be played against {}: {why}", iut.name));
    }
    if scenario.impair.is_some() {
        return Some(format!(
            "{id} cannot be repeated as load: its network does harm, and a load has no relay in \
             between"
        ));
    }
    if !scenario.sockets.is_empty() {
        return Some(format!(
            "{id} cannot be repeated as load: it speaks from several sockets, and a play of a load \
             has one"
        ));
    }
    unsuitable(&scenario.steps).map(|step| {
        format!("{id} cannot be repeated as load: many plays share one process, and {step}")
    })
}

/// A step that one of many plays cannot do.
fn unsuitable(steps: &[Step]) -> Option<&'static str> {
    let mut first = None;
    let mut connections = 0;
    each_step(steps, &Pointer::root(), &mut |step, _| {
        let unsuitable = match step.process() {
            Some(Process::IsRestarted) => Some("a step starts it again"),
            Some(Process::IsWatched) => Some("a step waits for its end"),
            None if step.sockets().contains(&"fresh") => Some("a step sends from `fresh` sockets"),
            None => {
                connections += u32::from(step.connects());
                (connections > 1).then_some("it connects more than once, from several sockets")
            }
        };
        first = first.or(unsuitable);
    });
    first
}
