//! The frames on the streams in a capture, by name.

use std::collections::{BTreeMap, BTreeSet};

use shakedown_capture::quic::{CloseCode, Event, EventKind, Role, UnreadableReason};
use shakedown_protocol::PROTOCOLS;
use shakedown_protocol::stream_decoder::{StreamDecoder, StreamDecoders};
use shakedown_protocol::vocabulary::Described;
use shakedown_protocol::web::HeaderTables;

/// Most connections whose streams are read at a time; of further ones the oldest are given up.
const MOST_CONNECTIONS: usize = 65_536;

/// Most streams of a connection that are read.
const MOST_STREAMS: usize = 64;

/// A frame on a stream or in a datagram.
#[derive(Debug)]
pub struct DecodedFrame {
    /// The stream; for a datagram that of its session.
    pub stream: u64,
    pub by: Role,
    pub in_datagram: bool,
    /// The frame, or its decode error.
    pub frame: Result<Described, String>,
}

/// Decodes the streams of all connections with a known ALPN protocol.
#[derive(Debug, Default)]
pub(crate) struct StreamFrames {
    connections: BTreeMap<u64, ConnectionFrames>,
    /// Connections with packets for which there are no secrets.
    unread: BTreeSet<u64>,
}

#[derive(Debug)]
struct ConnectionFrames {
    decoders: StreamDecoders,
    streams: BTreeMap<u64, Box<dyn StreamDecoder>>,
    tables: HeaderTables,
}

impl DecodedFrame {
    const fn new(stream: u64, by: Role, frame: Result<Described, String>) -> Self {
        Self {
            stream,
            by,
            in_datagram: false,
            frame,
        }
    }
}

impl StreamFrames {
    /// The frames that this event completes, and decode errors.
    pub(crate) fn event(&mut self, event: &Event<'_>) -> Vec<DecodedFrame> {
        let Some(connection) = event.connection else {
            return Vec::new();
        };
        match event.kind {
            EventKind::ServerHandshake {
                alpn: Some(alpn), ..
            } => {
                let Some(decoders) = decoders_of(alpn) else {
                    return Vec::new();
                };
                let frames = ConnectionFrames {
                    decoders,
                    streams: BTreeMap::new(),
                    tables: HeaderTables::default(),
                };
                self.connections.entry(connection).or_insert(frames);
                if self.connections.len() > MOST_CONNECTIONS {
                    self.connections.pop_first();
                }
            }
            EventKind::Forgotten => {
                self.connections.remove(&connection);
            }
            EventKind::Unreadable(unreadable) if unreadable.why == UnreadableReason::NoSecrets => {
                self.unread.insert(connection);
            }
            EventKind::StreamBytes {
                stream,
                by,
                offset,
                bytes,
            } => return self.bytes(connection, stream, by, (offset, bytes)),
            EventKind::StreamFin { stream, by, .. } => {
                let frame = self.end(connection, stream, by).map(Err);
                let frame = frame.map(|frame| DecodedFrame::new(stream, by, frame));
                return frame.into_iter().collect();
            }
            EventKind::StreamReset { stream, by, .. }
            | EventKind::StreamLost { stream, by, .. } => {
                self.end(connection, stream, by);
            }
            EventKind::DatagramFrame { by, bytes } => {
                let connection = self.connections.get(&connection);
                let decoded = connection.and_then(|it| (it.decoders.datagram)(by, bytes));
                let frame = decoded.map(|(session, frame)| DecodedFrame {
                    in_datagram: true,
                    ..DecodedFrame::new(session, by, frame.map_err(|error| error.to_string()))
                });
                return frame.into_iter().collect();
            }
            // A stream has no other content.
            _ => {}
        }
        Vec::new()
    }

    /// What an application's code means.
    pub(crate) fn code(&self, event: &Event<'_>) -> Option<&'static str> {
        let EventKind::ConnectionClosed {
            code: CloseCode::Application { code },
            ..
        } = event.kind
        else {
            return None;
        };
        let connection = self.connections.get(&event.connection?)?;
        (connection.decoders.code)(code)
    }

    /// How many connections had packets that could not be read without secrets.
    pub(crate) fn unread(&self) -> usize {
        self.unread.len()
    }

    fn bytes(
        &mut self,
        connection: u64,
        stream: u64,
        by: Role,
        (offset, bytes): (u64, &[u8]),
    ) -> Vec<DecodedFrame> {
        let mut frames = Vec::new();
        let Some(of) = self.connections.get_mut(&connection) else {
            return frames;
        };
        let ConnectionFrames {
            decoders,
            streams,
            tables,
        } = of;
        if !streams.contains_key(&stream) && streams.len() < MOST_STREAMS {
            streams.extend((decoders.reader)(stream, tables).map(|reader| (stream, reader)));
        }
        if let Some(reader) = streams.get_mut(&stream) {
            reader.take(by, offset, bytes, &mut |one| {
                let frame = one.frame.map_err(|error| error.to_string());
                frames.push(DecodedFrame::new(stream, by, frame));
            });
        }
        frames
    }

    /// One side's bytes end; the error, if a frame is incomplete.
    fn end(&mut self, connection: u64, stream: u64, by: Role) -> Option<String> {
        let streams = &mut self.connections.get_mut(&connection)?.streams;
        let ended = streams.get_mut(&stream)?.end(by);
        ended.err().map(|error| error.to_string())
    }
}

/// The decoders of the protocol with this ALPN name.
fn decoders_of(alpn: &[u8]) -> Option<StreamDecoders> {
    let mut protocols = PROTOCOLS.into_iter();
    let protocol = protocols.find(|protocol| {
        let transport = protocol.transport;
        transport.is_some_and(|transport| transport.alpn.as_bytes() == alpn)
    });
    protocol?.stream_decoders
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use shakedown_capture::quic::At;

    use super::*;

    const ALPN: &str = "proton";

    fn event(kind: EventKind<'_>) -> Event<'_> {
        let address = SocketAddr::from(([127, 0, 0, 1], 4433));
        let at = At {
            number: 1,
            time: Duration::ZERO,
            source: address,
            destination: address,
        };
        Event {
            connection: Some(1),
            at,
            kind,
        }
    }

    fn of(alpn: &str) -> StreamFrames {
        let mut decoders = StreamFrames::default();
        let frames = decoders.event(&event(EventKind::ServerHandshake {
            alpn: Some(alpn.as_bytes()),
            parameters: None,
        }));
        assert!(frames.is_empty());
        decoders
    }

    fn bytes(decoders: &mut StreamFrames, by: Role, offset: u64, bytes: &[u8]) -> Vec<String> {
        let frames = decoders.event(&event(EventKind::StreamBytes {
            stream: 0,
            by,
            offset,
            bytes,
        }));
        let named = |one: DecodedFrame| match one.frame {
            Ok(frame) => format!("{} {:?}", frame.frame, frame.fields),
            Err(error) => error,
        };
        frames.into_iter().map(named).collect()
    }

    #[test]
    fn a_datagram_is_read_behind_the_id_of_its_session() {
        let mut decoders = of("h3");
        let mut event = |bytes: &[u8]| {
            let kind = EventKind::DatagramFrame {
                by: Role::Client,
                bytes,
            };
            let mut frames = decoders.event(&event(kind));
            let frame = frames.pop().expect("a word");
            assert!(frame.in_datagram && frames.is_empty());
            (frame.stream, frame.frame.map(|frame| frame.frame))
        };
        let frame: Vec<_> = [1].into_iter().chain([0; 45]).collect();
        let prefixed = |bytes: &[u8]| [&[2], bytes].concat();
        assert_eq!(event(&prefixed(&frame)), (8, Ok("FRAME")));
        assert_eq!(event(&prefixed(&[10, 1, b'a'])), (8, Ok("MediaAuth")));
        let (session, cut) = event(&prefixed(&frame[..20]));
        assert!(session == 8 && cut.is_err(), "{cut:?}");
    }

    #[test]
    fn a_frame_split_over_packets_is_decoded_when_it_is_complete() {
        let mut decoders = of(ALPN);
        let frames = bytes(&mut decoders, Role::Client, 0, &[1, 7, 0]);
        assert_eq!(frames, [r#"DISCRIMINATOR {"kind": String("Event")}"#]);
        let frames = bytes(&mut decoders, Role::Client, 3, &[0, 0, 8]);
        assert_eq!(frames, [r#"EVENT {"id": Number(7)}"#]);
        let frames = bytes(&mut decoders, Role::Server, 0, &[7, 0, 0, 0]);
        assert_eq!(frames, [r#"EVENT-ACK {"id": Number(7)}"#]);
        let ended = decoders.event(&event(EventKind::StreamFin {
            stream: 0,
            by: Role::Client,
            final_size: 6,
        }));
        let error = ended[0].frame.as_ref().unwrap_err();
        assert_eq!(error, "id at offset 5: needs 4 bytes, has 1");
    }

    #[test]
    fn a_decode_error_is_reported_once() {
        let mut decoders = of(ALPN);
        let frames = bytes(&mut decoders, Role::Client, 0, &[9]);
        assert_eq!(frames, ["kind at offset 0: must be 1, 2, 3 or 0xFF"]);
        assert!(bytes(&mut decoders, Role::Client, 1, &[1, 0, 0, 0]).is_empty());
    }

    #[test]
    fn only_streams_of_proton_whose_beginning_and_kind_are_known_have_frames() {
        assert!(bytes(&mut of("h3"), Role::Client, 0, &[1]).is_empty());
        assert!(bytes(&mut of(ALPN), Role::Client, 4, &[1, 0, 0, 0]).is_empty());
        assert!(bytes(&mut of(ALPN), Role::Server, 0, &[1, 0, 0, 0]).is_empty());
    }

    #[test]
    fn a_close_code_has_its_meaning_on_connections_of_proton_alone() {
        let close = |code| {
            event(EventKind::ConnectionClosed {
                by: Role::Server,
                code: CloseCode::Application { code },
                reason: b"",
            })
        };
        assert_eq!(of(ALPN).code(&close(3)), Some("set-up timeout"));
        assert_eq!(of(ALPN).code(&close(8)), None);
        assert_eq!(of("h3").code(&close(3)), None);
    }
}
