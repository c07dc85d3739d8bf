//! What becomes of a client at a server, as the specification has it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shakedown_wire::Reader;
use shakedown_wire::quic::{CloseCode, Event, EventKind};

use super::Envelope;
use super::STREAM_DECODERS;
use super::reference::Service;
use crate::pair::{
    Demand, DemandedEnd, Offer, Pairs, StreamObserver, TrafficEvent, TrafficObserver,
};
use crate::requirement::Role;
use crate::stream_decoder::StreamDecoder;
use crate::vocabulary::Described;
use crate::web::{HeaderTables, WebCode};

/// What happens between two implementations: a client asks each of its services, and each that is there
/// answers (specification, sections 1 to 3).
pub(super) const PAIRS: Pairs = Pairs {
    options: |_, _| Vec::new(),
    work: |role| match role {
        Role::Initiator => &["sends_audio"],
        Role::Responder => &[],
    },
    earlier: |_| None,
    demand,
    observer: TrafficObserver::Streams(|initiator| Box::new(Answers::of(initiator.mode))),
    unit: "answers",
    handshake_timeout: |_| Duration::ZERO,
    may_wait: false,
};

/// What a server does that is asked for a service that it is not, the specification does not say.
fn demand(initiator: &Offer<'_>, responder: &Offer<'_>) -> Demand {
    let offers: Vec<_> = responder.mode.split(',').collect();
    let is_there = initiator.mode.split(',').all(|mode| offers.contains(&mode));
    Demand {
        end: match is_there {
            true => DemandedEnd::Streams,
            false => DemandedEnd::NotSaid,
        },
        because: match initiator.mode {
            _ if !is_there => &[],
            "gc" => &["DT-G-01"],
            "mc" => &["DT-S-05"],
            "mh" => &["DT-M-02"],
            _ => &["DT-G-01", "DT-S-05", "DT-M-02"],
        },
        may_refuse: &[],
    }
}

/// What the services said to a client, on whatever connections.
struct Answers {
    /// Those that it asks, and those that answered.
    wanted: Vec<Service>,
    came: BTreeSet<Service>,
    streams: BTreeMap<(u64, u64), Stream>,
    tables: BTreeMap<u64, HeaderTables>,
    connections: BTreeSet<u64>,
}

struct Stream {
    reader: Option<Box<dyn StreamDecoder>>,
    /// Whether the client asks for what is no session.
    is_request: bool,
}

/// What a server answers.
enum Answer {
    Given(Service),
    /// An error, in words.
    Error(String),
}

impl Answers {
    fn of(mode: &str) -> Self {
        Self {
            wanted: Service::of_mode(mode).unwrap_or_default(),
            came: BTreeSet::new(),
            streams: BTreeMap::new(),
            tables: BTreeMap::new(),
            connections: BTreeSet::new(),
        }
    }

    /// What an error says when everything came is about something else.
    fn answered(&mut self, answer: Answer, emit: &mut dyn FnMut(TrafficEvent)) {
        match answer {
            Answer::Given(service) => {
                if self.wanted.contains(&service) && self.came.insert(service) {
                    emit(TrafficEvent::Received(service as u64));
                }
            }
            Answer::Error(how) if self.came.len() < self.wanted.len() => {
                emit(TrafficEvent::Aborts(how))
            }
            Answer::Error(_) => {}
        }
    }

    fn bytes(&mut self, place: (u64, u64), by: Role, offset: u64, bytes: &[u8]) -> Vec<Answer> {
        let tables = self.tables.entry(place.0).or_default();
        let stream = self.streams.entry(place).or_insert_with(|| Stream {
            reader: (STREAM_DECODERS.reader)(place.1, tables),
            is_request: false,
        });
        let Stream { reader, is_request } = stream;
        let mut answers = Vec::new();
        if let Some(reader) = reader {
            reader.take(by.into(), offset, bytes, &mut |said| {
                let Ok(said) = &said.frame else { return };
                match by {
                    Role::Initiator => *is_request |= asks(said),
                    Role::Responder => answers.extend(answer(said, *is_request)),
                }
            });
        }
        answers
    }

    /// An answer that is not on a stream: without the session's id and a length.
    fn datagram(bytes: &[u8]) -> Option<Answer> {
        let mut reader = Reader::new(bytes);
        reader.quic_varint("quarter stream id").ok()?;
        let said = Envelope::MediaAuthResult.decode(reader.rest(), 0).ok()?;
        answer(&said, false)
    }
}

/// The value of a field of HTTP.
fn field<'a>(headers: &'a Described, name: &str) -> Option<&'a str> {
    let fields = headers.fields.get("fields")?.as_array()?;
    let found = fields.iter().find(|pair| pair[0] == name)?;
    found[1].as_str()
}

/// Whether this is a request that is for no session.
fn asks(said: &Described) -> bool {
    said.frame == "HEADERS" && field(said, ":method").is_some_and(|method| method != "CONNECT")
}

/// What a server says that answers a client, or refuses it.
fn answer(said: &Described, is_request: bool) -> Option<Answer> {
    match said.frame {
        "HEADERS" => {
            let status: u16 = field(said, ":status")?.parse().ok()?;
            match status {
                // Others follow.
                100..200 => None,
                200..300 => is_request.then_some(Answer::Given(Service::Information)),
                status => Some(Answer::Error(format!("the server answered with {status}"))),
            }
        }
        "JoinResponse" => Some(Answer::Given(Service::Controller)),
        "MediaAuthResult" if said.fields["ok"] == true => Some(Answer::Given(Service::Handler)),
        "MediaAuthResult" => Some(error(&said.fields["error"]["code"])),
        "ErrorMessage" => Some(error(&said.fields["code"])),
        _ => None,
    }
}

fn error(code: &serde_json::Value) -> Answer {
    let code = code.as_str().unwrap_or("an error");
    Answer::Error(format!("the server answered {code}"))
}

impl StreamObserver for Answers {
    fn wanted(&self) -> u64 {
        self.wanted.len() as u64
    }

    fn follows(&self, connection: u64) -> bool {
        self.connections.contains(&connection)
    }

    fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(TrafficEvent)) {
        let Some(connection) = event.connection else {
            return;
        };
        let server = Role::Responder;
        match event.kind {
            EventKind::ConnectionOpened { .. } if self.connections.insert(connection) => {
                emit(TrafficEvent::Requests);
            }
            EventKind::StreamBytes {
                stream,
                by,
                offset,
                bytes,
            } => {
                for answer in self.bytes((connection, stream), by.into(), offset, bytes) {
                    self.answered(answer, emit);
                }
            }
            EventKind::DatagramFrame { by, bytes } if Role::from(by) == server => {
                if let Some(answer) = Self::datagram(bytes) {
                    self.answered(answer, emit);
                }
            }
            EventKind::ConnectionClosed { by, code, .. } if Role::from(by) == server => {
                let no_error = CloseCode::Application {
                    code: WebCode::NoError.number(),
                };
                if code != no_error {
                    let how = format!("the server closed the connection with {code:?}");
                    self.answered(Answer::Error(how), emit);
                }
            }
            // Nothing else is asked for, or answers.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, SocketAddr};

    use rstest::rstest;
    use serde_json::{Value, json};
    use shakedown_wire::quic::{self, At};

    use super::super::{PROTOCOL, VOCABULARY};
    use super::*;
    use crate::vocabulary::Vocabulary as _;
    use crate::web::{self, frame, frame_type, prefix, stream_type};

    #[rstest]
    #[case::one("mc", "mc", "streams")]
    #[case::among_others("mh", "mc,mh", "streams")]
    #[case::all("gc,mc,mh", "gc,mc,mh", "streams")]
    #[case::of_another("gc", "mc", "not said")]
    #[case::one_is_missing("gc,mc", "mc,mh", "not said")]
    fn what_is_demanded(#[case] client: &str, #[case] server: &str, #[case] end: &str) {
        let offer = |mode| Offer {
            mode,
            options: &[],
            is_second: false,
        };
        let demand = demand(&offer(client), &offer(server));
        assert_eq!(demand.end.name(), end);
        for id in demand.because {
            assert!(PROTOCOL.requirement(id).is_some(), "{id}");
        }
        for option in (PAIRS.work)(Role::Initiator) {
            assert!(PROTOCOL.option(option).is_ok(), "{option}");
        }
    }

    const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1);
    const CLIENT: quic::Role = quic::Role::Client;
    const SERVER: quic::Role = quic::Role::Server;

    /// What is told of a client that asks for this.
    struct Seen(Answers, Vec<TrafficEvent>);

    impl Seen {
        fn of(mode: &str) -> Self {
            let mut seen = Self(Answers::of(mode), Vec::new());
            seen.event(EventKind::ConnectionOpened {
                client: ADDRESS,
                server: ADDRESS,
                version: 1,
                original_destination_id: &[],
            });
            assert_eq!(std::mem::take(&mut seen.1), [TrafficEvent::Requests]);
            seen
        }

        fn event(&mut self, kind: EventKind<'_>) {
            let event = Event {
                connection: Some(1),
                at: At {
                    number: 1,
                    time: Duration::ZERO,
                    source: ADDRESS,
                    destination: ADDRESS,
                },
                kind,
            };
            self.0.event(&event, &mut |event| self.1.push(event));
        }

        fn says(mut self, stream: u64, by: quic::Role, bytes: &[u8]) -> Self {
            self.event(EventKind::StreamBytes {
                stream,
                by,
                offset: 0,
                bytes,
            });
            self
        }

        fn has_told(&self, expected: &[TrafficEvent]) {
            assert_eq!(self.1, expected);
        }
    }

    fn headers(fields: &[(&str, &str)]) -> Vec<u8> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let fields: Vec<_> = fields.iter().map(owned).collect();
        frame(frame_type::HEADERS, &web::field_section::encode(&fields))
    }

    fn message(name: &str, fields: &Value) -> Vec<u8> {
        VOCABULARY
            .encode(name, fields.as_object().unwrap())
            .unwrap()
    }

    #[test]
    fn a_request_is_answered_by_its_status_and_a_session_is_not() {
        let asks = |method| headers(&[(":method", method)]);
        let ok = [
            headers(&[(":status", "103")]),
            headers(&[(":status", "200")]),
        ]
        .concat();
        let seen = Seen::of("gc").says(0, CLIENT, &asks("CONNECT"));
        let seen = seen.says(0, SERVER, &ok);
        seen.has_told(&[]);
        let seen = seen.says(4, CLIENT, &asks("GET")).says(4, SERVER, &ok);
        let came = TrafficEvent::Received(Service::Information as u64);
        seen.has_told(std::slice::from_ref(&came));
        // Whatever else goes wrong is not what it came for.
        let seen = seen.says(8, CLIENT, &asks("GET"));
        let seen = seen.says(8, SERVER, &headers(&[(":status", "404")]));
        seen.has_told(&[came]);
    }

    #[rstest]
    #[case::session(0, headers(&[(":status", "404")]), "the server answered with 404")]
    #[case::join(4, message("ErrorMessage", &json!({ "code": "UNAUTHORIZED" })), "the server answered UNAUTHORIZED")]
    fn an_error_before_the_answer_is_a_refusal(
        #[case] stream: u64,
        #[case] answer: Vec<u8>,
        #[case] how: &str,
    ) {
        let asks = headers(&[(":method", "CONNECT"), (":protocol", "webtransport")]);
        let opens = prefix(frame_type::WEBTRANSPORT_STREAM, 0);
        let seen = Seen::of("mc")
            .says(0, CLIENT, &asks)
            .says(4, CLIENT, &opens);
        let seen = seen.says(stream, SERVER, &answer);
        seen.has_told(&[TrafficEvent::Aborts(how.to_owned())]);
    }

    #[rstest]
    #[case::taken(json!({ "ok": true }), TrafficEvent::Received(Service::Handler as u64))]
    #[case::refused(
        json!({ "ok": false, "error": { "code": "UNAUTHORIZED" } }),
        TrafficEvent::Aborts("the server answered UNAUTHORIZED".to_owned())
    )]
    fn a_token_is_answered_on_a_stream_or_in_a_datagram(
        #[case] fields: Value,
        #[case] expected: TrafficEvent,
    ) {
        let result = message("MediaAuthResult", &fields);
        let on_stream = [prefix(stream_type::WEBTRANSPORT, 0), result.clone()].concat();
        let seen = Seen::of("mh").says(3, SERVER, &on_stream);
        seen.has_told(std::slice::from_ref(&expected));
        let mut seen = Seen::of("mh");
        let bytes = [&[0], &result[4..]].concat();
        let (by, bytes) = (SERVER, &bytes[..]);
        seen.event(EventKind::DatagramFrame { by, bytes });
        seen.has_told(&[expected]);
    }

    #[rstest]
    #[case::with_an_error(SERVER, 0x102, true)]
    #[case::in_peace(SERVER, 0x100, false)]
    #[case::by_the_client(CLIENT, 0x102, false)]
    fn a_server_breaks_off_by_an_error(
        #[case] by: quic::Role,
        #[case] code: u64,
        #[case] breaks: bool,
    ) {
        let mut seen = Seen::of("mc");
        let (code, reason) = (CloseCode::Application { code }, &[][..]);
        seen.event(EventKind::ConnectionClosed { by, code, reason });
        assert_eq!(!seen.1.is_empty(), breaks);
    }
}
