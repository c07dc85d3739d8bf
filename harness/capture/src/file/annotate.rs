use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use pcap_file::Endianness;
use pcap_file::pcapng::blocks::SIMPLE_PACKET_BLOCK;

use super::block::{DECRYPTION_SECRETS_BLOCK, Located, bytes_of, integer, key_log_body, shortened};
use super::interface::option;
use super::pcapng::{AnyBlock, Pcapng, is_pcapng};
use super::window::Window;
use crate::CaptureError;

/// Option `opt_comment`.
const COMMENT: u32 = 1;
/// Bytes that are collected before they are written.
const BATCH: usize = 64 * 1024;

/// What was done to a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotated {
    /// Packets that were copied.
    pub packets: u64,
    /// Packet numbers that were to be commented, but are not in the file or cannot carry a comment.
    pub missing: Vec<u64>,
}

/// Why a capture could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum AnnotateError {
    /// It cannot be read; earlier packets were copied.
    #[error(transparent)]
    Read(#[from] CaptureError),
    /// The copy cannot be written.
    #[error("the copy of the capture cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Copies a pcapng file and puts comments on packets, by their numbers from 1. Nothing else
/// changes: other blocks and options are copied byte by byte. One pass, with bounded memory.
///
/// # Errors
/// [`AnnotateError`] if reading or writing fails; a classic pcap file, which has no comments, is
/// [`CaptureError::NotACapture`].
pub fn annotate<R: Read, W: Write>(
    source: R,
    copy: W,
    comments: &BTreeMap<u64, Vec<String>>,
) -> Result<Annotated, AnnotateError> {
    annotate_with_key_log(source, copy, comments, &[])
}

/// The same, with the secrets of TLS sessions, lines in the key log format of NSS, before the first
/// packet, so that readers need nothing besides the file. They are known only after the first
/// packets have passed, when these are written already.
///
/// # Errors
/// As of [`annotate`]; a key log of 2 GiB or more cannot be written.
pub fn annotate_with_key_log<R: Read, W: Write>(
    source: R,
    mut copy: W,
    comments: &BTreeMap<u64, Vec<String>>,
    key_log: &[u8],
) -> Result<Annotated, AnnotateError> {
    let mut window = Window::new(source);
    window.fill(16)?;
    if !is_pcapng(window.bytes()) {
        return Err(AnnotateError::Read(CaptureError::NotACapture {
            looks_like: "only a pcapng file can carry comments".into(),
        }));
    }
    let (mut pcapng, section) = Pcapng::open(&mut window)?;
    let mut batch = window.at(section).to_vec();
    let mut packets = 0;
    let mut missing = Vec::new();
    let result = loop {
        match pcapng.next_block(&mut window) {
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
            Ok(Some(AnyBlock::Other(range))) => batch.extend_from_slice(window.at(range)),
            Ok(Some(AnyBlock::Packet(located))) => {
                let order = pcapng.state().endianness();
                if packets == 0 && !key_log.is_empty() {
                    secrets(key_log, order, &mut batch)?;
                }
                packets += 1;
                let texts = comments.get(&packets).map_or(&[][..], Vec::as_slice);
                if !packet(&window, &located, order, texts, &mut batch) {
                    missing.push(packets);
                }
            }
        }
        if batch.len() >= BATCH {
            copy.write_all(&batch)?;
            batch.clear();
        }
    };
    copy.write_all(&batch)?;
    copy.flush()?;
    missing.extend(
        comments
            .keys()
            .filter(|number| !(1..=packets).contains(*number)),
    );
    result.map(|()| Annotated { packets, missing })
}

/// Copies a packet's block with comments before its own options. `false` if it can have none.
fn packet<R: Read>(
    window: &Window<R>,
    located: &Located,
    order: Endianness,
    comments: &[String],
    copy: &mut Vec<u8>,
) -> bool {
    let Some(range) = located.block.clone() else {
        return false;
    };
    let padded = located.data.len().next_multiple_of(4);
    let options = located.data.start - range.start + padded;
    let block = window.at(range);
    if comments.is_empty() || integer(&block[..4], order) == SIMPLE_PACKET_BLOCK {
        copy.extend_from_slice(block);
        return comments.is_empty();
    }
    let from = copy.len();
    copy.extend_from_slice(&block[..options]);
    for comment in comments {
        option(copy, order, COMMENT, shortened(comment).as_bytes());
    }
    let own = &block[options..block.len() - 4];
    if own.is_empty() {
        option(copy, order, 0, &[]);
    }
    copy.extend_from_slice(own);
    let length = bytes_of(copy.len() as u32 - from as u32 + 4, order);
    copy[from + 4..from + 8].copy_from_slice(&length);
    copy.extend(length);
    true
}

/// Writes a block with secrets.
fn secrets(key_log: &[u8], order: Endianness, copy: &mut Vec<u8>) -> io::Result<()> {
    let body = key_log_body(key_log, order).map_err(io::Error::other)?;
    let length = bytes_of(body.len() as u32 + 12, order);
    copy.extend(bytes_of(DECRYPTION_SECRETS_BLOCK, order));
    copy.extend(length);
    copy.extend(body);
    copy.extend(length);
    Ok(())
}
