//! The packets of a capture file, one by one.

mod annotate;
mod block;
mod foreign;
mod interface;
mod pcap;
mod pcapng;
mod window;

use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;
use std::time::Duration;

use ::pcap_file::DataLink;
use ::pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use ::pcap_file::pcapng::blocks::opt_common::CommonOption;
use ::pcap_file::pcapng::{Block, PcapNgState, RawBlock};

pub use self::annotate::{AnnotateError, Annotated, annotate, annotate_with_key_log};
use self::block::Located;
pub use self::block::MAX_PACKET;
pub(crate) use self::block::{DECRYPTION_SECRETS_BLOCK, key_log_body, shortened};
use self::pcapng::Found;
use self::window::Window;
use crate::CaptureError;

/// Reads the packets of a pcap or pcapng file as they stand in it, from any stream.
///
/// Memory is bounded by [`MAX_PACKET`], whatever the file says.
#[derive(Debug)]
pub struct Packets<R> {
    window: Window<R>,
    format: Format,
    number: u64,
    current: Located,
    last_time: Duration,
    /// The key log that was found last.
    key_log: Range<usize>,
    over: bool,
}

/// What a step through the file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Packet,
    KeyLog,
    /// A key log that was passed over.
    UnreadKeyLog,
    End,
}

#[derive(Debug)]
enum Format {
    Pcap(pcap::Pcap),
    Pcapng(pcapng::Pcapng),
}

/// A packet as it stands in the file.
#[derive(Debug, Clone, Copy)]
pub struct RawPacket<'a> {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Where its record or block begins in the file.
    pub offset: u64,
    /// Its time since 1970; for a packet without one, the time of the packet before it.
    pub time: Duration,
    /// Whether the file gives its time.
    pub timed: bool,
    /// Index of its interface within the section; 0 in a pcap file.
    pub interface: u32,
    /// What its first bytes are.
    pub link: DataLink,
    /// Its bytes, as far as they were captured.
    pub data: &'a [u8],
    /// Its length in bytes on the wire, at least `data.len()`.
    pub wire_length: u32,
    encoded: Option<(&'a PcapNgState, &'a [u8])>,
}

impl<R: Read> Packets<R> {
    /// Reads the beginning of a file and recognises its format.
    ///
    /// # Errors
    /// [`CaptureError`] if it is no capture, is cut off or damaged in its header, or cannot be
    /// read.
    pub fn open(source: R) -> Result<Self, CaptureError> {
        let mut window = Window::new(source);
        // A file shorter than this may still show what it is.
        window.fill(16)?;
        let bytes = window.bytes();
        let format = if pcapng::is_pcapng(bytes) {
            Format::Pcapng(pcapng::Pcapng::open(&mut window)?.0)
        } else if pcap::is_pcap(bytes) {
            Format::Pcap(pcap::Pcap::open(&mut window)?)
        } else {
            let first = &bytes[..bytes.len().min(512)];
            return Err(CaptureError::NotACapture {
                looks_like: foreign::looks_like(first),
            });
        };
        Ok(Self {
            window,
            format,
            number: 0,
            current: Located::default(),
            last_time: Duration::ZERO,
            key_log: 0..0,
            over: false,
        })
    }

    /// The next packet; `None` at the end of the file, and for ever after an error.
    ///
    /// # Errors
    /// [`CaptureError`] where the file is cut off or damaged, or cannot be read. It is returned once.
    pub fn next_packet(&mut self) -> Result<Option<RawPacket<'_>>, CaptureError> {
        Ok(if self.advance()? {
            Some(self.current())
        } else {
            None
        })
    }

    /// Moves to the next packet. `false` at the end of the file, and for ever after an error.
    fn advance(&mut self) -> Result<bool, CaptureError> {
        loop {
            match self.step()? {
                Step::Packet => return Ok(true),
                Step::KeyLog | Step::UnreadKeyLog => {}
                Step::End => return Ok(false),
            }
        }
    }

    /// Moves to the next packet or key log. At the end for ever after an error.
    #[inline]
    pub(crate) fn step(&mut self) -> Result<Step, CaptureError> {
        if self.over {
            return Ok(Step::End);
        }
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.window).map(|it| it.map(Found::Packet)),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.window),
        };
        let Some(found) = found.inspect_err(|_| self.over = true)? else {
            self.over = true;
            return Ok(Step::End);
        };
        let located = match found {
            Found::Packet(located) => located,
            Found::KeyLog(range) => {
                self.key_log = range;
                return Ok(Step::KeyLog);
            }
            Found::UnreadKeyLog => return Ok(Step::UnreadKeyLog),
        };
        self.number += 1;
        self.last_time = located.time.unwrap_or(self.last_time);
        self.current = located;
        Ok(Step::Packet)
    }

    /// The key log that [`Self::step`] moved to.
    pub(crate) fn key_log(&self) -> &[u8] {
        self.window.at(self.key_log.clone())
    }

    /// The packet that [`Self::step`] moved to.
    #[inline]
    pub(crate) fn current(&self) -> RawPacket<'_> {
        let located = &self.current;
        let encoded = match (&self.format, &located.block) {
            (Format::Pcapng(pcapng), Some(block)) => {
                Some((pcapng.state(), self.window.at(block.clone())))
            }
            _ => None,
        };
        RawPacket {
            number: self.number,
            offset: located.offset,
            time: self.last_time,
            timed: located.time.is_some(),
            interface: located.interface,
            link: located.link,
            data: self.window.at(located.data.clone()),
            wire_length: located.wire_length,
            encoded,
        }
    }

    /// Bytes of the file that were consumed so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.window.offset()
    }
}

impl<'a> RawPacket<'a> {
    /// The comments on the packet. Comments that are no text are left out.
    #[must_use]
    pub fn comments(&self) -> Vec<Cow<'a, str>> {
        self.options()
            .into_iter()
            .filter_map(|option| match option {
                EnhancedPacketOption::Common(CommonOption::Comment(text)) => Some(text),
                _ => None,
            })
            .collect()
    }

    /// All options of an enhanced packet block; none if they cannot be decoded.
    pub(crate) fn options(&self) -> Vec<EnhancedPacketOption<'a>> {
        let Some((state, block)) = self.encoded else {
            return Vec::new();
        };
        let kind = block::integer(&block[..4], state.endianness());
        let length = block.len() as u32;
        let raw = RawBlock {
            type_: kind,
            initial_len: length,
            body: Cow::Borrowed(&block[8..block.len() - 4]),
            trailer_len: length,
        };
        match raw.try_into_block(state) {
            Ok(Block::EnhancedPacket(packet)) => packet.options,
            _ => Vec::new(),
        }
    }
}
