//! What there is to explore of `mediastream`: the pairs of its table, and compact facts of both sides by
//! which every run is judged.

mod digested;
mod facts;
mod pair;
mod random;
mod rules;
mod state;

use std::time::Duration;

use crate::exploration::{Exploration, ReplayRules, Symptom};
use crate::mediastream::Mode;
use crate::mediastream::frame::FORMS;
use crate::pair::Offer;
use facts::BothSides;

pub(super) use random::participants;

pub(super) static EXPLORATION: Exploration = Exploration {
    initiators: &[
        "legacy",
        "3way",
        "3way, fallback",
        "start3",
        "start3, fallback",
    ],
    responders: &[
        "legacy",
        "3way",
        "3way, allow_legacy_start",
        "3way, optimistic_start",
        "start3",
        "start3, allow_legacy_start",
        "start3, begin_immediately",
        "3way+start3",
        "3way+start3, allow_legacy_start",
        "3way+start3, optimistic_start",
        "3way+start3, begin_immediately",
    ],
    properties: &[
        (
            "no media before it is allowed",
            &["MS-L-03", "MS-H-15", "MS-H-16", "MS-S-04"],
        ),
        (
            "both sides agree on the id or the nonces",
            &["MS-H-09", "MS-H-12", "MS-H-16", "MS-S-03"],
        ),
        (
            "a retransmission gets the same response and opens no second session",
            &["MS-L-04", "MS-H-08", "MS-H-11", "MS-S-11", "MS-S-12"],
        ),
        (
            "a frame without a matching session gets no response",
            &["MS-H-13", "MS-H-14", "MS-H-24"],
        ),
        (
            "sequence numbers start at 1 and have no gaps",
            &["MS-D-01", "MS-D-07"],
        ),
        (
            "no deadlock, and no side gives up early",
            &["MS-H-03", "MS-H-18", "MS-S-08", "MS-S-13"],
        ),
        (
            "both stream or both close within the timers, and the run terminates",
            &["MS-L-05", "MS-H-25", "MS-S-18"],
        ),
        ("counters are consistent", &["MS-W-08"]),
    ],
    facts: |_, responder: &Offer<'_>| Box::new(BothSides::new(responder.has("optimistic_start"))),
    convergence,
    counters: COUNTERS,
    // The three sends of a handshake, the longest wait that the specification gives (MS-H-03, MS-H-18).
    timers: Duration::from_millis(3_500),
    replay: ReplayRules {
        names: &["connection_id", "stream_id", "nonce", "sender_nonce"],
        copied: &[("START", "tlvs")],
        decisions: &["accept"],
        flags: "flags",
        extensions: "tlvs",
        is_extension: |field| {
            FORMS
                .iter()
                .any(|form| form.extension_fields().any(|it| it.key == field))
        },
        stream: &["connection-id", "data", "fragment"],
        symptoms: &SYMPTOMS,
    },
};

const MEDIA: &[&str] = &["data", "fragment"];

const SYMPTOMS: [(&str, Symptom); 29] = [
    ("MS-H-03", Symptom::NotAgain("SYN")),
    ("MS-H-18", Symptom::NotAgain("SYN-ACK")),
    ("MS-S-08", Symptom::NotAgain("START")),
    ("MS-S-13", Symptom::NotAgain("START_ACK")),
    ("MS-L-02", Symptom::NotAgain("START token")),
    ("MS-H-08", Symptom::NotTheSameAnswer("SYN-ACK")),
    ("MS-H-11", Symptom::NotTheSameAnswer("ACK")),
    ("MS-S-11", Symptom::NotTheSameAnswer("START_ACK")),
    ("MS-S-12", Symptom::NotTheSameAnswer("START_CONFIRM")),
    ("MS-H-05", answer("SYN", "SYN-ACK", &[])),
    ("MS-H-09", answer("SYN-ACK", "ACK", &["connection_id"])),
    ("MS-S-02", answer("START", "START_ACK", &[])),
    (
        "MS-S-03",
        answer(
            "START_ACK",
            "START_CONFIRM",
            &["stream_id", "nonce", "sender_nonce"],
        ),
    ),
    ("MS-L-03", Symptom::NotFirst("connection-id", MEDIA)),
    ("MS-H-16", Symptom::NotFirst("connection-id", MEDIA)),
    ("MS-H-07", Symptom::Sent(MEDIA)),
    ("MS-H-12", Symptom::Sent(MEDIA)),
    ("MS-H-13", Symptom::Sent(MEDIA)),
    ("MS-H-15", Symptom::Sent(MEDIA)),
    ("MS-H-20", Symptom::Sent(MEDIA)),
    ("MS-S-04", Symptom::Sent(MEDIA)),
    ("MS-S-16", Symptom::Sent(MEDIA)),
    ("MS-H-10", Symptom::Sent(&["ACK"])),
    ("MS-H-14", Symptom::Sent(&["ACK"])),
    ("MS-H-25", no_end("SYN-ACK", "ACK")),
    ("MS-S-18", no_end("START_ACK", "START_CONFIRM")),
    ("MS-H-04", Symptom::NoExit),
    ("MS-S-09", Symptom::NoExit),
    ("MS-L-05", Symptom::NoExit),
];

const fn answer(
    question: &'static str,
    answer: &'static str,
    fields: &'static [&'static str],
) -> Symptom {
    Symptom::NoAnswer {
        answer,
        question,
        fields,
    }
}

const fn no_end(answer: &'static str, confirmation: &'static str) -> Symptom {
    Symptom::NoEnd {
        answer,
        confirmation,
        name: "connection-id",
    }
}

/// The requirement that what happens is counted.
const COUNTERS: &str = "MS-W-08";

/// The requirement that both sides stream or both close, in the mode of the initiator.
pub(super) fn convergence(mode: &str) -> &'static str {
    by_mode(mode, ["MS-L-05", "MS-H-25", "MS-S-18"])
}

/// The requirement of three for `legacy`, `3way` and `start3`.
fn by_mode(mode: &str, ids: [&'static str; 3]) -> &'static str {
    let [legacy, three_way, start3] = ids;
    match mode.parse() {
        Ok(Mode::ThreeWay) => three_way,
        Ok(Mode::Start3) => start3,
        Ok(Mode::Legacy) | Err(_) => legacy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mediastream::PROTOCOL;

    const PAGE: &str = include_str!("../../../../../docs/mediastream.md");

    #[test]
    fn the_sides_are_the_columns_and_rows_of_the_page() {
        let rows = PAGE
            .lines()
            .skip_while(|line| !line.starts_with("| responder / initiator |"))
            .take_while(|line| line.starts_with('|'))
            .filter(|line| !line.starts_with("|---"));
        let table: Vec<Vec<_>> = rows
            .map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        assert_eq!(&table[0][1..], EXPLORATION.initiators);
        let rows: Vec<_> = table[1..].iter().map(|row| row[0]).collect();
        assert_eq!(rows, EXPLORATION.responders);
    }

    #[test]
    fn every_requirement_and_every_frame_that_is_named_exists() {
        let properties = EXPLORATION.properties.iter().flat_map(|(_, ids)| *ids);
        let symptoms = SYMPTOMS.iter().map(|(id, _)| id);
        for id in properties.chain(symptoms) {
            assert!(PROTOCOL.requirement(id).is_some(), "{id}");
        }
        let frames = PROTOCOL.vocabulary.frames();
        for (id, symptom) in SYMPTOMS {
            let named: Vec<&str> = match symptom {
                Symptom::NotAgain(frame) | Symptom::NotTheSameAnswer(frame) => vec![frame],
                Symptom::NoAnswer {
                    answer, question, ..
                } => vec![answer, question],
                Symptom::NotFirst(name, media) => [&[name], media].concat(),
                Symptom::Sent(frames) => frames.to_vec(),
                Symptom::NoEnd {
                    answer,
                    confirmation,
                    name,
                } => vec![answer, confirmation, name],
                Symptom::NoExit => vec![],
            };
            for frame in named {
                assert!(frames.contains(&frame), "{id}: {frame}");
            }
        }
    }
}
