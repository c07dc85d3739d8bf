//! `proton`: three streams over one QUIC connection.
//!
//! The client opens three bidirectional streams and sends one byte on each that says which it is:
//! Event (rising ids, each acked), StateCommit (a request, an answer) and Action (items from the
//! server). Times, codes and limits are those of specification section 1.

mod code;
mod discriminator;
mod exploration;
mod frame;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod monitor;
mod pairs;
mod reader;
mod reference;
mod u32_reader;

use std::sync::LazyLock;
use std::time::Duration;

use crate::requirement::Requirement;
use crate::wireshark::Wireshark;
use crate::{Protocol, ProtocolMonitor, Reference, Specification, Transport};

pub use code::CloseCode;
pub use discriminator::{Kind, RESET};
pub use frame::VOCABULARY;
pub use pairs::PAIRS;
pub use reader::StreamReader;
pub use reference::new as new_reference;
pub use reference::{
    Client, ClientEvent, ClientSettings, Deviations, NotReady, Profile, REFUSED, Server,
    ServerSettings, TIMED_OUT, Workload, WorkloadClient,
};
pub use u32_reader::U32Reader;

/// The protocol's name in the TLS handshake.
pub const ALPN: &str = "proton";

/// How often each side sends something on an idle connection (PR-C-04).
pub const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// After this long without a packet of the other side it is gone (PR-C-05).
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a client waits before it connects again after a lost connection (PR-C-06).
pub const STARTUP_DELAY: Duration = Duration::from_secs(10);

/// Within this time of its opening a stream says which it is (PR-S-05), and a second connection
/// that it resets the first (PR-R-02).
pub const IDENTIFICATION: Duration = Duration::from_secs(1);

/// Within this time of the connection all three streams are there (PR-S-06).
pub const SETUP: Duration = Duration::from_secs(5);

/// Bound of each send, each receive and each request with its answer (PR-T-01, PR-T-04).
pub const OPERATION: Duration = Duration::from_secs(300);

/// Bidirectional streams that a server admits at a time; it admits no unidirectional ones.
pub const STREAM_LIMIT: u64 = 3;

/// What it asks of QUIC (specification, section 1).
pub const TRANSPORT: Transport = Transport {
    alpn: ALPN,
    keep_alive: Some(KEEP_ALIVE),
    idle_timeout: IDLE_TIMEOUT,
    receive_timeout: None,
    bidirectional: STREAM_LIMIT as u32,
    unidirectional: 0,
    aliases: &[],
    datagrams: false,
    windows: None,
    web: false,
};

/// What the rest of the program needs to know of `proton`. Its modes are the profiles of the Action
/// stream.
pub static PROTOCOL: Protocol = Protocol {
    id: "proton",
    summary: "three streams over one QUIC connection: events, commits and actions",
    mode_name: "profile",
    mode_help: "Items of the Action stream: sent by the server unprompted (push), or requested by the client (pull)",
    port: 4433,
    sides: ["client", "server"],
    modes: &["push", "pull"],
    default_mode: "push",
    settings: &reference::OPTIONS,
    // The most bytes that were held back for a peer that did not read (PR-T-04).
    counters: &[("memory", ["/most_waiting", "/most_waiting"])],
    values: &[],
    vocabulary: &VOCABULARY,
    sends: frame::sends,
    wireshark: Wireshark {
        forms: &frame::FORMS,
        tables: frame::words,
        script: include_str!("wireshark.lua"),
    },
    requirements,
    specification: Some(Specification {
        file: "docs/spec/proton.md",
        text: include_str!("../../../../docs/spec/proton.md"),
    }),
    survival: "PR-K-01",
    timed: &[
        "PR-C-03", "PR-C-06", "PR-S-05", "PR-S-06", "PR-T-01", "PR-T-04", "PR-T-05", "PR-R-02",
    ],
    proven_by_what_is_there: &[],
    has_any_mode: true,
    modes_add_up: false,
    serves_one: true,
    peers_meet: false,
    media: None,
    transport: Some(TRANSPORT),
    stream_decoders: Some(reader::STREAM_DECODERS),
    hello: None,
    pairs: Some(PAIRS),
    monitor: |settings| ProtocolMonitor::Streams(Box::new(monitor::Monitor::new(settings))),
    reference: |settings| {
        new_reference(settings).map(|(machine, transport)| Reference::Streams(machine, transport))
    },
    completed: |settings, _| {
        let count = |name, one: &str| match settings.get(name).unwrap_or("0") {
            "1" => format!("1 {one}"),
            many => format!("{many} {one}s"),
        };
        let (events, commits) = (count("events", "event"), count("commits", "commit"));
        let items = count("actions", "item");
        format!("acked {events}, answered {commits} and sent {items}")
    },
    page: None,
    measures: None,
    advice: |_, _| None,
    twins: reference::TWINS,
    forked: None,
    exploration: None,
    random_runs: Some(exploration::participants),
};

/// The requirements of specification section 3, in its order. Their modes are the profiles.
fn requirements() -> &'static [Requirement] {
    static REQUIREMENTS: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
        Requirement::built_in(include_str!("../../../../vectors/proton/requirements.json"))
    });
    &REQUIREMENTS
}
