//! What is said on the streams of `proton` in a capture, by name.

use std::collections::{BTreeMap, BTreeSet};

use shakedown_capture::quic::{CloseCode, Event, EventKind, Role, Why};
use shakedown_protocol::proton::{self, ALPN, Kind, StreamReader};
use shakedown_protocol::vocabulary::Described;

/// Most connections whose streams are read at a time; of further ones the oldest are given up.
const MOST_CONNECTIONS: usize = 65_536;

/// Most streams of a connection that are read; proton has three.
const MOST_STREAMS: usize = 64;

/// What one end says on one stream.
#[derive(Debug)]
pub(crate) struct StreamWord {
    pub(crate) stream: u64,
    pub(crate) by: Role,
    /// A word, or why its bytes are none.
    pub(crate) word: Result<Described, String>,
}

/// Follows the streams of all connections that agreed on `proton`.
#[derive(Debug, Default)]
pub(crate) struct StreamWords {
    connections: BTreeMap<u64, BTreeMap<u64, Stream>>,
    /// Connections with packets for which there are no secrets.
    unread: BTreeSet<u64>,
}

/// What is known of a stream that the client opened.
#[derive(Debug, Default)]
struct Stream {
    kind: Option<Kind>,
    client: Option<StreamReader>,
    server: Option<StreamReader>,
}

impl Stream {
    const fn reader(&mut self, by: Role) -> &mut Option<StreamReader> {
        match by {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }
}

impl StreamWords {
    /// What is complete, or broken, with this event.
    pub(crate) fn hear(&mut self, event: &Event<'_>) -> Vec<StreamWord> {
        let Some(connection) = event.connection else {
            return Vec::new();
        };
        match event.kind {
            EventKind::ServerHandshake { alpn, .. } if alpn == Some(ALPN.as_bytes()) => {
                self.connections.entry(connection).or_default();
                if self.connections.len() > MOST_CONNECTIONS {
                    self.connections.pop_first();
                }
            }
            EventKind::Forgotten => {
                self.connections.remove(&connection);
            }
            EventKind::Unreadable(unreadable) if unreadable.why == Why::NoSecrets => {
                self.unread.insert(connection);
            }
            EventKind::StreamBytes {
                stream,
                by,
                offset,
                bytes,
            } => return self.bytes(connection, stream, by, (offset, bytes)),
            EventKind::StreamFin { stream, by, .. } => {
                let ended = self.end(connection, stream, by);
                let broken = ended.and_then(|reader| reader.finish().err());
                return broken
                    .map(|error| StreamWord {
                        stream,
                        by,
                        word: Err(error.to_string()),
                    })
                    .into_iter()
                    .collect();
            }
            EventKind::StreamReset { stream, by, .. }
            | EventKind::StreamLost { stream, by, .. } => {
                self.end(connection, stream, by);
            }
            EventKind::ConnectionOpened { .. }
            | EventKind::Retry
            | EventKind::VersionNegotiation { .. }
            | EventKind::ClientHello { .. }
            | EventKind::CipherSuite(_)
            | EventKind::ServerHandshake { .. }
            | EventKind::HandshakeDone
            | EventKind::KeyUpdated { .. }
            | EventKind::AddressChanged { .. }
            | EventKind::StreamOpened { .. }
            | EventKind::StopSending { .. }
            | EventKind::DatagramFrame { .. }
            | EventKind::Flow { .. }
            | EventKind::ConnectionClosed { .. }
            | EventKind::StatelessReset { .. }
            | EventKind::Packet(_)
            | EventKind::Malformed { .. }
            | EventKind::UnknownFrame { .. }
            | EventKind::Unreadable(_) => {}
        }
        Vec::new()
    }

    /// What an application's code means, if the connection is of `proton`.
    pub(crate) fn code(&self, event: &Event<'_>) -> Option<&'static str> {
        let EventKind::ConnectionClosed {
            code: CloseCode::Application { code },
            ..
        } = event.kind
        else {
            return None;
        };
        let is_proton = self.connections.contains_key(&event.connection?);
        let known = proton::CloseCode::from_number(code).filter(|_| is_proton)?;
        Some(known.name())
    }

    /// How many connections had packets that could not be read without secrets.
    pub(crate) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// A stream is read from its beginning or not at all, and only where it is known what it is.
    fn bytes(
        &mut self,
        connection: u64,
        stream: u64,
        by: Role,
        (offset, bytes): (u64, &[u8]),
    ) -> Vec<StreamWord> {
        let Some(streams) = self.connections.get_mut(&connection) else {
            return Vec::new();
        };
        let is_clients = stream.is_multiple_of(4);
        if !is_clients || (!streams.contains_key(&stream) && streams.len() >= MOST_STREAMS) {
            return Vec::new();
        }
        let one = streams.entry(stream).or_default();
        if offset == 0 {
            *one.reader(by) = match by {
                Role::Client => Some(StreamReader::of_client(None)),
                Role::Server => one.kind.map(StreamReader::of_server),
            };
        }
        let mut said = Vec::new();
        let Some(reader) = one.reader(by) else {
            return said;
        };
        let mut add = |word| said.push(StreamWord { stream, by, word });
        let taken = reader.take(bytes, |described| add(Ok(described)));
        let kind = reader.kind();
        if let Err(error) = taken {
            add(Err(error.to_string()));
            *one.reader(by) = None;
        }
        one.kind = one.kind.or(kind);
        said
    }

    fn end(&mut self, connection: u64, stream: u64, by: Role) -> Option<StreamReader> {
        let one = self.connections.get_mut(&connection)?.get_mut(&stream)?;
        one.reader(by).take()
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use shakedown_capture::quic::At;

    use super::*;

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

    fn of(alpn: &str) -> StreamWords {
        let mut words = StreamWords::default();
        let said = words.hear(&event(EventKind::ServerHandshake {
            alpn: Some(alpn.as_bytes()),
            parameters: None,
        }));
        assert!(said.is_empty());
        words
    }

    fn bytes(words: &mut StreamWords, by: Role, offset: u64, bytes: &[u8]) -> Vec<String> {
        let said = words.hear(&event(EventKind::StreamBytes {
            stream: 0,
            by,
            offset,
            bytes,
        }));
        let named = |one: StreamWord| match one.word {
            Ok(word) => format!("{} {:?}", word.frame, word.fields),
            Err(error) => error,
        };
        said.into_iter().map(named).collect()
    }

    #[test]
    fn a_word_split_over_packets_is_told_when_it_is_whole() {
        let mut words = of(ALPN);
        let said = bytes(&mut words, Role::Client, 0, &[1, 7, 0]);
        assert_eq!(said, [r#"DISCRIMINATOR {"kind": String("Event")}"#]);
        let said = bytes(&mut words, Role::Client, 3, &[0, 0, 8]);
        assert_eq!(said, [r#"EVENT {"id": Number(7)}"#]);
        let said = bytes(&mut words, Role::Server, 0, &[7, 0, 0, 0]);
        assert_eq!(said, [r#"EVENT-ACK {"id": Number(7)}"#]);
        let ended = words.hear(&event(EventKind::StreamFin {
            stream: 0,
            by: Role::Client,
            final_size: 6,
        }));
        let error = ended[0].word.as_ref().unwrap_err();
        assert_eq!(error, "id at offset 5: needs 4 bytes, has 1");
    }

    #[test]
    fn what_is_no_word_is_told_once() {
        let mut words = of(ALPN);
        let said = bytes(&mut words, Role::Client, 0, &[9]);
        assert_eq!(said, ["kind at offset 0: must be 1, 2, 3 or 0xFF"]);
        assert!(bytes(&mut words, Role::Client, 1, &[1, 0, 0, 0]).is_empty());
    }

    #[test]
    fn only_streams_of_proton_whose_beginning_and_kind_are_known_have_words() {
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
