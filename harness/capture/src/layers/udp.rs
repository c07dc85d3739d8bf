use std::net::SocketAddr;

use etherparse::{UdpHeader, UdpHeaderSlice, ip_number};

use super::ip::IpPacket;
use super::unusable::Unusable;

/// A UDP datagram within the bytes in which it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Udp {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    /// Offset of the first byte of the payload.
    pub(crate) offset: usize,
    /// Bytes of the payload that were captured.
    pub(crate) captured: usize,
    /// Bytes of the payload on the wire.
    pub(crate) wire_length: usize,
}

/// Reads the UDP header at the beginning of an IP payload. The offset of the result counts from
/// there. A wrong checksum is no error: senders leave it to their network cards.
#[inline]
pub(crate) fn udp(packet: &IpPacket<'_>) -> Result<Udp, Unusable> {
    if packet.protocol != ip_number::UDP {
        return Err(Unusable::NotUdp);
    }
    let Ok(header) = UdpHeaderSlice::from_slice(packet.payload) else {
        return Err(if packet.payload.len() < packet.length {
            Unusable::Cut
        } else {
            Unusable::MalformedUdp
        });
    };
    let length = match usize::from(header.length()) {
        // RFC 2675: too long for the field, which only IPv6 can be.
        0 if packet.source.is_ipv6() => packet.length,
        length => length,
    };
    // A receiver drops a datagram that says it is longer than its packet. One that says it is
    // shorter ends there, and padding follows.
    if length < UdpHeader::LEN || length > packet.length {
        return Err(Unusable::MalformedUdp);
    }
    Ok(Udp {
        source: SocketAddr::new(packet.source, header.source_port()),
        destination: SocketAddr::new(packet.destination, header.destination_port()),
        offset: UdpHeader::LEN,
        captured: length.min(packet.payload.len()) - UdpHeader::LEN,
        wire_length: length - UdpHeader::LEN,
    })
}
