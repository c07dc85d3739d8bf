//! Captures of `proton` between real processes, through a relay that records: they are judged and
//! written as lines.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the program is tested as a process over sockets, and helpers of tests may panic"
)]

mod support;

use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use shakedown_capture::{Tap, WriterSettings};
use support::{serve, shakedown};

/// Standard output, and the exit code.
fn run(args: &[&str]) -> (String, Option<i32>) {
    let output = shakedown(args).output().unwrap();
    let mut text = String::from_utf8(output.stdout).unwrap();
    text.push_str(&String::from_utf8(output.stderr).unwrap());
    (text, output.status.code())
}

type Datagrams = Vec<(Duration, SocketAddr, SocketAddr, Vec<u8>)>;

/// Carries the datagrams of one client to a server and back.
struct Relay {
    address: SocketAddr,
    seen: Arc<Mutex<Datagrams>>,
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    fn to(server: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").unwrap();
        let back = UdpSocket::bind("127.0.0.1:0").unwrap();
        for socket in [&front, &back] {
            let soon = Some(Duration::from_millis(50));
            socket.set_read_timeout(soon).unwrap();
        }
        let address = front.local_addr().unwrap();
        let client = Arc::new(Mutex::new(None));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let over = Arc::new(AtomicBool::new(false));
        let start = Instant::now();
        let forth = {
            let (front, back) = (front.try_clone().unwrap(), back.try_clone().unwrap());
            let (client, seen, over) = (client.clone(), seen.clone(), over.clone());
            thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while !over.load(Ordering::Relaxed) {
                    if let Ok((length, source)) = front.recv_from(&mut buffer) {
                        *client.lock().unwrap() = Some(source);
                        let bytes = buffer[..length].to_vec();
                        let one = (start.elapsed(), source, server, bytes);
                        seen.lock().unwrap().push(one);
                        back.send_to(&buffer[..length], server).unwrap();
                    }
                }
            })
        };
        let and_back = {
            let (seen, over) = (seen.clone(), over.clone());
            thread::spawn(move || {
                let mut buffer = [0; 65_536];
                while !over.load(Ordering::Relaxed) {
                    let Ok(length) = back.recv(&mut buffer) else {
                        continue;
                    };
                    let Some(client) = *client.lock().unwrap() else {
                        continue;
                    };
                    let bytes = buffer[..length].to_vec();
                    let one = (start.elapsed(), server, client, bytes);
                    seen.lock().unwrap().push(one);
                    front.send_to(&buffer[..length], client).unwrap();
                }
            })
        };
        Self {
            address,
            seen,
            over,
            threads: vec![forth, and_back],
        }
    }

    fn stop(self) -> Datagrams {
        self.over.store(true, Ordering::Relaxed);
        for one in self.threads {
            one.join().unwrap();
        }
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start() -> Self {
        let (child, _, address) = serve(&["proton"], Stdio::inherit());
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes a capture, with secrets inside if there are any.
fn write(path: &Path, secrets: &[u8], datagrams: &Datagrams) {
    let file = std::fs::File::create(path).unwrap();
    let mut tap = Tap::new(file, &WriterSettings::default()).unwrap();
    if !secrets.is_empty() {
        tap.record_key_log(secrets).unwrap();
    }
    for (time, source, destination, bytes) in datagrams {
        tap.record(*time, *source, *destination, bytes).unwrap();
    }
}

#[test]
fn a_session_between_processes_is_judged_with_its_secrets_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let server = Server::start();
    let relay = Relay::to(server.address);
    let address = relay.address.to_string();
    let (said, code) = run(&["connect", "proton", &address, "--keylog", &text("keys")]);
    assert_eq!(code, Some(0), "{said}");
    let datagrams = relay.stop();
    let secrets = std::fs::read(path("keys")).unwrap();

    write(&path("inside.pcapng"), &secrets, &datagrams);
    let (said, code) = run(&["check", "--level", "may", &text("inside.pcapng")]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("proton"), "{said}");
    let (lines, code) = run(&["dissect", &text("inside.pcapng")]);
    assert_eq!(code, Some(0), "{lines}");
    for line in [
        "client: stream 0 at 0: 01",
        "quic 1 client: stream 0 DISCRIMINATOR kind=Event",
        "quic 1 client: CONNECTION_CLOSE with code 0, normal",
        " bytes QUIC\n",
    ] {
        assert!(lines.contains(line), "{line}: {lines}");
    }
    assert!(!lines.contains("unknown"), "{lines}");
    let (lines, _) = run(&["dissect", "--format", "json", &text("inside.pcapng")]);
    let kind = r#""stream":0,"by":"client","frame":"DISCRIMINATOR","fields":{"kind":"Event"}"#;
    assert!(lines.contains(kind), "{lines}");
    assert!(lines.contains(r#""frame":"QUIC""#), "{lines}");
    assert!(lines.contains(r#""meaning":"normal""#), "{lines}");
    // Its items came without requests.
    let (said, code) = run(&[
        "check",
        "--level",
        "may",
        "--profile",
        "push",
        &text("inside.pcapng"),
    ]);
    assert_eq!(code, Some(0), "{said}");
    let (said, code) = run(&[
        "check",
        "--level",
        "may",
        "--profile",
        "pull",
        &text("inside.pcapng"),
    ]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("PR-A-01"), "{said}");
    // Encrypted bytes say nothing to anybody.
    assert!(!said.contains("0000  "), "{said}");

    write(&path("bare.pcapng"), &[], &datagrams);
    let (said, code) = run(&["check", "--level", "may", &text("bare.pcapng")]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("inconclusive: no secrets in the capture"),
        "{said}"
    );
    let (lines, code) = run(&["dissect", &text("bare.pcapng")]);
    assert_eq!(code, Some(0), "{lines}");
    assert!(
        lines.contains("no secrets in the capture for 1 connection of QUIC"),
        "{lines}"
    );
    let (said, code) = run(&[
        "check",
        "--level",
        "may",
        "--keylog",
        &text("keys"),
        &text("bare.pcapng"),
    ]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("no secrets"), "{said}");

    // What the key log lacks is said, and nothing passes.
    let lines = String::from_utf8(secrets).unwrap();
    let inconclusive = |keys: String, why: &str| {
        std::fs::write(path("part"), keys).unwrap();
        let (said, code) = run(&[
            "check",
            "--level",
            "may",
            "--keylog",
            &text("part"),
            &text("bare.pcapng"),
        ]);
        assert_eq!(code, Some(2), "{said}");
        // Long lines are broken.
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(why) && !said.contains("PASS"), "{said}");
    };
    let client = lines.lines().filter(|line| !line.starts_with("SERVER_T"));
    inconclusive(
        client.map(|line| format!("{line}\n")).collect(),
        "inconclusive: the key log has no secrets of the server's side for 1 connection of proton",
    );
    let other = lines.lines().filter_map(|line| {
        let [label, random, secret] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        let random: String = random.chars().rev().collect();
        Some(format!("{label} {random} {secret}\n"))
    });
    inconclusive(
        other.collect(),
        "inconclusive: the key log has no secrets for 1 connection of proton",
    );
    let wrong = lines.lines().filter_map(|line| {
        let (rest, secret) = line.rsplit_once(' ')?;
        let secret: String = secret.chars().rev().collect();
        Some(format!("{rest} {secret}\n"))
    });
    inconclusive(wrong.collect(), "inconclusive: wrong keys");
}

#[test]
fn a_key_log_without_secrets_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys");
    std::fs::write(&path, "not a key log\n").unwrap();
    let path = path.to_str().unwrap();
    let (said, code) = run(&["check", "--level", "may", "--keylog", path, "nothing.pcap"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no secret of TLS 1.3"), "{said}");
}

#[test]
fn a_profile_that_there_is_not_is_refused() {
    let (said, code) = run(&[
        "check",
        "--level",
        "may",
        "--profile",
        "sideways",
        "nothing.pcap",
    ]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("push, pull"), "{said}");
}
