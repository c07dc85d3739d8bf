//! What machines count, beside what was seen.

use std::time::Duration;

use serde_json::Value;
use shakedown_protocol::requirement::Role;

use super::judge::Found;
use super::{client, server};

/// The counters of the server.
pub(super) fn of_server(seen: server::Counts, said: &Value, now: Duration, found: &mut Found) {
    let counted = [
        (
            "connections",
            seen.connections,
            number(&said["connections"]),
        ),
        ("refused", seen.refused, number(&said["refused"])),
        ("closed", seen.closed, sum(&said["closed"])),
        ("ended", seen.ended, sum(&said["ended"])),
        ("events", seen.ids, number(&said["events"])),
    ];
    compare(&counted, Role::Responder, now, found);
    // What was counted may wait for a window still.
    let answers = number(&said["commits"]);
    let is_possible = (seen.answers..=seen.requests).contains(&answers);
    if !is_possible || number(&said["actions"]) < seen.items {
        let property = format!("commits or actions of {said}; seen were {seen:?}");
        found.add("PR-R-03", Role::Responder, now, property);
    }
}

/// The counters of a client.
pub(super) fn of_client(seen: client::Counts, said: &Value, now: Duration, found: &mut Found) {
    let counted = [
        (
            "connections",
            seen.connections,
            number(&said["connections"]),
        ),
        ("closed", seen.closed, sum(&said["closed"])),
        ("ended", seen.ended, sum(&said["ended"])),
        ("ends that were told", seen.told, seen.closed + seen.ended),
        ("ends", seen.told, seen.ends),
        ("events", seen.acks, number(&said["events"])),
        ("commits", seen.answers, number(&said["commits"])),
    ];
    compare(&counted, Role::Initiator, now, found);
    if number(&said["actions"]) < seen.items {
        let property = format!("actions of {said}; seen were {seen:?}");
        found.add("PR-R-03", Role::Initiator, now, property);
    }
}

fn compare(counted: &[(&str, u64, u64)], party: Role, now: Duration, found: &mut Found) {
    for (name, seen, said) in counted {
        if seen != said {
            let property = format!("{name}: {said} are counted, {seen} were");
            found.add("PR-R-03", party, now, property);
        }
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn sum(values: &Value) -> u64 {
    let values = values.as_object().into_iter().flatten();
    values.map(|(_, value)| number(value)).sum()
}
