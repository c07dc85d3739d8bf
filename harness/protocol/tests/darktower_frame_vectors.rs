//! Every frame vector of darktower, one test case each.

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
use shakedown_protocol::darktower::{
    Envelope, MediaReader, MessageReader, StreamCode, VOCABULARY, requirements,
};
use shakedown_protocol::vocabulary::{Described, Vocabulary};
use shakedown_protocol::web::{from_http3, to_http3};
use shakedown_wire::DecodeError;
use stream_vector::{Frame, Pieces};

/// One file of `vectors/darktower/frames/<frame>/`.
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
    stream: Stream,
    hex: Pieces,
    /// Whether the stream ends behind the bytes (FIN).
    #[serde(default)]
    ends: bool,
    decoded: Vec<Frame>,
    error: Option<Malformed>,
    /// Whether another encoder may write other bytes for the same message.
    #[serde(default)]
    another_form: bool,
    /// The code with which a media stream is broken off for the error.
    code: Option<u32>,
}

/// What stands on the stream: messages of this type behind their lengths, or a source of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
enum Stream {
    ClientMessage,
    ServerMessage,
    MediaAuth,
    MediaAuthResult,
    #[serde(rename = "media")]
    Media,
}

/// A reader of either kind of stream.
enum Reader {
    Messages(MessageReader),
    Media(MediaReader),
}

impl Reader {
    fn take(
        &mut self,
        bytes: &[u8],
        hand_on: &mut dyn FnMut(Described),
    ) -> Result<(), DecodeError> {
        match self {
            Self::Messages(reader) => reader.take(bytes, hand_on),
            Self::Media(reader) => reader.take(bytes, |item, bytes| hand_on(item.describe(bytes))),
        }
    }

    fn finish(&self) -> Result<(), DecodeError> {
        match self {
            Self::Messages(reader) => reader.finish(),
            Self::Media(reader) => reader.finish(),
        }
    }
}

impl Vector {
    fn read(path: &Path) -> Self {
        stream_vector::read(path, "darktower", |vector: &Self| &vector.id)
    }

    fn reader(&self) -> Reader {
        let envelope = match self.stream {
            Stream::ClientMessage => Envelope::Client,
            Stream::ServerMessage => Envelope::Server,
            Stream::MediaAuth => Envelope::MediaAuth,
            Stream::MediaAuthResult => Envelope::MediaAuthResult,
            Stream::Media => return Reader::Media(MediaReader::default()),
        };
        Reader::Messages(MessageReader::new(envelope))
    }

    /// What these pieces say.
    fn outcome<'a>(
        &self,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> (Vec<Frame>, Option<DecodeError>) {
        let mut reader = self.reader();
        let mut frames = Vec::new();
        let mut keep = |described: Described| frames.push(Frame::from(described));
        let mut pieces = pieces.into_iter();
        let taken = pieces.try_for_each(|piece| reader.take(piece, &mut keep));
        let done = taken.and_then(|()| match self.ends {
            true => reader.finish(),
            false => Ok(()),
        });
        (frames, done.err())
    }
}

#[rstest]
fn says_what_its_vector_says_however_it_is_cut(
    #[files("*/*.json")]
    #[base_dir = "../../vectors/darktower/frames"]
    path: PathBuf,
) {
    let vector = Vector::read(&path);
    assert!(vector.comment.ends_with('.'), "a comment is a sentence");
    let mut all = requirements().iter();
    let requirement = all.find(|it| it.id == vector.requirement);
    let requirement = requirement.expect("its requirement is there");
    assert!(
        vector.decision || requirement.source != "D",
        "it is a decision"
    );

    let pieces = vector.hex.bytes();
    let whole = pieces.concat();
    let as_written = vector.outcome(pieces.iter().map(Vec::as_slice));
    assert_eq!(as_written.0, vector.decoded);
    assert_eq!(as_written.1.map(Malformed::from), vector.error);
    assert_eq!(vector.outcome([&whole[..]]), as_written);
    assert_eq!(vector.outcome(whole.chunks(1)), as_written);
    for at in 0..whole.len() {
        let (begin, end) = whole.split_at(at);
        assert_eq!(vector.outcome([begin, end]), as_written, "cut at {at}");
    }
    if vector.stream == Stream::Media {
        let code = as_written.1.map(|error| StreamCode::of(&error).number());
        assert_eq!(code, vector.code);
    }

    // Frames to bytes are the bytes before what is wrong.
    if vector.another_form {
        return;
    }
    let encode = |frame: &Frame| {
        let fields = exact(&frame.fields);
        let fields = fields.as_object().unwrap();
        VOCABULARY.encode(&frame.frame, fields).unwrap()
    };
    let encoded: Vec<u8> = vector.decoded.iter().flat_map(encode).collect();
    assert_eq!(encoded, whole[..encoded.len()]);
    assert!(vector.error.is_some() || encoded == whole);
}

#[test]
fn every_frame_has_good_and_bad_vectors() {
    let root = Path::new("../../vectors/darktower/frames");
    let mut good_and_bad: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for folder in root.read_dir().unwrap().map(Result::unwrap) {
        if !folder.file_type().unwrap().is_dir() {
            continue;
        }
        for file in folder.path().read_dir().unwrap() {
            let vector = Vector::read(&file.unwrap().path());
            let name = folder.file_name().into_string().unwrap();
            let counts = good_and_bad.entry(name).or_default();
            match vector.error {
                None => counts.0 += 1,
                Some(_) => counts.1 += 1,
            }
        }
    }
    let mut names: Vec<_> = VOCABULARY
        .frames()
        .iter()
        .map(|name| folder_of(name))
        .collect();
    names.sort_unstable();
    assert!(good_and_bad.keys().eq(&names), "{good_and_bad:?}");
    for (frame, (good, bad)) in good_and_bad {
        assert!(good >= 2 && bad >= 1, "{frame}: {good} good, {bad} bad");
    }
}

/// `JoinRequest` stands in `join-request`, `STREAM-HEADER` in `stream-header`.
fn folder_of(frame: &str) -> String {
    let is_upper = frame.chars().all(|letter| !letter.is_lowercase());
    let mut folder = String::new();
    for letter in frame.chars() {
        if letter.is_uppercase() && !is_upper && !folder.is_empty() {
            folder.push('-');
        }
        folder.extend(letter.to_lowercase());
    }
    folder
}

#[test]
fn the_schema_of_frame_vectors_is_fresh() {
    assert_fresh_schema::<Vector>("darktower-frame");
}

/// A row of `vectors/darktower/codes.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeVector {
    /// The code of HTTP/3, in hexadecimal digits.
    http3: String,
    /// The code of the session that it carries, if it carries one.
    code: Option<u32>,
    comment: String,
}

#[test]
fn codes_of_http3_carry_what_their_vectors_say() {
    let text = std::fs::read_to_string("../../vectors/darktower/codes.json").unwrap();
    let vectors: Vec<CodeVector> = serde_json::from_str(&text).unwrap();
    for vector in vectors {
        let http3 = u64::from_str_radix(&vector.http3, 16).unwrap();
        assert_eq!(from_http3(http3), vector.code, "{}", vector.comment);
        if let Some(code) = vector.code {
            assert_eq!(to_http3(code), http3, "{}", vector.comment);
        }
    }
}
