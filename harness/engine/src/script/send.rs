//! Datagrams that the scripted peer sends.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::scenario::{Mutate, Patch, SendRaw};

use super::SocketId;
use super::context::Context;
use super::media::MediaRun;
use super::program::Op;
use super::streams::hex_bytes;

/// A step that sends, on its way.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) op: Arc<Op>,
    pub(super) from: From,
    pub(super) source: Source,
    /// The tag of the datagram that is being sent, and since when.
    pub(super) outstanding: Option<(u64, Duration)>,
    /// The last datagram that was sent or is being sent.
    pub(super) datagram: Vec<u8>,
    /// Datagrams that left.
    pub(super) sent: u64,
    /// The first of them in a line, if anybody wants to know.
    pub(super) described: String,
}

/// Where datagrams leave from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// A socket that has a name.
    Named(SocketId),
    /// A new port for each.
    Fresh,
}

/// Where datagrams come from.
#[derive(Debug)]
pub(super) enum Source {
    /// The same one so many times more.
    Same { datagram: Vec<u8>, left: u32 },
    /// Media at its pace.
    Media(MediaRun),
}

impl Sending {
    pub(super) fn new(op: &Arc<Op>, from: From, source: Source) -> Self {
        Self {
            op: Arc::clone(op),
            from,
            source,
            outstanding: None,
            datagram: Vec::new(),
            sent: 0,
            described: String::new(),
        }
    }

    /// What was sent, in a line.
    pub(super) fn summary(&self) -> String {
        let described = &self.described;
        match (&self.source, self.sent) {
            (_, 0) => "sent nothing".to_owned(),
            (Source::Same { .. }, 1) => format!("sent {described}"),
            (Source::Same { .. }, times) => format!("sent {times} times {described}"),
            (Source::Media(_), count) => format!("sent media: {count} datagrams"),
        }
    }
}

impl From {
    /// The socket of this name, `main` if none is given.
    ///
    /// # Errors
    /// The scenario has no such socket.
    pub(super) fn named(name: Option<&str>, context: &Context) -> Result<Self, String> {
        match name {
            Some("fresh") => Ok(Self::Fresh),
            name => context.socket(name).map(Self::Named),
        }
    }
}

/// Encodes a frame.
///
/// # Errors
/// A name without a value, or fields that the frame cannot have.
pub(super) fn typed(
    frame: &str,
    fields: &Map<String, Value>,
    context: &Context,
) -> Result<Vec<u8>, String> {
    let fields = context.bindings.resolve_fields(fields)?;
    let encoded = context.vocabulary().encode(frame, &fields);
    encoded.map_err(|error| error.to_string())
}

/// The bytes of a `send_raw` step.
///
/// # Errors
/// No hexadecimal.
pub(super) fn raw(raw: &SendRaw) -> Result<Vec<u8>, String> {
    let mut bytes = hex_bytes(&raw.hex)?;
    let length = raw.pad_to.unwrap_or(0).max(bytes.len());
    bytes.resize(length, 0);
    Ok(bytes)
}

/// Encodes a frame and patches it.
///
/// # Errors
/// As [`typed`], and a patch that does not fit.
pub(super) fn mutated(mutate: &Mutate, context: &Context) -> Result<Vec<u8>, String> {
    let mut datagram = typed(&mutate.frame, &mutate.fields, context)?;
    for patch in &mutate.patches {
        match patch {
            Patch::Field { name, hex: digits } => {
                let place = context.vocabulary().locate(&mutate.frame, name, &datagram);
                let (offset, length) =
                    place.ok_or_else(|| format!("{} has no field {name:?} here", mutate.frame))?;
                let bytes = hex_bytes(digits)?;
                if bytes.len() != length {
                    return Err(format!("{name} has {length} bytes, not {}", bytes.len()));
                }
                overwrite(&mut datagram, offset, &bytes)?;
            }
            Patch::At {
                offset,
                hex: digits,
            } => overwrite(&mut datagram, *offset, &hex_bytes(digits)?)?,
            Patch::Truncate(length) if *length <= datagram.len() => datagram.truncate(*length),
            Patch::Truncate(length) => {
                let have = datagram.len();
                return Err(format!(
                    "a datagram of {have} bytes cannot be cut to {length}"
                ));
            }
            Patch::Append(digits) => datagram.extend(hex_bytes(digits)?),
        }
    }
    Ok(datagram)
}

fn overwrite(datagram: &mut [u8], offset: usize, bytes: &[u8]) -> Result<(), String> {
    let have = datagram.len();
    let place = offset
        .checked_add(bytes.len())
        .and_then(|end| datagram.get_mut(offset..end));
    let place = place.ok_or_else(|| {
        let length = bytes.len();
        format!("{length} bytes at offset {offset} do not fit into a datagram of {have} bytes")
    })?;
    place.copy_from_slice(bytes);
    Ok(())
}
