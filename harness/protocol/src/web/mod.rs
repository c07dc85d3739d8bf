//! HTTP/3 (RFC 9114) and WebTransport over it (draft-ietf-webtrans-http3), without I/O.
//!
//! [`Web`] is one end of a connection: what happens on the streams of QUIC comes in, requests, sessions
//! and their streams come out, and the other way round. [`StreamReader`] reads one direction of a stream
//! of QUIC however its bytes are cut, for whoever takes part and for whoever only watches. Who takes part
//! compresses header fields by the static table alone (RFC 9204) and offers no dynamic one; who watches follows
//! those of others ([`HeaderTables`]).

mod capsule;
mod code;
mod critical;
mod dynamic_table;
mod endpoint;
mod fault;
pub(crate) mod field_section;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod https;
mod message;
mod prefixed;
mod reader;
mod receive;
mod settings;
mod stream;
mod stream_decoder;
#[cfg(test)]
mod tests;

use shakedown_wire::Writer;

pub use capsule::{CapsuleReader, CapsuleType, SessionClose};
pub use code::{SESSION_CODES, WebCode, from_http3, to_http3};
pub use dynamic_table::HeaderTables;
pub use endpoint::{Refusal, Web, WebEvent};
pub use field_section::{Field, encode as encode_fields};
pub use https::https;
pub(crate) use message::get;
pub use reader::{Item, StreamReader};
pub use settings::{Setting, Settings};
pub use stream::SessionStream;
pub use stream_decoder::WebStreamDecoder;

/// The protocol's name in the TLS handshake.
pub const ALPN: &str = "h3";

/// Types of frames (RFC 9114, section 7.2), and the first bytes of a bidirectional stream of a WebTransport
/// session.
pub mod frame_type {
    pub const DATA: u64 = 0x00;
    pub const HEADERS: u64 = 0x01;
    pub const CANCEL_PUSH: u64 = 0x03;
    pub const SETTINGS: u64 = 0x04;
    pub const PUSH_PROMISE: u64 = 0x05;
    pub const GOAWAY: u64 = 0x07;
    pub const MAX_PUSH_ID: u64 = 0x0d;
    /// No frame: the session's id follows, then the bytes of the stream.
    pub const WEBTRANSPORT_STREAM: u64 = 0x41;
}

/// Types of unidirectional streams (RFC 9114, section 6.2; RFC 9204, section 4.2).
pub mod stream_type {
    pub const CONTROL: u64 = 0x00;
    pub const PUSH: u64 = 0x01;
    pub const QPACK_ENCODER: u64 = 0x02;
    pub const QPACK_DECODER: u64 = 0x03;
    /// Of a WebTransport session: its id follows, then the bytes of the stream.
    pub const WEBTRANSPORT: u64 = 0x54;
}

/// A frame as it stands on a stream.
#[must_use]
pub fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(payload.len() + 8);
    let mut writer = Writer::new(&mut bytes);
    writer.quic_varint(kind);
    writer.quic_varint(payload.len() as u64);
    writer.bytes(payload);
    bytes
}

/// Two numbers that stand before what follows on a stream: its type and its session, say.
#[must_use]
pub fn prefix(first: u64, second: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes);
    writer.quic_varint(first);
    writer.quic_varint(second);
    bytes
}
