use std::sync::LazyLock;

use serde_json::{Map, Value};
use shakedown_wire::{DecodeError, Form};

use super::frame::{FRAME, FrameHeader, STREAM_HEADER};
use super::message::{Envelope, NAMED, Named};
use crate::requirement::Role;
use crate::vocabulary::{Described, Forms, Vocabulary, WordError, describe};

/// Bytes of the length before a message on a stream.
const MESSAGE_LENGTH: usize = 4;

/// The messages and the frames of media streams, by name. A message is encoded with its length.
pub static VOCABULARY: DarktowerVocabulary = DarktowerVocabulary;

/// Whether this side sends this frame at one of these services: messages in their envelopes; media, which both sides
/// send, at a Media Handler.
pub(super) fn sends(role: Role, services: &str, frame: &str) -> bool {
    let is_at = |wanted| services.split(',').any(|service| service == wanted);
    let (signaling, authentication) = match role {
        Role::Initiator => (Envelope::Client, Envelope::MediaAuth),
        Role::Responder => (Envelope::Server, Envelope::MediaAuthResult),
    };
    let of_media = || MEDIA.frames().contains(&frame) || authentication.says(frame);
    is_at("mc") && signaling.says(frame) || is_at("mh") && of_media()
}

/// The frames of media streams. Their bytes do not identify them: their place in the stream does.
static MEDIA: Forms = Forms::new("darktower", &FORMS, |_| Ok(None));
pub(super) static FORMS: [&Form; 2] = [&STREAM_HEADER, &FRAME];

static FRAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let messages = NAMED.iter().map(|named| named.name);
    messages.chain(MEDIA.frames().iter().copied()).collect()
});

/// See [`VOCABULARY`].
#[derive(Debug, Clone, Copy)]
pub struct DarktowerVocabulary;

fn named(frame: &str) -> Option<&'static Named> {
    NAMED.iter().find(|named| named.name == frame)
}

impl Vocabulary for DarktowerVocabulary {
    fn frames(&self) -> &'static [&'static str] {
        &FRAMES
    }

    fn fields(&self, frame: &str) -> Result<&'static [&'static str], WordError> {
        match named(frame) {
            Some(named) => Ok(named.fields),
            None => MEDIA.fields(frame).map_err(|error| match error {
                WordError::UnknownFrame { protocol, name, .. } => WordError::UnknownFrame {
                    protocol,
                    name,
                    known: self.frames().to_vec(),
                },
                error => error,
            }),
        }
    }

    fn encode(&self, frame: &str, fields: &Map<String, Value>) -> Result<Vec<u8>, WordError> {
        let known = self.fields(frame)?;
        let Some(named) = named(frame) else {
            return MEDIA.encode(frame, fields);
        };
        match fields.keys().find(|name| !known.contains(&name.as_str())) {
            None => named.encode(fields),
            Some(name) => Err(WordError::UnknownField {
                frame: named.name,
                name: name.clone(),
                known: known.to_vec(),
            }),
        }
    }

    /// A message alone, without its length.
    fn encode_datagram(
        &self,
        frame: &str,
        fields: &Map<String, Value>,
    ) -> Result<Vec<u8>, WordError> {
        let encoded = self.encode(frame, fields)?;
        Ok(match named(frame) {
            Some(_) => encoded.get(MESSAGE_LENGTH..).unwrap_or_default().to_vec(),
            None => encoded,
        })
    }

    /// Of a datagram the first byte says what it is: the version of a frame, or the key of a message's field.
    fn decode(&self, datagram: &[u8]) -> Result<Option<Described>, DecodeError> {
        match datagram.first() {
            Some(1) => {
                FrameHeader::whole(datagram)?;
                Ok(Some(describe(&FRAME, datagram)))
            }
            Some(0x0a) => Envelope::MediaAuth.decode(datagram, 0).map(Some),
            Some(0x08 | 0x12 | 0x1a) => Envelope::MediaAuthResult.decode(datagram, 0).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn locate(&self, frame: &str, field: &str, datagram: &[u8]) -> Option<(usize, usize)> {
        MEDIA.locate(frame, field, datagram)
    }
}
