//! Steps that demand less than others: what a scenario is without one of its expectations.

use serde_json::{Map, Value, json};
use shakedown_engine::scenario::Scenario;
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;

/// Long enough for whatever comes too late.
const LONG: &str = "60s";
/// How soon a reference answers: a connection does not live for as long as `$answer` may be.
const SOON: &str = "5s";
/// How long media are waited for where the step does not say it.
const MEDIA: &str = "3s";

/// The steps that expect something, by their paths, with their places in the JSON of the scenario.
pub(crate) fn expectations(scenario: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(scenario, "/steps", "", &mut found);
    found
}

fn collect(scenario: &Value, list: &str, path: &str, found: &mut Vec<(String, String)>) {
    let steps = scenario.pointer(list).and_then(Value::as_array);
    for (index, step) in steps.into_iter().flatten().enumerate() {
        let Some((verb, body)) = step.as_object().and_then(|step| step.iter().next()) else {
            continue;
        };
        let (place, path) = (format!("{list}/{index}"), format!("{path}{index}"));
        let branches = body.as_array().map_or(0, Vec::len);
        for branch in 0..branches {
            let inner = format!("{place}/{verb}/{branch}/steps");
            collect(scenario, &inner, &format!("{path}.{branch}."), found);
        }
        if body.get("steps").is_some() {
            let inner = format!("{place}/{verb}/steps");
            collect(scenario, &inner, &format!("{path}."), found);
        }
        if verb.starts_with("expect") || ["read", "accept", "either"].contains(&verb.as_str()) {
            found.push((path, place));
        }
    }
}

/// What may stand for a step so that it demands less, or nothing.
pub(crate) fn weaker<'v>(
    step: &'v Value,
    scenario: &'v Scenario,
    protocol: &'v Protocol,
) -> impl Iterator<Item = Value> + 'v {
    let (verb, body) = step
        .as_object()
        .and_then(|step| step.iter().next())
        .unwrap();
    let span = ["for", "within"].iter().find_map(|key| body.get(key));
    let span = span.cloned().unwrap_or_else(|| MEDIA.into());
    // What its side never sends.
    let never = match scenario.iut.role {
        Role::Initiator => "START_ACK",
        Role::Responder => "SYN",
    };
    let swallow = |time: &Value| match protocol.transport {
        None => json!({ "expect_nothing": { "of": [never], "for": time } }),
        Some(_) => json!({ "wait": { "for": time } }),
    };
    let mut variants = Vec::new();
    if let Some(body) = body.as_object() {
        let loose = loose(verb, body, protocol.vocabulary.frames());
        variants.push(json!({ verb: with(&loose, "within", LONG.into()) }));
        let now = json!({ verb: with(&loose, "within", span.clone()) });
        let absences = absent(verb, body, &span)
            .into_iter()
            .chain([swallow(&span)]);
        for absence in absences {
            variants.push(json!({ "either": [
                { "title": "it comes", "steps": [now.clone()] },
                { "title": "it does not", "steps": [absence] },
            ] }));
        }
    }
    variants.extend([&span, &json!("100ms")].map(swallow));
    variants.push(json!({ "wait": { "for": span } }));
    variants.push(json!({ "wait": { "for": "100ms" } }));
    variants.into_iter()
}

/// The same without what it must be like.
fn loose(verb: &str, body: &Map<String, Value>, frames: &[&str]) -> Map<String, Value> {
    let mut loose = body.clone();
    for key in [
        "fields",
        "same_as",
        "after",
        "first",
        "goes_on",
        "status",
        "starts_with",
    ] {
        loose.shift_remove(key);
    }
    let own = match (verb, body.get("frame").and_then(Value::as_str)) {
        (_, Some(frame)) => vec![frame],
        ("expect_media", None) => {
            loose.insert("frames".to_owned(), 1.into());
            vec!["data", "fragment"]
        }
        _ => Vec::new(),
    };
    if matches!(
        verb,
        "expect" | "expect_media" | "expect_exit" | "expect_message"
    ) {
        let others = frames.iter().filter(|frame| !own.contains(frame));
        loose.insert("ignore".to_owned(), others.copied().collect());
    }
    if let Some(words) = loose.get_mut("u32").and_then(Value::as_array_mut) {
        words.fill(json!({ "present": true }));
    }
    if verb == "expect_close" {
        loose.insert("code".to_owned(), (0..=9).collect());
        loose.insert(
            "or".to_owned(),
            json!(["refused", "transport", "idle_timeout", "stateless_reset"]),
        );
    }
    loose
}

/// What comes true where the step does not; `None` of one that itself wants nothing to come.
fn absent(verb: &str, body: &Map<String, Value>, span: &Value) -> Option<Value> {
    let socket = body.get("at").map(|at| ("at".to_owned(), at.clone()));
    let connection = body
        .get("connection")
        .map(|name| ("connection".to_owned(), name.clone()));
    let time = [("for".to_owned(), span.clone())];
    let of = |frames: &[&str]| {
        let of = ("of".to_owned(), frames.into());
        let members = time.clone().into_iter().chain([of]).chain(socket.clone());
        json!({ "expect_nothing": members.collect::<Map<_, _>>() })
    };
    let lives = || {
        let members = time.clone().into_iter().chain(connection.clone());
        json!({ "expect_alive": members.collect::<Map<_, _>>() })
    };
    match verb {
        "expect" => Some(of(&[body.get("frame")?.as_str()?])),
        "expect_media" => Some(of(&["data", "fragment"])),
        "expect_exit" => Some(json!({ "wait": { "for": span } })),
        "expect_message" => {
            let (stream, time) = (body.get("stream")?, [span, &json!(SOON)]);
            let time = time[usize::from(span == "$answer")];
            Some(json!({ "expect_quiet": { "stream": stream, "for": time } }))
        }
        "expect_close" | "read" | "expect_stream" | "expect_connected" | "expect_datagram"
        | "accept" => Some(lives()),
        // Those that want nothing to come.
        _ => None,
    }
}

fn with(body: &Map<String, Value>, key: &str, value: Value) -> Map<String, Value> {
    let mut body = body.clone();
    body.insert(key.to_owned(), value);
    body
}
