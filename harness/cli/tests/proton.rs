//! `proton` as real processes over loopback: the server, the client, and the REPL with its six
//! sessions of the seed document.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the program is tested as a process over sockets, and helpers of tests may panic"
)]

mod support;

use std::io::{BufReader, Read, Write};
use std::process::{Child, ChildStdout, Output, Stdio};
use std::thread;

use nix::sys::signal::Signal;
use rstest::rstest;
use serde_json::Value;
use support::{at_a_terminal, finish, send, serve, shakedown};

/// A running `shakedown serve proton`.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        let arguments = [&["proton", "--stats", "json"], flags].concat();
        let (child, out, address) = serve(&arguments, Stdio::inherit());
        Self {
            address: address.to_string(),
            child,
            out,
        }
    }

    /// Ends it by a signal; its counters.
    fn stop(mut self) -> Value {
        send(&self.child, Signal::SIGTERM);
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        serde_json::from_str(&rest).unwrap()
    }

    /// What a REPL prints for these lines, and its exit code.
    fn repl(&self, lines: &str) -> (String, Option<i32>) {
        let output = self.repl_with(&[], lines);
        let text = String::from_utf8(output.stdout).unwrap();
        (text, output.status.code())
    }

    fn repl_with(&self, flags: &[&str], lines: &str) -> Output {
        let mut child = shakedown(&["repl", "proton", &self.address, "--startup-delay", "0"])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let lines = lines.to_owned();
        let writer = thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        output
    }

    fn connect(&self, flags: &[&str]) -> Output {
        let mut command = shakedown(&["connect", "proton", &self.address]);
        command.args(flags).output().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const BASICS: &str = "\
Connected successfully!
Event acknowledged with ID: 1
State commit response: 84
Received action: 123
Connection closed.
";

const TIMEOUTS: &str = "\
Connected successfully!
Sleeping for 6 seconds...
Awake!
Failed to send event: Connection timed out
Connected successfully!
";

const SECOND: &str = "\
Connected successfully!
Failed to connect: Connection refused
";

const RESET: &str = "\
Connected successfully!
Waiting 10s for all connections to timeout...
Reset complete. Client state cleared.
Connected successfully!
";

const CHAIN: &str = "\
Connected successfully!
Sleeping for 1 seconds...
Awake!
Event acknowledged with ID: 1
Received action: 123
Execution 1 of 3:
Event acknowledged with ID: 2
Execution 2 of 3:
Event acknowledged with ID: 3
Execution 3 of 3:
Event acknowledged with ID: 4
";

const LONG: &str = "\
Connected successfully!
State commit response: 1998
";

#[rstest]
#[case::basic_streams("connect\nsend_event\ncommit 42\nread_action\nclose\n", BASICS, 0)]
#[case::timeouts(
    "connect\nsleep 6  # Wait longer than idle timeout\nsend_event\nconnect\n",
    TIMEOUTS,
    1
)]
#[case::a_second_connection("connect\nconnect  0 # Initiate second connect\n", SECOND, 1)]
#[case::reset("connect\nreset\nconnect\n", RESET, 0)]
#[case::chains_and_repeats(
    "connect; sleep 1; send_event; read_action\n3 send_event  # Send multiple events\n",
    CHAIN,
    0
)]
#[case::a_long_commit("connect\ncommit 999\n", LONG, 0)]
fn a_session_of_the_seed_prints_its_lines(
    #[case] lines: &str,
    #[case] expected: &str,
    #[case] exit: i32,
    #[values(&[], &["--no-reset"])] flags: &[&str],
) {
    let server = Server::start(&[&["--commit-delay", "300ms"], flags].concat());
    assert_eq!(server.repl(lines), (expected.to_owned(), Some(exit)));
}

#[test]
fn a_command_that_is_not_understood_fails_and_the_next_one_is_done() {
    let server = Server::start(&[]);
    let (text, exit) = server.repl("fly\nconnect\nexit\nclose\n");
    let expected = "Unknown command: fly. Type 'help' for the commands\nConnected successfully!\n";
    assert_eq!((text.as_str(), exit), (expected, Some(1)));
    // At its end it closed what was open.
    assert_eq!(server.stop()["ended"]["normal"], 1);
}

#[test]
fn a_chain_ends_with_the_first_error_unless_it_is_to_go_on() {
    let server = Server::start(&[]);
    let line = "connect; comit 1; send_event; close\n";
    let said = "Connected successfully!\n\
                Unknown command: comit. Did you mean 'commit'? Type 'help' for the commands\n";
    let output = server.repl_with(&[], line);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), said);
    let note = "note: the other 2 of this line are left out; with --keep-going they are not\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), note);
    assert_eq!(output.status.code(), Some(1));
    let output = server.repl_with(&["--keep-going"], line);
    let all = format!("{said}Event acknowledged with ID: 1\nConnection closed.\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), all);
    assert_eq!(output.status.code(), Some(1));
    let output = server.repl_with(&["--keep-going"], "comit 1; exit\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_error_of_the_repl_says_whose_it_is() {
    let server = Server::start(&[]);
    let output = server.repl_with(&[], "send_event\nconnect\nconnect\n");
    let address = &server.address;
    let notes = format!(
        "note: `connect` opens a connection to {address}\n\
         note: {address} has a connection already, or takes none yet\n"
    );
    assert_eq!(String::from_utf8(output.stderr).unwrap(), notes);
}

#[test]
fn ctrl_c_ends_the_command_and_neither_the_program_nor_the_connection() {
    let server = Server::start(&["--commit-delay", "5m"]);
    let home = tempfile::tempdir().unwrap();
    let call = ["repl", "proton", &server.address, "--startup-delay", "0"];
    let Some(mut terminal) = at_a_terminal(&call) else {
        return;
    };
    let mut child = terminal
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = child.stdout.take().unwrap();
    let mut said = String::new();
    let mut until = |part: &str| {
        let mut byte = [0];
        while !said.contains(part) {
            assert_eq!(output.read(&mut byte).unwrap(), 1, "no {part:?} in {said}");
            said.push(byte[0].into());
        }
        said.clear();
    };
    let mut enter = |text: &str| input.write_all(text.as_bytes()).unwrap();
    until("start fresh");
    until("> ");
    enter("connect; sleep 86400; close\r");
    until("Sleeping for");
    enter("\x03");
    until("Interrupted");
    until("> ");
    enter("2 commit 1; close\r");
    until("Execution 1 of 2:");
    enter("\x03");
    until("Interrupted");
    until("> ");
    enter("send_event\r");
    until("Event acknowledged with ID: 1");
    until("> ");
    enter("\x03");
    until("`exit` or Ctrl-D ends the program");
    enter("exit\r");
    let (code, _) = finish(child);
    assert_eq!(code, Some(0));
    assert_eq!(server.stop()["ended"]["normal"], 1);
}

#[test]
fn connect_asks_and_says_what_it_got() {
    let server = Server::start(&["--profile", "pull"]);
    let output = server.connect(&["--events", "3", "--commits", "2", "--profile", "pull"]);
    let address = &server.address;
    let said = format!("{address}: acked 3 events, answered 2 commits and sent 1 item\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), said);
    assert_eq!(output.status.code(), Some(0));
    let counters = server.stop();
    let counts = ["events", "commits", "actions"].map(|name| counters[name].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 1]);
}

#[test]
fn connect_to_nobody_fails_with_a_sentence() {
    let server = Server::start(&[]);
    let address = server.address.clone();
    server.stop();
    let output = shakedown(&["connect", "proton", &address])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, format!("error: {address}: Connection timed out\n"));
}

#[test]
fn a_server_that_is_killed_leaves_its_key_log_after_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("keys");
    std::fs::write(&log, "# older\n").unwrap();
    let server = Server::start(&["--keylog", log.to_str().unwrap()]);
    assert!(server.connect(&[]).status.success());
    drop(server);
    let text = std::fs::read_to_string(&log).unwrap();
    assert!(text.starts_with("# older\n"), "{text}");
    let secrets = text.lines().filter(|line| line.contains("_TRAFFIC_SECRET"));
    assert_eq!(secrets.count(), 4, "{text}");
}

#[test]
fn the_key_log_of_both_sides_has_the_same_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let logs = ["server", "client"].map(|name| folder.path().join(name));
    let [of_server, of_client] = logs.each_ref().map(|path| path.to_str().unwrap());
    let server = Server::start(&["--keylog", of_server]);
    assert!(server.connect(&["--keylog", of_client]).status.success());
    server.stop();
    let read = |path: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        let secrets = text.lines().filter(|line| line.contains("_TRAFFIC_SECRET"));
        let mut lines: Vec<_> = secrets.map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    };
    assert_eq!(read(of_server), read(of_client));
    assert_eq!(read(of_server).len(), 4);
}
