//! `darktower`: meeting information over HTTP/3, signaling and media over WebTransport.
//!
//! [`MessageReader`] reads messages, each behind its length, [`MediaReader`] a source of media,
//! [`VOCABULARY`] names all of it; [`mod@reference`] has the three services and their client, [`monitor`] judges
//! captures. Numbers are those of profile `r1` (specification, sections 2 and 3).

mod code;
mod exploration;
mod frame;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod items;
mod media_reader;
mod message;
mod message_reader;
pub mod monitor;
mod pairs;
pub mod reference;
mod stream_decoder;
mod values;
mod vocabulary;

use std::sync::LazyLock;

use crate::requirement::Requirement;
use crate::wireshark::Wireshark;
use crate::{Protocol, ProtocolMonitor, Reference, Specification};

pub use code::StreamCode;
pub use frame::{FrameHeader, MAX_PAYLOAD, StreamHeader};
pub use media_reader::{MediaItem, MediaReader};
pub use message::Envelope;
pub use message_reader::{MAX_MESSAGE, MessageReader};
pub use stream_decoder::STREAM_DECODERS;
pub use vocabulary::VOCABULARY;

/// What the rest of the program needs to know of `darktower`. Its modes are the services: those of a server,
/// or the one that a client uses.
pub static PROTOCOL: Protocol = Protocol {
    id: "darktower",
    summary: "meetings: information over HTTP/3, signaling and media over WebTransport",
    mode_name: "service",
    mode_help: "Which services: the Global Controller (gc), the Meeting Controller (mc), the Media Handler (mh)",
    port: 4433,
    sides: ["client", "server"],
    modes: &["gc", "mc", "mh"],
    default_mode: "gc,mc,mh",
    settings: &reference::OPTIONS,
    // The most bytes that waited for a subscriber that did not read (DT-M-11).
    counters: &[("memory", ["/media/most_waiting", "/media/most_waiting"])],
    values: &values::VALUES,
    vocabulary: &VOCABULARY,
    sends: vocabulary::sends,
    wireshark: Wireshark {
        forms: &vocabulary::FORMS,
        tables: message::tables,
        script: include_str!("wireshark.lua"),
    },
    requirements,
    specification: Some(Specification {
        file: "docs/spec/darktower.md",
        text: include_str!("../../../../docs/spec/darktower.md"),
    }),
    survival: "DT-S-11",
    timed: &["DT-S-13"],
    proven_by_what_is_there: &["DT-M-04", "DT-M-07", "DT-M-08", "DT-M-10", "DT-M-14"],
    has_any_mode: false,
    modes_add_up: true,
    serves_one: false,
    peers_meet: true,
    media: None,
    transport: Some(reference::TRANSPORT),
    stream_decoders: Some(STREAM_DECODERS),
    hello: None,
    pairs: Some(pairs::PAIRS),
    monitor: |settings| ProtocolMonitor::Streams(Box::new(monitor::Monitor::new(settings))),
    reference: |settings| {
        reference::new(settings).map(|(machine, transport)| Reference::Streams(machine, transport))
    },
    completed: reference::completed,
    page: Some(include_str!("page.html")),
    measures: Some(reference::describe),
    advice: reference::advice,
    twins: reference::TWINS,
    forked: None,
    exploration: None,
    random_runs: Some(exploration::participants),
};

/// The requirements of the specification, in its order. Their modes are the services.
#[must_use]
pub fn requirements() -> &'static [Requirement] {
    static REQUIREMENTS: LazyLock<Vec<Requirement>> = LazyLock::new(|| {
        Requirement::built_in(include_str!(
            "../../../../vectors/darktower/requirements.json"
        ))
    });
    &REQUIREMENTS
}
