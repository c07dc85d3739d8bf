//! Implementations that no harness should have to meet. The tests start it as
//! `misbehave BEHAVIOUR [ADDRESS [COMMAND...]]`; it goes on until it is killed, or does what its name
//! says.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program of its own for tests"
)]

mod fragile;
mod hostile;

use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::{ExitCode, abort};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (behaviour, address, command) = match arguments.as_slice() {
        [] => ("", "", &[][..]),
        [behaviour] => (behaviour.as_str(), "127.0.0.1:0", &[][..]),
        [behaviour, address, command @ ..] => (behaviour.as_str(), address.as_str(), command),
    };
    match behave(behaviour, address, command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("misbehave: {error}");
            ExitCode::FAILURE
        }
    }
}

fn behave(behaviour: &str, address: &str, command: &[String]) -> io::Result<()> {
    match behaviour {
        "silent" => silent(&UdpSocket::bind(address)?),
        "garbage" => garbage(&UdpSocket::bind(address)?),
        "mortal" => mortal(&UdpSocket::bind(address)?),
        "doomed" => doomed(&UdpSocket::bind(address)?),
        "elsewhere" => elsewhere(&UdpSocket::bind(address)?),
        "deaf" => deaf(&UdpSocket::bind(address)?),
        "flood" => hostile::flood(&UdpSocket::bind(address)?),
        "flood-empty" => hostile::flood_empty(&UdpSocket::bind(address)?),
        "drip" => hostile::drip(&UdpSocket::bind(address)?),
        "flood-server" => hostile::flood_server(address),
        "flood-behind" => hostile::flood_behind(&UdpSocket::bind(address)?, command),
        "trickle" => hostile::trickle(&UdpSocket::bind(address)?, command),
        "retry" => hostile::pretend(&UdpSocket::bind(address)?, hostile::retry),
        "negotiate" => hostile::pretend(&UdpSocket::bind(address)?, hostile::negotiation),
        "fragile" => {
            let fault = command.first().map_or("", String::as_str);
            fragile::server(&UdpSocket::bind(address)?, fault)
        }
        "fragile-legacy" => {
            let fault = command.first().map_or("", String::as_str);
            fragile::legacy_server(&UdpSocket::bind(address)?, fault)
        }
        "fragile-client" => fragile::client(address),
        "print" => print(),
        "stay" => loop {
            std::thread::park();
        },
        _ => Err(io::Error::other(
            "behaviours: silent, garbage, mortal, doomed, elsewhere, deaf, flood, flood-empty, \
             flood-server, flood-behind, drip, trickle, retry, negotiate, fragile, fragile-legacy, \
             fragile-client, print, stay",
        )),
    }
}

/// Hears everything and says nothing.
fn silent(socket: &UdpSocket) -> io::Result<()> {
    loop {
        hear(socket)?;
    }
}

/// Sends garbage at full speed to whoever said anything.
fn garbage(socket: &UdpSocket) -> io::Result<()> {
    let (mut peer, _) = hear(socket)?;
    let mut noise = [0xa5_u8; 1200];
    socket.set_nonblocking(true)?;
    for count in 0_u64.. {
        noise[..8].copy_from_slice(&count.to_be_bytes());
        // A full buffer or a peer that went away does not stop it.
        let _ = socket.send_to(&noise, peer);
        if count % 64 == 0
            && let Ok((_, other)) = socket.recv_from(&mut [0; 2048])
        {
            peer = other;
        }
    }
    Ok(())
}

/// Answers every START by a connection-id datagram, and dies of anything else.
fn mortal(socket: &UdpSocket) -> io::Result<()> {
    loop {
        let (peer, datagram) = hear(socket)?;
        if datagram != b"START" {
            eprintln!("index out of range: {} bytes", datagram.len());
            abort();
        }
        greet(socket, peer)?;
    }
}

/// Dies of the first datagram.
fn doomed(socket: &UdpSocket) -> io::Result<()> {
    let (_, datagram) = hear(socket)?;
    eprintln!("index out of range: {} bytes", datagram.len());
    abort()
}

/// Answers every START from another port.
fn elsewhere(socket: &UdpSocket) -> io::Result<()> {
    let mut other = socket.local_addr()?;
    other.set_port(0);
    let other = UdpSocket::bind(other)?;
    loop {
        let (peer, _) = hear(socket)?;
        greet(&other, peer)?;
    }
}

/// Answers every START until it gets something else; then it hears nothing any more.
fn deaf(socket: &UdpSocket) -> io::Result<()> {
    loop {
        let (peer, datagram) = hear(socket)?;
        if datagram != b"START" {
            loop {
                std::thread::park();
            }
        }
        greet(socket, peer)?;
    }
}

/// Prints eight megabytes on each stream, without the end of a line.
fn print() -> io::Result<()> {
    let text = [b'x'; 8192];
    for _ in 0..1024 {
        io::stdout().write_all(&text)?;
        io::stderr().write_all(&text)?;
    }
    Ok(())
}

fn greet(socket: &UdpSocket, peer: SocketAddr) -> io::Result<()> {
    socket.send_to(&greeting(), peer).map(drop)
}

fn greeting() -> [u8; 39] {
    let mut id = [0; 39];
    id[..2].copy_from_slice(&0x1000_u16.to_le_bytes());
    id[2..38].copy_from_slice(b"0c2b6d52-7d5e-4a8b-9a51-3f1d5d6d7c01");
    id
}

fn hear(socket: &UdpSocket) -> io::Result<(SocketAddr, Vec<u8>)> {
    let mut buffer = vec![0; 65_536];
    let (length, peer) = socket.recv_from(&mut buffer)?;
    buffer.truncate(length);
    Ok((peer, buffer))
}
