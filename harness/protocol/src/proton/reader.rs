//! The frames of one stream.

use shakedown_wire::{DecodeError, Rule, quic};

use super::frame::{first, word};
use super::{CloseCode, Kind, Profile, U32Reader};
use crate::requirement::Role;
use crate::stream_decoder::{StreamDecoder, StreamDecoders, StreamFrame};
use crate::vocabulary::{Described, describe};

/// The frames on the client's streams.
pub(super) const STREAM_DECODERS: StreamDecoders = StreamDecoders {
    reader: |stream, _| directions(stream),
    content: directions,
    datagram: |_, _| None,
    code: |code| CloseCode::from_number(code).map(CloseCode::name),
    is_timeout: |code| CloseCode::from_number(code).is_some_and(CloseCode::is_timeout),
};

fn directions(stream: u64) -> Option<Box<dyn StreamDecoder>> {
    let is_clients = stream.is_multiple_of(4);
    is_clients.then(|| Box::<Directions>::default() as Box<dyn StreamDecoder>)
}

/// Decodes what one side sends on one stream.
#[derive(Debug, Clone)]
pub struct StreamReader {
    by: Role,
    state: ReaderState,
    words: U32Reader,
    /// Bytes before the u32 that is being read.
    offset: usize,
    profile: Option<Profile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReaderState {
    Start,
    Of(Kind),
    Reset,
}

impl StreamReader {
    /// What the client sends; its first byte says which stream it is. Where the profile is known to
    /// be push, it may send nothing after that on the Action stream (PR-A-02).
    #[must_use]
    pub fn of_client(profile: Option<Profile>) -> Self {
        Self {
            by: Role::Initiator,
            state: ReaderState::Start,
            words: U32Reader::default(),
            offset: 0,
            profile,
        }
    }

    /// What the server sends on a stream of this kind.
    #[must_use]
    pub fn of_server(kind: Kind) -> Self {
        Self {
            by: Role::Responder,
            state: ReaderState::Of(kind),
            words: U32Reader::default(),
            offset: 0,
            profile: None,
        }
    }

    /// The kind of the stream, if identified.
    #[must_use]
    pub const fn kind(&self) -> Option<Kind> {
        match self.state {
            ReaderState::Of(kind) => Some(kind),
            ReaderState::Start | ReaderState::Reset => None,
        }
    }

    /// Takes the next bytes and emits the frames that they complete.
    ///
    /// # Errors
    /// If they break a rule: an unknown first byte (PR-S-03), or bytes where none may be.
    /// Offsets count from the beginning of the stream.
    pub fn take(
        &mut self,
        bytes: &[u8],
        mut emit: impl FnMut(Described),
    ) -> Result<(), DecodeError> {
        let Some((byte, rest)) = bytes.split_first() else {
            return Ok(());
        };
        match self.state {
            ReaderState::Start => {
                let (form, kind) = first(*byte)?;
                self.state = kind.map_or(ReaderState::Reset, ReaderState::Of);
                self.offset = 1;
                emit(describe(form, &bytes[..1]));
                self.take(rest, emit)
            }
            ReaderState::Reset => {
                let reason = "no byte may follow the one that resets";
                Err(DecodeError::invalid(
                    "value",
                    self.offset,
                    Rule::Unexpected,
                    reason,
                ))
            }
            ReaderState::Of(Kind::Action)
                if self.by == Role::Initiator && self.profile == Some(Profile::Push) =>
            {
                let reason = "in push the client sends nothing here"; // PR-A-02
                Err(DecodeError::invalid(
                    "value",
                    self.offset,
                    Rule::Unexpected,
                    reason,
                ))
            }
            ReaderState::Of(kind) => {
                let (form, offset) = (word(kind, self.by), &mut self.offset);
                self.words.take(bytes, |value| {
                    *offset += 4;
                    emit(describe(form, &value.to_le_bytes()));
                });
                Ok(())
            }
        }
    }

    /// The stream ends here (FIN).
    ///
    /// # Errors
    /// If that is in the middle of a u32, or before the first byte.
    pub fn finish(&self) -> Result<(), DecodeError> {
        match (self.state, self.words.pending()) {
            (ReaderState::Start, _) => Err(DecodeError::truncated("kind", 0, 1, 0)),
            (ReaderState::Reset, _) | (ReaderState::Of(_), 0) => Ok(()),
            (ReaderState::Of(kind), have) => {
                let fields = word(kind, self.by).fields;
                let name = fields.first().map_or("", |field| field.name);
                Err(DecodeError::truncated(name, self.offset, 4, have))
            }
        }
    }
}

/// Both directions of a stream; the server's can be decoded once the client has identified it.
#[derive(Debug, Default)]
struct Directions {
    kind: Option<Kind>,
    client: Option<StreamReader>,
    server: Option<StreamReader>,
    /// Where the last frame of the client and the server ended.
    ends: [u64; 2],
}

impl Directions {
    const fn reader(&mut self, by: quic::Role) -> &mut Option<StreamReader> {
        match by {
            quic::Role::Client => &mut self.client,
            quic::Role::Server => &mut self.server,
        }
    }
}

impl StreamDecoder for Directions {
    fn take(
        &mut self,
        by: quic::Role,
        offset: u64,
        bytes: &[u8],
        emit: &mut dyn FnMut(StreamFrame),
    ) {
        if offset == 0 {
            self.ends[by.index()] = 0;
            *self.reader(by) = match by {
                quic::Role::Client => Some(StreamReader::of_client(None)),
                quic::Role::Server => self.kind.map(StreamReader::of_server),
            };
        }
        let Some(mut reader) = self.reader(by).take() else {
            return;
        };
        let end = &mut self.ends[by.index()];
        let taken = reader.take(bytes, |described| {
            // The client's first byte says which stream it is.
            *end += if *end == 0 && by == quic::Role::Client {
                1
            } else {
                4
            };
            let (end, frame) = (*end, Ok(described));
            emit(StreamFrame { end, frame });
        });
        let kind = reader.kind();
        if let Err(error) = taken {
            emit(StreamFrame::invalid(error));
        } else {
            *self.reader(by) = Some(reader);
        }
        self.kind = self.kind.or(kind);
    }

    fn end(&mut self, by: quic::Role) -> Result<(), DecodeError> {
        let reader = self.reader(by).take();
        reader.map_or(Ok(()), |reader| reader.finish())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;
    use crate::proton::VOCABULARY;
    use crate::vocabulary::Vocabulary;

    fn encode(frame: &str, fields: Value) -> Result<Vec<u8>, String> {
        let Value::Object(fields) = fields else {
            panic!("fields are an object");
        };
        let encoded = VOCABULARY.encode(frame, &fields);
        encoded.map_err(|error| error.to_string())
    }

    fn read(mut reader: StreamReader, bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
        let mut names = Vec::new();
        reader.take(bytes, |described| {
            names.push(format!(
                "{} {}",
                described.frame,
                Value::Object(described.fields)
            ));
        })?;
        reader.finish()?;
        Ok(names)
    }

    #[test]
    fn what_a_client_says_is_named() {
        let push = || StreamReader::of_client(Some(Profile::Push));
        let said = read(push(), &[1, 1, 0, 0, 0, 0, 1, 0, 0]).unwrap();
        assert_eq!(
            said,
            [
                r#"DISCRIMINATOR {"kind":"Event"}"#,
                r#"EVENT {"id":1}"#,
                r#"EVENT {"id":256}"#
            ]
        );
        let said = read(push(), &[2, 42, 0, 0, 0]).unwrap();
        assert_eq!(said[1], r#"COMMIT {"value":42}"#);
        let said = read(StreamReader::of_client(None), &[3, 1, 0, 0, 0]).unwrap();
        assert_eq!(said[1], r#"ACTION-REQUEST {"value":1}"#);
        assert_eq!(read(push(), &[0xFF]).unwrap(), ["RESET {}"]);
    }

    #[rstest]
    #[case(Kind::Event, r#"EVENT-ACK {"id":258}"#)]
    #[case(Kind::StateCommit, r#"COMMIT-ANSWER {"value":258}"#)]
    #[case(Kind::Action, r#"ACTION {"value":258}"#)]
    fn what_a_server_says_is_named(#[case] kind: Kind, #[case] said: &str) {
        let reader = StreamReader::of_server(kind);
        assert_eq!(read(reader, &[2, 1, 0, 0]).unwrap(), [said]);
    }

    #[rstest]
    #[case(&[], "kind at offset 0: needs 1 bytes, has 0")]
    #[case(&[0], "kind at offset 0: must be 1, 2, 3 or 0xFF")]
    #[case(&[0xFF, 1], "value at offset 1: no byte may follow the one that resets")]
    #[case(&[3, 1], "value at offset 1: in push the client sends nothing here")]
    #[case(&[1, 1, 0, 0, 0, 2, 0], "id at offset 5: needs 4 bytes, has 2")]
    #[case(&[2, 1, 0, 0], "value at offset 1: needs 4 bytes, has 3")]
    fn what_breaks_a_rule_is_an_error_with_its_place(#[case] bytes: &[u8], #[case] message: &str) {
        let push = StreamReader::of_client(Some(Profile::Push));
        assert_eq!(read(push, bytes).unwrap_err().to_string(), message);
    }

    #[rstest]
    #[case("DISCRIMINATOR", json!({"kind": "StateCommit"}), &[2])]
    #[case("DISCRIMINATOR", json!({"kind": 7}), &[7])]
    #[case("RESET", json!({}), &[0xFF])]
    #[case("EVENT", json!({"id": u32::MAX}), &[0xFF; 4])]
    #[case("EVENT-ACK", json!({"id": 0}), &[0; 4])]
    #[case("COMMIT", json!({"value": 42}), &[42, 0, 0, 0])]
    #[case("COMMIT-ANSWER", json!({"value": 84}), &[84, 0, 0, 0])]
    #[case("ACTION-REQUEST", json!({}), &[1, 0, 0, 0])]
    #[case("ACTION", json!({"value": 123}), &[123, 0, 0, 0])]
    fn a_frame_is_written_as_its_bytes(
        #[case] frame: &str,
        #[case] fields: Value,
        #[case] bytes: &[u8],
    ) {
        assert_eq!(encode(frame, fields).unwrap(), bytes);
        let field = VOCABULARY.fields(frame).unwrap().first();
        let place = field.and_then(|field| VOCABULARY.locate(frame, field, bytes));
        assert_eq!(place, field.map(|_| (0, bytes.len())));
    }

    #[rstest]
    #[case("EVNT", json!({}), r#"proton has no frame "EVNT""#)]
    #[case("EVENT", json!({"value": 1}), r#"EVENT has no field "value""#)]
    #[case("RESET", json!({"id": 1}), r#"RESET has no field "id""#)]
    #[case("EVENT", json!({}), "id must be given: a number such as 1")]
    #[case("DISCRIMINATOR", json!({}), "kind must be given: `Event`, say")]
    #[case("COMMIT", json!({"value": 1_u64 << 32}),
        "value must be an integer from 0 to 4294967295, not 4294967296")]
    #[case("DISCRIMINATOR", json!({"kind": 256}),
        "kind must be `Event`, `StateCommit`, `Action`, or an integer from 0 to 255, not 256")]
    fn a_frame_that_cannot_be_is_refused(
        #[case] frame: &str,
        #[case] fields: Value,
        #[case] message: &str,
    ) {
        assert_eq!(encode(frame, fields).unwrap_err(), message);
    }

    #[test]
    fn each_frame_is_said_with_where_it_ends() {
        let mut reader = (STREAM_DECODERS.content)(0).unwrap();
        let mut ends = Vec::new();
        let mut hear = |said: StreamFrame| ends.push((said.end, said.frame.is_ok()));
        reader.take(quic::Role::Client, 0, &[1, 7, 0], &mut hear);
        reader.take(quic::Role::Client, 3, &[0, 0, 8, 0, 0, 0], &mut hear);
        reader.take(quic::Role::Server, 0, &[7, 0, 0, 0], &mut hear);
        reader.take(quic::Role::Client, 0, &[9], &mut hear);
        let expected = [(1, true), (5, true), (9, true), (4, true), (0, false)];
        assert_eq!(ends, expected);
    }

    #[test]
    fn of_a_lone_piece_only_a_first_byte_is_known() {
        let name = |bytes: &[u8]| {
            let decoded = VOCABULARY.decode(bytes);
            decoded.map(|described| described.map(|described| described.frame))
        };
        assert_eq!(name(&[3]), Ok(Some("DISCRIMINATOR")));
        assert_eq!(name(&[0xFF]), Ok(Some("RESET")));
        assert_eq!(name(&[1, 0, 0, 0]), Ok(None));
        assert!(name(&[4]).is_err());
        assert!(name(&[]).is_err());
    }
}
