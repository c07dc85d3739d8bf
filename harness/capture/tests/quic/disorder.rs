//! Packets that are lost, repeated, late, cut or of something else.

use std::sync::OnceLock;

use proptest::prelude::*;
use shakedown_capture::quic::{Decoder, Event, EventKind, Limits, Role, UnreadableReason};
use shakedown_capture::{Capture, Datagram, Item, PcapLayout};

use super::seen::Seen;
use super::session::{Options, Recorded, Recording, record, time};
use super::talks::{assert_exchanged, exchange};

/// With key updates, for they are what disorder harms.
fn recorded() -> &'static (Recording, Seen) {
    static RECORDED: OnceLock<(Recording, Seen)> = OnceLock::new();
    RECORDED.get_or_init(|| {
        let recording = record(Options::default(), async |pair| exchange(pair, true).await);
        let seen = Seen::of(&recording);
        (recording, seen)
    })
}

fn with(datagrams: Vec<Recorded>) -> Seen {
    Seen::of(&Recording {
        datagrams,
        key_log: recorded().0.key_log.clone(),
    })
}

#[test]
fn repeated_packets_are_read_once() {
    let twice = recorded().0.datagrams.iter();
    let seen = with(twice.flat_map(|it| [it.clone(), it.clone()]).collect());
    assert_exchanged(&seen);
    assert_eq!(seen.unreadable, []);
    assert_eq!(seen.statistics.repeated * 2, seen.statistics.read);
    assert_eq!(seen.closes.len(), recorded().1.closes.len());
}

#[test]
fn neighbours_that_overtake_one_another_are_put_in_order() {
    let mut datagrams = recorded().0.datagrams.clone();
    for pair in datagrams[1..].chunks_exact_mut(2) {
        pair.swap(0, 1);
    }
    let seen = with(datagrams);
    assert_exchanged(&seen);
    assert_eq!(seen.unreadable, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_loss_and_any_order_never_give_a_wrong_byte(
        fates in prop::collection::vec((0_u8..100, 0_usize..30), 400),
        loss in 0_u8..40,
        whole_disorder in prop::bool::weighted(0.2),
    ) {
        let (recording, whole) = recorded();
        let mut datagrams: Vec<(usize, Recorded)> = Vec::new();
        for (at, it) in recording.datagrams.iter().enumerate() {
            let (fate, late) = fates[at % fates.len()];
            if fate < loss {
                continue;
            }
            let late = if whole_disorder { late * 31 % 400 } else { late };
            datagrams.push((at + late, it.clone()));
            if fate > 90 {
                datagrams.push((at + 2 * late, it.clone()));
            }
        }
        datagrams.sort_by_key(|it| it.0);
        let seen = with(datagrams.into_iter().map(|it| it.1).collect());
        seen.assert_beginning_of(whole);
        prop_assert_eq!(seen.statistics.malformed, 0);
        if seen.opened.len() == 1 {
            prop_assert_eq!(seen.statistics.no_secrets, 0);
        }
    }
}

#[test]
fn packets_cut_in_the_capture_are_told_as_cut() {
    let recording = &recorded().0;
    let mut writer = shakedown_capture::PcapFileWriter::new(
        Vec::new(),
        PcapLayout {
            link: shakedown_capture::DataLink::ETHERNET,
            endianness: shakedown_capture::Endianness::Little,
            nanoseconds: true,
        },
    )
    .expect("memory");
    let file = recording.pcapng(None);
    let mut packets = shakedown_capture::Packets::open(&file[..]).expect("a capture");
    while let Some(packet) = packets.next_packet().expect("undamaged") {
        let kept = &packet.data[..packet.data.len().min(600)];
        writer
            .write_packet(packet.time, kept, packet.data.len())
            .expect("memory");
    }
    let seen = Seen::of_file(&writer.into_inner(), &recording.key_log, Limits::default());
    // The client's first packet is cut too, so that the connection is not known.
    let is_cut = |why: &UnreadableReason| *why == UnreadableReason::Cut;
    assert!(is_cut(&seen.unreadable[0].1));
    assert!(seen.statistics.cut > 10);
    assert!(seen.streams.is_empty());
}

#[test]
fn a_stateless_reset_is_known_by_its_token_and_suspected_by_its_form() {
    let (recording, whole) = recorded();
    let token = whole.server_parameters.as_ref();
    let token = token.and_then(|it| it.stateless_reset_token);
    let token = token.expect("the server gives one");
    let first = &recording.datagrams[0];
    let from_server = |payload: Vec<u8>| Recorded {
        source: first.destination,
        destination: first.source,
        payload,
    };
    let reset = [&[0x47; 30][..], &token].concat();
    let mut datagrams = recording.datagrams.clone();
    datagrams.push(from_server(reset));
    datagrams.push(from_server(vec![0x47; 46]));
    datagrams.push(from_server(vec![0x47; 20]));
    let mut suspected = Vec::new();
    let mut others = Vec::new();
    let recording = Recording {
        datagrams,
        key_log: recording.key_log.clone(),
    };
    listen(&recording.pcapng(Some(0)), &mut |event| match event.kind {
        EventKind::StatelessReset { by } => others.push(by),
        EventKind::Unreadable(it) => suspected.push((it.why, it.may_be_stateless_reset)),
        _ => {}
    });
    assert_eq!(others, [Role::Server]);
    let unknown = UnreadableReason::UnknownConnection;
    assert_eq!(suspected, [(unknown, true), (unknown, false)]);
}

fn listen(file: &[u8], sink: &mut dyn FnMut(&Event<'_>)) {
    let mut decoder = Decoder::new(Limits::default());
    let mut capture = Capture::open(file).expect("a capture");
    while let Some(item) = capture.next_item().expect("undamaged") {
        match item {
            Item::KeyLog(key_log) => decoder.add_secrets(key_log, sink),
            Item::Datagram(datagram) => decoder.datagram(&datagram, sink),
        }
    }
    decoder.finish(sink);
}

#[test]
fn a_coalesced_packet_whose_first_byte_is_0_is_no_padding() {
    // The QUIC bit is greased there (RFC 9287), and the protection of the header made the rest 0.
    let file = include_bytes!("first-byte-0.pcapng");
    let mut opened = Vec::new();
    listen(file, &mut |event| {
        if let EventKind::StreamOpened { stream, .. } = event.kind {
            opened.push((event.at.number, stream));
        }
    });
    assert_eq!(opened, [(3, 0), (3, 4), (3, 8)]);
}

#[test]
fn other_versions_and_other_protocols_are_told() {
    let mut told = Vec::new();
    let mut decoder = Decoder::new(Limits::default());
    let source = "127.0.0.1:1000".parse().expect("an address");
    let destination = "127.0.0.1:2000".parse().expect("an address");
    let payloads: [&[u8]; 6] = [
        &[0xd0, 0x6b, 0x33, 0x43, 0xcf, 1, 9, 1, 8, 0],
        &[
            0x80, 0, 0, 0, 0, 1, 9, 1, 8, 0, 0, 0, 1, 0x6b, 0x33, 0x43, 0xcf,
        ],
        &[0x01, 2, 3],
        &[0xc0, 0, 0, 0, 1, 21, 0],
        &[],
        &[0x41, 2, 3],
    ];
    for (payload, number) in payloads.iter().zip(1..) {
        let datagram = Datagram {
            number,
            time: time(number as usize),
            source,
            destination,
            payload,
            length: payload.len(),
        };
        decoder.datagram(&datagram, &mut |event| {
            told.push(format!("{:?}", event.kind))
        });
    }
    insta::assert_debug_snapshot!(told);
}

#[test]
fn connections_are_bounded_and_closed_ones_go_first() {
    let recording = record(Options::default(), async |pair| {
        let mut open = Vec::new();
        for number in 0..3 {
            let (client, server) = pair.connect().await;
            let mut send = client.open_uni().await.expect("opened");
            send.write_all(b"one").await.expect("sent");
            let receive = server.accept_uni().await.expect("opened");
            if number == 1 {
                client.close(0_u32.into(), b"");
                server.closed().await;
            }
            open.push((client, server, send, receive));
        }
        for (client, _, send, receive) in &mut open {
            if client.close_reason().is_none() {
                send.write_all(b"two").await.expect("sent");
                let mut bytes = [0; 6];
                receive.read_exact(&mut bytes).await.expect("received");
                client.close(0_u32.into(), b"");
            }
        }
    });
    let with_most = |connections| {
        let limits = Limits {
            connections,
            ..Limits::default()
        };
        let seen = Seen::of_file(&recording.pcapng(Some(0)), "", limits);
        assert_eq!(seen.opened.len(), 3);
        let first = seen.streams[&(1, 2, Role::Client)].clone();
        (first, seen.statistics.forgotten, seen.others)
    };
    let (first, forgotten, _) = with_most(2);
    assert_eq!((&first[..], forgotten), (&b"onetwo"[..], 0));
    let (first, forgotten, others) = with_most(1);
    assert_eq!((&first[..], forgotten), (&b"one"[..], 1));
    assert!(others.contains(&"Forgotten".to_owned()));
}
