use std::borrow::Cow;
use std::io::Read;
use std::ops::Range;

use pcap_file::Endianness;
use pcap_file::pcapng::blocks::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK,
    SIMPLE_PACKET_BLOCK,
};
use pcap_file::pcapng::{Block, PcapNgParser, PcapNgState, RawBlock};

use super::block::{DECRYPTION_SECRETS_BLOCK, Located, MAX_PACKET, TLS_KEY_LOG, integer};
use super::interface::{Clock, describe, section};
use super::window::Window;
use crate::error::{CaptureError, error_chain};

/// Largest block with a packet, in bytes: the packet and its options.
const MAX_PACKET_BLOCK: u32 = 4 * MAX_PACKET;
/// Largest description of a section or an interface, in bytes.
const MAX_DESCRIPTION: u32 = 1024 * 1024;
/// Most interfaces of a section.
const MAX_INTERFACES: usize = 65_536;
/// Largest block with secrets that is read, in bytes.
const MAX_SECRETS: u32 = 16 * 1024 * 1024;
/// The byte-order magic as it stands in a little-endian and in a big-endian file.
const MAGIC: [([u8; 4], Endianness); 2] = [
    ([0x4d, 0x3c, 0x2b, 0x1a], Endianness::Little),
    ([0x1a, 0x2b, 0x3c, 0x4d], Endianness::Big),
];

/// Whether a file that begins so is a pcapng file.
pub(crate) fn is_pcapng(bytes: &[u8]) -> bool {
    bytes.starts_with(&SECTION_HEADER_BLOCK.to_be_bytes())
}

/// Reads the packet blocks of a pcapng file.
#[derive(Debug)]
pub(crate) struct Pcapng {
    parser: PcapNgParser,
    clocks: Vec<Clock>,
}

/// What says something to readers of packets.
pub(crate) enum Found {
    Packet(Located),
    /// A key log of TLS, in the window.
    KeyLog(Range<usize>),
    /// Secrets of TLS that were passed over, because they are too long or damaged.
    UnreadKeyLog,
}

/// A block that was consumed, and where it lies.
pub(crate) enum AnyBlock {
    Packet(Located),
    Other(Range<usize>),
}

/// The beginning of a block.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: u32,
    /// Length of the whole block in bytes.
    length: u32,
    order: Endianness,
    offset: u64,
}

impl Pcapng {
    /// Reads the section header that the file begins with, and says where it lies.
    pub(crate) fn open<R: Read>(
        window: &mut Window<R>,
    ) -> Result<(Self, Range<usize>), CaptureError> {
        let Some(head) = head(window, Endianness::Big)? else {
            return Err(truncated("the section header", 0, 28, 0));
        };
        whole(window, head, MAX_DESCRIPTION)?;
        let description = section(window.bytes(), head.order, head.offset)?;
        let (_, parser) =
            PcapNgParser::new(&description).map_err(|error| undecodable(head.offset, &error))?;
        let pcapng = Self {
            parser,
            clocks: Vec::new(),
        };
        Ok((pcapng, window.consume(head.length as usize)))
    }

    pub(crate) fn state(&self) -> &PcapNgState {
        self.parser.state()
    }

    pub(crate) fn next<R: Read>(
        &mut self,
        window: &mut Window<R>,
    ) -> Result<Option<Found>, CaptureError> {
        loop {
            let Some(head) = head(window, self.parser.section().endianness)? else {
                return Ok(None);
            };
            match head.kind {
                SECTION_HEADER_BLOCK | INTERFACE_DESCRIPTION_BLOCK => {
                    self.description(window, head)?;
                }
                ENHANCED_PACKET_BLOCK | PACKET_BLOCK | SIMPLE_PACKET_BLOCK => {
                    let packet = self.packet(window, head)?;
                    return Ok(Some(Found::Packet(packet)));
                }
                DECRYPTION_SECRETS_BLOCK => {
                    if let Some(found) = secrets(window, head)? {
                        return Ok(Some(found));
                    }
                }
                // Whatever else there is (names, statistics, blocks yet to be invented) says
                // nothing about packets.
                _ => skip(window, head)?,
            }
        }
    }

    /// The next block of any type, for those who copy a file.
    pub(crate) fn next_block<R: Read>(
        &mut self,
        window: &mut Window<R>,
    ) -> Result<Option<AnyBlock>, CaptureError> {
        let Some(head) = head(window, self.parser.section().endianness)? else {
            return Ok(None);
        };
        Ok(Some(match head.kind {
            SECTION_HEADER_BLOCK | INTERFACE_DESCRIPTION_BLOCK => {
                AnyBlock::Other(self.description(window, head)?)
            }
            ENHANCED_PACKET_BLOCK | PACKET_BLOCK | SIMPLE_PACKET_BLOCK => {
                AnyBlock::Packet(self.packet(window, head)?)
            }
            _ => {
                whole(window, head, MAX_PACKET_BLOCK)?;
                AnyBlock::Other(window.consume(head.length as usize))
            }
        }))
    }

    fn description<R: Read>(
        &mut self,
        window: &mut Window<R>,
        head: Head,
    ) -> Result<Range<usize>, CaptureError> {
        whole(window, head, MAX_DESCRIPTION)?;
        let block = &window.bytes()[..head.length as usize];
        let description = if head.kind == SECTION_HEADER_BLOCK {
            self.clocks.clear();
            section(block, head.order, head.offset)?
        } else {
            if self.clocks.len() == MAX_INTERFACES {
                return Err(CaptureError::damaged(
                    head.offset,
                    "the description of one interface more than 65536",
                    "a section describes each of its interfaces once",
                ));
            }
            let (clock, description) = describe(block, head.order, head.offset)?;
            self.clocks.push(clock);
            description
        };
        self.parser
            .next_raw_block(&description)
            .map_err(|error| undecodable(head.offset, &error))?;
        Ok(window.consume(head.length as usize))
    }

    fn packet<R: Read>(
        &mut self,
        window: &mut Window<R>,
        head: Head,
    ) -> Result<Located, CaptureError> {
        whole(window, head, MAX_PACKET_BLOCK)?;
        let block = &window.bytes()[..head.length as usize];
        let body = &block[8..block.len() - 4];
        let shape = self.shape(body, head)?;
        // Without the options the parser allocates nothing, and a broken comment costs no packet.
        let raw = RawBlock {
            type_: head.kind,
            initial_len: head.length,
            body: Cow::Borrowed(&body[..shape.end]),
            trailer_len: head.length,
        };
        let decoded = raw
            .try_into_block(self.parser.state())
            .map_err(|error| undecodable(head.offset, &error))?;
        let (time, wire_length) = match decoded {
            Block::EnhancedPacket(packet) => (Some(packet.timestamp), packet.original_len),
            Block::Packet(packet) => (Some(packet.timestamp), packet.original_len),
            Block::SimplePacket(packet) => (None, packet.original_len),
            _ => {
                return Err(CaptureError::damaged(
                    head.offset,
                    "a block of another type",
                    "a packet block was announced",
                ));
            }
        };
        let interface = &self.parser.interfaces()[shape.interface];
        let link = interface.linktype;
        let time = match time {
            Some(time) => Some(self.clocks[shape.interface].time(time, head.offset)?),
            None => None,
        };
        let range = window.consume(head.length as usize);
        let data = range.start + 8 + shape.data;
        Ok(Located {
            offset: head.offset,
            time,
            interface: shape.interface as u32,
            link,
            data: data..data + shape.captured,
            wire_length,
            block: Some(range),
        })
    }

    /// Where the packet lies in the body of its block, after the checks whose failure deserves a
    /// better word than the parser's.
    fn shape(&self, body: &[u8], head: Head) -> Result<Shape, CaptureError> {
        let header = if head.kind == SIMPLE_PACKET_BLOCK {
            4
        } else {
            20
        };
        if body.len() < header {
            return Err(CaptureError::damaged(
                head.offset + 4,
                format!("a packet block of {} bytes", head.length),
                format!("the shortest of its kind has {} bytes", header + 12),
            ));
        }
        let u32 = |at: usize| integer(&body[at..at + 4], head.order);
        let (interface, captured, wire) = match head.kind {
            SIMPLE_PACKET_BLOCK => {
                let limit = self.parser.interfaces().first().map_or(0, |it| it.snaplen);
                let captured = if limit == 0 {
                    u32(0)
                } else {
                    u32(0).min(limit)
                };
                (0, captured, u32(0))
            }
            PACKET_BLOCK => (integer(&body[..2], head.order), u32(12), u32(16)),
            _ => (u32(0), u32(12), u32(16)),
        };
        let interfaces = self.clocks.len();
        if interface as usize >= interfaces {
            return Err(CaptureError::damaged(
                head.offset + 8,
                format!("a packet of interface {interface}, but {interfaces} are described"),
                "each interface is described in its section before its first packet",
            ));
        }
        if captured > MAX_PACKET || header + (captured as usize).next_multiple_of(4) > body.len() {
            return Err(CaptureError::damaged(
                head.offset,
                format!(
                    "a packet with {captured} captured bytes in a block of {}",
                    head.length
                ),
                "a packet fits into its block",
            ));
        }
        if captured > wire {
            return Err(CaptureError::damaged(
                head.offset,
                format!("{captured} bytes were captured of a packet of {wire} bytes"),
                "the captured length is at most the packet's length",
            ));
        }
        Ok(Shape {
            interface: interface as usize,
            captured: captured as usize,
            data: header,
            end: header + (captured as usize).next_multiple_of(4),
        })
    }
}

/// A block with secrets. `None` if they are not of TLS.
fn secrets<R: Read>(window: &mut Window<R>, head: Head) -> Result<Option<Found>, CaptureError> {
    if head.length > MAX_SECRETS {
        skip(window, head)?;
        return Ok(Some(Found::UnreadKeyLog));
    }
    whole(window, head, MAX_SECRETS)?;
    let range = window.consume(head.length as usize);
    let body = &window.at(range.clone())[8..head.length as usize - 4];
    let Some((fields, data)) = body.split_first_chunk::<8>() else {
        return Ok(Some(Found::UnreadKeyLog));
    };
    if integer(&fields[..4], head.order) != TLS_KEY_LOG {
        return Ok(None);
    }
    let length = integer(&fields[4..], head.order) as usize;
    if length > data.len() {
        return Ok(Some(Found::UnreadKeyLog));
    }
    let start = range.start + 16;
    Ok(Some(Found::KeyLog(start..start + length)))
}

/// Where a packet lies in the body of its block.
struct Shape {
    interface: usize,
    captured: usize,
    /// Offset of the packet's first byte.
    data: usize,
    /// Offset of the first option.
    end: usize,
}

/// Reads the type and the length of the next block. `None` at the end of the file.
fn head<R: Read>(window: &mut Window<R>, order: Endianness) -> Result<Option<Head>, CaptureError> {
    let offset = window.offset();
    if !window.fill(12)? {
        return match window.bytes().len() {
            0 => Ok(None),
            have => Err(truncated("a block", offset, 12, have)),
        };
    }
    let bytes = window.bytes();
    let kind = integer(&bytes[..4], order);
    let (order, least) = if kind == SECTION_HEADER_BLOCK {
        let Some((_, order)) = MAGIC.iter().find(|(magic, _)| bytes[8..12] == *magic) else {
            return Err(CaptureError::damaged(
                offset + 8,
                format!("the byte-order magic is {:02x?}", &bytes[8..12]),
                "it is 1a 2b 3c 4d or 4d 3c 2b 1a",
            ));
        };
        (*order, 28)
    } else {
        (order, 12)
    };
    let length = integer(&bytes[4..8], order);
    if length < least || !length.is_multiple_of(4) {
        return Err(CaptureError::damaged(
            offset + 4,
            format!("a block of type {kind:#x} with a length of {length} bytes"),
            format!("the length is a multiple of 4 and at least {least}"),
        ));
    }
    Ok(Some(Head {
        kind,
        length,
        order,
        offset,
    }))
}

/// Makes the whole block available and checks the length at its end.
fn whole<R: Read>(window: &mut Window<R>, head: Head, limit: u32) -> Result<(), CaptureError> {
    if head.length > limit {
        return Err(CaptureError::damaged(
            head.offset + 4,
            format!(
                "a block of type {:#x} with a length of {} bytes",
                head.kind, head.length
            ),
            format!("a block of this type has at most {limit} bytes"),
        ));
    }
    let length = head.length as usize;
    if !window.fill(length)? {
        let have = window.bytes().len();
        return Err(truncated("a block", head.offset, head.length, have));
    }
    trailer(&window.bytes()[length - 4..length], head)
}

/// Passes over a block of any length without keeping it.
fn skip<R: Read>(window: &mut Window<R>, head: Head) -> Result<(), CaptureError> {
    if window.skip(u64::from(head.length) - 4)? && window.fill(4)? {
        trailer(&window.bytes()[..4], head)?;
        window.consume(4);
        return Ok(());
    }
    let have = window.offset() + window.bytes().len() as u64 - head.offset;
    Err(CaptureError::Truncated {
        what: "a block",
        offset: head.offset,
        need: head.length.into(),
        have,
    })
}

/// Checks that the length at the end of a block is the one at its beginning.
fn trailer(bytes: &[u8], head: Head) -> Result<(), CaptureError> {
    let again = integer(bytes, head.order);
    if again == head.length {
        return Ok(());
    }
    Err(CaptureError::damaged(
        head.offset + u64::from(head.length) - 4,
        format!(
            "a block of type {:#x} begins with the length {} and ends with the length {again}",
            head.kind, head.length
        ),
        "both are the same",
    ))
}

fn truncated(what: &'static str, offset: u64, need: u32, have: usize) -> CaptureError {
    CaptureError::Truncated {
        what,
        offset,
        need: need.into(),
        have: have as u64,
    }
}

/// What the parser found wrong that no check before it did.
fn undecodable(offset: u64, error: &dyn std::error::Error) -> CaptureError {
    CaptureError::damaged(
        offset,
        error_chain(error),
        "the block's fields follow the pcapng format",
    )
}
