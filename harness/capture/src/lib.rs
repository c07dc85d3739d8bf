//! pcap and pcapng files, link, IP and UDP layers, QUIC, and the tap.
//!
//! It reads any stream and writes to any stream. It opens no socket, starts no thread and reads no
//! clock: live capture is in `shakedown-net`, and times are arguments.

mod capture;
mod compare;
mod error;
mod file;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod layers;
pub mod quic;
mod select;
mod statistics;
mod tap;
mod writer;

pub use pcap_file::{DataLink, Endianness};

pub use crate::capture::{Capture, Item};
pub use crate::compare::{Correspondence, correspond};
pub use crate::error::CaptureError;
pub use crate::file::{
    AnnotateError, Annotated, MAX_PACKET, Packets, RawPacket, annotate, annotate_with_key_log,
};
pub use crate::select::{SelectError, select};
pub use crate::statistics::{FragmentStatistics, Statistics};
pub use crate::tap::{MAX_PAYLOAD_IPV4, MAX_PAYLOAD_IPV6, Tap};
pub use crate::writer::{CaptureWriter, PcapFileWriter, PcapLayout, WriteError, WriterSettings};
pub use shakedown_wire::Datagram;
