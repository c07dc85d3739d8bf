//! `mediastream`: a media stream over UDP with three ways to start it.
//!
//! The receiver of media starts the exchange and is the initiator; the responder supplies media.
//! Modes: `legacy` (a `START` token, then media) and `3way` (SYN, SYN-ACK, ACK).

pub mod frame;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod mode;
mod monitor;
pub mod pattern;
mod reference;
mod vocabulary;

use std::sync::LazyLock;

pub use mode::{Grammar, Mode, Rejection};

use crate::requirement::{Requirement, Role};
use crate::{Hello, Protocol};

/// What the rest of the program needs to know of `mediastream`.
pub static PROTOCOL: Protocol = Protocol {
    id: "mediastream",
    summary: "a media stream over UDP, with a token or a three-way handshake",
    modes: &["legacy", "3way"],
    roles: &[Role::Initiator, Role::Responder],
    options: &[
        (
            "allow_legacy_start",
            "a 3way responder that serves the START token too",
        ),
        (
            "optimistic_start",
            "a 3way responder that streams before the ACK",
        ),
        (
            "fallback",
            "a 3way initiator that falls back to START when no SYN is answered",
        ),
        (
            "fragments",
            "a responder that carries large frames as fragments with positions",
        ),
    ],
    vocabulary: &vocabulary::Words,
    requirements,
    survival: "MS-W-17",
    timed: &[
        "MS-L-02", "MS-H-03", "MS-H-18", "MS-D-05", "MS-D-06", "MS-D-12",
    ],
    hello,
    monitor: monitor::new,
    reference: reference::new,
};

/// The START token asks in `legacy` (MS-L-01), a SYN in `3way` (MS-H-01).
fn hello(mode: &str, id: &str) -> Option<Hello> {
    match mode.parse().ok()? {
        Mode::Legacy => Some(("START", serde_json::Map::new())),
        Mode::ThreeWay => {
            let fields = [("connection_id".to_owned(), id.into())];
            Some(("SYN", fields.into_iter().collect()))
        }
    }
}

/// The requirements of specification sections 2 to 4, in its order.
#[expect(
    clippy::panic,
    reason = "the file is built in: if it is wrong, the program is"
)]
fn requirements() -> &'static [Requirement] {
    static REQUIREMENTS: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
        let json = include_str!("../../../../vectors/mediastream/requirements.json");
        serde_json::from_str(json).unwrap_or_else(|error| {
            panic!("requirements.json is built in and must be well-formed: {error}")
        })
    });
    &REQUIREMENTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_has_a_first_frame_that_can_be_encoded() {
        let id = "9c1b2a34-0000-4000-8000-000000000001";
        for mode in PROTOCOL.modes {
            let (frame, fields) = hello(mode, id).unwrap();
            let datagram = PROTOCOL.vocabulary.encode(frame, &fields).unwrap();
            let described = PROTOCOL.vocabulary.decode(&datagram).unwrap().unwrap();
            assert_eq!(described.frame, frame);
            let wished = described.fields.get("connection_id");
            assert!(wished.is_none_or(|wished| wished == id), "{wished:?}");
        }
        assert_eq!(hello("start4", id), None);
    }
}
