//! The three services of darktower as processes of their own, and clients that find them.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "the program is tested as processes over sockets, and helpers of tests may panic"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

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

/// What is measured, as it is told at this address.
fn metrics(at: &str) -> String {
    let mut stream = std::net::TcpStream::connect(at).unwrap();
    // An answer to HTTP/1.0 comes in one piece: no size of a chunk stands within a line.
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.0 200"), "{response}");
    response
}

#[test]
fn what_is_measured_is_told_with_meeting_participant_region_and_service() {
    let flags = [
        "--metrics",
        "127.0.0.1:0",
        "--region",
        "north",
        "--instance",
        "7",
    ];
    let mut service = Service::start("mc,mh", &flags);
    let mut line = String::new();
    service.out.read_line(&mut line).unwrap();
    let at = line.trim_end().strip_prefix("metrics at http://").unwrap();
    let at = at.strip_suffix("/metrics").unwrap();
    let flags = ["--service", "mc,mh", "--publish", "audio", "--frames", "5"];
    assert_eq!(counters(connect(service.address, &flags))["frames_sent"], 5);
    let refused = connect(service.address, &["--service", "mh", "--secret", "x"]);
    assert_eq!(finish(refused).0, Some(1));
    let meeting = "meeting_id=\"6d656574-0000-4000-8000-000000000001\",participant_id=\"";
    let lines = [
        ("connection_establishment_seconds_count", "controller_id"),
        ("connection_establishment_seconds_count", "handler_id"),
        ("active_connections", "controller_id"),
        ("streams_per_connection_count", "handler_id"),
        ("round_trip_seconds_count", "controller_id"),
        ("packet_loss_ratio_count", "controller_id"),
        ("frame_latency_seconds_count", "handler_id"),
    ]
    .map(|(name, service)| {
        let begin = format!("darktower_{name}{{{meeting}");
        (begin, format!("\",region=\"north\",{service}=\"7\"}} "))
    });
    let refused = "region=\"north\",handler_id=\"7\",reason=\"UNAUTHORIZED\"} 1";
    let untold = |text: &str| {
        let told = |begin: &str, end: &str| {
            text.lines()
                .any(|line| line.starts_with(begin) && line.contains(end))
        };
        let missing = lines.iter().find(|(begin, end)| !told(begin, end));
        let missing = missing.map(|(begin, end)| format!("{begin}{end}"));
        missing.or_else(|| (!text.contains(refused)).then(|| refused.to_owned()))
    };
    // What ends is counted a moment after the client has gone.
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let text = metrics(at);
        let Some(missing) = untold(&text) else { break };
        assert!(Instant::now() < until, "{missing}: {text}");
    }
    service.stop();
}
