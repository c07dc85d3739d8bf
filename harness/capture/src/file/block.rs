//! What those share who read and write the blocks of pcapng files.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use pcap_file::{DataLink, Endianness};

/// Most captured bytes of a packet. Loopback with segmentation offload reaches half of it.
pub const MAX_PACKET: u32 = 1024 * 1024;

/// Type of a block with secrets.
pub(crate) const DECRYPTION_SECRETS_BLOCK: u32 = 0x0a;
/// Type of secrets: a key log of TLS.
pub(crate) const TLS_KEY_LOG: u32 = 0x544c_534b;
/// Longest comment in bytes; the format's limit is 65,535.
const MAX_COMMENT: usize = 60_000;

/// Where a packet lies in the window.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    pub(super) offset: u64,
    pub(super) time: Option<Duration>,
    pub(super) interface: u32,
    pub(super) link: DataLink,
    pub(super) data: Range<usize>,
    pub(super) wire_length: u32,
    /// The whole block, with its head, in a pcapng file.
    pub(super) block: Option<Range<usize>>,
}

impl Default for Located {
    fn default() -> Self {
        Self {
            offset: 0,
            time: None,
            interface: 0,
            link: DataLink::NULL,
            data: 0..0,
            wire_length: 0,
            block: None,
        }
    }
}

/// An integer of at most four bytes.
#[inline]
pub(super) fn integer(bytes: &[u8], order: Endianness) -> u32 {
    if let Some(bytes) = bytes.as_array::<4>() {
        return match order {
            Endianness::Big => u32::from_be_bytes(*bytes),
            Endianness::Little => u32::from_le_bytes(*bytes),
        };
    }
    let fold = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
    match order {
        Endianness::Big => bytes.iter().fold(0, fold),
        Endianness::Little => bytes.iter().rev().fold(0, fold),
    }
}

pub(super) const fn bytes_of(value: u32, order: Endianness) -> [u8; 4] {
    match order {
        Endianness::Big => value.to_be_bytes(),
        Endianness::Little => value.to_le_bytes(),
    }
}

/// What is in a block with the secrets of TLS sessions.
pub(crate) fn key_log_body(key_log: &[u8], order: Endianness) -> Result<Vec<u8>, String> {
    // The block has to have a length, too.
    let length = u32::try_from(key_log.len()).ok().filter(|it| *it < 1 << 31);
    let length = length.ok_or_else(|| format!("a key log of {} bytes", key_log.len()))?;
    let mut body = Vec::with_capacity(key_log.len() + 12);
    for field in [TLS_KEY_LOG, length] {
        body.extend(bytes_of(field, order));
    }
    body.extend_from_slice(key_log);
    body.resize(body.len().next_multiple_of(4), 0);
    Ok(body)
}

/// A comment, cut where the format's limit or a reader's patience ends.
pub(crate) fn shortened(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_COMMENT {
        return text.into();
    }
    format!("{}...", &text[..text.floor_char_boundary(MAX_COMMENT)]).into()
}
