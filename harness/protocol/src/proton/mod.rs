//! `proton`: three streams over one QUIC connection.
//!
//! The client opens three bidirectional streams and sends one byte on each that says which it is:
//! Event (rising ids, each acked), StateCommit (a request, an answer) and Action (items from the
//! server). Times, codes and limits are those of specification section 1.

mod code;
mod discriminator;
mod frame;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod monitor;
mod reader;
mod reference;
mod words;

use std::sync::LazyLock;
use std::time::Duration;

use crate::requirement::Requirement;
use crate::{Protocol, ProtocolOption, Reference, Transport, Watcher};

pub use code::CloseCode;
pub use discriminator::{Kind, RESET};
pub use frame::VOCABULARY;
pub use reader::StreamReader;
pub use reference::{
    Client, ClientSettings, Errand, News, NotNow, Profile, Runner, Server, ServerSettings,
};
pub use words::Words;

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
    keep_alive: KEEP_ALIVE,
    idle_timeout: IDLE_TIMEOUT,
    bidirectional: STREAM_LIMIT as u32,
    unidirectional: 0,
};

/// What the rest of the program needs to know of `proton`. Its modes are the profiles of the Action
/// stream.
pub static PROTOCOL: Protocol = Protocol {
    id: "proton",
    summary: "three streams over one QUIC connection: events, commits and actions",
    sides: ["client", "server"],
    modes: &["push", "pull"],
    options: &OPTIONS,
    vocabulary: &VOCABULARY,
    requirements,
    survival: "PR-K-01",
    timed: &[
        "PR-C-03", "PR-C-06", "PR-S-05", "PR-S-06", "PR-T-01", "PR-T-04", "PR-R-02",
    ],
    has_any_mode: true,
    serves_one: true,
    transport: Some(TRANSPORT),
    hello: None,
    pairs: None,
    monitor: |settings| Watcher::Streams(Box::new(monitor::Monitor::new(settings))),
    reference: |settings| reference::new(settings).map(Reference::Streams),
    forked: None,
    exploration: None,
};

const OPTIONS: [ProtocolOption; 9] = [
    ProtocolOption {
        name: "resets",
        summary: "a server at which a second connection may reset the first (0xFF alone on its first stream)",
        takes_number: false,
    },
    ProtocolOption {
        name: "commit_delay",
        summary: "a server that works so many seconds on each StateCommit request",
        takes_number: true,
    },
    ProtocolOption {
        name: "events",
        summary: "a client that sends so many events",
        takes_number: true,
    },
    ProtocolOption {
        name: "commits",
        summary: "a client that sends so many StateCommit requests",
        takes_number: true,
    },
    ProtocolOption {
        name: "actions",
        summary: "a client that reads so many items of the Action stream",
        takes_number: true,
    },
    ProtocolOption {
        name: "first_event",
        summary: "a client whose first event has this id",
        takes_number: true,
    },
    ProtocolOption {
        name: "stay",
        summary: "a client that stays connected when it has done all that it was asked for",
        takes_number: false,
    },
    ProtocolOption {
        name: "again",
        summary: "a client that connects again after a lost connection, and does all of it again",
        takes_number: false,
    },
    ProtocolOption {
        name: "reset",
        summary: "a client that resets an older connection by the first byte of its own (0xFF)",
        takes_number: false,
    },
];

/// The requirements of specification section 3, in its order. Their modes are the profiles.
#[expect(
    clippy::panic,
    reason = "the file is built in: if it is wrong, the program is"
)]
fn requirements() -> &'static [Requirement] {
    static REQUIREMENTS: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
        let json = include_str!("../../../../vectors/proton/requirements.json");
        serde_json::from_str(json).unwrap_or_else(|error| {
            panic!("requirements.json is built in and must be well-formed: {error}")
        })
    });
    &REQUIREMENTS
}
