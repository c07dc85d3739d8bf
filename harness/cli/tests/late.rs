//! Servers that are late by themselves fail, on a machine with nothing else to do as on one that is busy, and
//! one that is right never does.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "the program is tested as a process, and helpers of tests may panic"
)]

mod support;

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::parent_id;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rstest::rstest;
use shakedown_protocol::machine::{Input, Output};
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Reference, ReferenceSettings, StreamParameters};
use support::strict_run;

const SCENARIO: &str = "mediastream/3way/responder/a-handshake-starts-the-whole-stream";

/// Where the late server listens, if this program is one, and by how many milliseconds it is late.
const LISTEN: &str = "SHAKEDOWN_LATE_LISTEN";
const LATE: &str = "SHAKEDOWN_LATE_BY";

/// How many threads of its own keep the server busy.
const THREADS: &str = "SHAKEDOWN_LATE_THREADS";
/// Whether it holds the program that tests it for a while when the first datagram comes.
const HOLDS: &str = "SHAKEDOWN_LATE_HOLDS";

/// How often each case is played for the counts.
const OFTEN: usize = 20;

#[rstest]
fn whoever_is_late_by_himself_fails_and_who_is_right_does_not(
    #[values(0, 100, 1_000, 5_000)] late: u64,
    #[values(false, true)] is_loaded: bool,
) {
    let _load = is_loaded.then(Load::new);
    let exit = play(late, &[]);
    match late {
        0 => assert_ne!(exit, 1, "right, and failed"),
        100 => assert_ne!(exit, 0, "late by 100 ms, and passed"),
        _ => assert_eq!(exit, 1, "late by {late} ms"),
    }
}

/// What its own threads take from it is nobody else's doing.
#[test]
fn a_server_that_is_busy_by_itself_is_not_excused() {
    assert_eq!(play(5_000, &[(THREADS, "3")]), 1);
}

/// Its repetition of SYN-ACK comes before the ACK, which the harness sends too late.
#[test]
fn a_harness_that_is_held_for_longer_than_a_timer_blames_nobody() {
    assert_ne!(play(0, &[(HOLDS, "1.2")]), 1);
}

/// `make odds` prints the counts.
#[test]
#[ignore = "it takes ten minutes"]
#[expect(clippy::print_stdout, reason = "the counts are what it is for")]
fn the_odds_of_being_late() {
    for is_loaded in [false, true] {
        let _load = is_loaded.then(Load::new);
        for late in [0, 100, 1_000, 5_000] {
            let exits: Vec<_> = (0..OFTEN / 4).flat_map(|_| play_four(late)).collect();
            let count = |code| exits.iter().filter(|exit| **exit == code).count();
            let (passed, failed, undecided) = (count(0), count(1), count(3));
            println!(
                "late by {late} ms, loaded {is_loaded}: {passed} passed, {failed} failed, {undecided} undecided"
            );
            assert_eq!(passed + failed + undecided, OFTEN);
            match late {
                0 => assert_eq!(failed, 0),
                _ => assert_eq!(passed, 0),
            }
        }
    }
}

/// Four plays at a time.
fn play_four(late: u64) -> Vec<i32> {
    let plays = [(); 4].map(|()| thread::spawn(move || play(late, &[])));
    let ended = plays.map(|play| play.join().expect("no panic"));
    ended.to_vec()
}

/// The exit status of a run against a server that hears everything so much later, and is told more.
fn play(late: u64, more: &[(&str, &str)]) -> i32 {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let this = std::env::current_exe().expect("it has a path");
    let this = this.to_str().expect("it is text");
    let more = more
        .iter()
        .map(|(name, value)| format!("\"{name}={value}\", "));
    let more: String = more.collect();
    let description = format!(
        "name = \"late\"\nprotocol = \"mediastream\"\nrole = \"responder\"\nmodes = [\"3way\"]\n\
         [start]\ncommand = [\"/usr/bin/env\", \"{LISTEN}={{address}}\", \"{LATE}={late}\", {more}\"{this}\", \
         \"--exact\", \"a_server_that_is_late\", \"--nocapture\"]\nready = {{ port = true }}\n\
         [reach]\naddress = \"127.0.0.1:{{port}}\"\n\
         [stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 1\n"
    );
    let path = folder.path().join("late.toml");
    std::fs::write(&path, description).expect("it can be written");
    let path = path.to_str().expect("it is text");
    let out = folder.path().join("report");
    let mut run = strict_run(&out, &["--iut", path, SCENARIO]);
    let done = run.output().expect("it runs");
    let exit = done.status.code().expect("it ends by itself");
    assert!([0, 1, 3].contains(&exit), "{done:?}");
    exit
}

/// The server, where this program is started as one.
#[test]
fn a_server_that_is_late() {
    let Ok(listen) = std::env::var(LISTEN) else {
        return;
    };
    let late = std::env::var(LATE).expect("it is told");
    let late = Duration::from_millis(late.parse().expect("a number"));
    let socket = UdpSocket::bind(listen).expect("it is free");
    let settings = ReferenceSettings {
        role: Role::Responder,
        mode: "3way".to_owned(),
        options: Vec::new(),
        stream: StreamParameters {
            bits_per_second: 400_000,
            frames_per_second: 50,
            seconds: 1,
        },
        peer: None,
        seed: 1,
        epoch: Duration::ZERO,
        extra: Vec::new(),
    };
    let reference = (PROTOCOL.reference)(&settings).expect("it is known");
    let Reference::Datagrams(mut machine) = reference else {
        panic!("it speaks in datagrams");
    };
    let threads = std::env::var(THREADS).map_or(0, |threads| threads.parse().expect("a number"));
    for _ in 0..threads {
        thread::spawn(|| {
            loop {
                std::hint::spin_loop();
            }
        });
    }
    let mut holds = std::env::var(HOLDS).ok();
    let start = Instant::now();
    let mut held: VecDeque<(Duration, SocketAddr, Vec<u8>)> = VecDeque::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let now = start.elapsed();
        while let Some((_, from, payload)) = held.pop_front_if(|(due, ..)| *due <= now) {
            let payload = &payload;
            machine.handle(now, Input::Datagram { from, payload });
        }
        if machine.deadline().is_some_and(|due| due <= now) {
            machine.handle(now, Input::Tick);
        }
        while let Some(output) = machine.poll() {
            if let Output::Send { to, payload } = output {
                socket.send_to(&payload, to).expect("it leaves");
            }
        }
        let due = held.front().map(|(due, ..)| *due);
        let next = due.into_iter().chain(machine.deadline()).min();
        let wait = next.map(|next| next.saturating_sub(start.elapsed()));
        let wait = wait.map(|wait| wait.max(Duration::from_micros(100)));
        socket.set_read_timeout(wait).expect("it is more than 0");
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if let Some(seconds) = holds.take() {
                hold(parent_id(), &seconds);
            }
            held.push_back((start.elapsed() + late, from, buffer[..length].to_vec()));
        }
    }
}

/// Stops a process for some seconds, from now on.
fn hold(process: u32, seconds: &str) {
    let script = format!("(kill -STOP {process}; sleep {seconds}; kill -CONT {process}) &");
    let status = Command::new("/bin/sh").args(["-c", &script]).status();
    assert!(status.expect("it starts").success());
}

/// Programs that keep all processors busy until this is dropped.
struct Load(Vec<Child>);

impl Load {
    fn new() -> Self {
        let processors = thread::available_parallelism().map_or(2, usize::from);
        let mut busy = Command::new("/bin/sh");
        busy.args(["-c", "while :; do :; done"]);
        let all = (0..2 * processors).map(|_| busy.spawn().expect("it starts"));
        Self(all.collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
        }
    }
}
