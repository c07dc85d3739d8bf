use serde_json::Value;

/// The members of a scenario by which one is known that lacks some of them.
const MEMBERS: [&str; 4] = ["title", "requirements", "iut", "steps"];
/// How many of them it has at least.
const ENOUGH: usize = 2;

/// Whether a text is meant as a scenario, right or wrong.
pub(super) fn is_scenario(text: &str) -> bool {
    let has: Box<dyn Fn(&str) -> bool> = match serde_json::from_str::<Value>(text) {
        Ok(value) => Box::new(move |member| value.get(member).is_some()),
        Err(_) => Box::new(|member| text.contains(&format!("\"{member}\""))),
    };
    MEMBERS.into_iter().filter(|member| has(member)).count() >= ENOUGH
}

/// What a file of this program is that was taken for a scenario, and what takes it.
pub(super) fn other(text: &str) -> Option<(&'static str, &'static str)> {
    if is_scenario(text) {
        return None;
    }
    // Of events each line is a value.
    let first = text.lines().next().unwrap_or_default();
    let value: Value = serde_json::from_str(text)
        .or_else(|_| serde_json::from_str(first))
        .ok()?;
    let has = |members: &[&str]| members.iter().all(|member| value.get(member).is_some());
    if has(&["events", "initiator", "responder"]) {
        let help = "`shakedown shrink` takes it, and makes a small scenario of it";
        Some(("a trace of an exploration", help))
    } else if has(&["$schema", "$defs"]) {
        let help = "editors take it; `shakedown schema` prints it";
        Some(("a schema", help))
    } else if value.get("type").is_some_and(Value::is_string) {
        let help = "`shakedown report` takes the events of a run, `shakedown run --failed=FILE` plays \
                    again what failed in it";
        Some(("events of a run", help))
    } else if has(&["requirement", "hex"]) || has(&["requirement", "steps"]) {
        let help = "decoders are tested by it: docs/vectors.md";
        Some(("a vector of frames", help))
    } else {
        None
    }
}
