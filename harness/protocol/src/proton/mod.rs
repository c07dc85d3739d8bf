//! `proton`: three streams over one QUIC connection.
//!
//! The client opens three bidirectional streams and sends one byte on each that says which it is:
//! Event (rising ids, each acked), StateCommit (a request, an answer) and Action (items from the
//! server). Times, codes and limits are those of specification section 1.

mod code;
mod discriminator;
pub mod monitor;
mod reference;
mod vocabulary;
mod words;

use std::sync::LazyLock;
use std::time::Duration;

use crate::requirement::Requirement;
use crate::specification::Specification;

pub use code::CloseCode;
pub use discriminator::{Kind, RESET};
pub use reference::{Client, ClientSettings, News, NotNow, Profile, Server, ServerSettings};
pub use vocabulary::{ProtonWords, StreamReader, VOCABULARY, word};
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

/// The rules, and what their sides are called.
pub const SPECIFICATION: Specification = Specification {
    id: "proton",
    sides: ["client", "server"],
    requirements,
};

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
