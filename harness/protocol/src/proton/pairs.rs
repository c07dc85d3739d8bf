//! What becomes of a client at a server, as the specification has it.

use std::collections::BTreeMap;
use std::time::Duration;

use shakedown_wire::quic::{Event, EventKind};

use super::monitor::Code;
use super::{Kind, RESET, U32Reader};
use crate::pair::{
    Demand, DemandedEnd, Offer, Pairs, StreamObserver, TrafficEvent, TrafficObserver,
};
use crate::requirement::Role;

/// What happens between two implementations (specification, sections 2 and 3).
pub const PAIRS: Pairs = Pairs {
    options: |role, _| match role {
        Role::Initiator => vec!["reset"],
        Role::Responder => vec!["resets"],
    },
    work: |role| match role {
        Role::Initiator => &["events=2", "commits=2", "actions=2"],
        Role::Responder => &[],
    },
    earlier: |initiator| initiator.has("reset").then_some(&["stay"]),
    demand,
    observer: TrafficObserver::Streams(|initiator| Box::new(Exchange::of(initiator))),
    unit: "answers",
    handshake_timeout: |_| Duration::ZERO,
    // An answer may take 5 min.
    may_wait: true,
};

/// What is demanded of a pair.
fn demand(initiator: &Offer<'_>, responder: &Offer<'_>) -> Demand {
    let demanded = |end, because| Demand {
        end,
        because,
        may_refuse: &[],
    };
    // A server need not offer a reset, and may offer one unclaimed.
    if initiator.has("reset") && !responder.has("resets") {
        return demanded(DemandedEnd::NotSaid, &["PR-C-01", "PR-R-01"]);
    }
    match (initiator.mode, responder.mode) {
        ("pull", "push") if initiator.has("actions") => {
            demanded(DemandedEnd::Refuses, &["PR-A-02"])
        }
        ("push", "pull") if initiator.has("actions") => demanded(DemandedEnd::Waits, &["PR-A-01"]),
        _ if initiator.has("reset") => demanded(DemandedEnd::Streams, &["PR-R-01"]),
        _ => demanded(DemandedEnd::Streams, &["PR-E-01", "PR-K-01", "PR-A-01"]),
    }
}

/// The clients' requests and the server's responses in a pair.
struct Exchange {
    /// Acks, answers and items that the client expects, and those received so far, by kind.
    wanted: [u64; 3],
    came: [u64; 3],
    /// Whether the first connection is that of another client, which was there before.
    is_second: bool,
    connections: BTreeMap<u64, Connection>,
}

#[derive(Default)]
struct Connection {
    streams: BTreeMap<u64, Stream>,
    is_closed: bool,
}

/// A stream, and its kind once it is identified.
#[derive(Default)]
struct Stream {
    kind: Option<Kind>,
    server: U32Reader,
}

impl Exchange {
    fn of(initiator: &Offer<'_>) -> Self {
        Self {
            wanted: ["events", "commits", "actions"].map(|option| initiator.number(option)),
            came: [0; 3],
            is_second: initiator.is_second,
            connections: BTreeMap::new(),
        }
    }

    /// Closes after the first are its echo.
    fn closed(
        &mut self,
        connection: u64,
        by: Role,
        code: Code,
        emit: &mut dyn FnMut(TrafficEvent),
    ) {
        let Some(connection) = self.connections.get_mut(&connection) else {
            return;
        };
        let is_first = !std::mem::replace(&mut connection.is_closed, true);
        let is_error = match code {
            Code::Application(code) | Code::Transport(code) => code != 0,
            Code::StatelessReset => true,
        };
        if is_first && is_error && by == Role::Responder {
            emit(TrafficEvent::Aborts(format!(
                "the server closed with {code}"
            )));
        }
    }

    /// The client names the stream; each u32 of the server on one that is named is an answer.
    fn bytes(
        &mut self,
        stream: (u64, u64),
        by: Role,
        bytes: &[u8],
        emit: &mut dyn FnMut(TrafficEvent),
    ) {
        let Some(connection) = self.connections.get_mut(&stream.0) else {
            return;
        };
        let stream = connection.streams.entry(stream.1).or_default();
        match (by, stream.kind) {
            (Role::Initiator, None) => {
                let byte = bytes.iter().find(|byte| **byte != RESET);
                stream.kind = byte.and_then(|byte| Kind::from_number(*byte));
            }
            (Role::Responder, Some(kind)) => {
                let place = usize::from(kind.number() - 1);
                let (came, wanted) = (&mut self.came[place], self.wanted[place]);
                stream.server.take(bytes, |_| {
                    if *came < wanted {
                        *came += 1;
                        emit(TrafficEvent::Received(
                            (u64::from(kind.number()) << 32) + *came,
                        ));
                    }
                });
            }
            (Role::Initiator, Some(_)) | (Role::Responder, None) => {}
        }
    }
}

impl StreamObserver for Exchange {
    /// The handshake is an answer, too.
    fn wanted(&self) -> u64 {
        1 + self.wanted.iter().sum::<u64>()
    }

    fn follows(&self, connection: u64) -> bool {
        self.connections.contains_key(&connection)
    }

    fn event(&mut self, event: &Event<'_>, emit: &mut dyn FnMut(TrafficEvent)) {
        let Some(connection) = event.connection else {
            return;
        };
        match event.kind {
            EventKind::ConnectionOpened { .. } if std::mem::take(&mut self.is_second) => {}
            EventKind::ConnectionOpened { .. } => {
                self.connections.entry(connection).or_default();
                emit(TrafficEvent::Requests);
            }
            EventKind::Packet(packet) => {
                let answers = packet.is_of_the_application() && packet.acknowledges.is_some();
                let is_of_server = Role::from(packet.by) == Role::Responder;
                if answers && is_of_server && self.follows(connection) {
                    emit(TrafficEvent::Received(0));
                }
            }
            EventKind::StreamBytes {
                stream, by, bytes, ..
            } => self.bytes((connection, stream), by.into(), bytes, emit),
            EventKind::ConnectionClosed { by, code, .. } => {
                self.closed(connection, by.into(), code.into(), emit);
            }
            EventKind::StatelessReset { by } => {
                self.closed(connection, by.into(), Code::StatelessReset, emit);
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
    use shakedown_wire::quic::{self, At};

    use super::super::PROTOCOL;
    use super::*;

    fn words(options: &str) -> Vec<String> {
        options.split_whitespace().map(str::to_owned).collect()
    }

    #[rstest]
    #[case::push(("push", "actions=2"), ("push", ""), "streams")]
    #[case::pull(("pull", "actions=2"), ("pull", "resets"), "streams")]
    #[case::asks_in_vain(("pull", "actions=2"), ("push", ""), "refuses")]
    #[case::waits_in_vain(("push", "actions=2"), ("pull", ""), "waits")]
    #[case::wants_no_item(("push", "events=2"), ("pull", ""), "streams")]
    #[case::asks_for_no_item(("pull", ""), ("push", ""), "streams")]
    #[case::reset(("push", "reset actions=2"), ("push", "resets"), "streams")]
    #[case::reset_in_vain(("push", "reset actions=2"), ("pull", "resets"), "waits")]
    #[case::reset_that_is_not_offered(("push", "reset"), ("push", ""), "not said")]
    fn what_is_demanded(
        #[case] client: (&str, &str),
        #[case] server: (&str, &str),
        #[case] end: &str,
    ) {
        let (asks, offers) = (words(client.1), words(server.1));
        let offer = |mode, options| Offer {
            mode,
            options,
            is_second: false,
        };
        let demand = demand(&offer(client.0, &asks), &offer(server.0, &offers));
        assert_eq!(demand.end.name(), end);
        for id in demand.because {
            assert!(PROTOCOL.requirement(id).is_some(), "{id}");
        }
    }

    #[test]
    fn each_option_is_one_that_there_is() {
        for role in [Role::Initiator, Role::Responder] {
            let options = (PAIRS.options)(role, "push");
            let reset = ["reset".to_owned()];
            let second = Offer {
                mode: "push",
                options: &reset,
                is_second: false,
            };
            let earlier = (PAIRS.earlier)(&second).into_iter().flatten().copied();
            for option in { options }
                .into_iter()
                .chain((PAIRS.work)(role).iter().copied())
                .chain(earlier)
            {
                assert!(PROTOCOL.option(option).is_ok(), "{option}");
            }
        }
    }

    const ADDRESSES: [SocketAddr; 2] = [
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 1),
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 2),
    ];
    const CLIENT: quic::Role = quic::Role::Client;
    const SERVER: quic::Role = quic::Role::Server;

    /// Observed connections and their results.
    struct Seen(Exchange, Vec<TrafficEvent>);

    impl Seen {
        fn of(options: &str, is_second: bool) -> Self {
            let options = words(options);
            let offer = Offer {
                mode: "push",
                options: &options,
                is_second,
            };
            Self(Exchange::of(&offer), Vec::new())
        }

        fn event(&mut self, connection: u64, kind: EventKind<'_>) {
            let [source, destination] = ADDRESSES;
            let event = Event {
                connection: Some(connection),
                at: At {
                    number: 1,
                    time: Duration::ZERO,
                    source,
                    destination,
                },
                kind,
            };
            self.0.event(&event, &mut |event| self.1.push(event));
        }

        fn opened(&mut self, connection: u64) {
            let [client, server] = ADDRESSES;
            let opened = EventKind::ConnectionOpened {
                client,
                server,
                version: 1,
                original_destination_id: &[],
            };
            self.event(connection, opened);
        }

        fn bytes(&mut self, connection: u64, by: quic::Role, bytes: &[u8]) {
            let (stream, offset) = (0, 0);
            let bytes = EventKind::StreamBytes {
                stream,
                by,
                offset,
                bytes,
            };
            self.event(connection, bytes);
        }

        fn closed(&mut self, connection: u64, by: quic::Role, code: u64) {
            let (code, reason) = (quic::CloseCode::Application { code }, &[][..]);
            self.event(connection, EventKind::ConnectionClosed { by, code, reason });
        }
    }

    #[test]
    fn an_ack_in_pieces_is_one_answer_and_more_than_were_asked_for_are_none() {
        let mut seen = Seen::of("events=2", false);
        assert_eq!(seen.0.wanted(), 3);
        seen.opened(7);
        seen.bytes(7, CLIENT, &[1, 1, 0, 0, 0]);
        seen.bytes(7, SERVER, &[1, 0]);
        seen.bytes(7, SERVER, &[0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
        let came = |index: u64| TrafficEvent::Received((1 << 32) + index);
        assert_eq!(seen.1, [TrafficEvent::Requests, came(1), came(2)]);
    }

    #[test]
    fn an_earlier_client_is_not_the_one_that_is_looked_at() {
        let mut seen = Seen::of("reset events=1", true);
        seen.opened(1);
        seen.bytes(1, CLIENT, &[1]);
        seen.bytes(1, SERVER, &[1, 0, 0, 0]);
        seen.closed(1, SERVER, 7);
        assert_eq!(seen.1, []);
        seen.opened(2);
        seen.bytes(2, CLIENT, &[RESET, 1]);
        seen.bytes(2, SERVER, &[1, 0, 0, 0]);
        assert_eq!(
            seen.1,
            [
                TrafficEvent::Requests,
                TrafficEvent::Received((1 << 32) + 1)
            ]
        );
    }

    #[rstest]
    #[case::with_an_error(SERVER, 5, true)]
    #[case::in_peace(SERVER, 0, false)]
    #[case::by_the_client(CLIENT, 4, false)]
    fn a_server_breaks_off_by_an_error(
        #[case] by: quic::Role,
        #[case] code: u64,
        #[case] breaks: bool,
    ) {
        let mut seen = Seen::of("", false);
        seen.opened(1);
        seen.closed(1, by, code);
        seen.closed(1, SERVER, 5);
        let told =
            TrafficEvent::Aborts("the server closed with code 5 (protocol violation)".to_owned());
        let told = breaks.then_some(told);
        assert_eq!(
            seen.1.into_iter().skip(1).collect::<Vec<_>>(),
            Vec::from_iter(told)
        );
    }
}
