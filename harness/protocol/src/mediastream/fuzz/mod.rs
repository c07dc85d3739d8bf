//! Bodies of the fuzz targets: each takes any bytes and panics if what must hold does not.
//!
//! The targets in `fuzz/` are thin, so that the same bodies run in a stable test over every seed.

mod datagrams;
mod frames;
mod input;
mod monitor;
mod peers;

use super::{Grammar, Mode};

pub use input::{Event, FuzzInput};
pub use peers::participants;

/// Takes the bytes as a datagram that reaches an endpoint in `legacy`.
pub fn decode_legacy(bytes: &[u8]) {
    frames::decode(Grammar::new(Mode::Legacy, false), bytes);
}

/// Takes the bytes as a datagram that reaches endpoints in `3way`, with and without
/// AllowLegacyStart.
pub fn decode_3way(bytes: &[u8]) {
    frames::decode(Grammar::new(Mode::ThreeWay, false), bytes);
    frames::decode(Grammar::new(Mode::ThreeWay, true), bytes);
}

/// Takes the bytes as a datagram that reaches endpoints in `start3`, with and without
/// compatibility, alone and beside the other modes, and a server that takes uploads.
pub fn decode_start3(bytes: &[u8]) {
    frames::decode(Grammar::new(Mode::Start3, false), bytes);
    frames::decode(Grammar::new(Mode::Start3, true), bytes);
    frames::decode(Grammar::new(Mode::Legacy, false).with_uploads(), bytes);
    let both = Grammar {
        handshake: true,
        ..Grammar::new(Mode::Start3, false)
    };
    frames::decode(both, bytes);
}

/// Makes a datagram of the bytes, decodes it and encodes it again.
pub fn round_trip(bytes: &[u8]) {
    frames::round_trip(bytes);
}

/// The datagram that [`round_trip`] makes of the bytes.
#[must_use]
pub fn datagram(bytes: &[u8]) -> Option<Vec<u8>> {
    frames::datagram(bytes)
}

/// Takes the bytes as a [`Plan`] for a capture that the monitor sees.
pub fn monitor(bytes: &[u8]) {
    monitor::run(bytes);
}
