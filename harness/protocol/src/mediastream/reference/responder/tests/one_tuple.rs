//! Two handshakes on one tuple: whatever their order, they never mix.

use super::super::super::start3::Identity;
use super::start3::{body, start};
use super::*;

/// What a peer with two wishes and two streams may send.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Syn(usize),
    /// With the id that was assigned last for this wish.
    Ack(usize),
    Start(usize),
    /// With the nonces of the last START_ACK for this stream.
    Confirm(usize),
    Token,
    /// For the first stream.
    Error,
}

const ALL: [Answer; 10] = [
    Answer::Syn(0),
    Answer::Syn(1),
    Answer::Ack(0),
    Answer::Ack(1),
    Answer::Start(0),
    Answer::Start(1),
    Answer::Confirm(0),
    Answer::Confirm(1),
    Answer::Token,
    Answer::Error,
];

const WISHES: [&str; 2] = ["first", "second"];

const STREAMS: [Identity; 2] = [
    Identity {
        stream_id: 1,
        nonce: 11,
        sender_nonce: 0,
    },
    Identity {
        stream_id: 2,
        nonce: 22,
        sender_nonce: 0,
    },
];

/// What the tuple is by the rules.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Tuple {
    Idle,
    Token,
    Syn { wish: usize, confirmed: bool },
    Start { stream: usize, confirmed: bool },
}

/// The peer, which knows what it was told, and the tuple by the rules.
struct Model {
    tuple: Tuple,
    objected: bool,
    assigned: [ConnectionId; 2],
    granted: [Identity; 2],
}

impl Model {
    fn new() -> Self {
        Self {
            tuple: Tuple::Idle,
            objected: false,
            assigned: WISHES.map(id),
            granted: STREAMS,
        }
    }

    fn datagram(&self, said: Answer) -> Vec<u8> {
        match said {
            Answer::Syn(wish) => syn(WISHES[wish]),
            Answer::Ack(wish) => ack(&self.assigned[wish]),
            Answer::Start(stream) => start(STREAMS[stream]),
            Answer::Confirm(stream) => self.granted[stream].start_confirm(),
            Answer::Token => START_TOKEN.to_vec(),
            Answer::Error => STREAMS[0].error(ErrorCode::Timeout, ""),
        }
    }

    /// The answer that is right, if there is one, and what the tuple is then.
    fn answer(&mut self, said: Answer) -> Option<&'static str> {
        let before = self.tuple;
        let (answer, after) = match (said, before) {
            (Answer::Syn(wish), Tuple::Syn { wish: known, .. }) if wish == known => {
                (Some("SYN-ACK"), before) // MS-H-08
            }
            (Answer::Syn(wish), _) => {
                self.objected = false;
                let confirmed = false;
                (Some("SYN-ACK"), Tuple::Syn { wish, confirmed }) // MS-H-23
            }
            (
                Answer::Ack(wish),
                Tuple::Syn {
                    wish: known,
                    confirmed: false,
                },
            ) if wish == known => {
                let confirmed = true;
                (Some("connection-id"), Tuple::Syn { wish, confirmed })
            }
            (Answer::Start(stream), Tuple::Idle) => {
                let confirmed = false;
                (Some("START_ACK"), Tuple::Start { stream, confirmed })
            }
            (Answer::Start(stream), Tuple::Start { stream: known, .. }) if stream == known => {
                (Some("START_ACK"), before) // MS-S-11
            }
            (Answer::Start(_), _) => {
                let is_first = !std::mem::replace(&mut self.objected, true);
                (is_first.then_some("ERROR"), before) // MS-S-17
            }
            (Answer::Confirm(stream), Tuple::Start { stream: known, .. }) if stream == known => {
                let confirmed = true;
                (None, Tuple::Start { stream, confirmed })
            }
            (
                Answer::Token,
                Tuple::Idle
                | Tuple::Syn {
                    confirmed: false, ..
                }
                | Tuple::Start {
                    confirmed: false, ..
                },
            ) => {
                self.objected = false;
                (Some("connection-id"), Tuple::Token)
            }
            (Answer::Error, Tuple::Start { stream: 0, .. }) => {
                self.objected = false;
                (None, Tuple::Idle) // MS-S-16
            }
            (Answer::Ack(_) | Answer::Confirm(_) | Answer::Token | Answer::Error, _) => {
                (None, before)
            }
        };
        self.tuple = after;
        answer
    }

    fn learn(&mut self, said: Answer, answer: &[u8]) {
        match (said, decoded(answer)) {
            (Answer::Syn(wish), Frame::SynAck(syn_ack)) => {
                self.assigned[wish] = syn_ack.connection_id();
            }
            (Answer::Start(stream), Frame::StartAck(_)) => {
                self.granted[stream] = Identity::of(&body(answer));
            }
            _ => {}
        }
    }

    const fn state(&self) -> &'static str {
        match self.tuple {
            Tuple::Idle => "Listen",
            Tuple::Token
            | Tuple::Syn {
                confirmed: true, ..
            } => "Established",
            Tuple::Syn { .. } => "SynAckSent",
            Tuple::Start {
                confirmed: true, ..
            } => "Streaming",
            Tuple::Start { .. } => "PendingConfirm",
        }
    }
}

/// Plays `sequence` and compares every answer, and the media after it.
fn play(sequence: &[Answer]) {
    let mut fixture = Fixture::new("3way,start3", &["allow_legacy_start"], &[]);
    let mut model = Model::new();
    for said in sequence {
        let datagram = model.datagram(*said);
        let sent = fixture.receive(peer(A), &datagram);
        let expected = model.answer(*said);
        assert_eq!(names(&sent), Vec::from_iter(expected), "{sequence:?}");
        assert_eq!(fixture.state(peer(A)), model.state(), "{sequence:?}");
        sent.iter().for_each(|answer| model.learn(*said, answer));
    }
    let streams = ["Established", "Streaming"].contains(&model.state());
    let expected = if streams { vec![1, 2] } else { vec![] };
    assert_eq!(numbers(&fixture.pass(millis(40))), expected, "{sequence:?}");
}

#[test]
fn every_order_of_4_frames_of_two_handshakes_is_as_if_the_other_one_were_not_there() {
    let mut sequences: Vec<Vec<Answer>> = vec![vec![]];
    for _ in 0..4 {
        let longer = |sequence: &Vec<Answer>| ALL.map(|said| [&sequence[..], &[said]].concat());
        sequences = sequences.iter().flat_map(longer).collect();
    }
    assert_eq!(sequences.len(), 10_000);
    sequences.iter().for_each(|sequence| play(sequence));
}
