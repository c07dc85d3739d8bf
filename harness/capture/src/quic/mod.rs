//! QUIC v1 in captures, decrypted with the secrets of the TLS sessions.
//!
//! A [`Decoder`] takes the datagrams of a capture in their order, and the key logs where they
//! stand, and emits [`Event`]s: connections, what their ends agree on, the bytes of streams in
//! order, how connections end, and what cannot be read and why.
//!
//! ```
//! # fn main() -> Result<(), shakedown_capture::CaptureError> {
//! # let file: &[u8] = &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0,
//! #     0, 0, 4, 0, 1, 0, 0, 0];
//! use shakedown_capture::quic::{Decoder, Event, EventKind, Limits};
//! use shakedown_capture::{Capture, Item};
//!
//! let mut capture = Capture::open(file)?;
//! let mut decoder = Decoder::new(Limits::default());
//! let mut tell = |event: &Event<'_>| {
//!     if let EventKind::StreamBytes { stream, bytes, .. } = event.kind {
//!         println!("{} bytes on stream {stream}", bytes.len());
//!     }
//! };
//! while let Some(item) = capture.next_item()? {
//!     match item {
//!         Item::KeyLog(key_log) => decoder.add_secrets(key_log, &mut tell),
//!         Item::Datagram(datagram) => decoder.datagram(&datagram, &mut tell),
//!     }
//! }
//! decoder.finish(&mut tell);
//! println!("{}", decoder.statistics());
//! # Ok(())
//! # }
//! ```
//!
//! # What is read
//!
//! RFC 9000 and 9001 with AES-128-GCM, AES-256-GCM and ChaCha20-Poly1305: long and short headers,
//! coalesced packets, 0-RTT that the server takes, Retry, Version Negotiation, key updates,
//! connection ids that change or are empty, ends that move to other addresses, tokens of stateless
//! reset; DATAGRAM frames (RFC 9221), the QUIC bit greased (RFC 9287), and ACK_FREQUENCY. The cryptography is
//! ring's. Of TLS only the ClientHello, the cipher suite and the EncryptedExtensions are read.
//!
//! Connections are distinguished by their ids, and by addresses only where there are none or where an
//! id was never seen; whether a packet is of a connection is always decided by its keys.
//!
//! # Secrets
//!
//! In the key log format of NSS (`SSLKEYLOGFILE`): `CLIENT_EARLY_TRAFFIC_SECRET`,
//! `CLIENT_`/`SERVER_HANDSHAKE_TRAFFIC_SECRET` and `CLIENT_`/`SERVER_TRAFFIC_SECRET_0`. They are
//! to come before the packets that need them, which is where [`Tap`](crate::Tap) and `editcap
//! --inject-secrets` put them; a key log beside the capture is given before its first packet. The
//! capture is read once, so packets wait for later secrets only within the bounds below; beyond
//! them they are [`UnreadableReason::NoSecrets`], and the streams that lack them [`Lost`].
//!
//! # Bounds
//!
//! For each connection at most 128 packets wait for keys; 64 connection ids of each end, 64 reset
//! tokens and 16 pairs of addresses are kept; 4,096 streams are open at once; a packet whose number is
//! 4,096 or more below the largest one counts as repeated. Bytes that wait for
//! those before them, and packets that wait for keys, are bounded for each direction of a stream,
//! each connection and in all by [`Limits`]; so is the number of connections. A connection that
//! was closed is forgotten a minute after its last packet, or earlier where there are too many. What exceeds a
//! bound makes a stream [`Lost`], or packets unreadable; it never gives a wrong byte.
//!
//! # What is not read
//!
//! Other versions of QUIC, AES-128-CCM, the key exchange itself (so a capture without secrets shows
//! the Initial packets alone), connections whose first packet is missing, packets that come in the
//! capture before the first of their connection, and packets with short headers to an end that no
//! long header was read of. Where ids or addresses are used by many connections, some of them are
//! tried for a packet, the latest first.

mod assembler;
mod connection;
mod decoder;
mod frames;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod header;
mod index;
mod keys;
mod lifecycle;
mod line;
mod protect;
mod receive;
mod secrets;
mod space;
mod statistics;
mod streams;
#[cfg(test)]
mod tests;
mod tls;

pub use decoder::{Decoder, Limits};
pub use keys::Suite;
pub use line::line;
pub use protect::OpenPlain;
pub use secrets::{Secrets, SkippedLine};
pub use shakedown_wire::quic::{
    Acknowledged, At, Carried, CloseCode, Event, EventKind, Flow, Level, Lost, Packet, Role,
    TransportParameters, Unreadable, UnreadableReason, protocols,
};
pub use statistics::QuicStatistics;
