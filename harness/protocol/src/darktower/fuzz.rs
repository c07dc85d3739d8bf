//! Bodies of the fuzz targets of darktower.
#![expect(clippy::panic, reason = "a target fails by panicking")]

mod monitor;

use shakedown_wire::DecodeError;

use super::{Envelope, MediaReader, MessageReader, VOCABULARY};
use crate::vocabulary::{Described, Vocabulary};

/// The monitor, whatever a capture shows: what it says does not depend on how bytes are cut.
///
/// # Panics
/// If it does, or says what no capture shows.
pub fn monitor(bytes: &[u8]) {
    monitor::run(bytes);
}

/// A reader of what stands on a stream.
#[derive(Clone)]
enum Reader {
    Messages(MessageReader),
    Media(MediaReader),
}

impl Reader {
    fn take(&mut self, bytes: &[u8], said: &mut Vec<Described>) -> Result<(), DecodeError> {
        match self {
            Self::Messages(reader) => reader.take(bytes, |message| said.push(message)),
            Self::Media(reader) => {
                reader.take(bytes, |item, bytes| said.push(item.describe(bytes)))
            }
        }
    }

    fn finish(&self) -> Result<(), DecodeError> {
        match self {
            Self::Messages(reader) => reader.finish(),
            Self::Media(reader) => reader.finish(),
        }
    }

    /// What these pieces say, and what is wrong with them.
    fn read<'a>(
        mut self,
        mut pieces: impl Iterator<Item = &'a [u8]>,
    ) -> (Vec<Described>, Result<(), DecodeError>) {
        let mut said = Vec::new();
        let taken = pieces.try_for_each(|piece| self.take(piece, &mut said));
        let done = taken.and_then(|()| self.finish());
        (said, done)
    }
}

/// Takes the bytes as a stream: the first says of which kind, the second how it is cut, which changes
/// nothing. What is said can be said again, and reads the same then.
///
/// # Panics
/// If that does not hold.
pub fn streams(bytes: &[u8]) {
    let [kind, length, stream @ ..] = bytes else {
        return;
    };
    let reader = match kind % 5 {
        0 => Reader::Messages(MessageReader::new(Envelope::Client)),
        1 => Reader::Messages(MessageReader::new(Envelope::Server)),
        2 => Reader::Messages(MessageReader::new(Envelope::MediaAuth)),
        3 => Reader::Messages(MessageReader::new(Envelope::MediaAuthResult)),
        _ => Reader::Media(MediaReader::default()),
    };
    let whole = reader.clone().read([stream].into_iter());
    let pieces = stream.chunks(usize::from(*length).max(1));
    assert_eq!(reader.clone().read(pieces), whole);

    // A message of defaults alone that stands in no envelope has no byte, which nobody can say.
    const NOTHING: &[u8] = &[0; 4];
    let (said, _) = whole;
    let again = said
        .iter()
        .map(|it| VOCABULARY.encode(it.frame, &it.fields));
    let again: Result<Vec<_>, _> = again.collect();
    let again = again.unwrap_or_else(|error| panic!("{error} in {said:?}"));
    if !again.is_empty() && again.iter().all(|bytes| bytes != NOTHING) {
        let read = reader.read([again.concat().as_slice()].into_iter());
        assert_eq!(read, (said, Ok(())));
    }
}

/// Takes the bytes as a message in the envelope that the first of them names: what is told of it, said again, is
/// the same message to the protobuf library, field by field.
///
/// # Panics
/// If it is not.
pub fn protobuf(bytes: &[u8]) {
    let Some((kind, body)) = bytes.split_first() else {
        return;
    };
    let all = [
        Envelope::Client,
        Envelope::Server,
        Envelope::MediaAuth,
        Envelope::MediaAuthResult,
    ];
    let envelope = all[usize::from(*kind) % all.len()];
    let Ok(described) = envelope.decode(body, 0) else {
        return;
    };
    let again = VOCABULARY.encode(described.frame, &described.fields);
    let again = again.unwrap_or_else(|error| panic!("{error} in {described:?}"));
    // JSON knows one NaN, protobuf has many: what is told is the same, the bytes need not be.
    if described.fields.values().any(|value| value == "NaN") {
        assert_eq!(envelope.decode(&again[4..], 0).ok(), Some(described));
        return;
    }
    let (theirs, ours) = (envelope.library(body), envelope.library(&again[4..]));
    // A message of defaults alone that stands in no envelope has no byte.
    assert!(theirs.is_some() && theirs == ours, "{theirs:?} {ours:?}");
}
