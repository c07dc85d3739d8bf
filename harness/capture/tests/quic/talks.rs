//! What both ends say is read as they said it.

use bytes_of::bytes_of;
use quinn::VarInt;
use rstest::rstest;
use rustls::CipherSuite;
use shakedown_capture::quic::{CloseCode, EventKind, Limits, Lost, Role};

use super::seen::Seen;
use super::session::{Options, Pair, Recording, record};

mod bytes_of {
    /// Bytes that differ at each offset and for each seed.
    pub(crate) fn bytes_of(seed: u32, length: usize) -> Vec<u8> {
        (0..length as u32)
            .map(|at| (at.wrapping_mul(2_654_435_761).rotate_left(9) ^ seed) as u8)
            .collect()
    }
}

const CLIENT: Role = Role::Client;
const SERVER: Role = Role::Server;

/// Sends on a stream of each end and on a unidirectional one, all whole; then closes.
pub(crate) async fn exchange(pair: &Pair, update: bool) {
    let (client, server) = pair.connect().await;
    let send_all = async |stream: &mut quinn::SendStream, seed| {
        for piece in bytes_of(seed, 40_000).chunks(7_000) {
            stream.write_all(piece).await.expect("sent");
        }
        stream.finish().expect("finished");
    };
    let by_client = async {
        let (mut send, mut receive) = client.open_bi().await.expect("opened");
        send_all(&mut send, 1).await;
        let back = receive.read_to_end(1 << 20).await.expect("received");
        assert_eq!(back, bytes_of(2, 40_000));
        for count in 0..2 {
            if update {
                update_keys(pair, &client, u64::from(count) + 1).await;
            }
            let mut send = client.open_uni().await.expect("opened");
            send.write_all(&bytes_of(count, 3_000)).await.expect("sent");
            send.finish().expect("finished");
            let mut receive = client.accept_uni().await.expect("opened");
            receive.read_to_end(1 << 20).await.expect("received");
        }
        client.close(VarInt::from_u32(7), b"enough");
    };
    let by_server = async {
        let (mut send, mut receive) = server.accept_bi().await.expect("opened");
        send_all(&mut send, 2).await;
        receive.read_to_end(1 << 20).await.expect("received");
        for count in 0..2 {
            let mut receive = server.accept_uni().await.expect("opened");
            receive.read_to_end(1 << 20).await.expect("received");
            let mut send = server.open_uni().await.expect("opened");
            send.write_all(&bytes_of(count + 10, 3_000))
                .await
                .expect("sent");
            send.finish().expect("finished");
        }
        server.closed().await;
    };
    let echo = async {
        while let Ok(datagram) = server.read_datagram().await {
            server.send_datagram(datagram).expect("sent");
        }
    };
    tokio::join!(by_client, by_server, echo);
}

/// Exchanges datagrams until both ends have updated their keys so many times. An end updates them
/// again only some time after the last update.
async fn update_keys(pair: &Pair, client: &quinn::Connection, count: u64) {
    loop {
        let updates = Seen::of(&pair.so_far()).updates;
        if !updates.contains(&(CLIENT, count)) {
            client.force_key_update();
        } else if updates.contains(&(SERVER, count)) {
            return;
        }
        client.send_datagram(b"?"[..].into()).expect("sent");
        client.read_datagram().await.expect("received");
    }
}

/// The streams of the first connection are those of [`exchange`].
pub(crate) fn assert_exchanged(seen: &Seen) {
    let expected = [
        ((1, 0, CLIENT), bytes_of(1, 40_000)),
        ((1, 0, SERVER), bytes_of(2, 40_000)),
        ((1, 2, CLIENT), bytes_of(0, 3_000)),
        ((1, 3, SERVER), bytes_of(10, 3_000)),
        ((1, 6, CLIENT), bytes_of(1, 3_000)),
        ((1, 7, SERVER), bytes_of(11, 3_000)),
    ];
    for (half, bytes) in &expected {
        assert!(seen.streams[half] == *bytes, "{half:?}");
        assert_eq!(seen.fins[half], bytes.len() as u64);
    }
    assert_eq!(seen.streams.len(), expected.len());
}

pub(crate) fn exchanged(options: Options) -> Recording {
    record(options, async |pair| exchange(pair, false).await)
}

#[rstest]
#[case(CipherSuite::TLS13_AES_128_GCM_SHA256, 0x1301)]
#[case(CipherSuite::TLS13_AES_256_GCM_SHA384, 0x1302)]
#[case(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, 0x1303)]
fn streams_are_read_with_each_suite(#[case] suite: CipherSuite, #[case] code: u16) {
    let options = Options {
        suite,
        ..Options::default()
    };
    let seen = Seen::of(&exchanged(options));
    seen.assert_all_read();
    assert_exchanged(&seen);
    assert_eq!(seen.suites, [code]);
    let close = CloseCode::Application { code: 7 };
    assert_eq!(seen.closes[0], (1, CLIENT, close, b"enough".to_vec()));
    assert_eq!(seen.others, ["HandshakeDone"]);
}

#[rstest]
fn streams_are_read_with_ids_of_any_length(
    #[values(0, 1, 20)] client_ids: usize,
    #[values(4, 8)] server_ids: usize,
    #[values(false, true)] retry: bool,
) {
    let options = Options {
        client_ids,
        server_ids,
        retry,
        ..Options::default()
    };
    let seen = Seen::of(&exchanged(options));
    seen.assert_all_read();
    assert_exchanged(&seen);
    assert_eq!(seen.others.contains(&"Retry".to_owned()), retry);
    assert_eq!(seen.opened.len(), 1);
}

#[test]
fn a_second_client_hello_is_read() {
    let options = Options {
        hello_retry: true,
        ..Options::default()
    };
    let seen = Seen::of(&exchanged(options));
    seen.assert_all_read();
    assert_exchanged(&seen);
    assert_eq!(seen.hellos, 2);
    assert_eq!(seen.suites, [0x1301]);
}

#[test]
fn the_handshake_is_read() {
    let seen = Seen::of(&exchanged(Options::default()));
    assert_eq!(seen.offered, [&b"other"[..], b"proton"]);
    assert_eq!(seen.chosen, b"proton");
    assert_eq!(seen.server_name, b"localhost");
    let client = seen.client_parameters.expect("the client's parameters");
    assert_eq!(client.max_idle_timeout, Some(30_000));
    assert_eq!(client.initial_max_streams_bidi, Some(50));
    let server = seen.server_parameters.expect("the server's parameters");
    assert_eq!(server.max_idle_timeout, Some(30_000));
    assert!(server.stateless_reset_token.is_some());
    assert!(server.original_destination_connection_id.is_some());
}

#[test]
fn key_updates_are_followed() {
    let recording = record(Options::default(), async |pair| exchange(pair, true).await);
    let seen = Seen::of(&recording);
    seen.assert_all_read();
    assert_exchanged(&seen);
    for role in [CLIENT, SERVER] {
        let counts = seen.updates.iter().filter(|it| it.0 == role);
        let counts: Vec<_> = counts.map(|it| it.1).collect();
        assert_eq!(counts, [1, 2], "{role}");
    }
}

#[test]
fn bytes_that_were_lost_and_sent_again_are_read_once() {
    let options = Options {
        lose: Some(6),
        ..Options::default()
    };
    let seen = Seen::of(&exchanged(options));
    seen.assert_all_read();
    assert_exchanged(&seen);
}

#[test]
fn resets_stops_and_datagrams_are_read_with_their_codes() {
    let recording = record(Options::default(), async |pair| {
        let (client, server) = pair.connect().await;
        let (mut send, _receive) = client.open_bi().await.expect("opened");
        send.write_all(b"abc").await.expect("sent");
        let (_send, mut receive) = server.accept_bi().await.expect("opened");
        let mut bytes = [0; 3];
        receive.read_exact(&mut bytes).await.expect("received");
        send.reset(VarInt::from_u32(71)).expect("open");
        receive.read_to_end(10).await.expect_err("reset");
        let (mut send, mut receive) = client.open_bi().await.expect("opened");
        send.write_all(b"x").await.expect("sent");
        receive.stop(VarInt::from_u32(72)).expect("open");
        let (server_send, _receive) = server.accept_bi().await.expect("opened");
        let stopped = server_send.stopped().await.expect("stopped");
        assert_eq!(stopped, Some(VarInt::from_u32(72)));
        client
            .send_datagram(b"by the client"[..].into())
            .expect("sent");
        server.read_datagram().await.expect("received");
        server
            .send_datagram(b"by the server"[..].into())
            .expect("sent");
        client.read_datagram().await.expect("received");
        server.close(VarInt::from_u32(5), b"no more");
        client.closed().await;
    });
    let seen = Seen::of(&recording);
    seen.assert_all_read();
    assert_eq!(seen.streams[&(1, 0, CLIENT)], b"abc");
    assert_eq!(seen.resets[&(1, 0, CLIENT)], (71, 3));
    assert_eq!(seen.stops[&(1, 4, CLIENT)], 72);
    assert_eq!(
        seen.datagrams,
        [
            (CLIENT, b"by the client".to_vec()),
            (SERVER, b"by the server".to_vec())
        ]
    );
    let close = CloseCode::Application { code: 5 };
    assert_eq!(seen.closes[0], (1, SERVER, close, b"no more".to_vec()));
}

#[test]
fn a_refusal_is_read_without_secrets() {
    let recording = record(Options::default(), async |pair| {
        let (client, ()) = tokio::join!(pair.connecting(), pair.refuse());
        client.expect_err("refused");
    });
    let seen = Seen::of_file(&recording.pcapng(None), "", Limits::default());
    seen.assert_all_read();
    let (_, by, code, _) = &seen.closes[0];
    assert_eq!(*by, SERVER);
    // CONNECTION_REFUSED
    assert!(
        matches!(code, CloseCode::Transport { code: 2, .. }),
        "{code:?}"
    );
}

#[rstest]
fn a_client_that_moves_is_followed(#[values(0, 8)] client_ids: usize) {
    let options = Options {
        client_ids,
        ..Options::default()
    };
    let recording = record(options, async |pair| {
        let (client, server) = pair.connect().await;
        let (mut send, mut receive) = client.open_bi().await.expect("opened");
        let echo = async {
            let (mut send, mut receive) = server.accept_bi().await.expect("opened");
            let mut bytes = [0; 5];
            for _ in 0..3 {
                receive.read_exact(&mut bytes).await.expect("received");
                send.write_all(&bytes).await.expect("sent");
            }
            server.closed().await;
        };
        let speak = async {
            for word in [b"first", b"later", b"final"] {
                send.write_all(word).await.expect("sent");
                let mut bytes = [0; 5];
                receive.read_exact(&mut bytes).await.expect("received");
                pair.move_client();
            }
            client.close(VarInt::from_u32(0), b"");
        };
        tokio::join!(echo, speak);
    });
    let seen = Seen::of(&recording);
    seen.assert_all_read();
    assert_eq!(seen.opened.len(), 1);
    assert_eq!(seen.streams[&(1, 0, CLIENT)], b"firstlaterfinal");
    assert_eq!(seen.streams[&(1, 0, SERVER)], b"firstlaterfinal");
    assert!(seen.moves.len() >= 2, "{:?}", seen.moves);
    for pair in seen.moves.windows(2) {
        assert_eq!(pair[0].2, pair[1].1);
    }
    assert!(seen.moves.iter().all(|it| it.0 == CLIENT));
}

#[rstest]
fn connections_between_the_same_addresses_are_told_apart(#[values(1, 8)] client_ids: usize) {
    let options = Options {
        client_ids,
        ..Options::default()
    };
    let recording = record(options, async |pair| {
        let mut all = Vec::new();
        for _ in 0..3 {
            all.push(pair.connect().await);
        }
        for round in 0..3_u8 {
            for (number, (client, server)) in (0_u8..).zip(&all) {
                let mut send = server.open_uni().await.expect("opened");
                send.write_all(&[number, round]).await.expect("sent");
                send.finish().expect("finished");
                let mut receive = client.accept_uni().await.expect("opened");
                receive.read_to_end(10).await.expect("received");
            }
        }
        for (client, _) in &all {
            client.close(VarInt::from_u32(0), b"");
        }
    });
    let seen = Seen::of(&recording);
    seen.assert_all_read();
    assert_eq!(seen.opened.len(), 3);
    for connection in 1..=3_u64 {
        for round in 0..3_u64 {
            let half = (connection, 3 + 4 * round, SERVER);
            assert_eq!(seen.streams[&half], [connection as u8 - 1, round as u8]);
        }
    }
}

#[test]
fn connections_one_after_the_other_without_ids_are_told_apart_by_their_keys() {
    let options = Options {
        client_ids: 0,
        ..Options::default()
    };
    let recording = record(options, async |pair| {
        for number in 0..12_u8 {
            let (client, server) = pair.connect().await;
            let mut send = server.open_uni().await.expect("opened");
            send.write_all(&[number]).await.expect("sent");
            send.finish().expect("finished");
            let mut receive = client.accept_uni().await.expect("opened");
            receive.read_to_end(10).await.expect("received");
            client.close(VarInt::from_u32(0), b"");
            pair.client.wait_idle().await;
        }
    });
    let seen = Seen::of(&recording);
    seen.assert_all_read();
    for connection in 1..=12 {
        assert_eq!(
            seen.streams[&(connection, 3, SERVER)],
            [connection as u8 - 1]
        );
    }
}

#[rstest]
fn early_data_is_read_only_if_the_server_takes_it(#[values(true, false)] taken: bool) {
    let recording = record(Options::default(), async |pair| {
        let (client, server) = pair.connect().await;
        // The ticket comes with the first answer at the latest.
        let mut send = server.open_uni().await.expect("opened");
        send.write_all(b"!").await.expect("sent");
        client.accept_uni().await.expect("opened");
        client.close(VarInt::from_u32(0), b"");
        server.closed().await;
        if !taken {
            pair.reject_early_data();
        }
        let early = pair.connecting().into_0rtt();
        let Ok((client, accepted)) = early else {
            panic!("there is no ticket");
        };
        let mut send = client.open_uni().await.expect("opened");
        send.write_all(b"early").await.expect("sent");
        let (server, is_taken) = tokio::join!(pair.accept(), accepted);
        assert_eq!(is_taken, taken);
        let mut send = client.open_uni().await.expect("opened");
        send.write_all(b"late").await.expect("sent");
        let mut receive = server.accept_uni().await.expect("opened");
        receive.read_chunk(1, true).await.expect("received");
        client.close(VarInt::from_u32(0), b"");
    });
    let seen = Seen::of(&recording);
    assert_eq!(seen.opened.len(), 2);
    if taken {
        seen.assert_all_read();
        assert_eq!(seen.streams[&(2, 2, CLIENT)], b"early");
    } else {
        // The client begins anew, with the same stream ids.
        assert_eq!(seen.streams[&(2, 2, CLIENT)], b"late");
        assert!(seen.statistics.early_data_rejected > 0);
        assert_eq!(seen.statistics.unreadable(), 0);
    }
}

#[test]
fn what_exceeds_a_limit_makes_a_stream_lost_and_gives_no_wrong_byte() {
    let mut recording = exchanged(Options::default());
    let whole = Seen::of(&recording);
    // The first packet with data of the first stream is missing.
    let first = (1..recording.datagrams.len())
        .find(|at| {
            let mut shorter = recording.clone();
            shorter.datagrams.remove(*at);
            Seen::of(&shorter).lost.get(&(1, 0, CLIENT)) == Some(&(0, Lost::Missing))
        })
        .expect("a packet that matters");
    recording.datagrams.remove(first);
    let limits = Limits {
        stream: 5_000,
        ..Limits::default()
    };
    let seen = Seen::of_file(&recording.pcapng(Some(0)), "", limits);
    assert_eq!(seen.lost[&(1, 0, CLIENT)], (0, Lost::TooMuchAfterGap));
    seen.assert_beginning_of(&whole);
    assert_eq!(
        seen.streams[&(1, 0, SERVER)],
        whole.streams[&(1, 0, SERVER)]
    );
}

#[test]
fn events_carry_the_packet_that_shows_them() {
    use shakedown_capture::quic::Decoder;
    use shakedown_capture::{Capture, Item};
    let recording = exchanged(Options::default());
    let file = recording.pcapng(Some(0));
    let mut capture = Capture::open(&file[..]).expect("a capture");
    let mut decoder = Decoder::new(Limits::default());
    let mut packets = 0;
    while let Some(item) = capture.next_item().expect("undamaged") {
        match item {
            Item::KeyLog(key_log) => decoder.add_secrets(key_log, &mut |_| panic!("too early")),
            Item::Datagram(datagram) => decoder.datagram(&datagram, &mut |event| {
                assert_eq!(event.at.number, datagram.number);
                assert_eq!(event.at.time, datagram.time);
                assert_eq!(event.at.source, datagram.source);
                packets += u64::from(matches!(event.kind, EventKind::Packet(_)));
            }),
        }
    }
    assert_eq!(packets, decoder.statistics().packets);
}
