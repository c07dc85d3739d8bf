use super::super::super::carry::{self, Carry};
use super::*;

const STREAM_FRAMES: u64 = 100;

/// A server with one upload slot whose client has joined.
struct Joined {
    server: Server<Responder, Uploads>,
    now: Duration,
    id: Vec<u8>,
}

impl Joined {
    fn new(extra: &[(&str, &str)]) -> Self {
        let mut joined = Self {
            server: Server::of(settings("legacy", &["upload_slots=1"], extra)),
            now: Duration::ZERO,
            id: Vec::new(),
        };
        let sent = joined.get(JOIN_TOKEN);
        assert_eq!(names(&sent), ["connection-id"]);
        joined.id.clone_from(&sent[0].1);
        joined
    }

    fn get(&mut self, payload: &[u8]) -> Vec<(SocketAddr, Vec<u8>)> {
        let from = remote(1);
        self.server
            .handle(self.now, Input::Datagram { from, payload });
        let outputs = std::iter::from_fn(|| self.server.poll());
        let send = |output| match output {
            Output::Send { to, payload } => Some((to, payload)),
            Output::Transition { .. } | Output::Ended { .. } => None,
        };
        outputs.filter_map(send).collect()
    }

    fn media(&mut self, number: u64, carry: Carry) {
        for datagram in carry::datagrams(carry, number, self.now, 1_000, 400) {
            assert!(self.get(&datagram).is_empty());
        }
    }

    fn is_there(&self) -> bool {
        self.server.uploads.serves(remote(1))
    }

    fn counters(&self) -> serde_json::Value {
        self.server.counters()["uploads"].clone()
    }
}

#[test]
fn an_upload_ends_with_its_last_frame_whatever_the_way_it_is_carried() {
    for carry in [Carry::Split, Carry::Fragments] {
        let mut joined = Joined::new(&[]);
        for number in 1..STREAM_FRAMES {
            joined.media(number, carry);
        }
        assert!(joined.is_there());
        joined.media(STREAM_FRAMES, carry);
        assert!(!joined.is_there());
        assert_eq!(joined.counters()["frames"], STREAM_FRAMES);
    }
}

#[test]
fn join_again_gets_the_same_name_until_media_comes() {
    let mut joined = Joined::new(&[]);
    let again = joined.get(JOIN_TOKEN);
    assert_eq!(again[0].1, joined.id);
    joined.media(1, Carry::Split);
    assert!(joined.get(JOIN_TOKEN).is_empty());
    assert_eq!(joined.server.counters()["dispatch"]["duplicates"], 2);
    assert_eq!(joined.counters()["handshakes"]["attempted"], 1);
}

#[test]
fn duplicates_and_garbage_are_counted_and_end_nothing() {
    let mut joined = Joined::new(&[]);
    joined.media(1, Carry::Split);
    joined.media(1, Carry::Split);
    joined.media(STREAM_FRAMES + 1, Carry::Split);
    let garbage: [&[u8]; 4] = [b"", b"\xff\xff", &[0; 26], START_TOKEN];
    for payload in garbage {
        assert!(joined.get(payload).is_empty());
    }
    assert!(joined.is_there());
    let counters = joined.counters();
    assert_eq!(counters["duplicates"], 3);
    assert_eq!(counters["validation_errors"]["sequence_number"], 3);
    assert_eq!(counters["validation_errors"]["empty"], 1);
    assert_eq!(counters["unexpected"]["START token"], 1);
    assert_eq!(counters["frames"], 1);
}

#[test]
fn only_media_keeps_the_slot_beyond_a_buffer_period() {
    let mut joined = Joined::new(&[("buffer_period", "3s")]);
    joined.now = Duration::from_secs(2);
    joined.media(1, Carry::Split);
    joined.now = Duration::from_millis(4_999);
    joined.get(JOIN_TOKEN);
    joined.get(b"garbage");
    assert!(joined.is_there());
    assert_eq!(joined.server.deadline(), Some(Duration::from_secs(5)));
    joined.now = Duration::from_secs(5);
    let again = joined.get(JOIN_TOKEN);
    // Its slot is free by then, and the same remote has it again.
    assert_eq!(names(&again), ["connection-id"]);
    assert_ne!(again[0].1, joined.id);
}

#[test]
fn an_incomplete_frame_is_dropped_in_time() {
    let mut joined = Joined::new(&[("buffer_period", "60s")]);
    let parts: Vec<_> = carry::datagrams(Carry::Fragments, 1, Duration::ZERO, 1_000, 400).collect();
    joined.get(&parts[0]);
    let due = joined.server.deadline().unwrap();
    assert_eq!(due, Duration::from_secs(5));
    joined.server.handle(due, Input::Tick);
    assert_eq!(joined.counters()["reassembly_timeouts"], 1);
    assert!(joined.is_there());
}
