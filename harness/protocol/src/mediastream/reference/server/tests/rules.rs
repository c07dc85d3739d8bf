use super::*;
use crate::mediastream::frame::{Control, Data, Header};
use crate::mediastream::{self, PROTOCOL};
use std::collections::VecDeque;

/// Notes what it is asked; whoever sends it `bye` is served no longer, and whoever sends `hi` is
/// served from then on.
#[derive(Debug, Default)]
struct Notes {
    served: BTreeSet<SocketAddr>,
    opened: Vec<SocketAddr>,
    got: Vec<(SocketAddr, Vec<u8>)>,
    outputs: VecDeque<Output>,
    /// Requests that it will not serve.
    refuses: usize,
}

impl Service for Notes {
    fn open(&mut self, _: Duration, peer: SocketAddr) {
        if self.refuses > 0 {
            self.refuses -= 1;
            return;
        }
        self.opened.push(peer);
        self.served.insert(peer);
    }

    fn serves(&self, peer: SocketAddr) -> bool {
        self.served.contains(&peer)
    }
}

impl Machine for Notes {
    fn role(&self) -> Role {
        Role::Responder
    }

    fn handle(&mut self, _: Duration, input: Input<'_>) {
        let Input::Datagram { from, payload } = input else {
            return;
        };
        self.got.push((from, payload.to_vec()));
        match payload {
            b"bye" => {
                self.served.remove(&from);
                let (peer, outcome) = (from, Outcome::Completed);
                self.outputs.push_back(Output::Ended { peer, outcome });
            }
            b"hi" => {
                self.served.insert(from);
            }
            b"again" => {
                let (peer, outcome) = (from, Outcome::Completed);
                self.outputs.push_back(Output::Ended { peer, outcome });
            }
            _ => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn is_finished(&self) -> bool {
        false
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::json!({})
    }
}

type Noted = Server<Notes, Notes>;

fn noted(slots: usize, upload_slots: usize) -> Noted {
    let grammar = Grammar::new(Mode::Legacy, false).with_uploads();
    let admission = Admission::new(slots, upload_slots, 8);
    Server::new(grammar, admission, Notes::default(), Notes::default())
}

fn get(server: &mut impl Machine, n: u16, payload: &[u8]) {
    let from = remote(n);
    server.handle(Duration::ZERO, Input::Datagram { from, payload });
}

#[test]
fn start_opens_a_stream_and_join_an_upload() {
    let mut server = noted(4, 4);
    get(&mut server, 1, START_TOKEN);
    get(&mut server, 2, JOIN_TOKEN);
    assert_eq!(server.streams.opened, [remote(1)]);
    assert_eq!(server.uploads.opened, [remote(2)]);
}

#[test]
fn anything_else_starts_nothing() {
    let mut server = noted(4, 4);
    let data = Frame::Data(Data {
        header: Header::default(),
        payload: &[0],
    });
    let syn = Frame::Syn(Control::new(&[0; 37]));
    let odd: [&[u8]; 6] = [
        b"",
        b"START ",
        b"JOINT",
        b"JOI",
        &data.to_vec(),
        &syn.to_vec(),
    ];
    for payload in odd {
        get(&mut server, 1, payload);
    }
    assert!(server.streams.opened.is_empty() && server.uploads.opened.is_empty());
    assert_eq!(server.admission.place(remote(1)), None);
    // They are counted where streams are.
    assert_eq!(server.streams.got.len(), odd.len());
}

#[test]
fn datagrams_of_a_connected_remote_go_to_its_own_service() {
    let mut server = noted(1, 1);
    get(&mut server, 1, START_TOKEN);
    get(&mut server, 2, JOIN_TOKEN);
    get(&mut server, 1, b"one");
    get(&mut server, 2, b"two");
    assert_eq!(server.streams.got, [(remote(1), b"one".to_vec())]);
    assert_eq!(server.uploads.got, [(remote(2), b"two".to_vec())]);
}

#[test]
fn requests_while_waiting_or_connected_are_counted_and_start_nothing() {
    let mut server = noted(1, 1);
    for n in [1, 2, 2, 1] {
        get(&mut server, n, START_TOKEN);
    }
    get(&mut server, 2, JOIN_TOKEN);
    get(&mut server, 1, JOIN_TOKEN);
    assert_eq!(server.streams.opened, [remote(1)]);
    assert!(server.uploads.opened.is_empty());
    assert_eq!(server.counters.duplicates, 4);
    assert_eq!(server.admission.awaiting(), 1);
}

#[test]
fn who_waits_is_served_when_a_stream_ends_and_its_remote_may_come_again() {
    let mut server = noted(1, 0);
    get(&mut server, 1, START_TOKEN);
    get(&mut server, 2, START_TOKEN);
    get(&mut server, 1, b"bye");
    assert_eq!(server.streams.opened, [remote(1), remote(2)]);
    get(&mut server, 1, START_TOKEN);
    get(&mut server, 2, b"bye");
    assert_eq!(server.streams.opened, [remote(1), remote(2), remote(1)]);
}

#[test]
fn a_session_that_restarts_keeps_its_slot() {
    let mut server = noted(1, 0);
    get(&mut server, 1, START_TOKEN);
    get(&mut server, 2, START_TOKEN);
    get(&mut server, 1, b"again");
    assert_eq!(server.streams.opened, [remote(1)]);
    assert_eq!(server.admission.connected(Side::Send), 1);
}

#[test]
fn a_session_that_a_handshake_began_has_a_slot() {
    let mut server = noted(1, 0);
    get(&mut server, 1, b"hi");
    get(&mut server, 2, START_TOKEN);
    assert!(server.streams.opened.is_empty());
    get(&mut server, 1, b"bye");
    assert_eq!(server.streams.opened, [remote(2)]);
}

#[test]
fn a_slot_that_its_service_does_not_want_goes_to_the_next() {
    let mut server = noted(1, 0);
    get(&mut server, 1, START_TOKEN);
    get(&mut server, 2, START_TOKEN);
    get(&mut server, 3, START_TOKEN);
    server.streams.refuses = 1;
    get(&mut server, 1, b"bye");
    assert_eq!(server.streams.opened, [remote(1), remote(3)]);
    assert_eq!(server.admission.place(remote(2)), None);
}

#[test]
fn a_syn_without_a_slot_is_rejected_and_a_start_token_waits() {
    let given = settings("3way", &["allow_legacy_start", "slots=1"], &[]);
    let mut server = Server::of(given);
    let syn = Frame::Syn(Control::new(&[0; 37])).to_vec();
    get(&mut server, 1, &syn);
    assert_eq!(names(&sends(&mut server)), ["SYN-ACK"]);
    get(&mut server, 2, START_TOKEN);
    assert!(sends(&mut server).is_empty());
    get(&mut server, 3, &syn);
    let answer = sends(&mut server).pop().unwrap().1;
    let Ok(Some(Frame::SynAck(answer))) = Frame::decode(&answer) else {
        panic!("no SYN-ACK");
    };
    assert!(!answer.accepts());
    assert_eq!(server.admission.place(remote(3)), None);

    // The half-open session takes the slot until it is dropped.
    while server.admission.place(remote(1)).is_some() {
        let due = server.deadline().unwrap();
        server.handle(due, Input::Tick);
    }
    let sent = sends(&mut server);
    assert_eq!(names(&sent).last(), Some(&"connection-id"));
    assert_eq!(sent.last().unwrap().0, remote(2));
}

#[test]
fn a_start_of_start3_without_a_slot_is_refused_by_error_4() {
    let mut server = Server::of(settings("start3", &["slots=1"], &[]));
    let hello = |n: u64| {
        let id = format!("{n:032x}");
        let (frame, fields) = mediastream::hello("start3", &id).unwrap();
        PROTOCOL.vocabulary.encode(frame, &fields).unwrap()
    };
    get(&mut server, 1, &hello(1));
    assert_eq!(names(&sends(&mut server)), ["START_ACK"]);
    get(&mut server, 2, &hello(2));
    let answer = sends(&mut server).pop().unwrap().1;
    let Ok(Some(Frame::Error(error))) = Frame::decode(&answer) else {
        panic!("no ERROR");
    };
    let code = error.error_code();
    assert_eq!(code, Some(4));
    assert_eq!(
        server.admission.place(remote(1)),
        Some(Place::Connected(Side::Send))
    );
    assert_eq!(server.admission.place(remote(2)), None);
}

#[test]
fn past_the_bound_requests_are_dropped_and_counted() {
    let mut server = Server::of(settings("legacy", &["slots=1"], &[("max_awaiting", "2")]));
    for n in 0..5 {
        get(&mut server, n, START_TOKEN);
    }
    let dispatch = &server.counters()["dispatch"];
    assert_eq!(dispatch["awaiting"], 2);
    assert_eq!(dispatch["refused"], 2);
}

#[test]
fn a_stopped_server_ends_everybody_and_serves_nobody_who_waits() {
    let mut server = Server::of(settings("legacy", &["slots=1", "upload_slots=1"], &[]));
    get(&mut server, 1, START_TOKEN);
    get(&mut server, 2, START_TOKEN);
    get(&mut server, 3, JOIN_TOKEN);
    let _ = sends(&mut server);
    server.handle(Duration::ZERO, Input::Stop);
    let ended = std::iter::from_fn(|| server.poll())
        .filter(|output| matches!(output, Output::Ended { .. }))
        .count();
    assert_eq!(ended, 2);
    assert!(server.is_finished());
}
