//! Bytes to integers and back.
//!
//! [`Reader`] walks over a borrowed buffer and never panics; every read names the field that it
//! is for, so a failure is a [`DecodeError`] that says which field, at which offset, how many
//! bytes it needs and how many there are. [`Writer`] appends to a `Vec<u8>`. [`fields!`] makes a
//! struct of a table of fields, and a [`Form`] says of a frame what its fields are.
//!
//! The byte order is in the name of each method (`u16_le`), never in a type or a setting.
//! [`Datagram`] and [`quic`] are what is seen in a capture. Of the protocols that are tested this crate
//! knows none; it knows no clock and no socket, and depends on no other crate of the workspace.

mod codes;
mod datagram;
mod error;
mod fields;
mod form;
pub mod planted;
pub mod quic;
mod reader;
mod tlv;
mod writer;

pub use datagram::Datagram;
pub use error::{DecodeError, Fault, Rule};
pub use form::{DefaultValue, Extension, Field, Form, Kind, Start};
pub use reader::Reader;
pub use tlv::{Tlv, Tlvs};
pub use writer::Writer;
