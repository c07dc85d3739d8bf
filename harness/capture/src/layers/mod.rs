//! From the bytes of a packet to the UDP datagram in it.

mod fragments;
mod ip;
mod link;
mod udp;
mod unusable;

pub(crate) use self::fragments::{Key, Outcome, Reassembly};
pub(crate) use self::ip::{Fragment, IpPacket, extensions, may_carry_udp};
pub(crate) use self::udp::{Udp, udp};
pub(crate) use self::unusable::Unusable;
use crate::RawPacket;

/// What a packet holds.
#[derive(Debug)]
pub(crate) enum Dissected<'a> {
    /// A whole datagram; its offset counts from the packet's first byte.
    Datagram(Udp),
    /// A piece of one.
    Fragment {
        vlan: u32,
        packet: IpPacket<'a>,
        fragment: Fragment,
    },
}

/// Takes a packet apart down to its UDP payload, or to the IP fragment that it is.
pub(crate) fn dissect<'a>(packet: &RawPacket<'a>) -> Result<Dissected<'a>, Unusable> {
    let wire = packet.wire_length as usize;
    let cut = packet.data.len() < wire;
    let network = link::network(packet.link, packet.data, cut)?;
    let ip = ip::ip(&packet.data[network.offset..], wire - network.offset)?;
    if !may_carry_udp(ip.protocol) {
        return Err(Unusable::NotUdp);
    }
    match ip.fragment {
        Some(fragment) => Ok(Dissected::Fragment {
            vlan: network.vlan,
            packet: ip,
            fragment,
        }),
        None => {
            let mut datagram = udp(&ip)?;
            datagram.offset += network.offset + ip.offset;
            Ok(Dissected::Datagram(datagram))
        }
    }
}
