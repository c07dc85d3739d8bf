use std::io::Read;
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapParseError, PcapParser, PcapTsResolution};
use pcap_file::{DataLink, Endianness};

use super::block::{Located, MAX_PACKET};
use super::window::Window;
use crate::CaptureError;

/// Length in bytes of the file's header.
const HEADER: usize = 24;
/// Length in bytes of a record's header.
const RECORD: usize = 16;
/// Bytes that the modified format has between the record's header and the packet: interface,
/// protocol, packet type.
const MODIFIED_EXTRA: usize = 8;
/// Magic number of the modified format, as it stands in the file in its two byte orders.
const MODIFIED: [[u8; 4]; 2] = [[0x34, 0xcd, 0xb2, 0xa1], [0xa1, 0xb2, 0xcd, 0x34]];
/// Magic number of the plain format with microseconds, in the same two byte orders.
const PLAIN: [[u8; 4]; 2] = [[0xd4, 0xc3, 0xb2, 0xa1], [0xa1, 0xb2, 0xc3, 0xd4]];
/// Magic number of the plain format with nanoseconds, in the same two byte orders.
const NANOSECONDS: [[u8; 4]; 2] = [[0x4d, 0x3c, 0xb2, 0xa1], [0xa1, 0xb2, 0x3c, 0x4d]];

/// Whether a file that begins so is a classic pcap file.
pub(crate) fn is_pcap(bytes: &[u8]) -> bool {
    [PLAIN, NANOSECONDS, MODIFIED]
        .iter()
        .flatten()
        .any(|magic| bytes.starts_with(magic))
}

/// Reads the records of a classic pcap file.
#[derive(Debug)]
pub(crate) struct Pcap {
    parser: PcapParser,
    header: PcapHeader,
    link: DataLink,
    /// Bytes between a record's header and its packet.
    extra: usize,
}

impl Pcap {
    pub(crate) fn open<R: Read>(window: &mut Window<R>) -> Result<Self, CaptureError> {
        if !window.fill(HEADER)? {
            return Err(CaptureError::Truncated {
                what: "the header of the file",
                offset: 0,
                need: HEADER as u64,
                have: window.bytes().len() as u64,
            });
        }
        let mut bytes = [0; HEADER];
        bytes.copy_from_slice(&window.bytes()[..HEADER]);
        let modified = MODIFIED.iter().position(|magic| bytes.starts_with(magic));
        if let Some(order) = modified {
            // Apart from its longer record header the modified format is the plain one.
            bytes[..4].copy_from_slice(&PLAIN[order]);
        }
        let (_, parser) = PcapParser::new(&bytes).map_err(|error| unexpected(0, &error))?;
        let header = parser.header();
        if header.version_major != 2 {
            return Err(CaptureError::damaged(
                4,
                format!(
                    "unsupported format version {}.{}",
                    header.version_major, header.version_minor
                ),
                "2.4 is the version that everyone writes",
            ));
        }
        window.consume(HEADER);
        Ok(Self {
            parser,
            header,
            // The upper half holds the length of the frame check sequence, if any.
            link: DataLink::from(u32::from(header.datalink) & 0xffff),
            extra: if modified.is_some() {
                MODIFIED_EXTRA
            } else {
                0
            },
        })
    }

    pub(crate) fn next<R: Read>(
        &self,
        window: &mut Window<R>,
    ) -> Result<Option<Located>, CaptureError> {
        let head = RECORD + self.extra;
        let offset = window.offset();
        if !window.fill(head)? {
            return match window.bytes().len() {
                0 => Ok(None),
                have => Err(truncated(offset, head, have)),
            };
        }
        let captured = self.u32(&window.bytes()[8..12]);
        if captured > MAX_PACKET {
            return Err(CaptureError::damaged(
                offset + 8,
                format!("a packet with {captured} captured bytes"),
                format!(
                    "no packet has more than {MAX_PACKET}, so the record before it or this \
                         length was overwritten"
                ),
            ));
        }
        let total = head + captured as usize;
        if !window.fill(total)? {
            return Err(truncated(offset, total, window.bytes().len()));
        }
        let (_, record) = self
            .parser
            .next_raw_packet(window.bytes())
            .map_err(|error| unexpected(offset, &error))?;
        let wire = record.orig_len;
        if wire < captured {
            return Err(CaptureError::damaged(
                offset + 8,
                format!("{captured} bytes were captured of a packet of {wire} bytes"),
                "the captured length is at most the packet's length",
            ));
        }
        let fraction = match self.header.ts_resolution {
            PcapTsResolution::MicroSecond => Duration::from_micros(record.ts_frac.into()),
            PcapTsResolution::NanoSecond => Duration::from_nanos(record.ts_frac.into()),
        };
        let time = Duration::from_secs(record.ts_sec.into()) + fraction;
        let whole = window.consume(total);
        Ok(Some(Located {
            offset,
            time: Some(time),
            interface: 0,
            link: self.link,
            data: whole.start + head..whole.end,
            wire_length: wire,
            block: None,
        }))
    }

    fn u32(&self, bytes: &[u8]) -> u32 {
        let mut four = [0; 4];
        four.copy_from_slice(bytes);
        match self.header.endianness {
            Endianness::Big => u32::from_be_bytes(four),
            Endianness::Little => u32::from_le_bytes(four),
        }
    }
}

fn truncated(offset: u64, need: usize, have: usize) -> CaptureError {
    CaptureError::Truncated {
        what: "a packet's record",
        offset,
        need: need as u64,
        have: have as u64,
    }
}

/// Excluded by the checks above; reported if the parser disagrees.
fn unexpected(offset: u64, error: &PcapParseError) -> CaptureError {
    CaptureError::damaged(
        offset,
        error.to_string(),
        "a whole pcap header or record belongs here",
    )
}
