//! The datagram forms: one file each, all integers little-endian, offsets from the start of the
//! UDP payload (specification, section 1).
//!
//! Decoding borrows the datagram, allocates nothing and keeps every byte that it does not
//! interpret, so that encoding a decoded frame gives the same bytes. A decoder checks what makes a
//! datagram malformed (lengths, NUL of an id, TLV bounds) and nothing that only a session can
//! judge.

mod error_code;
mod header;
#[macro_use]
mod list;
mod planted;
pub mod tlv;

pub use connection_id::ConnectionId;
pub use error_code::ErrorCode;
pub use header::Header;
pub use token::{JOIN_TOKEN, START_TOKEN};

use serde_json::Value;
use shakedown_wire::{DecodeError, Form, Reader, Writer};

use crate::vocabulary::{Described, Forms, says_something};

/// Largest UDP payload that IPv4 carries, in bytes; no datagram is larger (MS-W-18).
pub const MAX_DATAGRAM: usize = 65_507;

frames! {
    datagrams in token {
        /// The `START` token.
        StartToken = START,
        /// The `JOIN` token: the client wants to send.
        JoinToken = JOIN,
    }
    Data in data {
        /// A whole frame of media, or one part of a plain split.
        Data = DATA,
    }
    Fragment in fragment {
        /// A part of a frame with its position.
        Fragment = FRAGMENT,
    }
    Control in control {
        /// The initiator asks for a session.
        Syn = SYN,
        /// The responder accepts or rejects.
        SynAck = SYN_ACK,
        Ack = ACK,
    }
    Start3 in start3 {
        /// The Receiver asks for a stream.
        Start = START,
        StartAck = START_ACK,
        StartConfirm = START_CONFIRM,
        /// Either side refuses or ends the stream.
        Error = ERROR,
    }
    ConnectionIdFrame in connection_id {
        /// The responder names the session.
        ConnectionId = CONNECTION_ID,
    }
}

/// The frames by name.
pub(super) static VOCABULARY: Forms = Forms::new("mediastream", FORMS, |datagram| {
    Ok(Frame::decode(datagram)?.map(|frame| frame.form()))
})
.telling(shows);

fn shows(described: &Described, name: &str) -> bool {
    let fields = &described.fields;
    match (name, fields.get(name)) {
        // A SYN-ACK that does not accept says so.
        ("accept", Some(Value::Bool(_))) => true,
        ("version", Some(value)) => value.as_u64() != Some(1),
        // `accept` is a view of them: they add nothing unless a reserved bit is set.
        ("flags", Some(flags)) => {
            let accept = fields.get("accept").and_then(Value::as_bool);
            let accept = accept.map(|accept| Value::from(u8::from(accept)));
            accept.as_ref() != Some(flags) && says_something(flags)
        }
        // Extensions with separate fields, which follow the list, are shown by these.
        ("tlvs", Some(Value::Array(listed))) => {
            let told = fields
                .keys()
                .skip_while(|name| *name != "tlvs")
                .skip(1)
                .count();
            listed.len() != told && !listed.is_empty()
        }
        (_, Some(value)) => says_something(value),
        (_, None) => false,
    }
}

impl Frame<'_> {
    /// The datagram as a new vector.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut buffer = Vec::new();
        self.encode(&mut buffer);
        buffer
    }

    /// The form's name as scenarios and reports spell it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.form().name
    }
}

#[cfg(test)]
mod tests;
