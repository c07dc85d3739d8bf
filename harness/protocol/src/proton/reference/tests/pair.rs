//! A client and a server with nothing but a pipe between them.

use std::collections::VecDeque;

use super::super::{Client, ClientEvent, ClientSettings, Profile, Server, ServerSettings};
use super::{FIRST, seconds};
use crate::streams::{Closing, Input, Output, StreamMachine, StreamUpdate};

struct Pair {
    client: Client,
    server: Server,
    now: std::time::Duration,
    /// Bytes are handed on in pieces of this length.
    piece: usize,
}

impl Pair {
    fn new(profile: Profile, piece: usize) -> Self {
        let server = ServerSettings {
            profile,
            ..ServerSettings::default()
        };
        let client = ClientSettings {
            profile,
            ..ClientSettings::default()
        };
        Self {
            client: Client::new(client),
            server: Server::new(server),
            now: std::time::Duration::ZERO,
            piece,
        }
    }

    /// Carries everything to and fro until both are silent.
    fn settle(&mut self) {
        loop {
            let from_client: VecDeque<_> = std::iter::from_fn(|| self.client.poll()).collect();
            let from_server: VecDeque<_> = std::iter::from_fn(|| self.server.poll()).collect();
            if from_client.is_empty() && from_server.is_empty() {
                return;
            }
            for output in from_client {
                carry(
                    self.now,
                    self.piece,
                    output,
                    &mut self.client,
                    &mut self.server,
                );
            }
            for output in from_server {
                carry(
                    self.now,
                    self.piece,
                    output,
                    &mut self.server,
                    &mut self.client,
                );
            }
        }
    }

    fn wait(&mut self, span: std::time::Duration) {
        let end = self.now + span;
        loop {
            let due = [self.client.deadline(), self.server.deadline()];
            let Some(due) = due.into_iter().flatten().min().filter(|due| *due <= end) else {
                break;
            };
            self.now = self.now.max(due);
            self.client.handle(self.now, Input::Tick);
            self.server.handle(self.now, Input::Tick);
            self.settle();
        }
        self.now = end;
    }

    fn event(&mut self) -> Vec<ClientEvent> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }
}

fn carry(
    now: std::time::Duration,
    piece: usize,
    output: Output,
    from: &mut dyn StreamMachine,
    to: &mut dyn StreamMachine,
) {
    match output {
        Output::Connect(connection) => {
            let address = ([127, 0, 0, 1], 50_000).into();
            to.handle(
                now,
                Input::Incoming {
                    connection,
                    from: address,
                },
            );
        }
        Output::Admit(connection) => {
            from.handle(now, Input::Connected { connection });
            to.handle(now, Input::Connected { connection });
        }
        Output::Refuse(connection) => to.handle(
            now,
            Input::Closed {
                connection,
                why: Closing::Refused,
            },
        ),
        Output::Open(connection, stream) => to.handle(
            now,
            Input::Stream {
                connection,
                stream,
                what: StreamUpdate::Opened,
            },
        ),
        Output::Write(connection, stream, bytes) => {
            for piece in bytes.chunks(piece) {
                let what = StreamUpdate::Bytes(piece);
                to.handle(
                    now,
                    Input::Stream {
                        connection,
                        stream,
                        what,
                    },
                );
            }
            let what = StreamUpdate::Written;
            from.handle(
                now,
                Input::Stream {
                    connection,
                    stream,
                    what,
                },
            );
        }
        Output::Fin(connection, stream) => to.handle(
            now,
            Input::Stream {
                connection,
                stream,
                what: StreamUpdate::Fin,
            },
        ),
        Output::Close {
            connection,
            code,
            reason,
        } => to.handle(
            now,
            Input::Closed {
                connection,
                why: Closing::Application {
                    code,
                    reason: reason.as_bytes(),
                },
            },
        ),
        Output::ConnectBy(..)
        | Output::Reset(..)
        | Output::StopSending(..)
        | Output::Datagram(..)
        | Output::Misbehave(..)
        | Output::AdmitBy(..) => panic!("no reference wants this: {output:?}"),
        Output::Transition { .. } | Output::Ended { .. } => {}
    }
}

#[rstest::rstest]
fn a_client_gets_its_acks_answers_and_items(
    #[values(Profile::Push, Profile::Pull)] profile: Profile,
    #[values(1, 3, 64)] piece: usize,
) {
    let mut pair = Pair::new(profile, piece);
    assert_eq!(pair.client.connect(false), Ok(FIRST));
    pair.settle();
    for _ in 0..3 {
        pair.client.send_event(pair.now).unwrap();
    }
    pair.client.commit(pair.now, 42).unwrap();
    pair.client.read_action(pair.now).unwrap();
    pair.settle();
    pair.wait(seconds(1.5));
    let committed = ClientEvent::Committed {
        request: 42,
        answer: 84,
    };
    let mut event = pair.event();
    event.sort_by_key(|event| format!("{event:?}"));
    let acks = [1, 2, 3].map(ClientEvent::Acked);
    let rest = [committed, ClientEvent::Connected, ClientEvent::Item(123)];
    assert_eq!(event, [acks.as_slice(), &rest].concat());
    pair.client.close(pair.now).unwrap();
    pair.settle();
    assert_eq!(pair.server.counters()["ended"]["normal"], 1);
}

#[test]
fn a_client_that_resets_takes_the_place_of_one_that_is_stale() {
    let mut pair = Pair::new(Profile::Push, 64);
    pair.client.connect(false).unwrap();
    pair.settle();
    // The process of the client is another one; the server still has the old connection.
    pair.client = Client::new(ClientSettings::default());
    pair.client.connect(false).unwrap_or(FIRST);
    pair.client.handle(
        pair.now,
        Input::Closed {
            connection: FIRST,
            why: Closing::Refused,
        },
    );
    while pair.client.poll().is_some() {}
    pair.event();
    let second = pair.client.connect(true).unwrap();
    pair.settle();
    assert!(pair.event().contains(&ClientEvent::Connected));
    pair.client.send_event(pair.now).unwrap();
    pair.settle();
    assert_eq!(pair.event(), [ClientEvent::Acked(1)]);
    assert_eq!(pair.server.counters()["closed"]["reset by client"], 1);
    assert_eq!(second.0, 1);
}
