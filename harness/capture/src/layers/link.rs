use etherparse::{EtherType, Ethernet2HeaderSlice, SingleVlanHeaderSlice, ether_type};
use pcap_file::DataLink;

use super::unusable::Unusable;

/// VLAN tags that are passed; networks use two.
const MAX_TAGS: usize = 4;
/// Address families of IPv4 (everywhere) and IPv6 (Linux, NetBSD and OpenBSD, FreeBSD, Darwin) in
/// the loopback header of BSD.
const IP_FAMILIES: [u32; 5] = [2, 10, 24, 28, 30];

/// Where the IP packet begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    pub(super) offset: usize,
    /// The identifiers of the VLAN tags, twelve bits each; 0 without.
    pub(super) vlan: u32,
}

/// Passes the link header. `cut`: the packet was not captured whole.
#[inline]
pub(super) fn network(link: DataLink, data: &[u8], cut: bool) -> Result<Network, Unusable> {
    let short = if cut {
        Unusable::Cut
    } else {
        Unusable::MalformedLink
    };
    let plain = |offset| Network { offset, vlan: 0 };
    match link {
        DataLink::ETHERNET => {
            let header = Ethernet2HeaderSlice::from_slice(data).map_err(|_| short)?;
            tags(header.ether_type(), data, header.slice().len(), short)
        }
        // Packet type, ARPHRD, address length, address, protocol; the protocol comes last.
        DataLink::LINUX_SLL => tags(ether_type_at(data, 14).ok_or(short)?, data, 16, short),
        // The protocol comes first.
        DataLink::LINUX_SLL2 => {
            let protocol = ether_type_at(data, 0).ok_or(short)?;
            tags(protocol, data, 20, short)
        }
        // NULL has the family in the byte order of the machine that captured, LOOP in network
        // order; the small value distinguishes them.
        DataLink::NULL | DataLink::LOOP => {
            let family = data.first_chunk::<4>().ok_or(short)?;
            let big = u32::from_be_bytes(*family);
            let little = u32::from_le_bytes(*family);
            if IP_FAMILIES.contains(&big) || IP_FAMILIES.contains(&little) {
                Ok(plain(4))
            } else {
                Err(Unusable::NotIp)
            }
        }
        // 12 and 14 are what BSD systems write for RAW.
        DataLink::RAW
        | DataLink::IPV4
        | DataLink::IPV6
        | DataLink::Unknown(12)
        | DataLink::Unknown(14) => Ok(plain(0)),
        _ => Err(Unusable::Link),
    }
}

/// Passes VLAN tags up to the IP packet at `offset` or behind.
#[inline]
fn tags(
    mut kind: EtherType,
    data: &[u8],
    mut offset: usize,
    short: Unusable,
) -> Result<Network, Unusable> {
    let mut vlan = 0;
    for _ in 0..=MAX_TAGS {
        match kind {
            ether_type::IPV4 | ether_type::IPV6 if offset <= data.len() => {
                return Ok(Network { offset, vlan });
            }
            ether_type::IPV4 | ether_type::IPV6 => return Err(short),
            ether_type::VLAN_TAGGED_FRAME
            | ether_type::PROVIDER_BRIDGING
            | ether_type::VLAN_DOUBLE_TAGGED_FRAME => {
                let rest = data.get(offset..).ok_or(short)?;
                let tag = SingleVlanHeaderSlice::from_slice(rest).map_err(|_| short)?;
                vlan = vlan << 12 | u32::from(tag.vlan_identifier().value());
                kind = tag.ether_type();
                offset += tag.slice().len();
            }
            _ => return Err(Unusable::NotIp),
        }
    }
    Err(Unusable::NotIp)
}

fn ether_type_at(data: &[u8], at: usize) -> Option<EtherType> {
    let bytes = data.get(at..)?.first_chunk::<2>()?;
    Some(EtherType(u16::from_be_bytes(*bytes)))
}
