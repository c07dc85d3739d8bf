//! The frames on the streams in a capture, by name.

use std::collections::{BTreeMap, BTreeSet};

use shakedown_capture::quic::{CloseCode, Event, EventKind, Role, Why};
use shakedown_protocol::PROTOCOLS;
use shakedown_protocol::stream_words::{ReadsStream, StreamWords};
use shakedown_protocol::vocabulary::Described;

/// Most connections whose streams are read at a time; of further ones the oldest are given up.
const MOST_CONNECTIONS: usize = 65_536;

/// Most streams of a connection that are read.
const MOST_STREAMS: usize = 64;

/// What one end says on one stream, or in a datagram.
#[derive(Debug)]
pub struct StreamWord {
    /// For a datagram that of its session.
    pub stream: u64,
    pub by: Role,
    pub in_datagram: bool,
    /// A word, or why its bytes are none.
    pub word: Result<Described, String>,
}

/// Follows the streams of all connections that agreed on a protocol that is known.
#[derive(Debug, Default)]
pub(crate) struct Conversations {
    connections: BTreeMap<u64, Conversation>,
    /// Connections with packets for which there are no secrets.
    unread: BTreeSet<u64>,
}

/// The frames on one connection.
#[derive(Debug)]
struct Conversation {
    words: StreamWords,
    streams: BTreeMap<u64, Box<dyn ReadsStream>>,
}

impl StreamWord {
    const fn new(stream: u64, by: Role, word: Result<Described, String>) -> Self {
        Self {
            stream,
            by,
            in_datagram: false,
            word,
        }
    }
}

impl Conversations {
    /// What is complete, or broken, with this event.
    pub(crate) fn hear(&mut self, event: &Event<'_>) -> Vec<StreamWord> {
        let Some(connection) = event.connection else {
            return Vec::new();
        };
        match event.kind {
            EventKind::ServerHandshake {
                alpn: Some(alpn), ..
            } => {
                let Some(words) = words_of(alpn) else {
                    return Vec::new();
                };
                let streams = BTreeMap::new();
                let conversation = Conversation { words, streams };
                self.connections.entry(connection).or_insert(conversation);
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
                let word = self.end(connection, stream, by).map(Err);
                let word = word.map(|word| StreamWord::new(stream, by, word));
                return word.into_iter().collect();
            }
            EventKind::StreamReset { stream, by, .. }
            | EventKind::StreamLost { stream, by, .. } => {
                self.end(connection, stream, by);
            }
            EventKind::DatagramFrame { by, bytes } => {
                let conversation = self.connections.get(&connection);
                let said = conversation.and_then(|it| (it.words.datagram)(by, bytes));
                let word = said.map(|(session, said)| StreamWord {
                    in_datagram: true,
                    ..StreamWord::new(session, by, said.map_err(|error| error.to_string()))
                });
                return word.into_iter().collect();
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
        let conversation = self.connections.get(&event.connection?)?;
        (conversation.words.code)(code)
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
    ) -> Vec<StreamWord> {
        let mut said = Vec::new();
        let Some(Conversation { words, streams }) = self.connections.get_mut(&connection) else {
            return said;
        };
        if !streams.contains_key(&stream) && streams.len() < MOST_STREAMS {
            streams.extend((words.reader)(stream).map(|reader| (stream, reader)));
        }
        if let Some(reader) = streams.get_mut(&stream) {
            reader.take(by, offset, bytes, &mut |one| {
                let word = one.frame.map_err(|error| error.to_string());
                said.push(StreamWord::new(stream, by, word));
            });
        }
        said
    }

    /// One side's bytes end; the error, if a frame is incomplete.
    fn end(&mut self, connection: u64, stream: u64, by: Role) -> Option<String> {
        let streams = &mut self.connections.get_mut(&connection)?.streams;
        let ended = streams.get_mut(&stream)?.end(by);
        ended.err().map(|error| error.to_string())
    }
}

/// The words of the protocol that has this name in the TLS handshake.
fn words_of(alpn: &[u8]) -> Option<StreamWords> {
    let mut protocols = PROTOCOLS.into_iter();
    let protocol = protocols.find(|protocol| {
        let transport = protocol.transport;
        transport.is_some_and(|transport| transport.alpn.as_bytes() == alpn)
    });
    protocol?.stream_words
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

    fn of(alpn: &str) -> Conversations {
        let mut words = Conversations::default();
        let said = words.hear(&event(EventKind::ServerHandshake {
            alpn: Some(alpn.as_bytes()),
            parameters: None,
        }));
        assert!(said.is_empty());
        words
    }

    fn bytes(words: &mut Conversations, by: Role, offset: u64, bytes: &[u8]) -> Vec<String> {
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
    fn a_datagram_is_read_behind_the_id_of_its_session() {
        let mut words = of("h3");
        let mut hear = |bytes: &[u8]| {
            let kind = EventKind::DatagramFrame {
                by: Role::Client,
                bytes,
            };
            let mut said = words.hear(&event(kind));
            let word = said.pop().expect("a word");
            assert!(word.in_datagram && said.is_empty());
            (word.stream, word.word.map(|word| word.frame))
        };
        let frame: Vec<_> = [1].into_iter().chain([0; 45]).collect();
        let prefixed = |bytes: &[u8]| [&[2], bytes].concat();
        assert_eq!(hear(&prefixed(&frame)), (8, Ok("FRAME")));
        assert_eq!(hear(&prefixed(&[10, 1, b'a'])), (8, Ok("MediaAuth")));
        let (session, cut) = hear(&prefixed(&frame[..20]));
        assert!(session == 8 && cut.is_err(), "{cut:?}");
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
