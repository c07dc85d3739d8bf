//! Files that are damaged at random are read or refused, and never crash the reader.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use shakedown_engine::document::check_text;
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::Loaded;

const SCENARIO: &str = r#"{
  "id": "mediastream/3way/responder/x",
  "title": "Ümläute are tölerated",
  "requirements": ["MS-H-05"],
  "iut": { "role": "responder", "mode": "3way", "options": ["optimistic_start"] },
  "let": { "id": { "uuid": {} }, "n": { "value": 7 } },
  "sockets": { "other": { "other_port": {} } },
  "steps": [
    { "send": { "frame": "SYN", "fields": { "connection_id": "$id" }, "from": "other" } },
    { "expect": { "frame": "SYN-ACK", "fields": { "version": { "any_of": [1, "$n"] } }, "after": "1ms", "within": "1s + $stream", "bind": { "a": "connection_id" }, "at": "other" } },
    { "mutate": { "frame": "ACK", "patches": [{ "at": { "offset": 3, "hex": "00 ff" } }, { "truncate": 20 }] } },
    { "either": [
      { "title": "a", "steps": [{ "expect_nothing": { "for": "1s", "of": ["data"] } }] },
      { "title": "b", "steps": [{ "expect_exit": { "within": "1s" } }, { "restart_iut": {} }] }
    ] },
    { "repeat": { "times": 2, "steps": [{ "expect_any": { "of": [{ "frame": "data", "within": "1s", "same_as": 1 }] } }] } },
    { "send_raw": { "hex": "0001", "pad_to": 9 } }
  ]
}
"#;

const DESCRIPTION: &str = include_str!("../../../vectors/iut/example.toml");

/// Pieces that mean something to the readers, whole and in halves.
const PIECES: [&str; 26] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "\\",
    "\\u",
    "\\ud800",
    "\n",
    "\r\n",
    "\t",
    "\0",
    "ß",
    "\u{feff}",
    "-1",
    "1e999",
    "99999999999999999999",
    "null",
    "$",
    "\"$id\"",
    "steps",
    "=",
    "'''",
    "#",
];

/// Takes out a stretch of the text and puts a piece there, several times.
fn damage(text: &str, cuts: &[(usize, usize, usize)]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, length, piece) in cuts {
        let at = at % (bytes.len() + 1);
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, PIECES[piece % PIECES.len()].bytes());
    }
    bytes
}

fn cuts() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    prop::collection::vec((0_usize..4096, 0_usize..12, 0_usize..PIECES.len()), 1..4)
}

#[test]
fn the_files_that_are_damaged_are_good_before() {
    Loaded::parse("x.json", SCENARIO).unwrap();
    Iut::parse("x.toml", DESCRIPTION).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_damaged_scenario_is_read_or_refused(cuts in cuts()) {
        let result = check_text("x.json", damage(SCENARIO, &cuts))
            .and_then(|text| Loaded::parse("x.json", &text));
        if let Err(problems) = result {
            prop_assert!(!problems.list().is_empty());
            prop_assert!(problems.to_string().contains("x.json"));
            prop_assert!(!problems.render(true).is_empty());
        }
    }

    #[test]
    fn a_damaged_description_is_read_or_refused(cuts in cuts()) {
        let result = check_text("x.toml", damage(DESCRIPTION, &cuts))
            .and_then(|text| Iut::parse("x.toml", &text));
        if let Err(problems) = result {
            prop_assert!(!problems.list().is_empty());
            prop_assert!(problems.to_string().contains("x.toml"));
        }
    }
}
