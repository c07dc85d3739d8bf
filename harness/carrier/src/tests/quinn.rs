//! Carriers over loopback, with quinn at the other end.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use quinn::{ClientConfig, ConnectionError, Endpoint, ServerConfig};
use shakedown_protocol::proton::TRANSPORT;
use shakedown_protocol::streams::Output;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::pair::settings;
use super::test_peer::{FIRST, STREAM, TestPeer, close, write};
use crate::tls::Sessions;
use crate::{Carrier, Effect, Security, Socket};

const BOUND: Duration = Duration::from_secs(20);
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Plays a carrier on a socket until its machine has heard this and QUIC has nothing more to say.
async fn play(
    mut carrier: Carrier<TestPeer>,
    socket: UdpSocket,
    last: &str,
    mut advise: impl FnMut(&mut TestPeer),
) -> Vec<String> {
    let start = Instant::now();
    let mut room = [0; 2048];
    carrier.tick(Duration::ZERO);
    loop {
        let now = start.elapsed();
        if carrier.deadline().is_some_and(|due| due <= now) {
            carrier.tick(now);
        }
        carrier.ask(now, &mut advise);
        while let Some(effect) = carrier.poll() {
            if let Effect::Send { to, payload, .. } = effect {
                socket.send_to(&payload, to).await.unwrap();
            }
        }
        if carrier.machine().has_heard(last) && carrier.is_idle() {
            return carrier.machine().heard.clone();
        }
        let due = carrier.deadline().unwrap_or(now + BOUND);
        let came = timeout(due.saturating_sub(now), socket.recv_from(&mut room)).await;
        if let Ok(came) = came {
            let (length, from) = came.unwrap();
            carrier.receive(start.elapsed(), Socket::MAIN, from, &room[..length]);
        }
    }
}

#[tokio::test]
async fn a_client_of_quinn_is_served() {
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    let address = socket.local_addr().unwrap();
    let carrier = Carrier::server(TestPeer::default(), &settings(Security::Tls)).unwrap();
    let mut has_answered = false;
    let served = play(carrier, socket, "0 closed 7 enough", |puppet| {
        if puppet.has_heard("stream 0 fin") && !has_answered {
            has_answered = true;
            let answer = [write(STREAM, 100_000), Output::Fin(FIRST, STREAM)];
            puppet.wants.extend(answer);
        }
    });
    let guest = async {
        let sessions = Sessions::new(Security::Tls);
        let crypto = sessions.client(vec![TRANSPORT.alpn.into()]).unwrap();
        let endpoint = Endpoint::client(LOOPBACK).unwrap();
        let config = ClientConfig::new(crypto);
        let connecting = endpoint.connect_with(config, address, "localhost");
        let connection = connecting.unwrap().await.unwrap();
        let (mut send, mut receive) = connection.open_bi().await.unwrap();
        send.write_all(&[1; 3]).await.unwrap();
        send.finish().unwrap();
        assert_eq!(receive.read_to_end(1 << 20).await.unwrap().len(), 100_000);
        connection.close(7_u8.into(), b"enough");
        endpoint.wait_idle().await;
    };
    let both = async { tokio::join!(served, guest) };
    let (heard, ()) = timeout(BOUND, both).await.unwrap();
    let first = ["0 connected", "stream 0 opened", "stream 0: 3 bytes"];
    assert_eq!(heard[..3], first);
}

#[tokio::test]
async fn a_server_of_quinn_is_reached() {
    let sessions = Sessions::new(Security::Tls);
    let crypto = sessions.server(&settings(Security::Tls)).unwrap();
    let endpoint = Endpoint::server(ServerConfig::with_crypto(crypto), LOOPBACK).unwrap();
    let address = endpoint.local_addr().unwrap();
    let socket = UdpSocket::bind(LOOPBACK).await.unwrap();
    let client = TestPeer {
        wants: [Output::Connect(FIRST)].into(),
        ..TestPeer::default()
    };
    let carrier = Carrier::client(client, address, &settings(Security::Tls)).unwrap();
    let mut steps = vec![
        ("stream 0 fin", close(FIRST, 9, "done")),
        ("0 connected", Output::Fin(FIRST, STREAM)),
        ("0 connected", write(STREAM, 3)),
        ("0 connected", Output::Open(FIRST, STREAM)),
    ];
    let reached = play(carrier, socket, "stream 0 fin", |puppet| {
        while let Some((_, want)) = steps.pop_if(|(heard, _)| puppet.has_heard(heard)) {
            puppet.wants.push_back(want);
        }
    });
    let host = async {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (mut send, mut receive) = connection.accept_bi().await.unwrap();
        assert_eq!(receive.read_to_end(9).await.unwrap(), [0, 1, 2]);
        send.write_all(&[7; 5]).await.unwrap();
        send.finish().unwrap();
        connection.closed().await
    };
    let both = async { tokio::join!(reached, host) };
    let (heard, why) = timeout(BOUND, both).await.unwrap();
    assert!(heard.contains(&"stream 0: 5 bytes".to_owned()));
    let ConnectionError::ApplicationClosed(close) = why else {
        panic!("{why}");
    };
    assert_eq!(
        (u64::from(close.error_code), &close.reason[..]),
        (9, &b"done"[..])
    );
}
