use serde_json::{Map, Value};

use super::prelude::datagrams::*;
use super::prelude::*;
use crate::document::did_you_mean;

/// A frame to send after its bytes were patched, in the order of `patches`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mutate {
    /// The frame's name.
    pub frame: String,
    /// Its fields.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// What is changed.
    pub patches: Vec<Patch>,
    /// The socket it leaves from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// One change to a datagram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Patch {
    /// Overwrites a field's bytes.
    Field {
        /// The field's name.
        name: String,
        /// The bytes in hexadecimal, as many as the field has.
        hex: String,
    },
    /// Overwrites bytes from an offset on.
    At {
        /// Offset in bytes.
        offset: usize,
        /// The bytes in hexadecimal.
        hex: String,
    },
    /// Inverts the lowest bit of the byte at this offset, which then differs whatever it was.
    Flip(usize),
    /// Cuts the datagram to a length in bytes.
    Truncate(usize),
    /// Appends bytes in hexadecimal.
    Append(String),
}

impl Verb for Mutate {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let mut bytes = check.sent(&self.frame, &self.fields, inside);
        check.socket(self.from.as_deref(), &inside.key("from"), true);
        let list = inside.key("patches");
        if self.patches.is_empty() {
            let help = "a frame that is not changed is sent by `send`";
            check.empty(&list, "nothing is changed", Some(help));
        }
        for (index, patch) in self.patches.iter().enumerate() {
            patch.check(check, &self.frame, bytes.as_mut(), &list.index(index));
        }
        check.datagram_size(bytes.map(|bytes| bytes.len()), &list);
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.uses_of(&self.fields, inside, state);
        check.may_send(inside, state);
    }

    fn in_words(&self) -> String {
        let fields = words::with_fields(&self.fields);
        let from = words::from(self.from.as_deref());
        let patches: Vec<_> = self.patches.iter().map(Patch::in_words).collect();
        let (frame, patches) = (&self.frame, patches.join(", "));
        format!("send {frame}{fields}{from}, its bytes changed: {patches}")
    }

    fn longest(&self, _: &Pace<'_>) -> Duration {
        Pace::burst(None)
    }

    fn sockets(&self) -> Vec<&str> {
        self.from.as_deref().into_iter().collect()
    }
}

impl Sends for Mutate {
    fn stimulus(&self, _: Duration, context: &Context) -> Result<Stimulus, String> {
        let from = From::named(self.from.as_deref(), context)?;
        let mut datagram = send::typed(&self.frame, &self.fields, context)?;
        for patch in &self.patches {
            patch.apply(&self.frame, &mut datagram, context)?;
        }
        Ok(Stimulus::Leaves(from, Repetition::times(datagram, None)))
    }
}

impl Patch {
    /// Checks it, and applies it where the bytes are known.
    fn check(
        &self,
        check: &mut Checker<'_>,
        frame: &str,
        bytes: Option<&mut Vec<u8>>,
        inside: &Pointer,
    ) {
        match self {
            Self::Field { name, hex } => {
                let place = inside.key("field");
                let vocabulary = check.protocol().map(|protocol| protocol.vocabulary);
                let known = vocabulary.and_then(|words| words.fields(frame).ok());
                if let Some(known) = known.filter(|known| !known.contains(&name.as_str())) {
                    let message = format!("{frame} has no field `{name}`");
                    let help = did_you_mean(name, known.iter().copied());
                    return check.at(&place.key("name"), message, help);
                }
                let patched = check.hex(hex, &place.key("hex"));
                let (Some(patched), Some(bytes)) = (patched, bytes) else {
                    return;
                };
                let found = vocabulary.and_then(|words| words.locate(frame, name, bytes));
                match found {
                    Some((_, length)) if length != patched.len() => {
                        let given = patched.len();
                        let message = format!("`{name}` has {length} bytes, this has {given}");
                        check.at(&place.key("hex"), message, None);
                    }
                    Some((offset, length)) => {
                        bytes.splice(offset..offset + length, patched);
                    }
                    None => {
                        let message = format!("the datagram has no `{name}` any more");
                        check.at(&place.key("name"), message, None);
                    }
                }
            }
            Self::At { offset, hex } => {
                let place = inside.key("at");
                let patched = check.hex(hex, &place.key("hex"));
                let (Some(patched), Some(bytes)) = (patched, bytes) else {
                    return;
                };
                let length = bytes.len();
                if overwrite(bytes, *offset, &patched).is_none() {
                    let message = format!("the datagram has only {length} bytes");
                    let help = "`append` adds bytes at its end".to_owned();
                    check.at(&place.key("offset"), message, Some(help));
                }
            }
            Self::Flip(offset) => {
                if let Some(bytes) = bytes {
                    let have = bytes.len();
                    if flip(bytes, *offset).is_none() {
                        let message = format!("the datagram has only {have} bytes");
                        check.at(&inside.key("flip"), message, None);
                    }
                }
            }
            Self::Truncate(length) => {
                if let Some(bytes) = bytes {
                    if *length >= bytes.len() {
                        let have = bytes.len();
                        let message = format!("the datagram has only {have} bytes: nothing is cut");
                        check.at(&inside.key("truncate"), message, None);
                    }
                    bytes.truncate(*length);
                }
            }
            Self::Append(hex) => {
                let more = check.hex(hex, &inside.key("append"));
                if let (Some(more), Some(bytes)) = (more, bytes) {
                    bytes.extend(more);
                }
            }
        }
    }

    /// Changes a frame's bytes.
    fn apply(&self, frame: &str, datagram: &mut Vec<u8>, context: &Context) -> Result<(), String> {
        let (offset, digits) = match self {
            Self::Field { name, hex } => {
                let place = context.vocabulary().locate(frame, name, datagram);
                let (offset, length) =
                    place.ok_or_else(|| format!("{frame} has no field {name:?} here"))?;
                let given = send::hex(hex)?.len();
                if given != length {
                    return Err(format!("{name} has {length} bytes, not {given}"));
                }
                (offset, hex)
            }
            Self::At { offset, hex } => (*offset, hex),
            Self::Flip(offset) => {
                let have = datagram.len();
                let missing = || format!("a datagram of {have} bytes has no byte {offset}");
                return flip(datagram, *offset).ok_or_else(missing);
            }
            Self::Truncate(length) if *length <= datagram.len() => {
                datagram.truncate(*length);
                return Ok(());
            }
            Self::Truncate(length) => {
                let have = datagram.len();
                let message = format!("a datagram of {have} bytes cannot be cut to {length}");
                return Err(message);
            }
            Self::Append(hex) => {
                datagram.extend(send::hex(hex)?);
                return Ok(());
            }
        };
        let (bytes, have) = (send::hex(digits)?, datagram.len());
        overwrite(datagram, offset, &bytes).ok_or_else(|| {
            let length = bytes.len();
            format!("{length} bytes at offset {offset} do not fit into a datagram of {have} bytes")
        })
    }

    fn in_words(&self) -> String {
        match self {
            Self::Field { name, hex } => format!("{name} is {}", words::bytes(hex)),
            Self::At { offset, hex } => format!("{} at offset {offset}", words::bytes(hex)),
            Self::Flip(offset) => format!("the lowest bit of byte {offset} inverted"),
            Self::Truncate(length) => format!("cut to {length} bytes"),
            Self::Append(hex) => format!("{} appended", words::bytes(hex)),
        }
    }
}

/// Inverts the lowest bit of a byte; `None` where there is none.
fn flip(datagram: &mut [u8], offset: usize) -> Option<()> {
    *datagram.get_mut(offset)? ^= 1;
    Some(())
}

/// Writes bytes over others; `None` where there are not as many.
fn overwrite(datagram: &mut [u8], offset: usize, bytes: &[u8]) -> Option<()> {
    let end = offset.checked_add(bytes.len())?;
    datagram.get_mut(offset..end)?.copy_from_slice(bytes);
    Some(())
}
