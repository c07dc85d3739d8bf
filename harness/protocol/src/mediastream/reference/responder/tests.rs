//! The responder by itself: what it answers in each state, its timers and its bounds.

use proptest::prelude::*;
use rstest::rstest;

use super::super::settings::tests::settings;
use super::super::timing::UNCONFIRMED_BYTES;
use super::*;
use crate::mediastream::frame::tlv::{Tlv, kind};
use crate::mediastream::frame::{ConnectionId, ConnectionIdFrame, Data, Header, START_TOKEN};

/// A responder, the time, and what it sent.
struct Bench {
    responder: Responder,
    now: Duration,
}

impl Bench {
    fn new(mode: &str, options: &[&str], extra: &[(&str, &str)]) -> Self {
        Self {
            responder: Responder::new(settings(mode, options, extra)),
            now: Duration::ZERO,
        }
    }

    /// What it answers at once.
    fn receive(&mut self, from: SocketAddr, payload: &[u8]) -> Vec<Vec<u8>> {
        let input = Input::Datagram { from, payload };
        self.responder.handle(self.now, input);
        self.sent()
    }

    /// Lets time pass; what is sent meanwhile, with the time.
    fn pass(&mut self, time: Duration) -> Vec<(Duration, Vec<u8>)> {
        let end = self.now + time;
        let mut all = Vec::new();
        while let Some(due) = self.responder.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.responder.handle(self.now, Input::Tick);
            let now = self.now;
            all.extend(self.sent().into_iter().map(|payload| (now, payload)));
        }
        self.now = end;
        all
    }

    fn sent(&mut self) -> Vec<Vec<u8>> {
        let outputs = std::iter::from_fn(|| self.responder.poll());
        outputs
            .filter_map(|output| match output {
                Output::Send { payload, .. } => Some(payload),
                Output::Transition { .. } | Output::Ended { .. } => None,
            })
            .collect()
    }

    fn state(&self, peer: SocketAddr) -> &'static str {
        let session = self.responder.sessions.get(&peer);
        session.map_or("Listen", Session::state)
    }

    fn id(&self, peer: SocketAddr) -> ConnectionId {
        self.responder.sessions[&peer].id
    }

    fn counter(&self, name: &str, cause: &str) -> u64 {
        let counters = self.responder.counters();
        counters
            .pointer(name)
            .and_then(|causes| causes[cause].as_u64())
            .unwrap_or(0)
    }
}

fn peer(n: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 2], n))
}

const A: u16 = 50_000;

fn id(text: &str) -> ConnectionId {
    ConnectionId::from_text(text.as_bytes()).unwrap()
}

fn syn(wish: &str) -> Vec<u8> {
    Frame::Syn(Control::new(id(wish).as_bytes())).to_vec()
}

fn syn_with(change: impl FnOnce(&mut Control<'_>)) -> Vec<u8> {
    let wish = id("wish");
    let mut control = Control::new(wish.as_bytes());
    change(&mut control);
    Frame::Syn(control).to_vec()
}

/// A SYN whose sender takes datagrams of up to so many bytes.
fn syn_that_takes(max_datagram: u32) -> Vec<u8> {
    let mut datagram = syn("wish");
    let value = &max_datagram.to_le_bytes();
    let kind = kind::MAX_DATAGRAM;
    Tlv { kind, value }.encode(&mut datagram);
    datagram
}

fn ack(id: &ConnectionId) -> Vec<u8> {
    Frame::Ack(Control::new(id.as_bytes())).to_vec()
}

fn decoded(datagram: &[u8]) -> Frame<'_> {
    Frame::decode(datagram).unwrap().unwrap()
}

fn names(datagrams: &[Vec<u8>]) -> Vec<&'static str> {
    datagrams
        .iter()
        .map(|datagram| decoded(datagram).name())
        .collect()
}

fn control(datagram: &[u8]) -> Control<'_> {
    match decoded(datagram) {
        Frame::Syn(control) | Frame::SynAck(control) | Frame::Ack(control) => control,
        other => panic!("{other:?}"),
    }
}

fn numbers(sent: &[(Duration, Vec<u8>)]) -> Vec<u64> {
    let frames = sent
        .iter()
        .filter_map(|(_, datagram)| match decoded(datagram) {
            Frame::Data(Data { header, .. }) => Some(header.sequence_number),
            _ => None,
        });
    frames.collect()
}

const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// Puts a tuple into a state.
fn bench_in(state: &str) -> Bench {
    let options: &[&str] = match state {
        "optimistic" => &["allow_legacy_start", "optimistic_start"],
        _ => &["allow_legacy_start"],
    };
    let mut bench = Bench::new("3way", options, &[]);
    match state {
        "Listen" => {}
        "SynAckSent" | "optimistic" => drop(bench.receive(peer(A), &syn("first"))),
        "Established" | "Streaming" => {
            bench.receive(peer(A), &syn("first"));
            let id = bench.id(peer(A));
            bench.receive(peer(A), &ack(&id));
        }
        "legacy" => drop(bench.receive(peer(A), START_TOKEN)),
        other => panic!("{other}"),
    }
    if ["optimistic", "Streaming", "legacy"].contains(&state) {
        bench.pass(millis(60));
    }
    bench
}

fn input(name: &str, bench: &Bench) -> Vec<u8> {
    let assigned = bench
        .responder
        .sessions
        .get(&peer(A))
        .map(|session| session.id);
    let header = Header {
        sequence_number: 1,
        qpc: 0,
        qpf: 1,
    };
    match name {
        "START" => START_TOKEN.to_vec(),
        "long START" => b"STARTS".to_vec(),
        "same SYN" => syn("first"),
        "other SYN" => syn("second"),
        "foreign SYN" => syn_with(|syn| syn.version = 2),
        "ACK" => ack(&assigned.unwrap_or(id("none"))),
        "other ACK" => ack(&id("another")),
        "foreign ACK" => {
            let assigned = assigned.unwrap_or(id("none"));
            let mut control = Control::new(assigned.as_bytes());
            control.version = 2;
            Frame::Ack(control).to_vec()
        }
        "SYN-ACK" => answer::accept(&id("stray")),
        "connection-id" => answer::connection_id(&id("stray")),
        "data" => Frame::Data(Data {
            header,
            payload: &[0],
        })
        .to_vec(),
        "garbage" => vec![0xff; 1_000],
        "empty" => Vec::new(),
        "huge" => vec![0; 65_507],
        other => panic!("{other}"),
    }
}

/// Every state and every input: the answers at once and the state after.
#[rstest]
#[case::listen("Listen", &[
    ("START", "connection-id", "Established"), ("long START", "", "Listen"),
    ("same SYN", "SYN-ACK", "SynAckSent"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "Listen"), ("ACK", "", "Listen"), ("other ACK", "", "Listen"),
    ("foreign ACK", "", "Listen"),
])]
#[case::half_open("SynAckSent", &[
    ("START", "connection-id", "Established"), ("long START", "", "SynAckSent"),
    ("same SYN", "SYN-ACK", "SynAckSent"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "SynAckSent"), ("ACK", "connection-id", "Established"),
    ("other ACK", "", "SynAckSent"), ("foreign ACK", "", "SynAckSent"),
])]
#[case::optimistic("optimistic", &[
    ("START", "", "Streaming"), ("long START", "", "SynAckSent"),
    ("same SYN", "SYN-ACK connection-id", "SynAckSent"),
    ("other SYN", "SYN-ACK connection-id", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "SynAckSent"), ("ACK", "", "Streaming"),
    ("other ACK", "", "SynAckSent"), ("foreign ACK", "", "SynAckSent"),
])]
#[case::established("Established", &[
    ("START", "", "Established"), ("long START", "", "Established"),
    ("same SYN", "SYN-ACK", "Established"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "Established"), ("ACK", "", "Established"),
    ("other ACK", "", "Established"), ("foreign ACK", "", "Established"),
])]
#[case::streaming("Streaming", &[
    ("START", "", "Streaming"), ("long START", "", "Streaming"),
    ("same SYN", "SYN-ACK", "Streaming"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "Streaming"), ("ACK", "", "Streaming"),
    ("other ACK", "", "Streaming"), ("foreign ACK", "", "Streaming"),
])]
#[case::legacy("legacy", &[
    ("START", "", "Streaming"), ("long START", "", "Streaming"),
    ("same SYN", "SYN-ACK", "SynAckSent"), ("other SYN", "SYN-ACK", "SynAckSent"),
    ("foreign SYN", "SYN-ACK", "Streaming"), ("ACK", "", "Streaming"),
    ("other ACK", "", "Streaming"), ("foreign ACK", "", "Streaming"),
])]
fn every_input_in_every_state_is_decided(#[case] state: &str, #[case] rows: &[(&str, &str, &str)]) {
    for (name, answers, after) in rows {
        let mut bench = bench_in(state);
        let datagram = input(name, &bench);
        let sent = bench.receive(peer(A), &datagram);
        assert_eq!(names(&sent).join(" "), *answers, "{name} in {state}");
        assert_eq!(bench.state(peer(A)), *after, "{name} in {state}");
    }
    for name in [
        "SYN-ACK",
        "connection-id",
        "data",
        "garbage",
        "empty",
        "huge",
    ] {
        let mut bench = bench_in(state);
        let before = bench.state(peer(A));
        let datagram = input(name, &bench);
        assert_eq!(
            names(&bench.receive(peer(A), &datagram)).join(" "),
            "",
            "{name} in {state}"
        );
        assert_eq!(bench.state(peer(A)), before, "{name} in {state}");
    }
}

#[test]
fn a_repeated_syn_gets_the_same_bytes_in_every_state_of_its_session() {
    let mut bench = Bench::new("3way", &[], &[]); // MS-H-08
    let first = bench.receive(peer(A), &syn("wish"));
    assert!(control(&first[0]).accepts());
    assert!(!control(&first[0]).connection_id().is_empty());
    assert_eq!(bench.receive(peer(A), &syn("wish")), first);
    let id = bench.id(peer(A));
    bench.receive(peer(A), &ack(&id));
    assert_eq!(bench.receive(peer(A), &syn("wish")), first);
    bench.pass(millis(100));
    assert_eq!(bench.receive(peer(A), &syn("wish")), first);
    let sent = bench.pass(Duration::from_secs(5));
    assert_eq!(numbers(&sent), (6..=100).collect::<Vec<_>>());
}

#[test]
fn the_wish_of_37_zero_bytes_is_one_wish() {
    let mut bench = Bench::new("3way", &[], &[]);
    let first = bench.receive(peer(A), &syn(""));
    assert!(control(&first[0]).accepts());
    assert_eq!(bench.receive(peer(A), &syn("")), first);
    assert_ne!(bench.receive(peer(A), &syn("a")), first);
}

#[test]
fn reserved_bits_and_header_fields_of_a_syn_are_ignored() {
    let mut bench = Bench::new("3way", &[], &[]); // MS-W-11, MS-W-13
    let odd = syn_with(|syn| {
        syn.flags = 0xff;
        syn.reserved = 0xffff;
        syn.header.sequence_number = 7;
    });
    let sent = bench.receive(peer(A), &odd);
    let answer = control(&sent[0]);
    assert!(answer.accepts());
    assert_eq!(
        (answer.flags, answer.reserved, answer.header),
        (1, 0, Header::default())
    );
}

#[test]
fn a_syn_of_another_version_is_rejected_in_version_1_and_keeps_nothing() {
    let mut bench = Bench::new("3way", &[], &[]); // MS-W-15
    let sent = bench.receive(peer(A), &syn_with(|syn| syn.version = 9));
    assert_eq!(control(&sent[0]).version, 1);
    assert!(!control(&sent[0]).accepts());
    assert!(bench.pass(Duration::from_secs(20)).is_empty());
    assert_eq!(bench.counter("/validation_errors", "foreign_version"), 1);
}

#[test]
fn syn_ack_is_repeated_after_500_ms_and_1_s_and_the_session_dropped_2_s_later() {
    let mut bench = Bench::new("3way", &[], &[]); // MS-H-18
    let first = bench.receive(peer(A), &syn("wish"));
    let sent = bench.pass(millis(3_499));
    let expected = [millis(500), millis(1_500)].map(|at| (at, first[0].clone()));
    assert_eq!(sent, expected);
    assert_eq!(bench.state(peer(A)), "SynAckSent");
    assert!(bench.pass(millis(1)).is_empty());
    assert_eq!(bench.state(peer(A)), "Listen");
    assert_eq!(bench.counter("/handshakes/failed", "timeout"), 1);
}

#[test]
fn an_age_below_the_timers_ends_a_half_open_session_earlier() {
    let mut bench = Bench::new("3way", &[], &[("half_open_age", "1200ms")]); // MS-H-19
    bench.receive(peer(A), &syn("wish"));
    bench.pass(millis(1_199));
    assert_eq!(bench.state(peer(A)), "SynAckSent");
    bench.pass(millis(1));
    assert_eq!(bench.state(peer(A)), "Listen");
}

#[test]
fn an_ack_with_another_id_completes_nothing() {
    let mut bench = Bench::new("3way", &[], &[]); // MS-H-12
    bench.receive(peer(A), &syn("wish"));
    assert!(bench.receive(peer(A), &ack(&id("wish"))).is_empty());
    assert!(numbers(&bench.pass(Duration::from_secs(3))).is_empty());
    assert_eq!(
        bench.counter("/validation_errors", "foreign_connection_id"),
        1
    );
}

#[test]
fn an_ack_from_another_port_completes_nothing() {
    let mut bench = Bench::new("3way", &[], &[]); // MS-H-13
    bench.receive(peer(A), &syn("wish"));
    let id = bench.id(peer(A));
    assert!(bench.receive(peer(A + 1), &ack(&id)).is_empty());
    assert_eq!(bench.state(peer(A)), "SynAckSent");
    assert_eq!(bench.state(peer(A + 1)), "Listen");
}

#[test]
fn media_follow_the_ack_by_one_interval_after_the_connection_id() {
    let mut bench = Bench::new("3way", &[], &[]); // MS-H-15, MS-D-12
    bench.receive(peer(A), &syn("wish"));
    bench.pass(millis(100));
    let assigned = bench.id(peer(A));
    let sent = bench.receive(peer(A), &ack(&assigned));
    let named = ConnectionIdFrame::new(assigned.as_bytes(), &[]);
    assert_eq!(decoded(&sent[0]), Frame::ConnectionId(named));
    let sent = bench.pass(Duration::from_secs(10));
    assert_eq!(numbers(&sent), (1..=100).collect::<Vec<_>>());
    assert_eq!(sent[0].0, millis(120));
    assert_eq!(sent[99].0, millis(2_100));
    assert_eq!(bench.state(peer(A)), "Listen"); // MS-D-07
}

#[test]
fn an_optimistic_responder_names_the_session_first_and_stops_at_64_kib_without_an_ack() {
    let mut bench = Bench::new("3way", &["optimistic_start"], &[]);
    let first = bench.receive(peer(A), &syn("wish"));
    assert_eq!(names(&first), ["SYN-ACK", "connection-id"]); // MS-H-16
    let sent = bench.pass(millis(3_000));
    assert_eq!(numbers(&sent), (1..=65).collect::<Vec<_>>()); // MS-H-22
    let media: usize = sent
        .iter()
        .filter(|(_, datagram)| decoded(datagram).name() == "data")
        .map(|(_, datagram)| datagram.len())
        .sum();
    assert!(media as u64 <= UNCONFIRMED_BYTES);
    assert!(bench.pass(Duration::from_secs(9)).is_empty());
    assert_eq!(bench.state(peer(A)), "Listen");
}

#[test]
fn the_ack_frees_an_optimistic_stream_that_was_held_and_it_goes_on_at_its_pace() {
    let mut bench = Bench::new("3way", &["optimistic_start"], &[]);
    bench.receive(peer(A), &syn("wish"));
    bench.pass(millis(3_000));
    let id = bench.id(peer(A));
    assert!(bench.receive(peer(A), &ack(&id)).is_empty());
    let sent = bench.pass(Duration::from_secs(10));
    assert_eq!(numbers(&sent), (66..=100).collect::<Vec<_>>());
    assert_eq!(sent[0].0, millis(3_000));
    assert_eq!(sent[34].0, millis(3_000 + 34 * 20));
}

#[test]
fn an_optimistic_stream_that_is_over_before_its_ack_closes_with_it() {
    let mut bench = Bench::new("3way", &["optimistic_start"], &[]);
    bench.responder.settings.stream.seconds = 1;
    bench.receive(peer(A), &syn("wish"));
    assert_eq!(numbers(&bench.pass(millis(1_200))).len(), 50);
    let id = bench.id(peer(A));
    assert!(bench.receive(peer(A), &ack(&id)).is_empty());
    assert_eq!(bench.state(peer(A)), "Listen");
    assert!(bench.pass(Duration::from_secs(9)).is_empty());
}

#[test]
fn a_syn_with_another_wish_restarts_an_established_session_under_another_id() {
    let mut bench = bench_in("Streaming"); // MS-H-23
    let before = bench.id(peer(A));
    bench.receive(peer(A), &syn("second"));
    let after = bench.id(peer(A));
    assert_ne!(before, after);
    assert!(numbers(&bench.pass(millis(100))).is_empty()); // MS-H-15
    assert!(bench.receive(peer(A), &ack(&before)).is_empty());
    bench.receive(peer(A), &ack(&after));
    assert_eq!(numbers(&bench.pass(millis(40))), [1, 2]);
}

#[test]
fn a_restart_by_the_id_that_was_assigned_gets_another_one_too() {
    let mut bench = bench_in("Streaming");
    let before = bench.id(peer(A));
    bench.receive(
        peer(A),
        &Frame::Syn(Control::new(before.as_bytes())).to_vec(),
    );
    assert_ne!(bench.id(peer(A)), before);
}

#[test]
fn half_open_sessions_are_bounded_and_a_flood_harms_no_other_session() {
    let mut bench = Bench::new("3way", &[], &[]); // MS-H-19
    bench.receive(peer(A), &syn("first"));
    let first = bench.id(peer(A));
    bench.receive(peer(A), &ack(&first));
    bench.receive(peer(A + 1), &syn("second"));
    let second = bench.id(peer(A + 1));
    let accepted = (0..5_000).filter(|n| {
        let sent = bench.receive(peer(*n), &syn("flood"));
        assert_eq!(names(&sent), ["SYN-ACK"]);
        control(&sent[0]).accepts()
    });
    assert_eq!(accepted.count(), 1_023);
    assert_eq!(bench.responder.half_open, 1_024);
    assert_eq!(bench.responder.sessions.len(), 1_025);
    bench.receive(peer(A + 1), &ack(&second));
    let sent = bench.pass(Duration::from_secs(5));
    assert_eq!(numbers(&sent).len(), 200);
    assert!(bench.responder.sessions.is_empty());
    assert_eq!(bench.responder.deadline(), None);
    assert_eq!(
        bench.counter("/handshakes/failed", "half_open_limit"),
        5_000 - 1_023
    );
}

#[test]
fn at_the_bound_a_restart_is_rejected_and_the_established_session_goes_on() {
    let mut bench = Bench::new("3way", &[], &[("max_half_open", "1")]);
    bench.receive(peer(A), &syn("first"));
    let first = bench.id(peer(A));
    bench.receive(peer(A), &ack(&first));
    bench.receive(peer(1), &syn("flood"));
    let sent = bench.receive(peer(A), &syn("second"));
    assert!(!control(&sent[0]).accepts());
    let diagnostic = control(&sent[0]).tlvs.get(kind::DIAGNOSTIC);
    assert_eq!(diagnostic, Some(&b"too many half-open sessions"[..]));
    assert_eq!(numbers(&bench.pass(millis(40))), [1, 2]);
    assert_eq!(bench.id(peer(A)), first);
}

#[test]
fn sessions_are_bounded_in_both_modes() {
    let mut bench = Bench::new("3way", &["allow_legacy_start"], &[("max_sessions", "1")]);
    bench.receive(peer(1), START_TOKEN);
    assert!(bench.receive(peer(2), START_TOKEN).is_empty());
    let sent = bench.receive(peer(3), &syn("wish"));
    assert!(!control(&sent[0]).accepts());
    assert_eq!(bench.responder.sessions.len(), 1);
    assert_eq!(bench.responder.counters()["resource_rejections"], 2);
}

#[rstest]
#[case(200, 200)]
#[case(5_000, 1_000)]
#[case(u32::MAX, 1_000)]
fn the_max_datagram_of_a_syn_is_respected(#[case] wanted: u32, #[case] longest: usize) {
    let mut bench = Bench::new("3way", &[], &[]); // MS-W-18
    bench.receive(peer(A), &syn_that_takes(wanted));
    let id = bench.id(peer(A));
    bench.receive(peer(A), &ack(&id));
    let sent = bench.pass(Duration::from_secs(3));
    assert_eq!(
        sent.iter().map(|(_, datagram)| datagram.len()).max(),
        Some(longest)
    );
    assert_eq!(
        sent.iter()
            .map(|(_, datagram)| datagram.len())
            .sum::<usize>(),
        100_000
    );
}

#[test]
fn a_max_datagram_that_no_session_fits_into_is_rejected() {
    let mut bench = Bench::new("3way", &[], &[]);
    let sent = bench.receive(peer(A), &syn_that_takes(85));
    assert!(!control(&sent[0]).accepts());
    assert_eq!(bench.state(peer(A)), "Listen");
}

#[test]
fn a_start_that_is_repeated_starts_nothing_and_one_after_the_end_starts_anew() {
    let mut bench = Bench::new("legacy", &[], &[]); // MS-L-04
    assert_eq!(
        names(&bench.receive(peer(A), START_TOKEN)),
        ["connection-id"]
    ); // MS-L-03
    let first = bench.id(peer(A));
    assert!(bench.receive(peer(A), START_TOKEN).is_empty());
    let mut sent = bench.pass(millis(1_000));
    assert!(bench.receive(peer(A), START_TOKEN).is_empty());
    sent.extend(bench.pass(millis(5_000)));
    assert_eq!(numbers(&sent), (1..=100).collect::<Vec<_>>());
    assert_eq!(
        names(&bench.receive(peer(A), START_TOKEN)),
        ["connection-id"]
    );
    assert_ne!(bench.id(peer(A)), first);
    assert_eq!(numbers(&bench.pass(millis(20))), [1]);
}

#[rstest]
#[case::legacy("legacy", &[], &[("SYN", "unknown_flag"), ("START3", "unknown_flag")])]
#[case::three_way("3way", &[], &[("START", "start_not_allowed"), ("START3", "unknown_flag")])]
fn what_the_mode_does_not_know_is_dropped_counted_and_unanswered(
    #[case] mode: &str,
    #[case] options: &[&str],
    #[case] rows: &[(&str, &str)],
) {
    for (name, cause) in rows {
        let mut bench = Bench::new(mode, options, &[]); // MS-L-06, MS-H-20
        let datagram = match *name {
            "SYN" => syn("wish"),
            "START" => START_TOKEN.to_vec(),
            _ => [&[0x00, 0x02][..], &[0; 60]].concat(),
        };
        assert!(bench.receive(peer(A), &datagram).is_empty());
        assert_eq!(bench.counter("/validation_errors", cause), 1, "{name}");
        assert_eq!(bench.responder.deadline(), None);
    }
}

#[test]
fn frames_carry_the_clock_and_the_pattern() {
    let mut bench = Bench::new("legacy", &[], &[]); // MS-D-04, MS-D-11
    bench.now = Duration::from_secs(100);
    bench.receive(peer(A), START_TOKEN);
    let sent = bench.pass(Duration::from_secs(3));
    let Frame::Data(data) = decoded(&sent[49].1) else {
        panic!();
    };
    assert_eq!(data.header.sequence_number, 50);
    assert_eq!(data.header.qpf, 10_000_000);
    assert_eq!(data.header.qpc, 1_010_000_000);
    assert_eq!(
        crate::mediastream::pattern::first_difference(data.payload),
        None
    );
}

#[test]
fn every_peer_has_a_stream_of_its_own() {
    let mut bench = Bench::new("legacy", &[], &[]);
    for n in 0..50 {
        bench.receive(peer(n), START_TOKEN);
        bench.pass(millis(1));
    }
    let sent = bench.pass(Duration::from_secs(3));
    assert_eq!(bench.responder.counters()["frames"], 50 * 100);
    assert!(sent.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    assert!(bench.responder.sessions.is_empty());
}

#[test]
fn a_stopped_responder_ends_every_session_and_answers_nothing() {
    let mut bench = bench_in("Streaming");
    bench.responder.handle(bench.now, Input::Stop);
    let outputs: Vec<_> = std::iter::from_fn(|| bench.responder.poll()).collect();
    let ended = outputs
        .iter()
        .filter(|output| matches!(output, Output::Ended { .. }));
    assert_eq!(ended.count(), 1);
    assert!(bench.responder.is_finished());
    assert_eq!(bench.responder.deadline(), None);
    assert!(bench.receive(peer(A), &syn("third")).is_empty());
}

/// Something that may arrive: mostly frames that mean something here.
fn arrival() -> impl Strategy<Value = (u16, u64, Vec<u8>)> {
    let names = [
        "START",
        "same SYN",
        "other SYN",
        "foreign SYN",
        "ACK",
        "other ACK",
        "SYN-ACK",
        "connection-id",
        "data",
        "empty",
    ];
    let known = prop::sample::select(names.to_vec())
        .prop_map(|name| input(name, &Bench::new("legacy", &[], &[])));
    let bytes = prop::collection::vec(any::<u8>(), 0..90);
    let flagged = (prop::sample::select(vec![0_u8, 1, 2]), bytes.clone())
        .prop_map(|(low, rest)| [&[low, 1][..], &rest].concat());
    (
        0..4_u16,
        0..3_000_u64,
        prop_oneof![4 => known, 1 => bytes, 2 => flagged],
    )
}

proptest! {
    #[test]
    fn no_sequence_of_datagrams_breaks_it_and_silence_empties_it(
        mode in prop_oneof![Just("legacy"), Just("3way")],
        optimistic in any::<bool>(),
        arrivals in prop::collection::vec(arrival(), 0..40),
    ) {
        let options: &[&str] = match (mode, optimistic) {
            ("3way", true) => &["optimistic_start", "allow_legacy_start"],
            _ => &[],
        };
        let mut bench = Bench::new(mode, options, &[("max_half_open", "2"), ("max_sessions", "3")]);
        for (from, wait, datagram) in arrivals {
            bench.receive(peer(from), &datagram);
            bench.pass(millis(wait));
            prop_assert!(bench.responder.half_open <= 2);
            prop_assert!(bench.responder.sessions.len() <= 3);
        }
        bench.pass(Duration::from_secs(20));
        prop_assert!(bench.responder.sessions.is_empty());
        prop_assert_eq!(bench.responder.half_open, 0);
        prop_assert_eq!(bench.responder.deadline(), None);
    }
}
