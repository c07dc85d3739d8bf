use shakedown_wire::{DecodeError, Reader, quic};

use super::StreamCode;
use super::frame::{FRAME, FrameHeader};
use super::media_reader::MediaReader;
use super::message::Envelope;
use super::message_reader::{MAX_MESSAGE, MessageReader};
use crate::stream_decoder::{StreamDecoder, StreamDecoders, StreamFrame};
use crate::streams::StreamId;
use crate::vocabulary::{Described, describe};
use crate::web::{WebCode, WebStreamDecoder, from_http3};

/// Decoders of the streams of a connection and of its sessions.
pub const STREAM_DECODERS: StreamDecoders = StreamDecoders {
    reader: |stream, tables| {
        let content = Box::new(SessionDecoder::new(stream));
        let decoder = WebStreamDecoder::new(stream, tables.clone(), content);
        Some(Box::new(decoder))
    },
    content: |stream| Some(Box::new(SessionDecoder::new(stream))),
    datagram: |by, bytes| {
        let mut reader = Reader::new(bytes);
        let quarter = reader.quic_varint("quarter stream id").ok()?;
        let offset = bytes.len() - reader.remaining();
        let said = in_datagram(by, reader.rest()).map_err(|error| error.moved(offset));
        Some((quarter.saturating_mul(4), said))
    },
    code: |code| {
        let of_stream = || StreamCode::from_number(from_http3(code)?).map(StreamCode::name);
        let of_web = WebCode::from_number(code).map(WebCode::name);
        of_web.or_else(of_stream)
    },
    // The page names no code for the end of a connection.
    is_timeout: |_| true,
};

/// The version of a frame of media.
pub(super) const FRAME_VERSION: u8 = 1;

/// A frame of media (DT-M-14), or authentication without a length (DT-M-01): no message begins as the version of a
/// frame does, for no field of protobuf has number 0.
fn in_datagram(by: quic::Role, bytes: &[u8]) -> Result<Described, DecodeError> {
    let envelope = match by {
        _ if bytes.first() == Some(&FRAME_VERSION) => {
            FrameHeader::decode(&mut Reader::new(bytes), &FRAME)?;
            return Ok(describe(&FRAME, bytes));
        }
        quic::Role::Client => Envelope::MediaAuth,
        quic::Role::Server => Envelope::MediaAuthResult,
    };
    envelope.decode(bytes, 0)
}

/// Bytes that distinguish media from messages: the magic, or a length.
const PREFIX: usize = 4;

/// Decodes both directions of a stream of a session. A bidirectional stream carries signaling. A unidirectional one
/// carries media if it begins with the magic, and else authentication: no message is as long as the magic read as a
/// length.
#[derive(Debug)]
struct SessionDecoder {
    id: StreamId,
    directions: [Option<Direction>; 2],
}

/// The state of one direction.
#[derive(Debug)]
enum Direction {
    /// Too few bytes were received.
    Unidentified(Vec<u8>),
    Messages(MessageReader),
    /// Media, and where the last item ended.
    Media(MediaReader, u64),
}

impl SessionDecoder {
    const fn new(stream: u64) -> Self {
        Self {
            id: StreamId(stream),
            directions: [None, None],
        }
    }

    fn begins(&self, by: quic::Role) -> Direction {
        let is_bidirectional = self.id.is_bidirectional();
        match by {
            _ if !is_bidirectional => Direction::Unidentified(Vec::new()),
            quic::Role::Client => Direction::Messages(MessageReader::new(Envelope::Client)),
            quic::Role::Server => Direction::Messages(MessageReader::new(Envelope::Server)),
        }
    }
}

impl StreamDecoder for SessionDecoder {
    fn take(
        &mut self,
        by: quic::Role,
        offset: u64,
        bytes: &[u8],
        emit: &mut dyn FnMut(StreamFrame),
    ) {
        if offset == 0 {
            self.directions[by.index()] = Some(self.begins(by));
        }
        let Some(mut direction) = self.directions[by.index()].take() else {
            return;
        };
        match direction.take(by, bytes, emit) {
            Ok(()) => self.directions[by.index()] = Some(direction),
            Err(error) => emit(StreamFrame::invalid(error)),
        }
    }

    fn end(&mut self, by: quic::Role) -> Result<(), DecodeError> {
        match self.directions[by.index()].take() {
            None => Ok(()),
            Some(Direction::Unidentified(pending)) => {
                let have = pending.len();
                Err(DecodeError::truncated("beginning", 0, PREFIX, have))
            }
            Some(Direction::Messages(reader)) => reader.finish(),
            Some(Direction::Media(reader, _)) => reader.finish(),
        }
    }
}

impl Direction {
    fn take(
        &mut self,
        by: quic::Role,
        bytes: &[u8],
        emit: &mut dyn FnMut(StreamFrame),
    ) -> Result<(), DecodeError> {
        match self {
            Self::Unidentified(pending) => {
                pending.extend_from_slice(bytes);
                let Ok(length) = Reader::new(pending).u32_be("length") else {
                    return Ok(());
                };
                let all = std::mem::take(pending);
                *self = match (length > MAX_MESSAGE, by) {
                    (true, _) => Self::Media(MediaReader::default(), 0),
                    (false, quic::Role::Client) => {
                        Self::Messages(MessageReader::new(Envelope::MediaAuth))
                    }
                    (false, quic::Role::Server) => {
                        Self::Messages(MessageReader::new(Envelope::MediaAuthResult))
                    }
                };
                self.take(by, &all, emit)
            }
            Self::Messages(reader) => reader.take_placed(bytes, |message, end| {
                let (end, frame) = (end as u64, Ok(message));
                emit(StreamFrame { end, frame });
            }),
            Self::Media(reader, ended) => reader.take(bytes, |item, bytes| {
                *ended += bytes.len() as u64;
                let (end, frame) = (*ended, Ok(item.describe(bytes)));
                emit(StreamFrame { end, frame });
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Map, Value, json};
    use shakedown_wire::quic::Role::{self, Client, Server};

    use super::*;
    use crate::darktower::VOCABULARY;
    use crate::vocabulary::Vocabulary as _;
    use crate::web::{self, SessionClose, Settings, frame, frame_type, prefix, stream_type};

    /// The decoder of a stream of a connection of its own.
    const READER: fn(u64) -> Option<Box<dyn StreamDecoder>> =
        |stream| (STREAM_DECODERS.reader)(stream, &web::HeaderTables::default());

    const ID: &str = "00000000-0000-4000-8000-000000000001";

    fn encode(frame: &str, fields: &Value) -> Vec<u8> {
        let fields: Map<_, _> = fields.as_object().unwrap().clone();
        VOCABULARY.encode(frame, &fields).unwrap()
    }

    fn media() -> Vec<u8> {
        let of = json!({ "stream_id": ID, "stream_type": 0 });
        let header = encode("STREAM-HEADER", &of);
        let payload = json!({ "stream_id": ID, "payload": { "pattern": 9 } });
        let frame = encode("FRAME", &payload);
        [header, frame.clone(), frame].concat()
    }

    fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let fields: Vec<_> = fields.iter().map(owned).collect();
        frame(frame_type::HEADERS, &web::field_section::encode(&fields))
    }

    fn session() -> Vec<u8> {
        let asked = [(":method", "CONNECT"), (":protocol", "webtransport")];
        let close = SessionClose {
            code: 7,
            reason: "bye".to_owned(),
        };
        let close = close.encode();
        let (one, other) = close.split_at(3);
        let data = |bytes| frame(frame_type::DATA, bytes);
        [headers(&asked), data(one), data(other)].concat()
    }

    /// What is said, as text with where it ends, where each side's bytes come in pieces of this size.
    fn hear(
        mut reader: Box<dyn StreamDecoder>,
        sides: &[(Role, Vec<u8>)],
        size: usize,
    ) -> Vec<String> {
        let mut heard = Vec::new();
        for (by, bytes) in sides {
            let mut offset = 0;
            for piece in bytes.chunks(size) {
                reader.take(*by, offset, piece, &mut |said| {
                    heard.push(match said.frame {
                        Ok(it) => format!("{} {} {}", said.end, it.frame, Value::Object(it.fields)),
                        Err(error) => error.to_string(),
                    });
                });
                offset += piece.len() as u64;
            }
            heard.extend(reader.end(*by).err().map(|error| error.to_string()));
        }
        heard
    }

    /// The same however it is cut.
    fn heard(
        reader: fn(u64) -> Option<Box<dyn StreamDecoder>>,
        stream: u64,
        sides: &[(Role, Vec<u8>)],
    ) -> Vec<String> {
        let whole = hear(reader(stream).unwrap(), sides, 9_999);
        for size in 1..100 {
            let cut = hear(reader(stream).unwrap(), sides, size);
            assert_eq!(cut, whole, "pieces of {size}");
        }
        whole
    }

    #[test]
    fn signaling_is_named_with_its_side_and_where_it_ends() {
        let left = encode("UnsubscribeStream", &json!({ "stream_id": "a" }));
        let said = [left.clone(), left].concat();
        let answer = encode("StreamSubscribed", &json!({ "stream_id": "a" }));
        for stream in [4, 5] {
            let sides = [(Client, said.clone()), (Server, answer.clone())];
            let words = heard(STREAM_DECODERS.content, stream, &sides);
            let expected = [
                r#"9 UnsubscribeStream {"stream_id":"a"}"#,
                r#"18 UnsubscribeStream {"stream_id":"a"}"#,
                r#"9 StreamSubscribed {"stream_id":"a"}"#,
            ];
            assert_eq!(words, expected);
        }
    }

    #[test]
    fn media_and_authentication_are_told_from_each_other() {
        let words = heard(STREAM_DECODERS.content, 2, &[(Client, media())]);
        let ends = words.iter().map(|word| word.split('{').next().unwrap());
        assert_eq!(
            Vec::from_iter(ends),
            ["32 STREAM-HEADER ", "87 FRAME ", "142 FRAME "]
        );
        let auth = encode("MediaAuth", &json!({ "connection_token": "a" }));
        let words = heard(STREAM_DECODERS.content, 2, &[(Client, auth)]);
        assert_eq!(words, [r#"7 MediaAuth {"connection_token":"a"}"#]);
        let result = encode("MediaAuthResult", &json!({ "ok": true }));
        let words = heard(STREAM_DECODERS.content, 3, &[(Server, result)]);
        assert!(words[0].starts_with("6 MediaAuthResult"), "{words:?}");
    }

    #[test]
    fn the_streams_of_a_session_are_read_behind_its_id() {
        let wide = prefix(stream_type::WEBTRANSPORT, 64);
        let words = heard(READER, 2, &[(Client, [wide, media()].concat())]);
        let ends = words.iter().map(|word| word.split('{').next().unwrap());
        let expected = [
            "4 WEBTRANSPORT_STREAM ",
            "36 STREAM-HEADER ",
            "91 FRAME ",
            "146 FRAME ",
        ];
        assert_eq!(Vec::from_iter(ends), expected);
        let left = encode("UnsubscribeStream", &json!({ "stream_id": "a" }));
        let answer = encode("StreamSubscribed", &json!({ "stream_id": "a" }));
        let opening = prefix(frame_type::WEBTRANSPORT_STREAM, 0);
        let sides = [(Client, [opening, left].concat()), (Server, answer)];
        let expected = [
            r#"3 WEBTRANSPORT_STREAM {"session":0}"#,
            r#"12 UnsubscribeStream {"stream_id":"a"}"#,
            r#"9 StreamSubscribed {"stream_id":"a"}"#,
        ];
        assert_eq!(heard(READER, 4, &sides), expected);
    }

    #[test]
    fn frames_of_http_3_are_named() {
        let settings = Settings::of(vec![(0x33, 1), (0x21, 5)]).encode();
        let control = [
            vec![0],
            frame(frame_type::SETTINGS, &settings),
            frame(frame_type::GOAWAY, &[4]),
        ];
        let words = heard(READER, 2, &[(Client, control.concat())]);
        let expected = [
            "1 CONTROL {}",
            r#"7 SETTINGS {"h3_datagram":1,"33":5}"#,
            r#"10 GOAWAY {"id":4}"#,
        ];
        assert_eq!(words, expected);
        let words = heard(READER, 6, &[(Client, vec![2, 0x20])]);
        assert_eq!(words, ["1 QPACK_ENCODER {}"]);
    }

    /// What a client and a server in Python (aioquic) say when a session is asked for a second time.
    #[test]
    fn fields_by_a_dynamic_table_are_named() {
        let tables = web::HeaderTables::default();
        let mut heard = Vec::new();
        for (stream, by, bytes) in [
            (3, Server, "0004100150000710080121013301ab60374201"),
            (4, Client, "01070482cf10d71112"),
            (
                6,
                Client,
                "023fe11f67b95d8749c87a3f89f058d360ea4567b13fc08aa0e41d139d09b8d34cb3c1032f7774",
            ),
            (8, Client, "01070482cf10d71112"),
        ] {
            let mut decoder = (STREAM_DECODERS.reader)(stream, &tables).unwrap();
            decoder.take(by, 0, &hex::decode(bytes).unwrap(), &mut |said| {
                let said = said.frame.unwrap();
                heard.push(format!("{} {}", said.frame, Value::Object(said.fields)));
            });
        }
        heard.retain(|words| words.starts_with("HEADERS"));
        let fields = r#"[[":method","CONNECT"],[":protocol","webtransport"],[":scheme","https"],[":authority","localhost:4433"],[":path","/wt"]]"#;
        let expected = [
            r#"HEADERS {"missing":"entries of the dynamic table"}"#.to_owned(),
            format!(r#"HEADERS {{"fields":{fields}}}"#),
        ];
        assert_eq!(heard, expected);
    }

    #[test]
    fn a_request_and_its_answer_are_named() {
        let data = |bytes: &[u8]| frame(frame_type::DATA, bytes);
        let long = [b'a'; 5_000];
        let answer = [
            data(br#"{"a":[1]}"#),
            data(b"text"),
            data(&[0xff]),
            data(&long),
            data(b""),
        ];
        let answer = [headers(&[(":status", "200")]), answer.concat()].concat();
        let asked = [headers(&[(":method", "GET")]), vec![0x21, 2, 9, 9]].concat();
        let words = heard(READER, 0, &[(Client, asked), (Server, answer)]);
        let words: Vec<_> = words
            .iter()
            .map(|word| word.split_once(' ').unwrap().1)
            .collect();
        let expected = [
            r#"HEADERS {"fields":[[":method","GET"]]}"#,
            r#"UNKNOWN {"type":33,"length":2}"#,
            r#"HEADERS {"fields":[[":status","200"]]}"#,
            r#"DATA {"length":9,"body":{"a":[1]}}"#,
            r#"DATA {"length":4,"body":"text"}"#,
            r#"DATA {"length":1,"body":{"hex":"ff"}}"#,
            r#"DATA {"length":5000}"#,
            r#"DATA {"length":0,"body":""}"#,
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn the_close_of_a_session_is_named_once_whatever_frames_it_stands_in() {
        let sides = [(Client, session()), (Server, session())];
        let words = heard(READER, 0, &sides);
        let words: Vec<_> = words
            .iter()
            .map(|word| word.split_once(' ').unwrap().1)
            .collect();
        let close = r#"CLOSE_WEBTRANSPORT_SESSION {"code":7,"reason":"bye"}"#;
        let data = [r#"DATA {"length":3}"#, r#"DATA {"length":7}"#];
        assert_eq!(words[1..4], [data[0], data[1], close]);
        assert_eq!(words[5..], [data[0], data[1], close]);
    }

    #[rstest]
    #[case(2, Client, &[0x40, 0x54, 0, 0, 0, 0, 0], "length at offset 3: is 0")]
    #[case(2, Client, &[0x40, 0x54, 0, b'D', b'A', b'R', b'K'], "Magic at offset 3: must be DART")]
    #[case(2, Client, &[0x40, 0x54, 0, b'D', b'A'], "beginning at offset 3: needs 4 bytes, has 2")]
    #[case(0, Client, &[0x40, 0x41, 0, 0, 0, 0, 9, 1], "message at offset 7: needs 9 bytes, has 1")]
    #[case(0, Client, &[0x40, 0x41, 0, 0, 1, 0, 1], "length at offset 3: is above 65,536")]
    #[case(0, Client, &[0x40, 0x41, 0, 0, 0, 0, 1, 0xff], "message at offset 7: is no such protobuf message")]
    #[case(2, Client, &[0, 4, 2, 2, 0], "setting at offset 3: is one of HTTP/2")]
    #[case(0, Client, &[1, 2, 1, 0], "field section at offset 2: refers to a dynamic table")]
    #[case(0, Client, &[1, 2, 0], "frame at offset 0: needs 4 bytes, has 3")]
    fn what_is_no_frame_is_told_once_with_its_place(
        #[case] stream: u64,
        #[case] by: Role,
        #[case] bytes: &[u8],
        #[case] error: &str,
    ) {
        let words = heard(READER, stream, &[(by, bytes.to_vec())]);
        let errors: Vec<_> = words
            .iter()
            .filter(|word| word.contains(" at offset "))
            .collect();
        assert_eq!(errors, [error]);
    }

    #[test]
    fn an_answer_is_read_only_where_it_is_known_what_was_opened() {
        let answer = encode("StreamSubscribed", &json!({ "stream_id": "a" }));
        let mut reader = READER(0).unwrap();
        reader.take(Server, 0, &answer, &mut |said| panic!("{said:?}"));
        assert_eq!(reader.end(Server), Ok(()));
    }

    #[rstest]
    #[case(0x10e, Some("H3_MESSAGE_ERROR"))]
    #[case(0x52e4_a40f_a8dd, Some("authentication failed"))]
    #[case(0x52e4_a40f_a8ff, None)]
    #[case(7, None)]
    fn codes_have_the_names_of_http_3_or_of_streams(#[case] code: u64, #[case] name: Option<&str>) {
        assert_eq!((STREAM_DECODERS.code)(code), name);
    }
}
