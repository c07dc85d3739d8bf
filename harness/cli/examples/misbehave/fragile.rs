//! Implementations of `mediastream` that do not outlive one field: they answer the first frame, and no more.

use std::collections::BTreeSet;
use std::io;
use std::net::UdpSocket;
use std::process::{abort, exit};

/// Length of a SYN without extensions, and where its flags and its reserved field stand.
const LENGTH: usize = 67;
const FLAGS: usize = 27;
const RESERVED: usize = 28;
/// Bytes that a leak takes.
const LEAK: usize = 80 << 20;

/// Answers each SYN by a SYN-ACK, until a reserved field has its highest bit set.
pub(super) fn server(socket: &UdpSocket, fault: &str) -> io::Result<()> {
    println!("listening on {}", socket.local_addr()?);
    let mut buffer = vec![0; 65_536];
    let mut leaked: Vec<Vec<u8>> = Vec::new();
    let mut accept = 1;
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let Some(datagram) = control(&buffer[..length], 0x00) else {
            continue;
        };
        if is_wrong(datagram) {
            match fault {
                "abort" => abort(),
                "complain" => {
                    eprintln!(
                        "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x{:x}",
                        length
                    );
                    exit(1)
                }
                "warn" => eprintln!("fragile.c:7: runtime error: shift exponent is too large"),
                "hang" => loop {
                    std::thread::park();
                },
                "refuse" => accept = 0,
                "leak" => leaked.push(vec![1; LEAK]),
                _ => {}
            }
        }
        let mut answer = datagram[..LENGTH].to_vec();
        answer[0] = 0x01;
        answer[FLAGS] = accept;
        answer[RESERVED..RESERVED + 2].fill(0);
        socket.send_to(&answer, from)?;
        if fault == "once" {
            return Ok(());
        }
    }
}

/// Names a stream to whoever sends a START token for the first time, until an id begins with 0xFF.
pub(super) fn legacy_server(socket: &UdpSocket, fault: &str) -> io::Result<()> {
    println!("listening on {}", socket.local_addr()?);
    let mut buffer = vec![0; 65_536];
    let mut is_mute = false;
    let mut peers = BTreeSet::new();
    let id = b"\x00\x1011111111-1111-4111-8111-111111111111\x00";
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        match &buffer[..length] {
            b"START" if !is_mute && peers.insert(from) => drop(socket.send_to(id, from)?),
            [0x00, 0x10, 0xff, ..] if fault == "abort" => abort(),
            [0x00, 0x10, 0xff, ..] => is_mute = fault == "mute",
            _ => {}
        }
    }
}

/// Asks by a SYN, and panics at the SYN-ACK if its reserved field is not zero.
pub(super) fn client(peer: &str) -> io::Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let mut question = vec![0; LENGTH];
    question[1] = 0x01;
    question[26] = 1;
    question[30..66].copy_from_slice(b"11111111-1111-4111-8111-111111111111");
    socket.send_to(&question, peer)?;
    let mut buffer = vec![0; 65_536];
    loop {
        let (length, from) = socket.recv_from(&mut buffer)?;
        let Some(datagram) = control(&buffer[..length], 0x01) else {
            continue;
        };
        let reserved = &datagram[RESERVED..RESERVED + 2];
        assert_eq!(reserved, [0, 0], "the reserved field is not zero");
        let mut answer = datagram[..LENGTH].to_vec();
        answer[0] = 0x02;
        socket.send_to(&answer, from)?;
        return Ok(());
    }
}

/// The datagram, if it is a control frame of this kind that is long enough.
fn control(datagram: &[u8], kind: u8) -> Option<&[u8]> {
    (datagram.len() >= LENGTH && datagram[..2] == [kind, 0x01]).then_some(datagram)
}

fn is_wrong(datagram: &[u8]) -> bool {
    datagram[RESERVED + 1] & 0x80 != 0
}
