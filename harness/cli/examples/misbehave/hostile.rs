//! Attacks on whoever speaks to them: floods of the largest datagrams, and QUIC that never comes to
//! anything.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{greet, greeting, hear};

/// No UDP datagram over IPv4 is longer, in bytes.
const LARGEST: usize = 65_507;

/// How often a server that never comes to anything says a word.
const RHYTHM: Duration = Duration::from_secs(1);

/// Whoever spoke last, whom a flood goes to.
type Victim = Arc<Mutex<Option<SocketAddr>>>;

/// Answers START as a server should, and floods whoever spoke last.
pub(super) fn flood(socket: &UdpSocket) -> io::Result<()> {
    flood_with(socket, &[0xa5; LARGEST])
}

/// The same with empty datagrams.
pub(super) fn flood_empty(socket: &UdpSocket) -> io::Result<()> {
    flood_with(socket, &[])
}

fn flood_with(socket: &UdpSocket, noise: &'static [u8]) -> io::Result<()> {
    let victim = Victim::default();
    begin_flood(socket, &victim, noise)?;
    loop {
        let (peer, datagram) = hear(socket)?;
        if datagram.starts_with(b"START") {
            greet(socket, peer)?;
        }
        *victim.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
    }
}

/// Asks for a stream as a client should, and floods.
pub(super) fn flood_server(server: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.send_to(b"START", server)?;
    let server = server.parse().map_err(io::Error::other)?;
    begin_flood(
        &socket,
        &Arc::new(Mutex::new(Some(server))),
        &[0xa5; LARGEST],
    )?;
    loop {
        hear(&socket)?;
    }
}

fn begin_flood(socket: &UdpSocket, victim: &Victim, noise: &'static [u8]) -> io::Result<()> {
    let (socket, victim) = (socket.try_clone()?, Arc::clone(victim));
    thread::spawn(move || {
        loop {
            let peer = *victim.lock().unwrap_or_else(PoisonError::into_inner);
            match peer {
                // A full buffer or a peer that went away does not stop it.
                Some(peer) => drop(socket.send_to(noise, peer)),
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    });
    Ok(())
}

/// A real server, started by `command` with its address for BACKEND, and a flood of the largest datagrams
/// from where it answers.
pub(super) fn flood_behind(socket: &UdpSocket, command: &[String]) -> io::Result<()> {
    let victim = Victim::default();
    begin_flood(socket, &victim, &[0xa5; LARGEST])?;
    stand_before(socket, command, &victim, |_| Duration::ZERO)
}

/// Greets every client by one byte a second, each in a datagram of its own.
pub(super) fn drip(socket: &UdpSocket) -> io::Result<()> {
    let clients: Arc<Mutex<BTreeSet<SocketAddr>>> = Arc::default();
    let (answers, known) = (socket.try_clone()?, Arc::clone(&clients));
    thread::spawn(move || {
        for byte in greeting().into_iter().cycle() {
            for client in &*known.lock().unwrap_or_else(PoisonError::into_inner) {
                let _ = answers.send_to(&[byte], client);
            }
            thread::sleep(RHYTHM);
        }
    });
    loop {
        let (client, _) = hear(socket)?;
        { clients.lock() }
            .unwrap_or_else(PoisonError::into_inner)
            .insert(client);
    }
}

/// A real server of whose datagrams only one comes through each second, the others never.
pub(super) fn trickle(socket: &UdpSocket, command: &[String]) -> io::Result<()> {
    stand_before(socket, command, &Victim::default(), |_| RHYTHM)
}

/// Passes on what clients and a server say to each other; after each datagram of the server it pauses,
/// and what the server says meanwhile is lost.
fn stand_before(
    front: &UdpSocket,
    command: &[String],
    victim: &Victim,
    pause: fn(&[u8]) -> Duration,
) -> io::Result<()> {
    let backend = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let mut words = command.iter().map(|word| match word.as_str() {
        "BACKEND" => backend.to_string(),
        word => word.to_owned(),
    });
    let program = words.next().ok_or_else(|| io::Error::other("no command"))?;
    let _server = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .spawn()?;
    let mut clients: BTreeMap<SocketAddr, UdpSocket> = BTreeMap::new();
    loop {
        let (client, datagram) = hear(front)?;
        *victim.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
        if let Entry::Vacant(place) = clients.entry(client) {
            let back = UdpSocket::bind("127.0.0.1:0")?;
            let (answers, front) = (back.try_clone()?, front.try_clone()?);
            thread::spawn(move || {
                let mut lost_until = std::time::Instant::now();
                loop {
                    // Until the server has opened its port, it refuses.
                    let Ok((_, answer)) = hear(&answers) else {
                        continue;
                    };
                    if std::time::Instant::now() < lost_until {
                        continue;
                    }
                    lost_until = std::time::Instant::now() + pause(&answer);
                    let _ = front.send_to(&answer, client);
                }
            });
            place.insert(back);
        }
        if let Some(back) = clients.get(&client) {
            let _ = back.send_to(&datagram, backend);
        }
    }
}

/// Answers every client each second by a packet without any proof that it is the server's: a Retry, or
/// that it knows no such version.
pub(super) fn pretend(socket: &UdpSocket, packet: fn(&[u8], &[u8]) -> Vec<u8>) -> io::Result<()> {
    let clients: Arc<Mutex<BTreeMap<SocketAddr, Vec<u8>>>> = Arc::default();
    let (answers, known) = (socket.try_clone()?, Arc::clone(&clients));
    thread::spawn(move || {
        loop {
            for (client, initial) in &*known.lock().unwrap_or_else(PoisonError::into_inner) {
                let Some((destination, source)) = connection_ids(initial) else {
                    continue;
                };
                let _ = answers.send_to(&packet(destination, source), client);
            }
            thread::sleep(RHYTHM);
        }
    });
    loop {
        let (client, initial) = hear(socket)?;
        let mut clients = clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.entry(client).or_insert(initial);
    }
}

/// A Retry of a client's first packet, whose tag is made up.
pub(super) fn retry(destination: &[u8], source: &[u8]) -> Vec<u8> {
    let mut packet = vec![0xf0, 0, 0, 0, 1];
    for id in [source, destination] {
        packet.push(u8::try_from(id.len()).unwrap_or_default());
        packet.extend(id);
    }
    packet.extend([0xa5; 32]);
    packet
}

/// A version negotiation that offers nothing that anybody knows, and the client's own, which makes
/// it one that has to be ignored.
pub(super) fn negotiation(destination: &[u8], source: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0, 0, 0, 0];
    for id in [source, destination] {
        packet.push(u8::try_from(id.len()).unwrap_or_default());
        packet.extend(id);
    }
    packet.extend([0xba, 0xbe, 0xfa, 0xce, 0, 0, 0, 1]);
    packet
}

/// The destination's and the source's connection id of a long header.
fn connection_ids(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = packet.get(5..)?.split_first()?;
    let (destination, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first()?;
    Some((destination, rest.get(..usize::from(*length))?))
}
