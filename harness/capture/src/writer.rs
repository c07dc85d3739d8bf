use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapTsResolution, PcapWriter};
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption, InterfaceTsResolution,
};
use pcap_file::pcapng::blocks::opt_common::CommonOption;
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::pcapng::blocks::unknown::UnknownBlock;
use pcap_file::{DataLink, Endianness};

use crate::error::error_chain;
use crate::file::{DECRYPTION_SECRETS_BLOCK, key_log_body, shortened};

/// Snapshot length that we declare, in bytes: as tcpdump does, and more than any packet of ours.
const SNAPSHOT_LENGTH: u32 = 262_144;

/// What a capture says of itself, and how large it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterSettings {
    /// The program that writes it, with its version.
    pub application: String,
    /// A comment on the whole, if there is something to say.
    pub comment: Option<String>,
    /// Name of the interface.
    pub interface: String,
    /// What the packets begin with.
    pub link: DataLink,
    /// Most bytes of the file. What does not fit is refused with [`WriteError::Full`].
    pub limit: u64,
}

/// Ethernet, because live captures of the loopback interface are, so that both kinds of capture
/// look the same, and because no reader is without it. A file may have 1 GiB.
impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            application: concat!("shakedown ", env!("CARGO_PKG_VERSION")).into(),
            comment: None,
            interface: "tap".into(),
            link: DataLink::ETHERNET,
            limit: 1 << 30,
        }
    }
}

/// Why a packet was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Writing failed, now or before; the file holds the packets up to then.
    #[error("writing the capture failed after {packets} packets: {source}")]
    Io {
        /// Packets that were written before.
        packets: u64,
        source: io::Error,
    },
    /// The file has reached its limit; it stays readable, and nothing more is written.
    #[error("the capture is full: {packets} packets, and the next would exceed {limit} bytes")]
    Full {
        /// Packets that were written.
        packets: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// No IP packet can carry this.
    #[error("a UDP payload of {length} bytes does not fit into IPv{version}, which carries {max}")]
    TooLarge {
        /// Length of the payload in bytes.
        length: usize,
        version: u8,
        /// Longest payload in bytes.
        max: usize,
    },
    /// Source and destination are not of the same version of IP.
    #[error("no packet goes from {from} to {to}: one is IPv4, the other IPv6")]
    MixedVersions {
        from: std::net::IpAddr,
        to: std::net::IpAddr,
    },
    /// The format cannot express it.
    #[error("the packet cannot be written: {0}")]
    Unencodable(String),
}

/// Writes a pcapng file with times in nanoseconds and one interface, packet by packet.
///
/// Each packet goes out in one piece and is flushed, so that the file of a process that is killed
/// is readable up to its last packet.
#[derive(Debug)]
pub struct CaptureWriter<W> {
    output: Output<W>,
    encoder: Encoder,
}

/// [`PcapNgWriter`] is not `Debug`.
struct Encoder(PcapNgWriter<Vec<u8>>);

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Encoder")
    }
}

/// Counts what goes out, and stops for good at the limit or at the first failure.
#[derive(Debug)]
struct Output<W> {
    writer: W,
    limit: u64,
    bytes: u64,
    packets: u64,
    stopped: Option<Stopped>,
}

#[derive(Debug)]
enum Stopped {
    Full,
    Failed(io::ErrorKind, String),
}

impl<W: Write> CaptureWriter<W> {
    /// Writes the beginning of the file.
    ///
    /// # Errors
    /// [`WriteError::Io`] if that fails.
    pub fn new(writer: W, settings: &WriterSettings) -> Result<Self, WriteError> {
        let mut options = vec![SectionHeaderOption::UserApplication(
            settings.application.as_str().into(),
        )];
        if let Some(comment) = &settings.comment {
            options.push(SectionHeaderOption::Common(comment_option(comment)));
        }
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options,
            ..SectionHeaderBlock::default()
        };
        let interface = InterfaceDescriptionBlock {
            linktype: settings.link,
            snaplen: SNAPSHOT_LENGTH,
            options: vec![
                InterfaceDescriptionOption::IfName(settings.interface.as_str().into()),
                InterfaceDescriptionOption::IfTsResol(InterfaceTsResolution::NANO),
            ],
        };
        let unencodable = |error| WriteError::Unencodable(error_chain(&error));
        let mut encoder =
            PcapNgWriter::with_section_header(Vec::new(), section).map_err(unencodable)?;
        encoder.write_pcapng_block(interface).map_err(unencodable)?;
        let mut output = Output {
            writer,
            limit: settings.limit,
            bytes: 0,
            packets: 0,
            stopped: None,
        };
        output.write(encoder.get_ref())?;
        Ok(Self {
            output,
            encoder: Encoder(encoder),
        })
    }

    /// Writes a packet and says its number, from 1. `time` counts from 1970; `wire_length` is the
    /// packet's length in bytes, more than `data.len()` if it was cut.
    ///
    /// # Errors
    /// [`WriteError`] if it was not written.
    pub fn write_packet(
        &mut self,
        time: Duration,
        data: &[u8],
        wire_length: usize,
        comments: &[&str],
    ) -> Result<u64, WriteError> {
        self.output.check()?;
        let packet = EnhancedPacketBlock {
            interface_id: 0,
            timestamp: time,
            original_len: u32::try_from(wire_length.max(data.len())).unwrap_or(u32::MAX),
            data: Cow::Borrowed(data),
            options: comments
                .iter()
                .map(|text| EnhancedPacketOption::Common(comment_option(text)))
                .collect(),
        };
        self.encoder.0.get_mut().clear();
        self.encoder
            .0
            .write_pcapng_block(packet)
            .map_err(|error| WriteError::Unencodable(error_chain(&error)))?;
        self.output.write(self.encoder.0.get_ref())?;
        self.output.packets += 1;
        Ok(self.output.packets)
    }

    /// Writes the secrets of TLS sessions, lines in the key log format of NSS, so that readers can
    /// decrypt the packets that follow. Nothing is written if there are none.
    ///
    /// # Errors
    /// [`WriteError`] if they were not written.
    pub fn write_key_log(&mut self, key_log: &[u8]) -> Result<(), WriteError> {
        if key_log.is_empty() {
            return Ok(());
        }
        self.output.check()?;
        // The section that we begin is little-endian.
        let body = key_log_body(key_log, Endianness::Little).map_err(WriteError::Unencodable)?;
        self.encoder.0.get_mut().clear();
        self.encoder
            .0
            .write_pcapng_block(UnknownBlock::new(DECRYPTION_SECRETS_BLOCK, 0, &body))
            .map_err(|error| WriteError::Unencodable(error_chain(&error)))?;
        self.output.write(self.encoder.0.get_ref())
    }

    /// Packets written so far.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.output.packets
    }

    /// Bytes written so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.output.bytes
    }

    /// Whether a packet was refused because the file is full or writing failed.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.output.stopped.is_some()
    }

    /// The stream that was written to.
    pub fn into_inner(self) -> W {
        self.output.writer
    }
}

impl<W: Write> Output<W> {
    fn check(&self) -> Result<(), WriteError> {
        match &self.stopped {
            None => Ok(()),
            Some(Stopped::Full) => Err(self.full()),
            Some(Stopped::Failed(kind, text)) => Err(WriteError::Io {
                packets: self.packets,
                source: io::Error::new(*kind, text.clone()),
            }),
        }
    }

    fn write(&mut self, block: &[u8]) -> Result<(), WriteError> {
        let bytes = self.bytes + block.len() as u64;
        if bytes > self.limit {
            // A later, smaller packet must not hide that this one is missing.
            self.stopped = Some(Stopped::Full);
            return Err(self.full());
        }
        let written = self.writer.write_all(block);
        if let Err(source) = written.and_then(|()| self.writer.flush()) {
            self.stopped = Some(Stopped::Failed(source.kind(), source.to_string()));
            return Err(WriteError::Io {
                packets: self.packets,
                source,
            });
        }
        self.bytes = bytes;
        Ok(())
    }

    const fn full(&self) -> WriteError {
        WriteError::Full {
            packets: self.packets,
            limit: self.limit,
        }
    }
}

/// Writes a classic pcap file, for tests and for programs that read nothing else.
#[derive(Debug)]
pub struct PcapFileWriter<W: Write> {
    writer: PcapWriter<W>,
    packets: u64,
}

/// How a classic pcap file is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcapLayout {
    /// What the packets begin with.
    pub link: DataLink,
    /// Byte order of the headers.
    pub endianness: Endianness,
    /// Whether times are in nanoseconds; else in microseconds.
    pub nanoseconds: bool,
}

impl<W: Write> PcapFileWriter<W> {
    /// Writes the header of the file.
    ///
    /// # Errors
    /// [`WriteError`] if that fails.
    pub fn new(writer: W, layout: PcapLayout) -> Result<Self, WriteError> {
        let header = PcapHeader {
            snaplen: SNAPSHOT_LENGTH,
            datalink: layout.link,
            ts_resolution: if layout.nanoseconds {
                PcapTsResolution::NanoSecond
            } else {
                PcapTsResolution::MicroSecond
            },
            endianness: layout.endianness,
            ..PcapHeader::default()
        };
        let writer = PcapWriter::with_header(writer, header)
            .map_err(|error| WriteError::Unencodable(error_chain(&error)))?;
        Ok(Self { writer, packets: 0 })
    }

    /// Writes a packet and says its number, from 1.
    ///
    /// # Errors
    /// [`WriteError`] if it was not written.
    pub fn write_packet(
        &mut self,
        time: Duration,
        data: &[u8],
        wire_length: usize,
    ) -> Result<u64, WriteError> {
        let unencodable =
            |error: &dyn std::error::Error| WriteError::Unencodable(error_chain(error));
        let wire = u32::try_from(wire_length.max(data.len())).unwrap_or(u32::MAX);
        let packet = PcapPacket::new(time, wire, data).map_err(|error| unencodable(&error))?;
        self.writer
            .write_packet(&packet)
            .map_err(|error| unencodable(&error))?;
        self.packets += 1;
        Ok(self.packets)
    }

    /// The stream that was written to.
    pub fn into_inner(self) -> W {
        self.writer.into_inner()
    }
}

fn comment_option(text: &str) -> CommonOption<'_> {
    CommonOption::Comment(shortened(text))
}
