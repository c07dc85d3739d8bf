use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use etherparse::PacketBuilder;

use crate::{CaptureWriter, WriteError, WriterSettings};

/// Longest UDP payload of an IPv4 packet in bytes: 65,535 less both headers.
pub const MAX_PAYLOAD_IPV4: usize = 65_507;
/// Longest UDP payload of an IPv6 packet in bytes: 65,535 less the UDP header.
pub const MAX_PAYLOAD_IPV6: usize = 65_527;
/// What Linux puts into the packets that it sends.
const TIME_TO_LIVE: u8 = 64;
/// Both ends of the loopback interface.
const NO_ADDRESS: [u8; 6] = [0; 6];

/// Records datagrams of our own sockets as the packets that were on the wire, where no live
/// capture is allowed.
///
/// Packets are Ethernet frames like those of the loopback interface, with valid checksums.
#[derive(Debug)]
pub struct Tap<W> {
    writer: CaptureWriter<W>,
    frame: Vec<u8>,
}

impl<W: Write> Tap<W> {
    /// Begins a capture. The link type of the settings is not used: it is Ethernet.
    ///
    /// # Errors
    /// [`WriteError::Io`] if the beginning cannot be written.
    pub fn new(writer: W, settings: &WriterSettings) -> Result<Self, WriteError> {
        let settings = WriterSettings {
            link: crate::DataLink::ETHERNET,
            ..settings.clone()
        };
        Ok(Self {
            writer: CaptureWriter::new(writer, &settings)?,
            frame: Vec::new(),
        })
    }

    /// Records a datagram and says the number of its packet, from 1. `time` counts from 1970, or
    /// from the start where time is virtual.
    ///
    /// # Errors
    /// [`WriteError`] if it was not recorded.
    pub fn record(
        &mut self,
        time: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> Result<u64, WriteError> {
        self.record_with_comments(time, source, destination, payload, &[])
    }

    /// Records a datagram with comments on its packet. See [`Self::record`].
    ///
    /// # Errors
    /// [`WriteError`] if it was not recorded.
    pub fn record_with_comments(
        &mut self,
        time: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
        comments: &[&str],
    ) -> Result<u64, WriteError> {
        build(source, destination, payload, &mut self.frame)?;
        self.writer
            .write_packet(time, &self.frame, self.frame.len(), comments)
    }

    /// Records secrets of TLS sessions, lines in the key log format of NSS. They are to stand before
    /// the packets that need them. See [`CaptureWriter::write_key_log`].
    ///
    /// # Errors
    /// [`WriteError`] if they were not recorded.
    pub fn record_key_log(&mut self, key_log: &[u8]) -> Result<(), WriteError> {
        self.writer.write_key_log(key_log)
    }

    /// Packets recorded so far.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.writer.packets()
    }

    /// Whether a packet was refused because the file is full or writing failed.
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        self.writer.is_stopped()
    }

    /// The stream that was written to.
    pub fn into_inner(self) -> W {
        self.writer.into_inner()
    }
}

/// Builds the Ethernet frame of a datagram in `frame`.
fn build(
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
    frame: &mut Vec<u8>,
) -> Result<(), WriteError> {
    let ethernet = PacketBuilder::ethernet2(NO_ADDRESS, NO_ADDRESS);
    // Sockets for both versions show IPv4 addresses as IPv6 ones; on the wire they are IPv4.
    let (from, to) = (source.ip().to_canonical(), destination.ip().to_canonical());
    let (ip, version, max) = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let ip = ethernet.ipv4(from.octets(), to.octets(), TIME_TO_LIVE);
            (ip, 4, MAX_PAYLOAD_IPV4)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let ip = ethernet.ipv6(from.octets(), to.octets(), TIME_TO_LIVE);
            (ip, 6, MAX_PAYLOAD_IPV6)
        }
        _ => return Err(WriteError::MixedVersions { from, to }),
    };
    let length = payload.len();
    if length > max {
        return Err(WriteError::TooLarge {
            length,
            version,
            max,
        });
    }
    frame.clear();
    ip.udp(source.port(), destination.port())
        .write(frame, payload)
        .map_err(|error| WriteError::Unencodable(error.to_string()))
}
