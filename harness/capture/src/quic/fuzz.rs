//! Body of the fuzz target `quic_capture`: it takes any bytes and panics if what must hold does not.
//!
//! No fuzzer guesses the tag of a packet, so that bytes which are no capture are a script: packets
//! that are sealed here with known keys.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ring::aead::{Aad, Nonce};
use shakedown_wire::Reader;
use shakedown_wire::quic::{Event, EventKind, Level, Role};

use super::keys::{Generation, Keys, Suite, TrafficSecret};
use super::{Decoder, Limits};
use crate::{Capture, Datagram, Item};

const RANDOM: [u8; 32] = [7; 32];
const ORIGINAL_ID: [u8; 8] = [0x0d; 8];
const CLIENT_ID: [u8; 4] = [0xc1; 4];
const SERVER_ID: [u8; 8] = [0x5e; 8];

/// Small, so that a short input exceeds them.
const LIMITS: Limits = Limits {
    connections: 4,
    stream: 2_000,
    connection: 6_000,
    total: 10_000,
};

/// Takes the bytes as a capture, or else as a script: a byte of which the lowest bit says whether
/// the secrets come last, then records. A record is a byte (bits 0 and 1 the level, 2 whether the
/// server sends, 3 and 4 the generation of keys, 5 whether the payload is a whole datagram, 6 whether
/// it comes from another address, 7 whether the next packet is in the same datagram), the packet
/// number and the length of the payload, two bytes each, and the payload.
pub fn quic_capture(bytes: &[u8]) {
    let mut decoder = Decoder::new(LIMITS);
    let mut audit = Audit::default();
    match Capture::open(bytes) {
        // A damaged file ends the capture, not what was readable.
        Ok(mut capture) => {
            while let Ok(Some(item)) = capture.next_item() {
                match item {
                    Item::KeyLog(key_log) => {
                        decoder.add_secrets(key_log, &mut |event| audit.hear(event));
                    }
                    Item::Datagram(datagram) => {
                        decoder.datagram(&datagram, &mut |event| audit.hear(event));
                    }
                }
            }
        }
        Err(_) => script(bytes, &mut decoder, &mut audit),
    }
    assert!(decoder.waiting_bytes() <= LIMITS.total);
    decoder.finish(&mut |event| audit.hear(event));
    assert_eq!(decoder.waiting_bytes(), 0);
    let statistics = decoder.statistics();
    assert_eq!(audit.read + statistics.repeated, statistics.read);
    assert_eq!(
        audit.unreadable,
        statistics.unreadable() + statistics.early_data_rejected
    );
    assert_eq!(audit.opened, statistics.connections);
    assert!(
        statistics.read + audit.unreadable
            <= statistics.packets + statistics.not_quic + statistics.cut
    );
}

/// Gives the datagrams of a script to the decoder.
fn script(bytes: &[u8], decoder: &mut Decoder, audit: &mut Audit) {
    let Some((first, records)) = bytes.split_first() else {
        return;
    };
    let late = first & 1 != 0;
    if !late {
        decoder.add_secrets(key_log().as_bytes(), &mut |event| audit.hear(event));
    }
    for (it, number) in datagrams(records).iter().zip(1..) {
        let datagram = Datagram {
            number,
            time: Duration::from_millis(number),
            source: it.source,
            destination: it.destination,
            payload: &it.payload,
            length: it.payload.len(),
        };
        decoder.datagram(&datagram, &mut |event| audit.hear(event));
    }
    if late {
        decoder.add_secrets(key_log().as_bytes(), &mut |event| audit.hear(event));
    }
}

/// A datagram of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Where it comes from.
    pub source: SocketAddr,
    pub destination: SocketAddr,
    pub payload: Vec<u8>,
}

/// The secrets that the packets of scripts are sealed with.
#[must_use]
pub fn key_log() -> String {
    let labels = [
        (
            "CLIENT_EARLY_TRAFFIC_SECRET",
            secret(Level::ZeroRtt, Role::Client),
        ),
        (
            "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
            secret(Level::Handshake, Role::Client),
        ),
        (
            "SERVER_HANDSHAKE_TRAFFIC_SECRET",
            secret(Level::Handshake, Role::Server),
        ),
        (
            "CLIENT_TRAFFIC_SECRET_0",
            secret(Level::OneRtt, Role::Client),
        ),
        (
            "SERVER_TRAFFIC_SECRET_0",
            secret(Level::OneRtt, Role::Server),
        ),
    ];
    let random = hex::encode(RANDOM);
    let lines = labels.map(|(label, secret)| format!("{label} {random} {}\n", hex::encode(secret)));
    lines.concat()
}

fn secret(level: Level, by: Role) -> [u8; 32] {
    [(level as u8) << 1 | by as u8; 32]
}

/// The datagrams of a script's records; what is no whole record ends it.
#[must_use]
pub fn datagrams(records: &[u8]) -> Vec<Sent> {
    let mut keys = AllKeys::default();
    let mut reader = Reader::new(records);
    let mut all: Vec<Sent> = Vec::new();
    let mut open = false;
    while let Ok((operation, number, payload)) = record(&mut reader) {
        let by = if operation & 4 == 0 {
            Role::Client
        } else {
            Role::Server
        };
        let packet = if operation & 0x20 != 0 {
            payload.to_vec()
        } else {
            keys.seal(operation, by, number, payload)
                .unwrap_or_default()
        };
        let mut client = SocketAddr::from((Ipv4Addr::LOCALHOST, 4_000));
        if operation & 0x40 != 0 {
            client.set_port(4_001);
        }
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, 443));
        let (source, destination) = match by {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        match all.last_mut() {
            Some(last) if open => last.payload.extend(packet),
            Some(_) | None => all.push(Sent {
                source,
                destination,
                payload: packet,
            }),
        }
        open = operation & 0x80 != 0;
    }
    all
}

fn record<'a>(reader: &mut Reader<'a>) -> Result<(u8, u16, &'a [u8]), shakedown_wire::DecodeError> {
    let operation = reader.u8("operation")?;
    let number = reader.u16_le("packet number")?;
    let length = reader.u16_le("length")?;
    let payload = reader.bytes("payload", length.into())?;
    Ok((operation, number, payload))
}

/// A ClientHello that a script begins with, as the payload of an Initial packet.
#[must_use]
pub fn client_hello() -> Vec<u8> {
    let hello = [
        &[1, 0, 0, 41 + 12, 3, 3][..],
        &RANDOM,
        &[0, 0, 2, 0x13, 1, 1, 0],
        &[0, 10, 0, 16, 0, 6, 0, 4, 3, b'a', b'b', b'c'],
    ]
    .concat();
    [&[6, 0, hello.len() as u8][..], &hello].concat()
}

/// The keys of both ends at all levels.
#[derive(Default)]
struct AllKeys(BTreeMap<(Level, Role), Keys>);

impl AllKeys {
    /// A packet with four bytes of packet number.
    fn seal(&mut self, operation: u8, by: Role, number: u16, payload: &[u8]) -> Option<Vec<u8>> {
        let level = match operation & 3 {
            0 => Level::Initial,
            1 => Level::ZeroRtt,
            2 => Level::Handshake,
            _ => Level::OneRtt,
        };
        let generation = if level == Level::OneRtt {
            operation >> 3 & 3
        } else {
            0
        };
        let mut packet = Vec::new();
        let id: &[u8] = match by {
            Role::Client => &SERVER_ID,
            Role::Server => &CLIENT_ID,
        };
        if level == Level::OneRtt {
            packet.push(0x43 | (generation & 1) << 2);
            packet.extend(id);
        } else {
            let (own, id): (&[u8], &[u8]) = match (by, level) {
                (Role::Client, Level::Initial) => (&CLIENT_ID, &ORIGINAL_ID),
                (Role::Client, _) => (&CLIENT_ID, id),
                (Role::Server, _) => (&SERVER_ID, id),
            };
            packet.extend([0xc3 | (operation & 3) << 4, 0, 0, 0, 1, id.len() as u8]);
            packet.extend(id);
            packet.push(own.len() as u8);
            packet.extend(own);
            if level == Level::Initial {
                packet.push(0);
            }
            let length = payload.len() as u32 + 4 + 16;
            packet.extend((length | 0x8000_0000).to_be_bytes());
        }
        let number_offset = packet.len();
        packet.extend(u32::from(number).to_be_bytes());
        let header = packet.clone();
        let keys = match self.0.entry((level, by)) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => entry.insert(match level {
                Level::Initial => Keys::initial(&ORIGINAL_ID, by)?,
                Level::ZeroRtt | Level::Handshake | Level::OneRtt => {
                    let secret = TrafficSecret::new(&secret(level, by))?;
                    Keys::new(Suite::Aes128Gcm, secret)?
                }
            }),
        };
        let opener = keys.opener(match generation {
            0 => Generation::Current,
            1 => Generation::Ahead(0),
            _ => Generation::Ahead(1),
        })?;
        let mut nonce = opener.iv;
        for (byte, number) in nonce[10..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= number;
        }
        let nonce = Nonce::assume_unique_for_key(nonce);
        let mut sealed = payload.to_vec();
        opener
            .key
            .seal_in_place_append_tag(nonce, Aad::from(&header), &mut sealed)
            .ok()?;
        packet.extend(&sealed);
        let mask = keys.header.new_mask(sealed.get(..16)?).ok()?;
        let bits = if level == Level::OneRtt { 0x1f } else { 0x0f };
        packet[0] ^= mask[0] & bits;
        for (byte, mask) in packet[number_offset..].iter_mut().zip(&mask[1..]) {
            *byte ^= mask;
        }
        Some(packet)
    }
}

/// What must hold of events.
#[derive(Debug, Default)]
struct Audit {
    opened: u64,
    read: u64,
    unreadable: u64,
    /// Of each half of a stream, the next offset; `None` when it is over.
    halves: BTreeMap<(u64, u64, Role), Option<u64>>,
}

impl Audit {
    fn hear(&mut self, event: &Event<'_>) {
        assert!(
            event
                .connection
                .is_none_or(|it| (1..=self.opened + 1).contains(&it))
        );
        let key = |stream, by| (event.connection.unwrap_or(0), stream, by);
        match event.kind {
            EventKind::ConnectionOpened { .. } => {
                self.opened += 1;
                assert_eq!(event.connection, Some(self.opened));
            }
            EventKind::Packet(_) | EventKind::Retry => self.read += 1,
            EventKind::Unreadable(_) => self.unreadable += 1,
            EventKind::StreamBytes {
                stream,
                by,
                offset,
                bytes,
            } => {
                let next = self.halves.entry(key(stream, by)).or_insert(Some(0));
                assert_eq!(*next, Some(offset), "bytes come in order");
                assert!(!bytes.is_empty());
                *next = Some(offset + bytes.len() as u64);
            }
            EventKind::StreamFin {
                stream,
                by,
                final_size,
            } => {
                let before = self.halves.insert(key(stream, by), None);
                assert_eq!(before.unwrap_or(Some(0)), Some(final_size));
            }
            EventKind::StreamReset { stream, by, .. }
            | EventKind::StreamLost { stream, by, .. } => {
                let before = self.halves.insert(key(stream, by), None);
                assert_ne!(before, Some(None), "an end is told once");
            }
            EventKind::VersionNegotiation { .. }
            | EventKind::ClientHello { .. }
            | EventKind::CipherSuite(_)
            | EventKind::ServerHandshake { .. }
            | EventKind::HandshakeDone
            | EventKind::KeyUpdated { .. }
            | EventKind::AddressChanged { .. }
            | EventKind::StreamOpened { .. }
            | EventKind::StreamFrame { .. }
            | EventKind::StopSending { .. }
            | EventKind::DatagramFrame { .. }
            | EventKind::Flow { .. }
            | EventKind::ConnectionClosed { .. }
            | EventKind::StatelessReset { .. }
            | EventKind::Malformed { .. }
            | EventKind::UnknownFrame { .. }
            | EventKind::Forgotten => {}
        }
    }
}
