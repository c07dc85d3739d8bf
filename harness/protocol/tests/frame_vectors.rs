//! Every frame vector, one test case each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/schema.rs"]
mod schema;
#[path = "support/vector.rs"]
mod vector;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rstest::rstest;
use schema::assert_fresh_schema;
use serde_json::Value;
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::mediastream::frame::{Frame, MAX_DATAGRAM};
use vector::outcome::{Malformed, exact, portable};
use vector::{Decoded, Dialect, Outcome, Vector};

#[rstest]
fn decodes_as_its_vector_says(
    #[files("*/*.json")]
    #[base_dir = "../../vectors/mediastream/frames"]
    path: PathBuf,
) {
    let vector = Vector::read(&path);
    let datagram = vector.datagram();
    assert!(vector.comment.ends_with('.'), "a comment is a sentence");
    let requirement = PROTOCOL.requirement(&vector.requirement);
    let requirement = requirement.expect("its requirement is there");
    assert!(
        vector.decision || requirement.source != "D",
        "it is a decision"
    );

    for dialect in Dialect::ALL {
        let classified = dialect.grammar().classify(&datagram);
        let got = classified.map_err(Outcome::from);
        let (good, bad) = match vector.modes.contains(&dialect) {
            true => (vector.decoded.as_ref(), vector.error.as_ref()),
            false => (None, vector.elsewhere.as_ref()),
        };
        match (good, bad) {
            (Some(decoded), None) => {
                let frame = got.unwrap_or_else(|got| panic!("{dialect:?} rejects it: {got:?}"));
                assert_eq!(frame.name(), decoded.frame, "{dialect:?}");
            }
            (None, Some(error)) => assert_eq!(got.as_ref(), Err(error), "{dialect:?}"),
            _ => panic!("{dialect:?} needs exactly one of decoded, error or elsewhere"),
        }
    }
    match &vector.decoded {
        Some(decoded) => assert_round_trip(&datagram, decoded),
        None => assert_refused(&datagram, &vector),
    }
}

/// Bytes to frame to bytes, and bytes to words to bytes, are the same bytes; the words are those of
/// the vector.
fn assert_round_trip(datagram: &[u8], decoded: &Decoded) {
    let frame = Frame::decode(datagram).unwrap().unwrap();
    assert_eq!(frame.to_vec(), datagram);

    let words = PROTOCOL.vocabulary;
    let described = words.decode(datagram).unwrap().unwrap();
    assert_eq!(described.frame, decoded.frame);
    let fields = Value::Object(decoded.fields.clone());
    assert_eq!(portable(Value::Object(described.fields)), fields);
    let Value::Object(fields) = exact(&fields) else {
        panic!("an object stays an object");
    };
    assert_eq!(words.encode(&decoded.frame, &fields).unwrap(), datagram);
}

/// What no mode takes is not described either; only the limit of length is not the decoder's.
fn assert_refused(datagram: &[u8], vector: &Vector) {
    let decoded = PROTOCOL.vocabulary.decode(datagram);
    match vector.error.as_ref() {
        Some(Outcome::Malformed(expected)) => {
            assert_eq!(Malformed::from(decoded.unwrap_err()), *expected);
        }
        Some(Outcome::UnknownFlag { .. }) => assert_eq!(decoded, Ok(None)),
        Some(Outcome::Empty) => assert!(decoded.is_err()),
        Some(Outcome::Oversized { .. }) => assert!(datagram.len() > MAX_DATAGRAM),
        Some(Outcome::StartNotAllowed) | None => panic!("no error of a datagram in every mode"),
    }
}

#[test]
fn every_form_has_good_and_bad_vectors_and_all_have_300() {
    let root = Path::new("../../vectors/mediastream/frames");
    let mut good_and_bad: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for form in root.read_dir().unwrap() {
        let form = form.unwrap();
        if form.file_name() == "README.md" {
            continue;
        }
        let counts = good_and_bad
            .entry(form.file_name().into_string().unwrap())
            .or_default();
        for file in form.path().read_dir().unwrap() {
            match Vector::read(&file.unwrap().path()).decoded {
                Some(_) => counts.0 += 1,
                None => counts.1 += 1,
            }
        }
    }
    let total: usize = good_and_bad.values().map(|(good, bad)| good + bad).sum();
    assert!(total >= 300, "{total}");
    assert_eq!(
        good_and_bad.remove("no-form").map(|counts| counts.0),
        Some(0)
    );
    assert_eq!(good_and_bad.len(), PROTOCOL.vocabulary.frames().len());
    for (form, (good, bad)) in good_and_bad {
        assert!(good >= 1 && bad >= 3, "{form}: {good} good, {bad} bad");
    }
}

#[test]
fn the_schema_of_frame_vectors_is_fresh() {
    assert_fresh_schema::<Vector>("mediastream-frame");
}
