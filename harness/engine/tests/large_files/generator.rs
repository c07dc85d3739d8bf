//! A capture of any length that is made while it is read: pcap, Ethernet, several legacy streams of
//! 1,000-byte datagrams side by side.

use std::io::Read;

/// Bytes of a UDP payload.
const PAYLOAD: usize = 1_000;

/// Ethernet, IPv4 and UDP headers, in bytes.
const HEADERS: usize = 14 + 20 + 8;

/// Microseconds from one datagram of a stream to the next.
const INTERVAL: u64 = 20_000;

/// The capture as a stream of bytes.
#[derive(Debug)]
pub(crate) struct Generator {
    /// Packets that it will have.
    packets: u64,
    streams: u64,
    next: u64,
    pending: Vec<u8>,
    position: usize,
}

impl Generator {
    /// A capture of so many packets, of so many streams side by side.
    pub(crate) fn new(packets: u64, streams: u64) -> Self {
        let mut pending = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        pending.extend_from_slice(&[0, 0, 4, 0, 1, 0, 0, 0]);
        Self {
            packets,
            streams,
            next: 0,
            pending,
            position: 0,
        }
    }

    /// The next record: of each stream first START, then the connection-id, then media.
    fn record(&mut self) {
        let (round, stream) = (self.next / self.streams, self.next % self.streams);
        let micros = round * INTERVAL + stream * INTERVAL / self.streams;
        let payload = match round {
            0 => b"START".to_vec(),
            1 => [&[0x00, 0x10][..], &[b'a'; 36], &[0]].concat(),
            number => media(number - 1, micros),
        };
        let length = HEADERS + payload.len();
        self.pending.clear();
        self.position = 0;
        let (seconds, length32) = (micros / 1_000_000, length as u32);
        for word in [
            seconds as u32,
            (micros % 1_000_000) as u32,
            length32,
            length32,
        ] {
            self.pending.extend_from_slice(&word.to_le_bytes());
        }
        self.headers(stream as u16, round == 0, payload.len());
        self.pending.extend_from_slice(&payload);
        self.next += 1;
    }

    fn headers(&mut self, stream: u16, is_start: bool, payload: usize) {
        let initiator = ([10, 0, 0, 1], 20_000 + stream);
        let responder = ([10, 0, 0, 2], 4_444);
        let (from, to) = match is_start {
            true => (initiator, responder),
            false => (responder, initiator),
        };
        self.pending.extend_from_slice(&[0; 12]);
        self.pending.extend_from_slice(&[8, 0, 0x45, 0]);
        self.pending
            .extend_from_slice(&((28 + payload) as u16).to_be_bytes());
        self.pending
            .extend_from_slice(&[0, 0, 0x40, 0, 64, 17, 0, 0]);
        self.pending.extend_from_slice(&from.0);
        self.pending.extend_from_slice(&to.0);
        for word in [from.1, to.1, (8 + payload) as u16, 0] {
            self.pending.extend_from_slice(&word.to_be_bytes());
        }
    }
}

fn media(number: u64, micros: u64) -> Vec<u8> {
    let mut bytes = vec![0, 0];
    for field in [number, micros * 10, 10_000_000] {
        bytes.extend_from_slice(&field.to_le_bytes());
    }
    let counter = (0..(PAYLOAD - bytes.len()) as u16 / 2).flat_map(u16::to_le_bytes);
    bytes.extend(counter);
    bytes
}

impl Read for Generator {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.position == self.pending.len() && self.next < self.packets {
            self.record();
        }
        let rest = &self.pending[self.position..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.position += length;
        Ok(length)
    }
}
