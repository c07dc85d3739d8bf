//! Every frame vector of proton, one test case each.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/outcome.rs"]
mod outcome;
#[path = "support/schema.rs"]
mod schema;
#[path = "support/stream_vector.rs"]
mod stream_vector;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outcome::{Malformed, exact};
use rstest::rstest;
use schema::assert_fresh_schema;
use schemars::JsonSchema;
use serde::Deserialize;
use shakedown_protocol::proton::{Kind, PROTOCOL, Profile, StreamReader, VOCABULARY};
use shakedown_protocol::vocabulary::{Described, Vocabulary};
use stream_vector::{Frame, Pieces};

/// One file of `vectors/proton/frames/<frame>/`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Vector {
    id: String,
    comment: String,
    requirement: String,
    /// Whether the outcome follows from what the specification decided where the documents behind
    /// it say nothing: an implementation of the documents alone may differ.
    #[serde(default)]
    decision: bool,
    by: By,
    stream: Option<String>,
    profile: Option<String>,
    hex: Pieces,
    #[serde(default)]
    ends: bool,
    decoded: Vec<Frame>,
    error: Option<Malformed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    Client,
    Server,
}

impl Vector {
    fn read(path: &Path) -> Self {
        stream_vector::read(path, "proton", |vector: &Self| &vector.id)
    }

    fn reader(&self) -> StreamReader {
        let kind = |name: &str| {
            Kind::ALL
                .into_iter()
                .find(|kind| kind.name() == name)
                .unwrap()
        };
        match (self.by, &self.stream) {
            (By::Client, None) => {
                let profile = self.profile.as_ref();
                StreamReader::of_client(profile.map(|name| name.parse::<Profile>().unwrap()))
            }
            (By::Server, Some(stream)) => StreamReader::of_server(kind(stream)),
            (By::Client, Some(_)) => panic!("the client says itself which stream it is"),
            (By::Server, None) => panic!("which stream is it?"),
        }
    }

    /// What these pieces say.
    fn outcome<'a>(
        &self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Frame>, Option<Malformed>) {
        let mut reader = self.reader();
        let mut frames = Vec::new();
        let mut keep = |described: Described| frames.push(Frame::from(described));
        let mut all = pieces
            .into_iter()
            .map(|piece| reader.take(piece, &mut keep));
        let taken = all.find(Result::is_err).unwrap_or(Ok(()));
        drop(all);
        let done = taken.and_then(|()| match self.ends {
            true => reader.finish(),
            false => Ok(()),
        });
        (frames, done.err().map(Malformed::from))
    }
}

#[rstest]
fn says_what_its_vector_says_however_it_is_cut(
    #[files("*/*.json")]
    #[base_dir = "../../vectors/proton/frames"]
    path: PathBuf,
) {
    let vector = Vector::read(&path);
    assert!(vector.comment.ends_with('.'), "a comment is a sentence");
    let requirement = PROTOCOL.requirement(&vector.requirement);
    let requirement = requirement.expect("its requirement is there");
    assert!(
        vector.decision || requirement.source != "D",
        "it is a decision"
    );

    let pieces = vector.hex.bytes();
    let whole = pieces.concat();
    let as_written = vector.outcome(pieces.iter().map(Vec::as_slice));
    assert_eq!(as_written.0, vector.decoded);
    assert_eq!(as_written.1, vector.error);
    assert_eq!(vector.outcome([&whole[..]]), as_written);
    assert_eq!(vector.outcome(whole.chunks(1)), as_written);

    // Frames to bytes are the bytes before what is wrong.
    let encode = |frame: &Frame| {
        let fields = exact(&frame.fields);
        VOCABULARY
            .encode(&frame.frame, fields.as_object().unwrap())
            .unwrap()
    };
    let encoded: Vec<u8> = vector.decoded.iter().flat_map(encode).collect();
    let good = match &vector.error {
        None => whole.len(),
        Some(Malformed::Truncated { offset, .. } | Malformed::Invalid { offset, .. }) => *offset,
    };
    assert_eq!(encoded, whole[..good]);
}

#[test]
fn every_frame_has_good_and_bad_vectors() {
    let root = Path::new("../../vectors/proton/frames");
    let mut good_and_bad: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for form in root.read_dir().unwrap().map(Result::unwrap) {
        if form.file_name() == "README.md" {
            continue;
        }
        let name = form.file_name().into_string().unwrap().to_uppercase();
        let counts = good_and_bad.entry(name).or_default();
        for file in form.path().read_dir().unwrap() {
            match Vector::read(&file.unwrap().path()).error {
                None => counts.0 += 1,
                Some(_) => counts.1 += 1,
            }
        }
    }
    let mut names = VOCABULARY.frames().to_vec();
    names.sort_unstable();
    assert!(good_and_bad.keys().eq(names), "{good_and_bad:?}");
    for (frame, (good, bad)) in good_and_bad {
        assert!(good >= 2 && bad >= 3, "{frame}: {good} good, {bad} bad");
    }
}

#[test]
fn the_schema_of_frame_vectors_is_fresh() {
    assert_fresh_schema::<Vector>("proton-frame");
}
