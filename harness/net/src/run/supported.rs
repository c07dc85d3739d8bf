use shakedown_engine::document::Pointer;
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::{Scenario, each_step};
use shakedown_engine::step::Step;
use shakedown_protocol::protocol;

/// Why an implementation cannot be judged by a scenario, as it says itself; `None` if it can.
#[must_use]
pub(crate) fn why_not_applicable(iut: &Iut, scenario: &Scenario) -> Option<String> {
    let needs = &scenario.iut;
    if needs.role != iut.role {
        let protocol = protocol(&iut.protocol);
        let side = protocol.map_or(needs.role.name(), |known| known.side(needs.role));
        return Some(format!("it needs an IUT that is the {side}"));
    }
    if iut.mode_for(&needs.mode).is_none() {
        return Some(format!("the IUT does not claim mode {}", needs.mode));
    }
    let known = |option: &&String| {
        let start = iut.start.as_ref();
        let name = option.split('=').next().unwrap_or_default();
        start.is_some_and(|start| start.options.contains_key(name))
    };
    if let Some(option) = needs.options.iter().find(|option| !known(option)) {
        return Some(format!("the IUT does not claim the option {option}"));
    }
    let start = iut.start.as_ref();
    if needs.plain && start.is_none_or(|start| start.plain.is_none()) {
        return Some(String::from(
            "the IUT description has no `plain` command, which starts it with no option given",
        ));
    }
    if let Some(value) = protocol(&iut.protocol)
        .into_iter()
        .flat_map(|protocol| scenario.values_used(protocol))
        .find(|value| !value.is_address() && !iut.values.contains_key(value.name))
        .map(|value| value.name)
    {
        return Some(format!("the IUT description gives no `values.{value}`"));
    }
    let stream = iut.stream_for(needs);
    if stream != iut.stream && !iut.can_stream(needs.plain, &stream) {
        let has = needs
            .stream_has
            .and_then(|bounds| bounds.missed_by(&iut.stream));
        let has = has.map_or_else(String::new, |has| format!(", which has {has}"));
        return Some(format!(
            "the IUT cannot be asked for another stream than its own{has}: its command lacks \
             {{bits_per_second}}, {{frames_per_second}} or {{seconds}}"
        ));
    }
    let waits = iut.timing.buffer_period;
    let least = needs
        .buffer_period
        .map(|least| least.resolve(&iut.asked(needs).environment()));
    if let Some(least) = least.filter(|least| waits.as_fixed() < Some(*least)) {
        return Some(format!(
            "the IUT gives up after {waits} without media; this takes {least:?}"
        ));
    }
    if start.is_none() && controls_process(&scenario.steps) {
        return Some(String::from(
            "it needs an IUT that is started by Shakedown; the description has no [start]",
        ));
    }
    None
}

/// Whether some step stops, starts or watches the implementation's process.
#[must_use]
pub(crate) fn controls_process(steps: &[Step]) -> bool {
    let mut controls = false;
    each_step(steps, &Pointer::root(), &mut |step, _| {
        controls |= step.process().is_some();
    });
    controls
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn iut(start: &str) -> Iut {
        let text = format!(
            "name = \"test\"\nprotocol = \"mediastream\"\nrole = \"responder\"\n\
             modes = [\"legacy\"]\n{start}\n\
             [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n"
        );
        toml::from_str(&text).unwrap()
    }

    fn scenario(needs: serde_json::Value, step: serde_json::Value) -> Scenario {
        serde_json::from_value(json!({
            "id": "x", "title": "x", "requirements": [], "iut": needs,
            "steps": [{ "repeat": { "times": 2, "steps": [step] } }],
        }))
        .unwrap()
    }

    #[test]
    fn what_is_not_claimed_is_not_applicable_with_its_reason() {
        let wait = json!({ "wait": { "for": "1s" } });
        let restart = json!({ "restart_iut": {} });
        let large = json!({ "bits_per_second": 5_280_000, "frames_per_second": 10, "seconds": 1 });
        let started = "[start]\ncommand = [\"x\"]\n[start.options]\nfallback = []";
        let cases = [
            (
                started,
                json!({ "role": "initiator", "mode": "legacy" }),
                &wait,
                Some("the initiator"),
            ),
            (
                started,
                json!({ "role": "responder", "mode": "3way" }),
                &wait,
                Some("mode 3way"),
            ),
            (
                started,
                json!({ "role": "responder", "mode": "legacy", "options": ["fallback", "other"] }),
                &wait,
                Some("option other"),
            ),
            (
                started,
                json!({ "role": "responder", "mode": "legacy", "plain": true }),
                &wait,
                Some("plain"),
            ),
            (
                started,
                json!({ "role": "responder", "mode": "legacy", "stream": large }),
                &wait,
                Some("another stream"),
            ),
            (
                "[start]\ncommand = [\"{bits_per_second}/{frames_per_second}/{seconds}\"]",
                json!({ "role": "responder", "mode": "legacy", "stream": large }),
                &wait,
                None,
            ),
            (
                "",
                json!({ "role": "responder", "mode": "legacy" }),
                &restart,
                Some("no [start]"),
            ),
            (
                started,
                json!({ "role": "responder", "mode": "legacy" }),
                &restart,
                None,
            ),
            (
                "",
                json!({ "role": "responder", "mode": "legacy" }),
                &wait,
                None,
            ),
        ];
        for (start, needs, step, expected) in cases {
            let why = why_not_applicable(&iut(start), &scenario(needs, step.clone()));
            match expected {
                None => assert_eq!(why, None),
                Some(part) => assert!(
                    why.as_ref().is_some_and(|why| why.contains(part)),
                    "{why:?}"
                ),
            }
        }
    }
}
