//! `shakedown repl PROTOCOL [ADDRESS]`.

mod command;
mod connection;
mod editor;
mod session;

use std::future::pending;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::time::Duration;

use shakedown_protocol::proton::{PROTOCOL, Profile};

use crate::exit::{Exit, Failure, harness, usage};
use crate::logging::Global;
use crate::reference::{check_key_log, key_log, print_line, resolve};

use command::HELP;
use editor::{Input, LineEditor};
use session::{Done, Session, Settings};

#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Talk to a server interactively: connect, send events, commit, read, sleep, close.

At a terminal there are history (~/.proton_history), Tab completion and hints. Piped input is \
read line by line; only the output of commands is printed, and the exit code is 1 if one of them \
failed. A line ends at the first command that fails. Ctrl-C interrupts the current command; \
`exit` or Ctrl-D ends the program.",
    after_help = "\
Examples:
  shakedown repl proton
  echo 'connect 0; send_event; commit 42; read_action; close' | shakedown repl proton 127.0.0.1:4433
  shakedown repl proton --startup-delay 0 --keep-going < lines"
)]
pub(crate) struct Args {
    /// The protocol
    protocol: ReplProtocol,

    /// The server, with its port unless that is 4433
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1")]
    server: String,

    /// Items of the Action stream: sent by the server unprompted (push), or requested by the
    /// client (pull)
    #[arg(long, value_name = "PROFILE", default_value = "push")]
    profile: Profile,

    /// How long `connect` waits without an argument
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = humantime::parse_duration)]
    startup_delay: Duration,

    /// Continue after a failed command, to the end of its line
    #[arg(long)]
    keep_going: bool,

    /// Append TLS secrets to this file, to decrypt captures
    #[arg(long, value_name = "FILE", env = "SSLKEYLOGFILE")]
    keylog: Option<PathBuf>,
}

/// A protocol that one can talk by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReplProtocol {
    /// Three streams over QUIC
    Proton,
}

impl Args {
    /// Does what is typed until the end.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let ReplProtocol::Proton = self.protocol;
        // Connections live on while a line is being typed.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime =
            runtime.map_err(|error| harness(format!("cannot start the runtime: {error}")))?;
        let server = runtime.block_on(resolve(&self.server, PROTOCOL.port))?;
        let key_log = key_log(self.keylog.as_deref())?;
        let mut session = Session::new(Settings {
            server,
            profile: self.profile,
            startup_delay: self.startup_delay,
            keep_going: self.keep_going,
            key_log: key_log.clone(),
        });
        let is_typed = std::io::stdin().is_terminal();
        let done = match is_typed {
            true => typed(|line| runtime.block_on(session.follow(line, interrupted()))),
            false => piped(|line| runtime.block_on(session.follow(line, pending()))),
        };
        let has_failed = session.has_failed;
        runtime.block_on(session.end());
        check_key_log(self.keylog.as_deref(), key_log.as_ref())?;
        match done {
            Ok(Exit::Success) if has_failed && !is_typed => Ok(Exit::Fail),
            done => done,
        }
    }
}

async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        pending().await
    }
}

/// Prints something that is not a command's output.
fn note(text: &str) {
    anstream::eprintln!("note: {text}");
}

/// A session at a terminal. Who sits there has seen what failed.
fn typed(mut follow: impl FnMut(&str) -> Result<Done, Failure>) -> Result<Exit, Failure> {
    let mut lines = LineEditor::new().map_err(usage)?;
    print_line("Starting REPL client mode...")?;
    print_line(HELP)?;
    loop {
        match lines.next().map_err(usage)? {
            Input::Line(line) => {
                if follow(&line)? == Done::Exit {
                    return Ok(Exit::Success);
                }
            }
            Input::Nothing => note("`exit` or Ctrl-D ends the program"),
            Input::End => return Ok(Exit::Success),
        }
    }
}

/// Lines from a pipe or a file.
fn piped(mut follow: impl FnMut(&str) -> Result<Done, Failure>) -> Result<Exit, Failure> {
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| usage(format!("cannot read the commands: {error}")))?;
        if follow(&line)? == Done::Exit {
            break;
        }
    }
    Ok(Exit::Success)
}
