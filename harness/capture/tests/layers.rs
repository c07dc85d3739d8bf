//! Every way in which a UDP datagram can lie in a packet.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail so")]

mod support;

use rstest::rstest;
use shakedown_capture::{CaptureWriter, DataLink, Statistics, WriterSettings};
use support::{addresses, ethernet, ip, pcapng, read, time};

/// The protocol of an IP packet as EtherType.
fn kind(ip: &[u8]) -> [u8; 2] {
    if ip[0] >> 4 == 4 {
        [8, 0]
    } else {
        [0x86, 0xdd]
    }
}

/// A link header as some system writes it.
#[derive(Debug, Clone, Copy)]
enum Link {
    Ethernet,
    Vlan,
    QinQ,
    ThreeTags,
    Sll,
    /// As on a loopback interface: ARPHRD 772.
    SllLoopback,
    SllVlan,
    Sll2,
    NullLittle,
    NullBig,
    LoopBig,
    LoopLittle,
    Raw,
    RawAs12,
    RawAs14,
}

impl Link {
    fn datalink(self) -> DataLink {
        match self {
            Self::Ethernet | Self::Vlan | Self::QinQ | Self::ThreeTags => DataLink::ETHERNET,
            Self::Sll | Self::SllLoopback | Self::SllVlan => DataLink::LINUX_SLL,
            Self::Sll2 => DataLink::LINUX_SLL2,
            Self::NullLittle | Self::NullBig => DataLink::NULL,
            Self::LoopBig | Self::LoopLittle => DataLink::LOOP,
            Self::Raw => DataLink::RAW,
            Self::RawAs12 => DataLink::from(12),
            Self::RawAs14 => DataLink::from(14),
        }
    }

    fn header(self, ip: &[u8]) -> Vec<u8> {
        let kind = kind(ip);
        // Linux, Darwin and FreeBSD disagree on the number of IPv6.
        let family = |ipv6: u32| if ip[0] >> 4 == 4 { 2 } else { ipv6 };
        match self {
            Self::Ethernet => [&[0; 12][..], &kind].concat(),
            Self::Vlan => [&[0; 12][..], &[0x81, 0, 0x20, 5], &kind].concat(),
            Self::QinQ => [&[0; 12][..], &[0x88, 0xa8, 0, 7, 0x81, 0, 0, 5], &kind].concat(),
            Self::ThreeTags => {
                let tags = [0x91, 0, 0, 1, 0x88, 0xa8, 0, 7, 0x81, 0, 0, 5];
                [&[0; 12][..], &tags, &kind].concat()
            }
            Self::Sll => [&[0, 0, 0, 1, 0, 6][..], &[0; 8], &kind].concat(),
            Self::SllLoopback => [&[0, 0, 3, 4, 0, 6][..], &[0; 8], &kind].concat(),
            Self::SllVlan => {
                let tag = [0x81, 0, 0, 5];
                [&[0, 0, 0, 1, 0, 6][..], &[0; 8], &tag, &kind].concat()
            }
            Self::Sll2 => [&kind[..], &[0, 0, 0, 0, 0, 1, 3, 4, 0, 6], &[0; 8]].concat(),
            Self::NullLittle => family(30).to_le_bytes().to_vec(),
            Self::LoopLittle => family(24).to_le_bytes().to_vec(),
            Self::NullBig | Self::LoopBig => family(28).to_be_bytes().to_vec(),
            Self::Raw | Self::RawAs12 | Self::RawAs14 => Vec::new(),
        }
    }

    fn packet(self, ip: &[u8]) -> Vec<u8> {
        [&self.header(ip), ip].concat()
    }
}

#[rstest]
fn a_datagram_is_found_behind_every_link_header(
    #[values(4, 6)] version: u8,
    #[values(
        Link::Ethernet,
        Link::Vlan,
        Link::QinQ,
        Link::ThreeTags,
        Link::Sll,
        Link::SllLoopback,
        Link::SllVlan,
        Link::Sll2,
        Link::NullLittle,
        Link::NullBig,
        Link::LoopBig,
        Link::LoopLittle,
        Link::Raw,
        Link::RawAs12,
        Link::RawAs14
    )]
    link: Link,
    // Even and odd lengths, and shorter than the least Ethernet frame.
    #[values(0, 1, 1_000)] length: usize,
) {
    let payload = vec![0xa5; length];
    let packet = link.packet(&ip(version, &payload));
    let (seen, statistics, error) = read(&pcapng(link.datalink(), &[packet]));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(seen.len(), 1, "{statistics}");
    let (source, destination) = addresses(version);
    assert_eq!(seen[0].number, 1);
    assert_eq!(seen[0].time, time(1));
    assert_eq!((seen[0].source, seen[0].destination), (source, destination));
    assert_eq!(seen[0].payload, payload);
    assert_eq!(seen[0].length, length);
}

#[rstest]
#[case(DataLink::IPV4, 4)]
#[case(DataLink::IPV6, 6)]
fn a_link_of_one_version_carries_it(#[case] link: DataLink, #[case] version: u8) {
    let (seen, ..) = read(&pcapng(link, &[ip(version, b"x")]));
    assert_eq!(seen.len(), 1);
}

/// A frame as its sender padded it: 60 bytes at least.
#[rstest]
fn padding_and_checksum_of_the_frame_are_not_payload(#[values(4, 6)] version: u8) {
    let mut frame = ethernet(&ip(version, b"abc"));
    frame.resize(frame.len() + 30, 0xee);
    let (seen, ..) = read(&pcapng(DataLink::ETHERNET, &[frame]));
    assert_eq!(seen[0].payload, b"abc");
    assert_eq!(seen[0].length, 3);
}

/// Offset of the UDP header in a packet of this version, without a link header.
fn udp_at(version: u8) -> usize {
    if version == 4 { 20 } else { 40 }
}

fn with_udp_length(version: u8, length: u16) -> Vec<u8> {
    let mut packet = ip(version, &[7; 100]);
    let at = udp_at(version) + 4;
    packet[at..at + 2].copy_from_slice(&length.to_be_bytes());
    packet
}

#[rstest]
fn a_shorter_udp_length_leaves_padding(
    #[values(4, 6)] version: u8,
    #[values(8, 9, 107)] length: u16,
) {
    let (seen, ..) = read(&pcapng(DataLink::RAW, &[with_udp_length(version, length)]));
    assert_eq!(seen[0].length, usize::from(length) - 8);
    assert_eq!(seen[0].payload.len(), seen[0].length);
}

#[rstest]
#[case::below_the_header_ipv4(4, 7)]
#[case::below_the_header_ipv6(6, 1)]
#[case::none(4, 0)]
#[case::longer_ipv4(4, 109)]
#[case::longer_ipv6(6, 109)]
#[case::longest(4, 65_535)]
fn a_udp_length_that_cannot_be_is_malformed(#[case] version: u8, #[case] length: u16) {
    let packets = [with_udp_length(version, length), ip(4, b"next")];
    let (seen, statistics, error) = read(&pcapng(DataLink::RAW, &packets));
    assert!(error.is_none());
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].number, &seen[0].payload[..]), (2, &b"next"[..]));
    assert_eq!(statistics.malformed_udp, 1);
}

#[test]
fn a_udp_length_of_0_is_a_jumbogram_in_ipv6() {
    let (seen, ..) = read(&pcapng(DataLink::RAW, &[with_udp_length(6, 0)]));
    assert_eq!(seen[0].length, 100);
}

#[rstest]
fn a_bad_checksum_is_no_error(#[values(4, 6)] version: u8) {
    let mut packet = ip(version, b"abc");
    let at = udp_at(version) + 6;
    packet[at] ^= 0xff;
    if version == 4 {
        packet[10] ^= 0xff;
    }
    let (seen, ..) = read(&pcapng(DataLink::RAW, &[packet]));
    assert_eq!(seen[0].payload, b"abc");
}

#[rstest]
fn segmentation_offload_leaves_the_ip_length_0(#[values(4, 6)] version: u8) {
    let mut packet = ip(version, b"abc");
    let at = if version == 4 { 2 } else { 4 };
    packet[at..at + 2].fill(0);
    let (seen, ..) = read(&pcapng(DataLink::RAW, &[packet]));
    assert_eq!(seen[0].payload, b"abc");
}

#[test]
fn ipv4_options_are_passed() {
    let mut packet = ip(4, b"abc");
    packet.splice(20..20, [1, 1, 1, 0]);
    packet[0] = 0x46;
    packet[3] += 4;
    let (seen, ..) = read(&pcapng(DataLink::RAW, &[packet]));
    assert_eq!(seen[0].payload, b"abc");
}

/// Puts extension headers before the UDP header; each says what follows it.
fn extended(headers: &[(u8, &[u8])]) -> Vec<u8> {
    let mut packet = ip(6, b"abc");
    let mut bytes = Vec::new();
    for (at, (_, body)) in headers.iter().enumerate() {
        bytes.push(headers.get(at + 1).map_or(17, |(number, _)| *number));
        bytes.extend_from_slice(body);
    }
    packet[6] = headers[0].0;
    packet[5] += bytes.len() as u8;
    packet.splice(40..40, bytes);
    packet
}

/// Hop-by-hop options, routing, destination options: length in units of 8 less the first.
const OPTIONS: &[u8] = &[0, 1, 4, 0, 0, 0, 0];
const LONG_OPTIONS: &[u8] = &[1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
/// A fragment header of a packet that is whole.
const ATOMIC: &[u8] = &[0, 0, 0, 1, 2, 3, 4];
/// An authentication header: length in units of 4 less two.
const AUTHENTICATION: &[u8] = &[
    4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9,
];

#[rstest]
#[case::hop_by_hop(&[(0, OPTIONS)])]
#[case::destination(&[(60, LONG_OPTIONS)])]
#[case::routing(&[(43, OPTIONS)])]
#[case::atomic_fragment(&[(44, ATOMIC)])]
#[case::authentication(&[(51, AUTHENTICATION)])]
#[case::all(&[(0, OPTIONS), (60, OPTIONS), (43, LONG_OPTIONS), (44, ATOMIC), (51, AUTHENTICATION), (60, OPTIONS)])]
fn ipv6_extension_headers_are_passed(#[case] headers: &[(u8, &[u8])]) {
    let (seen, statistics, _) = read(&pcapng(DataLink::RAW, &[extended(headers)]));
    assert_eq!(seen.len(), 1, "{statistics}");
    assert_eq!(seen[0].payload, b"abc");
    assert_eq!(seen[0].length, 3);
}

#[test]
fn an_extension_header_that_runs_past_the_packet_is_malformed() {
    let mut packet = extended(&[(60, OPTIONS)]);
    packet[41] = 200;
    let (seen, statistics, _) = read(&pcapng(DataLink::RAW, &[packet]));
    assert!(seen.is_empty());
    assert_eq!(statistics.malformed_ip, 1);
}

#[rstest]
#[case::arp([&[0; 12][..], &[8, 6], &[0; 28]].concat(), |it: &Statistics| it.not_ip)]
#[case::length_instead_of_type([&[0; 12][..], &[0, 40], &[0; 40]].concat(), |it: &Statistics| it.not_ip)]
#[case::too_many_tags([&[0; 12][..], &[0x81, 0, 0, 1].repeat(6), &[8, 0]].concat(), |it: &Statistics| it.not_ip)]
#[case::tcp({ let mut packet = ethernet(&ip(4, b"")); packet[23] = 6; packet }, |it: &Statistics| it.not_udp)]
#[case::icmp({ let mut packet = ethernet(&ip(6, b"")); packet[20] = 58; packet }, |it: &Statistics| it.not_udp)]
#[case::short_frame(vec![0; 13], |it: &Statistics| it.malformed_link)]
#[case::short_tag([&[0; 12][..], &[0x81, 0, 0]].concat(), |it: &Statistics| it.malformed_link)]
#[case::empty(vec![], |it: &Statistics| it.malformed_link)]
#[case::no_ip_header([&[0; 12][..], &[8, 0]].concat(), |it: &Statistics| it.malformed_ip)]
#[case::short_ip_header([&[0; 12][..], &[8, 0, 0x45, 0]].concat(), |it: &Statistics| it.malformed_ip)]
#[case::short_ipv6_header([&[0; 12][..], &[0x86, 0xdd, 0x60, 0]].concat(), |it: &Statistics| it.malformed_ip)]
#[case::version_5({ let mut packet = ethernet(&ip(4, b"")); packet[14] = 0x55; packet }, |it: &Statistics| it.malformed_ip)]
#[case::header_length_4({ let mut packet = ethernet(&ip(4, b"")); packet[14] = 0x44; packet }, |it: &Statistics| it.malformed_ip)]
#[case::total_length_19({ let mut packet = ethernet(&ip(4, b"")); packet[17] = 19; packet }, |it: &Statistics| it.malformed_ip)]
#[case::short_udp_header({ let mut packet = ethernet(&ip(4, b"")); packet[17] = 27; packet }, |it: &Statistics| it.malformed_udp)]
fn what_holds_no_datagram_is_counted_and_passed(
    #[case] packet: Vec<u8>,
    #[case] count: fn(&Statistics) -> u64,
) {
    let packets = [packet, ethernet(&ip(4, b"next"))];
    let (seen, statistics, error) = read(&pcapng(DataLink::ETHERNET, &packets));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(count(&statistics), 1, "{statistics}");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].number, 2);
}

#[rstest]
#[case(DataLink::LINUX_SLL, 15)]
#[case(DataLink::LINUX_SLL2, 19)]
#[case(DataLink::NULL, 3)]
fn a_link_header_that_is_not_whole_is_malformed(#[case] link: DataLink, #[case] length: usize) {
    let mut packet = vec![0; length];
    packet[0] = 8;
    packet[1] = 0;
    let (seen, statistics, _) = read(&pcapng(link, &[packet]));
    assert!(seen.is_empty());
    assert_eq!(statistics.malformed_link, 1, "{statistics}");
}

#[test]
fn a_link_type_that_is_not_supported_is_named() {
    let (seen, statistics, error) = read(&pcapng(DataLink::IEEE802_11, &[vec![0; 60]]));
    assert!(error.is_none());
    assert!(seen.is_empty());
    assert_eq!(
        statistics.to_string(),
        "1 packets, 0 UDP datagrams, 1 of a link type that is not supported (the first: IEEE802_11)"
    );
}

/// Every packet cut at every length: what is there is delivered, with the length on the wire.
#[rstest]
fn a_cut_packet_is_delivered_with_both_lengths(
    #[values(4, 6)] version: u8,
    #[values(
        Link::Ethernet,
        Link::QinQ,
        Link::Sll,
        Link::Sll2,
        Link::NullLittle,
        Link::Raw
    )]
    link: Link,
) {
    let payload: Vec<u8> = (0..50).collect();
    let inner = ip(version, &payload);
    let packet = link.packet(&inner);
    let settings = WriterSettings {
        link: link.datalink(),
        ..WriterSettings::default()
    };
    let start = link.header(&inner).len() + udp_at(version) + 8;
    for kept in 0..packet.len() {
        let mut writer = CaptureWriter::new(Vec::new(), &settings).expect("memory");
        writer
            .write_packet(time(1), &packet[..kept], packet.len(), &[])
            .expect("memory");
        let (seen, statistics, error) = read(&writer.into_inner());
        assert!(error.is_none());
        if kept < start {
            assert!(seen.is_empty(), "cut at {kept}");
            assert_eq!(statistics.headers_cut, 1, "cut at {kept}: {statistics}");
        } else {
            assert_eq!(statistics.cut, 1, "cut at {kept}");
            assert_eq!(seen[0].payload, payload[..kept - start]);
            assert_eq!(seen[0].length, 50);
        }
    }
}

/// Some programs cut packets and forget how long they were.
#[test]
fn a_packet_that_is_shorter_than_its_ip_header_says_is_cut() {
    let packet = ethernet(&ip(4, &[1; 100]));
    let (seen, statistics, _) = read(&pcapng(DataLink::ETHERNET, &[packet[..82].to_vec()]));
    assert_eq!(statistics.cut, 1);
    assert_eq!(seen[0].payload, [1; 40]);
    assert_eq!(seen[0].length, 100);
}
