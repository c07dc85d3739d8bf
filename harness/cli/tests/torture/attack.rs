//! One attack: a call of the program in a folder of its own, and what must come of it.

use std::fs::File;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::MOST_MEMORY;

const SHAKEDOWN: &str = env!("CARGO_BIN_EXE_shakedown");

/// How often the program's memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long after an interruption the program may take to say that it heard it.
const HEARD: Duration = Duration::from_secs(1);

/// What it says then.
const HEARS: &str = "interrupted: what is being played is cut off";

/// How long the program may take to say its first word.
const BEGINNING: Duration = Duration::from_secs(60);

/// A row of the table.
#[derive(Debug)]
pub(super) struct Attack {
    /// Who is under test, if anybody.
    pub(super) peer: Option<Peer>,
    /// What the program is called with, word by word; `PEER` is the description of the peer, `OUT` a
    /// directory for reports, `FILES/` the folder of hostile files. Where `ADDRESS` is in it, the peer is started
    /// before, and that is where it listens.
    pub(super) call: &'static str,
    /// How long after its first word it is interrupted, if it is. It has to hear that within a second.
    pub(super) interrupt: Option<Duration>,
    /// The exit codes that are right.
    pub(super) exit: &'static [i32],
    /// What it has to say.
    pub(super) says: &'static str,
    /// When it has to be over, in seconds; after the interruption, if there is one.
    pub(super) within: u64,
}

/// An implementation that `misbehave` plays.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) protocol: &'static str,
    pub(super) side: &'static str,
    pub(super) mode: &'static str,
    /// Arguments of `misbehave`, word by word.
    pub(super) behaviour: &'static str,
}

/// What an attack came to.
#[derive(Debug)]
pub(super) struct Survived {
    /// The most memory that the program held, in kibibytes.
    pub(super) memory: u64,
    /// How long it took, or how long after the interruption.
    pub(super) waited: Duration,
}

impl Attack {
    /// Attacks the program.
    ///
    /// # Errors
    /// What did not stand, in a sentence.
    pub(super) fn run(&self) -> Result<Survived, String> {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let before = self.server();
        let address = before.as_ref().map(|server| server.address);
        let mut program = self.start(&folder, address);
        let start = Instant::now();
        let (mut begun, mut interrupted, mut heard, mut memory) = (None, None, None, 0);
        let status = loop {
            memory = peak(&program).unwrap_or(0).max(memory);
            if let Some(status) = program.try_wait().expect("the program can be waited for") {
                break status;
            }
            if memory > MOST_MEMORY {
                return Err(end(program, format!("it holds {} MB", memory / 1024)));
            }
            let since = interrupted.unwrap_or(start).elapsed();
            // Before it says anything it may not have begun to listen for signals.
            let says = std::fs::metadata(folder.path().join("stderr"));
            if begun.is_none() && says.is_ok_and(|file| file.len() > 0) {
                begun = Some(Instant::now());
            }
            if heard.is_none() && interrupted.is_some() && said(&folder, "stderr").contains(HEARS) {
                heard = interrupted.as_ref().map(Instant::elapsed);
            }
            let is_due = |at: Duration| begun.is_some_and(|begun: Instant| begun.elapsed() >= at);
            let may_go_on = self.interrupt.filter(|_| interrupted.is_none());
            if let Some(at) = may_go_on
                && since < BEGINNING + at
            {
                if is_due(at) {
                    interrupted = Some(Instant::now());
                    signal(&program, Signal::SIGINT);
                }
            } else if since > Duration::from_secs(self.within) {
                return Err(end(program, format!("it hangs after {since:?}")));
            }
            std::thread::sleep(LOOK_EVERY);
        };
        let waited = interrupted.unwrap_or(start).elapsed();
        let said = ["stdout", "stderr"].map(|name| said(&folder, name));
        let exit = status.code();
        if exit == Some(130) && heard.is_none_or(|heard| heard > HEARD) {
            return Err(format!("it heard of its interruption after {heard:?}"));
        }
        let is_right = exit.is_some_and(|exit| self.exit.contains(&exit));
        if !is_right || !said.iter().any(|said| said.contains(self.says)) {
            return Err(format!("exit {exit:?} ({status}): {said:?}"));
        }
        Ok(Survived { memory, waited })
    }

    /// The peer as a server that runs before the program does, if the call has its address.
    fn server(&self) -> Option<Server> {
        let peer = self
            .peer
            .as_ref()
            .filter(|_| self.call.contains("ADDRESS"))?;
        let free = UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("it is bound");
        drop(free);
        let mut command = Command::new(misbehave());
        for word in peer.behaviour.split(' ') {
            let word = word
                .replace("SHAKEDOWN", SHAKEDOWN)
                .replace("{mode}", peer.mode);
            command.arg(word.replace("{address}", &address.to_string()));
        }
        command.stdin(Stdio::null()).process_group(0);
        let process = command.spawn().expect("it starts");
        Some(Server { process, address })
    }

    fn start(&self, folder: &TempDir, address: Option<SocketAddr>) -> Child {
        let description = folder.path().join("peer.toml");
        if let Some(peer) = &self.peer {
            std::fs::write(&description, peer.description()).expect("a file can be written");
        }
        let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torture/files");
        let words = self.call.split(' ').map(|word| match word {
            "PEER" => description.clone(),
            "OUT" => folder.path().join("out"),
            "ADDRESS" => PathBuf::from(address.expect("a server").to_string()),
            word => match word.strip_prefix("FILES/") {
                Some(name) => files.join(name),
                None => PathBuf::from(word),
            },
        });
        let output = |name| File::create(folder.path().join(name)).expect("a file can be made");
        let mut command = Command::new(SHAKEDOWN);
        command
            .args(words)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(output("stdout"))
            .stderr(output("stderr"));
        command.spawn().expect("the program starts")
    }
}

impl Peer {
    fn description(&self) -> String {
        let misbehave = misbehave();
        let words = std::iter::once(misbehave.to_str().expect("a path of text"))
            .chain(self.behaviour.split(' '))
            .map(|word| word.replace("SHAKEDOWN", SHAKEDOWN));
        let words: Vec<String> = words.map(|word| format!("{word:?}")).collect();
        let Self {
            protocol,
            side,
            mode,
            ..
        } = self;
        let reach = match *side {
            "responder" | "server" => {
                "ready = { port = true }\n[reach]\naddress = \"127.0.0.1:{port}\"\n"
            }
            _ => "",
        };
        let stream = match *protocol {
            "mediastream" => {
                "[stream]\nbits_per_second = 400000\nframes_per_second = 50\nseconds = 2\n"
            }
            _ => "",
        };
        format!(
            "name = \"hostile\"\nprotocol = {protocol:?}\nrole = {side:?}\nmodes = [{mode:?}]\n\
             [start]\ncommand = [{}]\n{reach}{stream}",
            words.join(", ")
        )
    }
}

/// A server that runs until this is dropped, with what it started.
struct Server {
    process: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = Pid::from_raw(self.process.id().try_into().expect("a process id"));
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.process.wait();
    }
}

/// What the program has printed, in one line: it is folded at the width of a terminal.
fn said(folder: &TempDir, name: &str) -> String {
    let bytes = std::fs::read(folder.path().join(name)).expect("its output");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The most memory that the program has held so far, in kibibytes.
fn peak(program: &Child) -> Option<u64> {
    let id = i32::try_from(program.id()).ok()?;
    let process = procfs::process::Process::new(id).ok()?;
    process.status().ok()?.vmhwm
}

fn signal(program: &Child, signal: Signal) {
    let id = Pid::from_raw(program.id().try_into().expect("a process id"));
    kill(id, signal).expect("a signal");
}

/// Ends a program that did not stand. Interrupted twice it ends what it started, too.
fn end(mut program: Child, why: String) -> String {
    signal(&program, Signal::SIGINT);
    signal(&program, Signal::SIGINT);
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        if program.try_wait().is_ok_and(|status| status.is_some()) {
            return why;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let _ = program.kill();
    let _ = program.wait();
    why
}

/// The example of that name, which is built with the tests.
fn misbehave() -> PathBuf {
    let path = Path::new(SHAKEDOWN).with_file_name("examples/misbehave");
    assert!(
        path.exists(),
        "build it first: cargo build --package shakedown-cli --examples"
    );
    path
}
