//! The three services of darktower as processes of their own, and clients that find them.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the program is tested as processes over sockets, and helpers of tests may panic"
)]

mod support;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;
use support::{finish, send, serve, shakedown};

/// A running `shakedown serve darktower` with one service.
struct Service {
    child: Option<Child>,
    out: BufReader<ChildStdout>,
    address: SocketAddr,
}

impl Service {
    fn start(name: &str, flags: &[&str]) -> Self {
        let arguments = ["darktower", "--service", name, "--stats", "json"];
        let (child, out, address) = serve(&[&arguments, flags].concat(), Stdio::inherit());
        Self {
            child: Some(child),
            out,
            address,
        }
    }

    fn stop(mut self) -> Value {
        let child = self.child.take().unwrap();
        send(&child, Signal::SIGTERM);
        assert_eq!(finish(child).0, Some(0));
        let mut counters = String::new();
        self.out.read_to_string(&mut counters).unwrap();
        serde_json::from_str(&counters).unwrap()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn connect(to: SocketAddr, flags: &[&str]) -> Child {
    shakedown(&["connect", "darktower", &to.to_string(), "--stats", "json"])
        .args(flags)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn counters(client: Child) -> Value {
    let (code, output) = finish(client);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(code, Some(0), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_client_goes_from_one_service_to_the_next_and_media_passes_through_the_last() {
    let handler = Service::start("mh", &[]);
    let media = format!("https://{}/media", handler.address);
    let controller = Service::start("mc", &["--media-url", &media]);
    let signaling = format!("https://localhost:{}/wt", controller.address.port());
    let information = Service::start("gc", &["--controller-url", &signaling]);

    let mut receiver = connect(information.address, &["-v", "--receive", "10"]);
    let mut log = BufReader::new(receiver.stderr.take().unwrap()).lines();
    let is_ready = log.any(|line| line.unwrap().contains("-> READY"));
    assert!(is_ready, "the token of the receiver was not taken");
    let publisher = connect(
        information.address,
        &["--publish", "audio", "--frames", "10"],
    );
    let publisher = counters(publisher);
    let receiver = counters(receiver);
    for client in [&publisher, &receiver] {
        for (counter, count) in [("connections", 3), ("informed", 1), ("joined", 1)] {
            assert_eq!(client[counter], count, "{client}");
        }
    }
    assert_eq!(publisher["frames_sent"], 10);
    assert_eq!(receiver["frames_received"], 10);

    let [information, controller, handler] = [information, controller, handler].map(Service::stop);
    assert_eq!(information["requests"], 2);
    assert_eq!(controller["signaling"]["left"]["VOLUNTARY"], 2);
    assert_eq!(handler["media"]["copies"], 10);
    for service in [&information, &controller, &handler] {
        assert_eq!(service["connections"], 2, "{service}");
    }
}
