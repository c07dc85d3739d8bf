//! `serve` and `connect` as real processes over loopback.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the program is tested as a process over sockets, and helpers of tests may panic"
)]

mod support;

use std::io::{BufReader, Read};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, ChildStdout, Stdio};
use std::time::Instant;

use nix::sys::signal::Signal;
use rstest::rstest;
use serde_json::Value;
use support::{BOUND, finish, send, serve, shakedown};

/// A running `shakedown serve mediastream`.
struct Server {
    child: Option<Child>,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Server {
    /// Starts it at a free port and waits until it says where it listens.
    fn start(flags: &[&str]) -> Self {
        let arguments = [&["mediastream", "--stats", "json"], flags].concat();
        let (child, out, address) = serve(&arguments, Stdio::inherit());
        Self {
            address,
            child: Some(child),
            out,
        }
    }

    /// Ends it by a signal; its exit code and its counters.
    fn stop(self, signal: Signal) -> (Option<i32>, Value) {
        send(self.child.as_ref().unwrap(), signal);
        self.wait()
    }

    /// Waits until it ends by itself; its exit code and its counters.
    fn wait(mut self) -> (Option<i32>, Value) {
        let (code, _) = finish(self.child.take().unwrap());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        (code, serde_json::from_str(&rest).unwrap())
    }

    fn target(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts `shakedown connect mediastream` with its output kept.
fn connect(target: &str, flags: &[&str]) -> Child {
    shakedown(&["connect", "mediastream", target])
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(BOUND)).unwrap();
    socket
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 65_536];
    let (length, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..length].to_vec(), from)
}

/// A SYN that wishes `wish`.
fn syn(wish: u8) -> Vec<u8> {
    let mut datagram = vec![0; 67];
    datagram[1] = 0x01;
    datagram[26] = 1;
    datagram[30] = wish;
    datagram
}

/// The ACK to a SYN-ACK.
fn ack(syn_ack: &[u8]) -> Vec<u8> {
    let mut datagram = syn_ack.to_vec();
    datagram[0] = 0x02;
    datagram[27] = 0;
    datagram
}

const ONE_SECOND: [&str; 2] = ["--seconds", "1"];

#[rstest]
#[case::legacy(&[], &[])]
#[case::three_way(&["--mode", "3way"], &["--mode", "3way"])]
#[case::optimistic(&["--mode", "3way", "--optimistic-start"], &["--mode", "3way"])]
#[case::start3(&["--mode", "start3"], &["--mode", "start3"])]
#[case::begin_immediately(&["--mode", "start3", "--begin-immediately"], &["--mode", "start3"])]
#[case::several_modes(&["--mode", "3way,start3"], &["--mode", "start3"])]
#[case::lower_than_asked(&["--mode", "start3"], &["--mode", "start3", "--bits-per-second", "999999"])]
#[case::allow_legacy_start(&["--mode", "3way", "--allow-legacy-start"], &[])]
#[case::fallback(&[], &["--mode", "3way", "--fallback"])]
#[case::fallback_from_start3(&[], &["--mode", "start3", "--fallback"])]
#[case::split(&["--max-datagram", "300"], &[])]
#[case::fragments(&["--max-datagram", "300", "--carry", "fragments"], &[])]
fn every_frame_of_a_stream_comes_and_both_count_it(
    #[case] served: &[&str],
    #[case] asked: &[&str],
) {
    let server = Server::start(&[served, &ONE_SECOND].concat());
    let flags = [asked, &ONE_SECOND, &["--stats", "json"]].concat();
    let (code, output) = finish(connect(&server.target(), &flags));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(code, Some(0));
    let counters: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counters["frames"], 50);
    assert_eq!(counters["handshakes"]["succeeded"], 1);
    let (code, counters) = server.stop(Signal::SIGTERM);
    assert_eq!(code, Some(0));
    assert_eq!(counters["frames"], 50);
    assert_eq!(counters["sessions"], 0);
}

#[rstest]
#[case::legacy("legacy")]
#[case::three_way("3way")]
#[case::start3("start3")]
fn fifty_peers_at_once_each_get_a_stream_of_their_own(#[case] mode: &str) {
    let flags = ["--mode", mode, "--seconds", "1"];
    let server = Server::start(&flags);
    let peers: Vec<_> = (0..50).map(|_| connect(&server.target(), &flags)).collect();
    for peer in peers {
        let (code, output) = finish(peer);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(code, Some(0));
        let said = format!("{}: the stream is complete\n", server.address);
        assert_eq!(String::from_utf8_lossy(&output.stdout), said);
    }
    let (_, counters) = server.stop(Signal::SIGINT);
    assert_eq!(counters["frames"], 50 * 50);
    assert_eq!(counters["handshakes"]["succeeded"], 50);
}

/// The run by which document 001 accepts an implementation: 50 connections at once, each with 5 s of
/// 1,000 frames a second at 1 Mb/s, every payload compared with the pattern.
#[rstest]
#[case::legacy("legacy")]
#[case::three_way("3way")]
#[case::start3("start3")]
fn acceptance_of_fifty_connections_with_a_thousand_frames_a_second(#[case] mode: &str) {
    let stream = [
        ["--mode", mode],
        ["--bits-per-second", "1000000"],
        ["--frames-per-second", "1000"],
        ["--seconds", "5"],
    ]
    .concat();
    let server = Server::start(&[stream.as_slice(), &["--exit-after", "50"]].concat());
    let connections = ["--connections", "50", "--iterations", "1"];
    let client = connect(
        &server.target(),
        &[stream.as_slice(), &connections].concat(),
    );
    let (code, output) = finish(client);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(code, Some(0));
    let said = format!("{}: 50 connections completed\n", server.address);
    assert_eq!(String::from_utf8_lossy(&output.stdout), said);
    let (code, counters) = server.wait();
    assert_eq!(code, Some(0));
    assert_eq!(counters["frames"], 50 * 5_000);
    assert_eq!(counters["sessions"], 0);
}

#[test]
fn iterations_follow_each_other_and_each_has_counters() {
    let stream = ["--seconds", "1", "--frames-per-second", "10"];
    let server = Server::start(&[stream.as_slice(), &["--exit-after", "4"]].concat());
    let often = ["--connections", "2", "--iterations", "2", "--stats", "json"];
    let (code, output) = finish(connect(
        &server.target(),
        &[stream.as_slice(), &often].concat(),
    ));
    assert_eq!(code, Some(0));
    let counters: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let frames: Vec<_> = counters.iter().map(|one| &one["frames"]).collect();
    assert_eq!(frames, [10, 10, 10, 10]);
    assert_eq!(server.wait().0, Some(0));
}

#[test]
fn one_of_several_connections_that_fails_is_told_with_exit_code_1() {
    let server = Server::start(&["--slots", "1", "--mode", "3way", "--seconds", "1"]);
    let flags = ["--mode", "3way", "--seconds", "1", "--connections", "2"];
    let (code, output) = finish(connect(&server.target(), &flags));
    assert_eq!(code, Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("1 of 2 connections failed; the first: "),
        "{said}"
    );
}

#[test]
fn a_server_told_to_exit_after_sessions_says_which_failed() {
    let flags = ["--exit-after", "1", "--half-open-age", "1s"];
    let arguments = [&["mediastream", "--mode", "3way"], &flags[..]].concat();
    let (child, _out, address) = serve(&arguments, Stdio::piped());
    socket().send_to(&syn(7), address).unwrap();
    let (code, output) = finish(child);
    assert_eq!(code, Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("1 of 1 sessions failed; the first: "),
        "{said}"
    );
}

#[test]
fn one_local_port_has_no_room_for_two_connections() {
    let flags = ["--local", "127.0.0.1:9", "--connections", "2"];
    let (code, output) = finish(connect("127.0.0.1:9", &flags));
    assert_eq!(code, Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("write port 0 for --connections 2"), "{said}");
}

#[rstest]
#[case(Signal::SIGINT)]
#[case(Signal::SIGTERM)]
fn a_signal_in_the_middle_of_a_stream_ends_both_cleanly_with_counters(#[case] signal: Signal) {
    let server = Server::start(&["--seconds", "60"]);
    let peer = socket();
    peer.send_to(b"START", server.address).unwrap();
    receive(&peer);
    receive(&peer);
    let (code, counters) = server.stop(signal);
    assert_eq!(code, Some(0));
    assert_eq!(counters["handshakes"]["succeeded"], 1);

    let responder = socket();
    let target = responder.local_addr().unwrap().to_string();
    let child = connect(&target, &["--stats", "json"]);
    assert_eq!(receive(&responder).0, b"START");
    send(&child, signal);
    let (code, output) = finish(child);
    assert_eq!(code, Some(130));
    let counters: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(counters["handshakes"]["failed"]["stopped"], 1);
}

#[test]
fn a_port_in_use_is_said_with_exit_code_2() {
    let other = socket();
    let address = other.local_addr().unwrap();
    let output = shakedown(&["serve", "mediastream", "--listen", &address.to_string()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains(&format!("cannot open UDP {address}")),
        "{said}"
    );
    assert!(said.contains("choose another by --listen"), "{said}");
}

#[test]
fn with_no_mode_given_both_speak_legacy() {
    let server = Server::start(&[]); // MS-L-07
    let peer = socket();
    peer.send_to(&syn(1), server.address).unwrap();
    peer.send_to(b"START", server.address).unwrap();
    let (first, _) = receive(&peer);
    assert_eq!(
        first[..2],
        [0x00, 0x10],
        "the SYN is not answered, the START is"
    );
    let (_, counters) = server.stop(Signal::SIGTERM);
    assert_eq!(counters["validation_errors"]["unknown_flag"], 1);

    let responder = socket();
    let target = responder.local_addr().unwrap().to_string();
    let child = connect(&target, &["--buffer-period", "100ms"]);
    assert_eq!(receive(&responder).0, b"START");
    assert_eq!(finish(child).0, Some(1));
}

#[rstest]
#[case::legacy(&["--buffer-period", "200ms"], "did not answer: the START token was sent once in 200ms; it may speak a handshake: try --mode 3way or start3")]
#[case::three_way(&["--mode", "3way"], "did not answer: SYN was sent 3 times; it may speak legacy: try --mode legacy or --fallback")]
#[case::start3(&["--mode", "start3"], "did not answer: START (0x0200) was sent 3 times; it may speak legacy: try --mode legacy or --fallback")]
fn a_peer_that_does_not_answer_is_a_failure_said_in_a_sentence(
    #[case] flags: &[&str],
    #[case] sentence: &str,
) {
    let silent = socket();
    let address = silent.local_addr().unwrap();
    let (code, output) = finish(connect(&address.to_string(), flags));
    assert_eq!(code, Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, format!("error: {address} {sentence}\n"));
}

/// START_ACK (`0x0201`), START_CONFIRM or ERROR to a START or START_ACK.
fn start3(flag: u16, to: &[u8], sender_nonce: u64, tlvs: &[u8]) -> Vec<u8> {
    let mut datagram = to[..54].to_vec();
    datagram[..2].copy_from_slice(&flag.to_le_bytes());
    datagram[28..30].fill(0);
    datagram[46..54].copy_from_slice(&sender_nonce.to_le_bytes());
    datagram.extend_from_slice(tlvs);
    datagram
}

/// Frame `number` of the counter pattern.
fn data(number: u64, bytes: usize) -> Vec<u8> {
    let mut datagram = vec![0; 26];
    datagram[2..10].copy_from_slice(&number.to_le_bytes());
    datagram[18] = 1;
    datagram.extend((0..u16::MAX).flat_map(u16::to_le_bytes).take(bytes - 26));
    datagram
}

#[test]
fn in_start3_what_the_peer_grants_is_the_stream_that_comes() {
    let responder = socket();
    let target = responder.local_addr().unwrap().to_string();
    let flags = [
        "--mode",
        "start3",
        "--codec-hint",
        "opus",
        "--stats",
        "json",
    ];
    let child = connect(&target, &flags);
    let (start, initiator) = receive(&responder);
    assert_eq!(start[..2], [0x00, 0x02]);
    assert!(start.windows(8).any(|part| part == b"\x04\0\x04\0opus"));
    // 10 frames per second instead of 50, 40,000 bits instead of 400,000, 1 second instead of 2.
    let granted = [
        &[1, 0, 4, 0, 10, 0, 0, 0][..],
        &[2, 0, 8, 0, 0x40, 0x9c, 0, 0, 0, 0, 0, 0],
        &[5, 0, 4, 0, 1, 0, 0, 0],
    ]
    .concat();
    let ack = start3(0x0201, &start, 7, &granted);
    responder.send_to(&ack, initiator).unwrap();
    let confirm = start3(0x0202, &start, 7, &[]);
    assert_eq!(receive(&responder), (confirm, initiator));
    for number in 1..=10 {
        responder.send_to(&data(number, 500), initiator).unwrap();
    }
    let (code, output) = finish(child);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(code, Some(0));
    let counters: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&counters["frames"], &counters["mode"]),
        (&10.into(), &"start3".into())
    );
}

#[test]
fn in_start3_an_error_is_told_with_its_meaning_and_the_peers_word() {
    let responder = socket();
    let target = responder.local_addr().unwrap().to_string();
    let child = connect(&target, &["--mode", "start3"]);
    let (start, initiator) = receive(&responder);
    let full = [&[0x10, 0, 2, 0, 4, 0][..], &[0x11, 0, 4, 0], b"full"].concat();
    responder
        .send_to(&start3(0x02ff, &start, 0, &full), initiator)
        .unwrap();
    let (code, output) = finish(child);
    assert_eq!(code, Some(1));
    let sentence = "refused the stream: it sent ERROR 4 (resources unavailable) and says \"full\"";
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, format!("error: {target} {sentence}\n"));
}

#[rstest]
#[case(&["connect", "mediastream", "127.0.0.1", "--codec-hint", "x"], "applies to mode start3 only")]
#[case(&["connect", "mediastream", "127.0.0.1", "--mode", "4way"], "there are legacy, 3way, start3")]
#[case(&["connect", "mediastream", "127.0.0.1:http"], "write for example 127.0.0.1:4444")]
#[case(&["connect", "mediastream", "127.0.0.1", "--buffer-period", "3"], "is no time such as 3s")]
#[case(&["serve", "mediastream", "--max-datagram", "9"], "is no number from 86 to 65507")]
#[case(&["serve", "mediastream", "--optimistic-start"], "applies to mode 3way only")]
#[case(&["serve", "mediastrom"], "a similar subcommand exists: 'mediastream'")]
fn a_wrong_call_says_what_would_be_right_with_exit_code_2(
    #[case] args: &[&str],
    #[case] expected: &str,
) {
    let output = shakedown(args).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(expected), "{said}");
}

#[test]
fn the_help_says_the_defaults_of_address_and_mode() {
    let output = shakedown(&["serve", "mediastream", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(help.contains("[default: 127.0.0.1:4444]"), "{help}");
    assert!(help.contains("legacy"), "{help}");
}

#[test]
fn of_a_thousand_peers_those_that_confirm_are_served_and_the_others_harm_nobody() {
    let server = Server::start(&["--mode", "3way", "--seconds", "30"]);
    let start = Instant::now();
    let mut peers = Vec::new();
    // The last one is served: whoever stands before it has been heard when the server is stopped.
    for n in 1..=1_000 {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.set_read_timeout(Some(BOUND)).unwrap();
        peer.send_to(&syn(n as u8), server.address).unwrap();
        if n % 2 == 0 {
            let (syn_ack, from) = receive(&peer);
            assert_eq!((syn_ack[1], syn_ack[27], from), (0x01, 1, server.address));
            peer.send_to(&ack(&syn_ack), server.address).unwrap();
            assert_eq!(receive(&peer).0[..2], [0x00, 0x10]);
        }
        peers.push(peer);
    }
    assert!(start.elapsed() < BOUND);
    let (_, counters) = server.stop(Signal::SIGTERM);
    assert_eq!(counters["handshakes"]["attempted"], 1_000);
    assert_eq!(counters["handshakes"]["succeeded"], 500);
}

#[test]
fn a_server_with_one_upload_slot_takes_one_stream_after_the_other() {
    let server = Server::start(&["--upload-slots", "1", "--seconds", "1"]);
    let flags = ["--upload", "--seconds", "1", "--buffer-period", "15s"];
    let clients = [(); 3].map(|()| connect(&server.target(), &flags));
    for client in clients {
        let (code, output) = finish(client);
        assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout);
        let expected = format!("{}: the stream was sent\n", server.target());
        assert_eq!(said, expected);
    }
    let (code, counters) = server.stop(Signal::SIGTERM);
    assert_eq!(code, Some(0));
    assert_eq!(counters["uploads"]["handshakes"]["succeeded"], 3);
    assert_eq!(counters["uploads"]["frames"], 150);
    assert_eq!(counters["dispatch"]["awaiting"], 0);
}

#[test]
fn a_client_without_a_slot_waits_and_has_its_stream_then() {
    let server = Server::start(&["--slots", "1", "--seconds", "1"]);
    let flags = ["--seconds", "1", "--buffer-period", "15s"];
    let clients = [(); 3].map(|()| connect(&server.target(), &flags));
    for client in clients {
        let (code, output) = finish(client);
        assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let (_, counters) = server.stop(Signal::SIGTERM);
    assert_eq!(counters["handshakes"]["succeeded"], 3);
    assert_eq!(counters["dispatch"]["free_slots"], 1);
}
