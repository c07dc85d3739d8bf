//! What the tap records is what the reader reads.
#![allow(clippy::expect_used, clippy::panic, reason = "a test may fail so")]

use std::net::SocketAddr;
use std::time::Duration;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{Block, PcapBlockOwned, PcapError, PcapNGReader};
use rstest::rstest;
use shakedown_capture::{
    Capture, MAX_PAYLOAD_IPV4, MAX_PAYLOAD_IPV6, Packets, Tap, WriteError, WriterSettings,
};

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn tap() -> Tap<Vec<u8>> {
    Tap::new(Vec::new(), &WriterSettings::default()).expect("memory")
}

#[rstest]
#[case::ipv4("127.0.0.1:1", "10.0.0.2:65535", 5)]
#[case::ipv4_empty("127.0.0.1:4444", "127.0.0.1:4445", 0)]
#[case::ipv4_longest("127.0.0.1:4444", "127.0.0.1:4445", MAX_PAYLOAD_IPV4)]
#[case::ipv6("[::1]:4444", "[2001:db8::1]:4445", 1_000)]
#[case::ipv6_longest("[::1]:4444", "[::1]:4445", MAX_PAYLOAD_IPV6)]
fn a_recorded_datagram_is_read_back(
    #[case] source: &str,
    #[case] destination: &str,
    #[case] length: usize,
) {
    let (source, destination) = (address(source), address(destination));
    let payload: Vec<u8> = (0..length).map(|at| at as u8).collect();
    let time = Duration::new(1_795_246_841, 123_456_789);
    let mut tap = tap();
    let number = tap
        .record(time, source, destination, &payload)
        .expect("recorded");
    assert_eq!(number, 1);
    let file = tap.into_inner();
    let mut capture = Capture::open(&file[..]).expect("a capture");
    let datagram = capture
        .next_datagram()
        .expect("undamaged")
        .expect("a datagram");
    assert_eq!(datagram.number, 1);
    assert_eq!(datagram.time, time);
    assert_eq!(datagram.source, source);
    assert_eq!(datagram.destination, destination);
    assert_eq!(datagram.payload, payload);
    assert_eq!(datagram.length, length);
    assert_eq!(capture.next_datagram().expect("undamaged"), None);
}

#[test]
fn addresses_of_a_socket_for_both_versions_are_recorded_as_ipv4() {
    let mut tap = tap();
    tap.record(
        Duration::ZERO,
        address("[::ffff:127.0.0.1]:1"),
        address("127.0.0.1:2"),
        b"x",
    )
    .expect("recorded");
    let file = tap.into_inner();
    let mut capture = Capture::open(&file[..]).expect("a capture");
    let datagram = capture.next_datagram().expect("undamaged");
    assert_eq!(datagram.expect("a datagram").source, address("127.0.0.1:1"));
}

#[rstest]
#[case::ipv4("127.0.0.1:1", "127.0.0.1:2", MAX_PAYLOAD_IPV4 + 1)]
#[case::ipv6("[::1]:1", "[::1]:2", MAX_PAYLOAD_IPV6 + 1)]
fn a_payload_that_no_packet_carries_is_refused(
    #[case] source: &str,
    #[case] destination: &str,
    #[case] length: usize,
) {
    let mut tap = tap();
    let refused = tap.record(
        Duration::ZERO,
        address(source),
        address(destination),
        &vec![0; length],
    );
    assert!(
        matches!(refused, Err(WriteError::TooLarge { .. })),
        "{refused:?}"
    );
    assert!(!tap.is_stopped());
    assert_eq!(tap.packets(), 0);
}

#[test]
fn a_packet_between_versions_is_refused() {
    let refused = tap().record(
        Duration::ZERO,
        address("127.0.0.1:1"),
        address("[::1]:1"),
        b"",
    );
    assert!(matches!(refused, Err(WriteError::MixedVersions { .. })));
}

#[rstest]
#[case::ipv4("127.0.0.1:1", "127.0.0.1:2")]
#[case::ipv6("[::1]:1", "[::1]:2")]
fn recorded_packets_have_good_checksums(#[case] source: &str, #[case] destination: &str) {
    let mut tap = tap();
    tap.record(
        Duration::ZERO,
        address(source),
        address(destination),
        b"odd",
    )
    .expect("recorded");
    let file = tap.into_inner();
    let mut packets = Packets::open(&file[..]).expect("a capture");
    let packet = packets.next_packet().expect("undamaged").expect("a packet");
    let sliced = SlicedPacket::from_ethernet(packet.data).expect("well-formed");
    let Some(TransportSlice::Udp(udp)) = sliced.transport else {
        panic!("not UDP");
    };
    let expected = match sliced.net.expect("IP") {
        NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            udp.to_header()
                .calc_checksum_ipv4(&header, udp.payload())
                .expect("short")
        }
        NetSlice::Ipv6(ip) => udp
            .to_header()
            .calc_checksum_ipv6(&ip.header().to_header(), udp.payload())
            .expect("short"),
        NetSlice::Arp(_) => panic!("not IP"),
    };
    assert_eq!(udp.checksum(), expected);
}

#[test]
fn a_full_file_says_so_and_stays_readable() {
    let limit = 1_000;
    let settings = WriterSettings {
        limit,
        ..WriterSettings::default()
    };
    let mut tap = Tap::new(Vec::new(), &settings).expect("memory");
    let (source, destination) = (address("127.0.0.1:1"), address("127.0.0.1:2"));
    let mut recorded = 0;
    let refused = loop {
        match tap.record(Duration::ZERO, source, destination, &[7; 100]) {
            Ok(number) => {
                recorded += 1;
                assert_eq!(number, recorded);
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, WriteError::Full { limit: 1_000, .. }));
    assert!(recorded > 2);
    assert!(tap.is_stopped());
    // A smaller one would fit, but would hide that one is missing.
    let refused = tap.record(Duration::ZERO, source, destination, b"");
    assert!(matches!(refused, Err(WriteError::Full { .. })));
    let file = tap.into_inner();
    assert!(file.len() as u64 <= limit);
    let mut capture = Capture::open(&file[..]).expect("a capture");
    while capture.next_datagram().expect("undamaged").is_some() {}
    assert_eq!(capture.statistics().datagrams, recorded);
}

/// Takes some bytes, then fails like a full disk.
struct FullDisk(usize);

impl std::io::Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if bytes.len() > self.0 {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.0 -= bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn after_a_failure_nothing_more_is_written() {
    let mut tap = Tap::new(FullDisk(400), &WriterSettings::default()).expect("it fits");
    let (source, destination) = (address("127.0.0.1:1"), address("127.0.0.1:2"));
    let refused = tap.record(Duration::ZERO, source, destination, &[0; 1_000]);
    assert!(
        matches!(refused, Err(WriteError::Io { packets: 0, .. })),
        "{refused:?}"
    );
    assert!(tap.is_stopped());
    let refused = tap.record(Duration::ZERO, source, destination, b"");
    let Err(WriteError::Io { source, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(source.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn comments_are_on_their_packets() {
    let mut tap = tap();
    let (source, destination) = (address("127.0.0.1:1"), address("127.0.0.1:2"));
    tap.record(Duration::ZERO, source, destination, b"1")
        .expect("recorded");
    let long = "ä".repeat(40_000);
    tap.record_with_comments(
        Duration::ZERO,
        source,
        destination,
        b"2",
        &["step 3: SYN", &long],
    )
    .expect("recorded");
    let file = tap.into_inner();
    let mut packets = Packets::open(&file[..]).expect("a capture");
    let first = packets.next_packet().expect("undamaged").expect("a packet");
    assert!(first.comments().is_empty());
    let second = packets.next_packet().expect("undamaged").expect("a packet");
    let comments = second.comments();
    assert_eq!(comments.len(), 2);
    assert_eq!(comments[0], "step 3: SYN");
    assert!(comments[1].ends_with("ä...") && comments[1].len() < 65_535);
}

#[test]
fn another_reader_sees_the_same_packets_times_and_comments() {
    let settings = WriterSettings {
        comment: Some("a scenario".into()),
        ..WriterSettings::default()
    };
    let mut tap = Tap::new(Vec::new(), &settings).expect("memory");
    let time = |number: u64| Duration::from_nanos(1_700_000_000_123_456_789 + number * 20_000_001);
    for number in 1..=20 {
        tap.record_with_comments(
            time(number),
            address("127.0.0.1:4444"),
            address("127.0.0.1:5555"),
            &vec![number as u8; number as usize * 7],
            if number == 7 { &["seven"] } else { &[] },
        )
        .expect("recorded");
    }
    let file = tap.into_inner();
    let mut reader = PcapNGReader::new(65_536, &file[..]).expect("pcapng");
    let mut number = 0;
    let mut resolution = 0;
    loop {
        match reader.next() {
            Ok((consumed, PcapBlockOwned::NG(block))) => {
                match block {
                    Block::SectionHeader(section) => {
                        let texts: Vec<&[u8]> = section
                            .options
                            .iter()
                            .map(|option| option.value())
                            .collect();
                        assert!(texts.iter().any(|text| text.starts_with(b"a scenario")));
                        assert!(texts.iter().any(|text| text.starts_with(b"shakedown")));
                    }
                    Block::InterfaceDescription(interface) => {
                        assert_eq!(interface.linktype.0, 1);
                        resolution = interface.ts_resolution().expect("a resolution");
                        assert_eq!(resolution, 1_000_000_000);
                    }
                    Block::EnhancedPacket(packet) => {
                        number += 1;
                        let (seconds, fraction) = packet.decode_ts(0, resolution);
                        let read = Duration::new(seconds.into(), fraction);
                        assert_eq!(read, time(number));
                        assert_eq!(packet.caplen, 14 + 28 + number as u32 * 7);
                        assert_eq!(packet.caplen, packet.origlen);
                        let commented = packet
                            .options
                            .iter()
                            .any(|option| option.value().starts_with(b"seven"));
                        assert_eq!(commented, number == 7);
                    }
                    other => panic!("an unexpected block: {other:?}"),
                }
                reader.consume(consumed);
            }
            Ok(_) => panic!("not pcapng"),
            Err(PcapError::Eof) => break,
            Err(PcapError::Incomplete(_)) => reader.refill().expect("memory"),
            Err(error) => panic!("{error:?}"),
        }
    }
    assert_eq!(number, 20);
}
