//! How tests start the program.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "each test uses a part, and may fail so"
)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// No test waits longer for the end of a program that is to end.
pub(crate) const BOUND: Duration = Duration::from_secs(20);

pub(crate) fn shakedown(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.args(arguments).env("NO_COLOR", "1");
    command.stdin(Stdio::null());
    command
}

/// The same program at a terminal, which `script` of util-linux makes: what is written to its standard input is
/// typed. `None`, and a line that says so, where there is no `script`.
pub(crate) fn at_a_terminal(arguments: &[&str]) -> Option<Command> {
    let tool = Command::new("script").arg("--version").output();
    if !tool.is_ok_and(|output| output.status.success()) {
        eprintln!("there is no `script` of util-linux; what shows at a terminal was NOT tested");
        return None;
    }
    // Without `exec` a shell that waits for the program would hear Ctrl-C as well, and tell its own end.
    let call = format!(
        "exec '{}' {}",
        env!("CARGO_BIN_EXE_shakedown"),
        arguments.join(" ")
    );
    let mut command = Command::new("script");
    command.args([
        "--quiet",
        "--flush",
        "--return",
        "--command",
        &call,
        "/dev/null",
    ]);
    // A job of CI is no place for a progress display, also where it has a terminal.
    command
        .env("TERM", "xterm")
        .env_remove("CI")
        .stdin(Stdio::null());
    Some(command)
}

/// A run that counts everything, tells events, and writes its reports there.
pub(crate) fn strict_run(out: &Path, arguments: &[&str]) -> Command {
    let mut command = shakedown(&["run", "--level", "may", "--retries", "2", "--seed", "1"]);
    command.args(["--format", "json", "--force", "--out"]);
    command.arg(out).args(arguments);
    command
}

/// The verdicts among the events of `run --format json`.
pub(crate) fn verdicts(output: &Output) -> Vec<serde_json::Value> {
    let said = String::from_utf8_lossy(&output.stdout);
    let events = said
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event is JSON"));
    events
        .filter(|event: &serde_json::Value| event["type"] == "verdict")
        .collect()
}

/// Starts `shakedown serve` with these arguments at a free port; its output after the line that says
/// where it listens, and where that is.
pub(crate) fn serve(
    arguments: &[&str],
    errors: Stdio,
) -> (Child, BufReader<ChildStdout>, SocketAddr) {
    let mut child = shakedown(&["serve"])
        .args(arguments)
        .args(["--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .expect("the program starts");
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    out.read_line(&mut line).expect("it says something");
    let address = line.trim_end().strip_prefix("listening on ");
    let address = address.and_then(|address| address.parse().ok());
    (child, out, address.expect("it says where it listens"))
}

/// Its exit code and what it printed; one that does not end in time is a failure, not a hang.
pub(crate) fn finish(child: Child) -> (Option<i32>, Output) {
    let pid = pid(&child);
    let (sender, ended) = mpsc::channel();
    let waiter = thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = ended.recv_timeout(BOUND) else {
        kill(pid, Signal::SIGKILL).expect("it runs");
        panic!("it does not end");
    };
    waiter.join().expect("no panic").expect("it is heard");
    let output = output.expect("it was waited for");
    (output.status.code(), output)
}

pub(crate) fn send(child: &Child, signal: Signal) {
    kill(pid(child), signal).expect("it runs");
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid"))
}
