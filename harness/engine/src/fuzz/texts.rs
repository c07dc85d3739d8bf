//! What people write: scenarios, descriptions and vectors.

use serde_json::{Map, Value};
use shakedown_protocol::PROTOCOLS;

use crate::iut::Iut;
use crate::scenario::{Loaded, to_text};

/// Takes the bytes as a scenario's file: it is valid and round-trips, or its errors can be
/// rendered.
///
/// # Panics
/// If it does not round-trip.
pub fn scenario(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let value: Option<Value> = serde_json::from_str(text).ok();
    let id = value.as_ref().and_then(|value| value.get("id")?.as_str());
    let name = id.and_then(|id| id.rsplit('/').next()).unwrap_or("a");
    let file = format!("{name}.json");
    match Loaded::parse(&file, text) {
        Err(problems) => drop(problems.render(false)),
        Ok(loaded) => {
            assert!(!loaded.scenario.in_words().is_empty());
            match Loaded::parse(&file, &to_text(&loaded.value())) {
                Ok(again) => assert_eq!(again.scenario, loaded.scenario),
                Err(problems) => unreachable!("{}", problems.render(false)),
            }
        }
    }
}

/// Takes the bytes as the description of an implementation.
pub fn description(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes)
        && let Err(problems) = Iut::parse("iut.toml", text)
    {
        drop(problems.render(false));
    }
}

/// Takes the bytes as a vector: what its fields say is read from the bytes that they give.
///
/// # Panics
/// If it is not.
pub fn vector(bytes: &[u8]) {
    let Ok(vector) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    if let Some(text) = vector.get("hex").and_then(Value::as_str) {
        let _ = shakedown_protocol::hex::parse(text);
    }
    let decoded = vector.get("decoded").unwrap_or(&vector);
    let empty = Map::new();
    let fields = decoded
        .get("fields")
        .and_then(Value::as_object)
        .unwrap_or(&empty);
    let Some(frame) = decoded.get("frame").and_then(Value::as_str) else {
        return;
    };
    for protocol in PROTOCOLS {
        let words = protocol.vocabulary;
        let Ok(datagram) = words.encode(frame, fields) else {
            continue;
        };
        // Which frame it is the bytes do not always say, and values that stand for others may be wrong.
        let Ok(Some(read)) = words.decode(&datagram) else {
            continue;
        };
        let again = words.encode(read.frame, &read.fields);
        assert_eq!(again.as_deref(), Ok(datagram.as_slice()), "{read:?}");
    }
}
