//! A session without cryptography, for speed: between trusted endpoints no keys are needed.
//!
//! Packets look like those of QUIC with TLS, of the same lengths at the same times, but nothing is
//! hidden: headers are not protected, payloads can be read, and the tag at their end is a checksum,
//! so that damaged packets are dropped as they should be. In the CRYPTO streams there are a
//! ClientHello and EncryptedExtensions with ALPN and transport parameters, and filling.

use std::any::Any;
use std::mem::replace;
use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};
use quinn_proto::crypto::{
    ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey,
    ServerConfig, Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::TransportParameters;
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError, TransportErrorCode};

// Messages of the handshake (RFC 8446, section 4).
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;
const ENCRYPTED_EXTENSIONS: u8 = 8;
const FINISHED: u8 = 20;

// Extensions.
const ALPN: u16 = 16;
const PADDING: u16 = 21;
const TRANSPORT_PARAMETERS: u16 = 0x39;

// Alerts.
const UNEXPECTED_MESSAGE: u8 = 10;
const DECODE_ERROR: u8 = 50;
const NO_APPLICATION_PROTOCOL: u8 = 120;

// Lengths of what rustls says, with seeded security: a ClientHello without ALPN and transport
// parameters, a ServerHello, what follows EncryptedExtensions, and a client's Finished.
const HELLO_LENGTH: usize = 171;
const SERVER_HELLO_LENGTH: usize = 90;
const PROOF_LENGTH: usize = 438;
const FINISHED_LENGTH: usize = 36;

/// The longest message that is taken, in bytes; that of rustls.
const MAX_MESSAGE: usize = 0xffff;

/// Sessions of one side.
#[derive(Debug)]
pub(crate) struct Plain {
    /// The protocols that are offered, or the one that is served.
    pub(crate) alpn: Vec<Vec<u8>>,
}

impl Plain {
    fn session(
        &self,
        stage: Stage,
        side: Side,
        parameters: &TransportParameters,
    ) -> Box<Handshake> {
        let mut own = Vec::new();
        parameters.write(&mut own);
        Box::new(Handshake {
            side,
            stage,
            alpn: self.alpn.clone(),
            own,
            came: Vec::new(),
            parameters: None,
        })
    }
}

impl ClientConfig for Plain {
    fn start_session(
        self: Arc<Self>,
        _version: u32,
        _server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        Ok(self.session(Stage::ClientBegins, Side::Client, parameters))
    }
}

impl ServerConfig for Plain {
    fn initial_keys(&self, _: u32, _: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        Ok(keys())
    }

    /// No carrier sends Retry.
    fn retry_tag(&self, _: u32, _: &ConnectionId, _packet: &[u8]) -> [u8; 16] {
        [0; 16]
    }

    fn start_session(
        self: Arc<Self>,
        _version: u32,
        parameters: &TransportParameters,
    ) -> Box<dyn Session> {
        self.session(Stage::ServerAwaitsHello, Side::Server, parameters)
    }
}

struct Handshake {
    side: Side,
    stage: Stage,
    /// The protocols that are offered, or the one that is served.
    alpn: Vec<Vec<u8>>,
    own: Vec<u8>,
    /// The message that is not whole yet.
    came: Vec<u8>,
    /// The other side's transport parameters.
    parameters: Option<TransportParameters>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    ClientBegins,
    ClientAwaitsHello,
    ClientHasHello,
    ClientAwaitsFinished,
    ClientFinishes,
    ServerAwaitsHello,
    ServerHasHello,
    ServerProves,
    ServerAwaitsFinished,
    Done,
}

impl Handshake {
    /// Takes a whole message; the result is whether ALPN is settled with it.
    fn take(&mut self, kind: u8, body: &[u8]) -> Result<bool, TransportError> {
        self.stage = match (self.stage, kind) {
            (Stage::ServerAwaitsHello, CLIENT_HELLO) => {
                // The version, the random number, and three lists before the extensions.
                let lists = body.get(2 + 32..).and_then(|rest| {
                    let rest = skip(rest, 1)?;
                    let rest = skip(rest, 2)?;
                    skip(rest, 1)
                });
                let offered = self.extensions(lists)?;
                if !offered.iter().any(|name| self.alpn.contains(name)) {
                    let reason = rustls::Error::NoApplicationProtocol.to_string();
                    return Err(alert(NO_APPLICATION_PROTOCOL, reason));
                }
                self.stage = Stage::ServerHasHello;
                return Ok(true);
            }
            (Stage::ClientAwaitsHello, SERVER_HELLO) => Stage::ClientHasHello,
            (Stage::ClientAwaitsFinished, ENCRYPTED_EXTENSIONS) => {
                self.extensions(Some(body))?;
                return Ok(true);
            }
            (Stage::ClientAwaitsFinished, FINISHED) if self.parameters.is_some() => {
                Stage::ClientFinishes
            }
            (Stage::ServerAwaitsFinished, FINISHED) => Stage::Done,
            (_, _) => {
                let reason = format!("message {kind} was not awaited");
                return Err(alert(UNEXPECTED_MESSAGE, reason));
            }
        };
        Ok(false)
    }

    /// Takes the transport parameters from a list of extensions. The result is the protocols in it.
    fn extensions(&mut self, list: Option<&[u8]>) -> Result<Vec<Vec<u8>>, TransportError> {
        let wrong = || alert(DECODE_ERROR, "a list of extensions is damaged".to_owned());
        let mut list = list.and_then(|list| vector(list, 2)).ok_or_else(wrong)?.0;
        let mut names = Vec::new();
        while !list.is_empty() {
            let kind = list.try_get_u16().map_err(|_| wrong())?;
            let (mut body, rest) = vector(list, 2).ok_or_else(wrong)?;
            list = rest;
            match kind {
                ALPN => {
                    body = vector(body, 2).ok_or_else(wrong)?.0;
                    while !body.is_empty() {
                        let (name, rest) = vector(body, 1).ok_or_else(wrong)?;
                        names.push(name.to_vec());
                        body = rest;
                    }
                }
                TRANSPORT_PARAMETERS => {
                    let parameters = TransportParameters::read(self.side, &mut body)?;
                    self.parameters = Some(parameters);
                }
                _ => {}
            }
        }
        Ok(names)
    }
}

impl Session for Handshake {
    fn initial_keys(&self, _: &ConnectionId, _: Side) -> Keys {
        keys()
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        None
    }

    fn early_data_accepted(&self) -> Option<bool> {
        Some(false)
    }

    fn is_handshaking(&self) -> bool {
        !matches!(self.stage, Stage::ClientFinishes | Stage::Done)
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        self.came.extend_from_slice(bytes);
        let mut is_settled = false;
        while let Some([kind, length @ ..]) = self.came.first_chunk::<4>().copied() {
            let length = length
                .iter()
                .fold(0, |all, byte| all << 8 | usize::from(*byte));
            if length > MAX_MESSAGE {
                return Err(alert(DECODE_ERROR, format!("a message of {length} bytes")));
            }
            if self.came.len() < 4 + length {
                break;
            }
            let rest = self.came.split_off(4 + length);
            let message = replace(&mut self.came, rest);
            is_settled |= self.take(kind, &message[4..])?;
        }
        Ok(is_settled)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        Ok(self.parameters)
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        match self.stage {
            Stage::ClientBegins => {
                self.stage = Stage::ClientAwaitsHello;
                hello(buffer, &self.alpn, &self.own);
                return None;
            }
            Stage::ClientHasHello => self.stage = Stage::ClientAwaitsFinished,
            Stage::ClientFinishes => {
                self.stage = Stage::Done;
                filled(buffer, FINISHED, FINISHED_LENGTH);
            }
            Stage::ServerHasHello => {
                self.stage = Stage::ServerProves;
                filled(buffer, SERVER_HELLO, SERVER_HELLO_LENGTH);
            }
            Stage::ServerProves => {
                self.stage = Stage::ServerAwaitsFinished;
                let mut extensions = Vec::new();
                put_extensions(&mut extensions, &self.alpn, &self.own);
                put_message(buffer, ENCRYPTED_EXTENSIONS, |body| {
                    put_vector(body, 2, &extensions);
                });
                filled(buffer, FINISHED, PROOF_LENGTH);
            }
            Stage::ClientAwaitsHello
            | Stage::ClientAwaitsFinished
            | Stage::ServerAwaitsHello
            | Stage::ServerAwaitsFinished
            | Stage::Done => return None,
        }
        Some(keys())
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        Some(keys().packet)
    }

    /// No carrier sends Retry.
    fn is_valid_retry(&self, _: &ConnectionId, _header: &[u8], _payload: &[u8]) -> bool {
        false
    }

    fn export_keying_material(
        &self,
        _output: &mut [u8],
        _label: &[u8],
        _context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

fn alert(code: u8, reason: String) -> TransportError {
    TransportError {
        code: TransportErrorCode::crypto(code),
        frame: None,
        reason,
    }
}

fn hello(buffer: &mut Vec<u8>, alpn: &[Vec<u8>], parameters: &[u8]) {
    let mut extensions = Vec::new();
    put_extensions(&mut extensions, alpn, parameters);
    // The message's head, the version, a random number, three lists, and the padding's own head.
    let others = 4 + 2 + 32 + (1 + 4 + 2) + 2 + 4;
    extensions.put_u16(PADDING);
    put_vector(
        &mut extensions,
        2,
        &vec![0; HELLO_LENGTH.saturating_sub(others)],
    );
    put_message(buffer, CLIENT_HELLO, |body| {
        body.put_u16(0x0303);
        body.put_bytes(0, 32);
        put_vector(body, 1, &[]);
        put_vector(body, 2, &[0x13, 0x01]);
        put_vector(body, 1, &[0]);
        put_vector(body, 2, &extensions);
    });
}

fn put_extensions(buffer: &mut Vec<u8>, alpn: &[Vec<u8>], parameters: &[u8]) {
    if !alpn.is_empty() {
        let mut names = Vec::new();
        for name in alpn {
            put_vector(&mut names, 1, name);
        }
        let mut list = Vec::new();
        put_vector(&mut list, 2, &names);
        buffer.put_u16(ALPN);
        put_vector(buffer, 2, &list);
    }
    buffer.put_u16(TRANSPORT_PARAMETERS);
    put_vector(buffer, 2, parameters);
}

/// A message that says nothing, of this length with its head.
fn filled(buffer: &mut Vec<u8>, kind: u8, length: usize) {
    put_message(buffer, kind, |body| body.put_bytes(0, length - 4));
}

fn put_message(buffer: &mut Vec<u8>, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = Vec::new();
    body(&mut bytes);
    buffer.put_u8(kind);
    put_vector(buffer, 3, &bytes);
}

/// Bytes behind their length, which takes `width` bytes.
fn put_vector(buffer: &mut Vec<u8>, width: usize, bytes: &[u8]) {
    buffer.put_uint(bytes.len() as u64, width);
    buffer.put_slice(bytes);
}

/// Bytes behind their length, and what follows them.
fn vector(mut bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let length = bytes.try_get_uint(width).ok()?;
    bytes.split_at_checked(usize::try_from(length).ok()?)
}

fn skip(bytes: &[u8], width: usize) -> Option<&[u8]> {
    vector(bytes, width).map(|(_, rest)| rest)
}

fn keys() -> Keys {
    Keys {
        header: KeyPair {
            local: Box::new(NoKey),
            remote: Box::new(NoKey),
        },
        packet: KeyPair {
            local: Box::new(NoKey),
            remote: Box::new(NoKey),
        },
    }
}

/// The length of the payload of a packet of [`Security::Plain`](crate::Security::Plain) that ends
/// with its tag,  if it is intact: for a tap.
#[must_use]
pub fn open_plain(number: u64, header: &[u8], sealed: &[u8]) -> Option<usize> {
    let (payload, tag) = sealed.split_last_chunk::<TAG>()?;
    (checksum(number, header, payload) == *tag).then_some(payload.len())
}

/// The packet with another payload, if it is one of 1-RTT; else as it was. Numbers of packets are taken to be as they
/// stand there.
#[cfg(feature = "fuzz")]
pub(crate) fn seal_plain(packet: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    // The first byte and the connection's id, as carriers make them.
    const UNTIL_NUMBER: usize = 1 + 8;
    let width = packet.first().map_or(0, |first| usize::from(first & 3) + 1);
    let header = UNTIL_NUMBER + width;
    let is_short = packet.first().is_some_and(|first| first & 0x80 == 0);
    if !is_short || packet.len() < header + TAG {
        return packet.to_vec();
    }
    let number = &packet[UNTIL_NUMBER..header];
    let number = number
        .iter()
        .fold(0, |number, byte| number << 8 | u64::from(*byte));
    let (header, rest) = packet.split_at(header);
    let mut payload = rest[..rest.len() - TAG].to_vec();
    change(&mut payload);
    let tag = checksum(number, header, &payload);
    [header, &payload, &tag].concat()
}

struct NoKey;

const TAG: usize = 16;

impl PacketKey for NoKey {
    fn encrypt(&self, packet: u64, buffer: &mut [u8], header: usize) {
        let (header, rest) = buffer.split_at_mut(header);
        let (payload, tag) = rest.split_at_mut(rest.len() - TAG);
        tag.copy_from_slice(&checksum(packet, header, payload));
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let length = open_plain(packet, header, payload).ok_or(CryptoError)?;
        payload.truncate(length);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        TAG
    }

    /// That of AES-GCM (RFC 9001, section 6.6).
    fn confidentiality_limit(&self) -> u64 {
        1 << 23
    }

    fn integrity_limit(&self) -> u64 {
        1 << 52
    }
}

impl HeaderKey for NoKey {
    fn decrypt(&self, _: usize, _: &mut [u8]) {}

    fn encrypt(&self, _: usize, _: &mut [u8]) {}

    fn sample_size(&self) -> usize {
        16
    }
}

/// No single changed byte leaves it as it was: each step is one to one.
fn checksum(packet: u64, header: &[u8], payload: &[u8]) -> [u8; TAG] {
    let mut sum = packet ^ ((header.len() as u64) << 32 | payload.len() as u64);
    let mut add = |word: u64| {
        sum = (sum ^ word)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
    };
    for part in [header, payload] {
        let (words, rest) = part.as_chunks::<8>();
        words.iter().for_each(|word| add(u64::from_le_bytes(*word)));
        rest.iter().for_each(|byte| add(u64::from(*byte)));
    }
    let mut tag = [0; TAG];
    tag[..8].copy_from_slice(&sum.to_le_bytes());
    tag[8..].copy_from_slice(&sum.swap_bytes().wrapping_mul(3).to_le_bytes());
    tag
}
