//! `mediastream`: a media stream over UDP with three ways to start it.
//!
//! The receiver of media starts the exchange and is the initiator; the responder supplies media.
//! Modes: `legacy` (a `START` token, then media), `3way` (SYN, SYN-ACK, ACK) and `start3` (START,
//! START_ACK, START_CONFIRM, with parameters).

mod exploration;
pub mod frame;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod media;
mod mode;
mod monitor;
mod pairs;
mod reference;
mod sent;

use std::sync::LazyLock;

pub use crate::pattern;
use crate::wireshark::Wireshark;
pub use mode::{Grammar, Mode, Modes, Rejection};
pub use monitor::new as new_monitor;
pub use pairs::PAIRS;
pub use reference::{forked as forked_reference, new as new_reference};

use crate::machine::Failure;
use crate::requirement::Requirement;
use crate::{Hello, Protocol, ProtocolMonitor, Reference, ReferenceSettings, Specification};

/// What the rest of the program needs to know of `mediastream`.
pub static PROTOCOL: Protocol = Protocol {
    id: "mediastream",
    summary: "a media stream over UDP, started by a token or one of two three-way handshakes",
    modes: &["legacy", "3way", "start3"],
    default_mode: "legacy",
    mode_name: "mode",
    mode_help: "Handshake: legacy, 3way or start3; a responder may offer several, comma-separated",
    port: 4444, // specification, section 6
    sides: ["initiator", "responder"],
    settings: &reference::OPTIONS,
    // Specification, section 6: those of a receiver of media.
    counters: &[
        ("duplicates", ["/duplicates", "/uploads/duplicates"]),
        (
            "sequence_gaps",
            ["/sequence_gaps", "/uploads/sequence_gaps"],
        ),
        (
            "reassembly_timeouts",
            ["/reassembly_timeouts", "/uploads/reassembly_timeouts"],
        ),
        (
            "resource_rejections",
            ["/resource_rejections", "/uploads/resource_rejections"],
        ),
        (
            "validation_errors",
            ["/validation_errors", "/uploads/validation_errors"],
        ),
        ("frames", ["/frames", "/uploads/frames"]),
    ],
    values: &[],
    vocabulary: &frame::VOCABULARY,
    sends: sent::sends,
    wireshark: Wireshark::of(frame::FORMS),
    requirements,
    specification: Some(Specification {
        file: "docs/spec/mediastream.md",
        text: include_str!("../../../../docs/spec/mediastream.md"),
    }),
    survival: "MS-W-17",
    timed: &[
        "MS-L-02", "MS-H-03", "MS-H-18", "MS-S-08", "MS-S-13", "MS-D-05", "MS-D-06", "MS-D-12",
    ],
    proven_by_what_is_there: &[
        "MS-W-01", "MS-W-09", "MS-W-10", "MS-W-12", "MS-W-18", "MS-H-02", "MS-H-06", "MS-H-07",
        "MS-H-09", "MS-H-10", "MS-H-22", "MS-S-01", "MS-S-02", "MS-S-03", "MS-S-10", "MS-S-15",
        "MS-S-16", "MS-D-04", "MS-D-11", "MS-R-01",
    ],
    has_any_mode: false,
    modes_add_up: false,
    serves_one: false,
    peers_meet: false,
    media: Some(media::MEDIA),
    transport: None,
    stream_decoders: None,
    hello: Some(hello),
    pairs: Some(PAIRS),
    monitor: |settings| ProtocolMonitor::Packets(new_monitor(settings)),
    reference: |settings| new_reference(settings).map(Reference::Datagrams),
    completed: |settings, _| match settings.get("upload") {
        Some(_) => "the stream was sent".to_owned(),
        None => "the stream is complete".to_owned(),
    },
    page: None,
    measures: None,
    advice,
    twins: reference::TWINS,
    forked: Some(forked_reference),
    exploration: Some(&exploration::EXPLORATION),
    random_runs: Some(exploration::participants),
};

/// A peer that says nothing may speak another mode.
fn advice(settings: &ReferenceSettings, failure: &Failure) -> Option<&'static str> {
    (failure.cause == "timeout").then_some(match settings.get("fallback") {
        _ if settings.mode == "legacy" => "it may speak a handshake: try --mode 3way or start3",
        Some(_) => "the handshake was tried before; it may speak the other one: try another --mode",
        None => "it may speak legacy: try --mode legacy or --fallback",
    })
}

/// The START token asks in `legacy` (MS-L-01), a SYN in `3way` (MS-H-01), a START in `start3`
/// (MS-S-01); of several modes the first.
pub(crate) fn hello(mode: &str, id: &str) -> Option<Hello> {
    let field = |name: &str, value: serde_json::Value| (name.to_owned(), value);
    let (frame, fields) = match mode.parse::<Modes>().ok()?.iter().next()? {
        Mode::Legacy => ("START token", Vec::new()),
        Mode::ThreeWay => ("SYN", vec![field("connection_id", id.into())]),
        Mode::Start3 => {
            // The first half names the stream, the second is the nonce.
            let digits: String = id.chars().filter(char::is_ascii_hexdigit).collect();
            let half = |range| {
                digits
                    .get(range)
                    .and_then(|d| u64::from_str_radix(d, 16).ok())
            };
            let stream_id = half(0..16).filter(|id| *id != 0).unwrap_or(1);
            let nonce = half(16..32).unwrap_or(1);
            let fields = vec![
                field("stream_id", stream_id.into()),
                field("nonce", nonce.into()),
            ];
            ("START", fields)
        }
    };
    Some((frame, fields.into_iter().collect()))
}

/// The requirements of specification sections 2 to 5, in its order.
fn requirements() -> &'static [Requirement] {
    static REQUIREMENTS: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
        Requirement::built_in(include_str!(
            "../../../../vectors/mediastream/requirements.json"
        ))
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
