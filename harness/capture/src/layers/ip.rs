use std::net::IpAddr;

use etherparse::{
    IpAuthHeaderSlice, IpFragOffset, IpNumber, Ipv4HeaderSlice, Ipv6FragmentHeaderSlice,
    Ipv6Header, Ipv6HeaderSlice, Ipv6RawExtHeaderSlice, ip_number,
};

use super::unusable::Unusable;

/// An IP packet without its headers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IpPacket<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    /// What the payload is; of a fragment, what the first piece begins with.
    pub(crate) protocol: IpNumber,
    /// Length of all headers in bytes.
    pub(crate) offset: usize,
    /// The payload, as far as it was captured. What follows the packet in its frame is left out.
    pub(crate) payload: &'a [u8],
    /// Length of the payload on the wire, in bytes.
    pub(crate) length: usize,
    /// Which piece it is, if it was fragmented.
    pub(crate) fragment: Option<Fragment>,
}

/// Which piece of a datagram a packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) identification: u32,
    pub(crate) offset: IpFragOffset,
    pub(crate) more: bool,
}

/// Passes the IP headers. `wire` is how many bytes there were on the wire.
#[inline]
pub(super) fn ip(bytes: &[u8], wire: usize) -> Result<IpPacket<'_>, Unusable> {
    match bytes.first().map(|byte| byte >> 4) {
        Some(4) => ipv4(bytes, wire),
        Some(6) => ipv6(bytes, wire),
        Some(_) => Err(Unusable::MalformedIp),
        None => Err(short(bytes, wire)),
    }
}

/// Whether UDP may be found behind this: it is UDP itself or a header that something follows.
pub(crate) fn may_carry_udp(protocol: IpNumber) -> bool {
    matches!(
        protocol,
        ip_number::UDP | ip_number::AUTH | ip_number::IPV6_DEST_OPTIONS | ip_number::IPV6_ROUTE
    )
}

#[inline]
fn ipv4(bytes: &[u8], wire: usize) -> Result<IpPacket<'_>, Unusable> {
    use etherparse::err::ipv4::HeaderSliceError as Error;
    let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|error| match error {
        Error::Len(_) => short(bytes, wire),
        Error::Content(_) => Unusable::MalformedIp,
    })?;
    let own = header.slice().len();
    // Segmentation offload leaves the total length 0 in the sender's capture.
    let total = match usize::from(header.total_len()) {
        0 => wire,
        total => total,
    };
    if total < own {
        return Err(Unusable::MalformedIp);
    }
    let packet = IpPacket {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: header.protocol(),
        offset: own,
        payload: &bytes[own..total.min(bytes.len())],
        length: total - own,
        fragment: header.is_fragmenting_payload().then(|| Fragment {
            identification: header.identification().into(),
            offset: header.fragments_offset(),
            more: header.more_fragments(),
        }),
    };
    if packet.fragment.is_some() {
        return Ok(packet);
    }
    extensions(packet)
}

#[inline]
fn ipv6(bytes: &[u8], wire: usize) -> Result<IpPacket<'_>, Unusable> {
    use etherparse::err::ipv6::HeaderSliceError as Error;
    let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|error| match error {
        Error::Len(_) => short(bytes, wire),
        Error::Content(_) => Unusable::MalformedIp,
    })?;
    let own = Ipv6Header::LEN;
    // 0: segmentation offload, or a jumbogram.
    let length = match usize::from(header.payload_length()) {
        0 => wire - own,
        length => length,
    };
    extensions(IpPacket {
        source: header.source_addr().into(),
        destination: header.destination_addr().into(),
        protocol: header.next_header(),
        offset: own,
        payload: &bytes[own..(own + length).min(bytes.len())],
        length,
        fragment: None,
    })
}

/// Passes extension headers, up to the one that says that this is a fragment.
#[inline]
pub(crate) fn extensions(mut packet: IpPacket<'_>) -> Result<IpPacket<'_>, Unusable> {
    loop {
        let broken = if packet.payload.len() < packet.length {
            Unusable::Cut
        } else {
            Unusable::MalformedIp
        };
        let (next, length) = match packet.protocol {
            ip_number::IPV6_HOP_BY_HOP | ip_number::IPV6_DEST_OPTIONS | ip_number::IPV6_ROUTE => {
                let header =
                    Ipv6RawExtHeaderSlice::from_slice(packet.payload).map_err(|_| broken)?;
                (header.next_header(), header.slice().len())
            }
            ip_number::AUTH => {
                let header = IpAuthHeaderSlice::from_slice(packet.payload).map_err(|_| broken)?;
                (header.next_header(), header.slice().len())
            }
            ip_number::IPV6_FRAG => {
                let header =
                    Ipv6FragmentHeaderSlice::from_slice(packet.payload).map_err(|_| broken)?;
                if header.is_fragmenting_payload() {
                    packet.fragment = Some(Fragment {
                        identification: header.identification(),
                        offset: header.fragment_offset(),
                        more: header.more_fragments(),
                    });
                }
                (header.next_header(), header.slice().len())
            }
            _ => return Ok(packet),
        };
        packet.protocol = next;
        packet.offset += length;
        packet.payload = &packet.payload[length..];
        packet.length -= length;
        if packet.fragment.is_some() {
            return Ok(packet);
        }
    }
}

/// A header is not whole: because the packet was cut, or because it never was.
fn short(bytes: &[u8], wire: usize) -> Unusable {
    if bytes.len() < wire {
        Unusable::Cut
    } else {
        Unusable::MalformedIp
    }
}
