//! What a test peer does that QUIC forbids, as far as it can be done around quinn.
//!
//! Not so: transport parameters that are malformed, headers that are, and packet numbers of choice.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{BufMut, BytesMut};
use quinn_proto::coding::Codec;
use quinn_proto::crypto::{
    ClientConfig, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, PacketKey,
    ServerConfig, Session, UnsupportedVersion,
};
use quinn_proto::transport_parameters::{Error, TransportParameters};
use quinn_proto::{ConnectError, ConnectionId, Side, TransportError, VarInt};
use shakedown_protocol::streams::Faults;

use crate::CarrierError;

/// Whether QUIC's library has such parameters.
///
/// # Errors
/// It does not.
pub fn check(faults: &Faults) -> Result<(), CarrierError> {
    for values in [&faults.announced, &faults.believed] {
        let mut bytes = Vec::new();
        put_all(&mut bytes, values);
        TransportParameters::read(Side::Client, &mut &bytes[..]).map_err(|error| {
            CarrierError(format!("no transport parameters are {values:?}: {error}"))
        })?;
    }
    Ok(())
}

/// Faults of one connection, known to it and to its keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Switch(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_deaf: bool,
    replacements: VecDeque<Vec<u8>>,
}

impl Switch {
    pub(crate) fn deafen(&self, is_deaf: bool) {
        self.state().is_deaf = is_deaf;
    }

    pub(crate) fn is_deaf(&self) -> bool {
        self.state().is_deaf
    }

    pub(crate) fn replace(&self, frames: Vec<u8>) {
        self.state().replacements.push_back(frames);
    }

    /// The first frames for which there is so much room.
    fn take_for(&self, room: usize) -> Option<Vec<u8>> {
        let replacements = &mut self.state().replacements;
        let fitting = replacements.iter().position(|it| it.len() <= room)?;
        replacements.remove(fitting)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sessions around which a test peer misbehaves.
pub(crate) struct Faulty<C: ?Sized> {
    pub(crate) sessions: Arc<C>,
    pub(crate) faults: Faults,
    pub(crate) switch: Switch,
}

impl<C: ?Sized> Faulty<C> {
    fn announced(&self, own: &TransportParameters) -> TransportParameters {
        // Read as the other side will.
        let changed = changed(own, &self.faults.announced, Side::Client);
        changed.unwrap_or_else(|error| {
            tracing::debug!("transport parameters stay as they are: {error}");
            *own
        })
    }

    fn session(&self, session: Box<dyn Session>, side: Side) -> Box<dyn Session> {
        Box::new(FaultySession {
            session,
            side,
            believed: self.faults.believed.clone(),
            switch: self.switch.clone(),
            has_handshake_keys: false,
        })
    }
}

impl ClientConfig for Faulty<dyn ClientConfig> {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        parameters: &TransportParameters,
    ) -> Result<Box<dyn Session>, ConnectError> {
        let announced = self.announced(parameters);
        let sessions = Arc::clone(&self.sessions);
        let session = sessions.start_session(version, server_name, &announced)?;
        Ok(self.session(session, Side::Client))
    }
}

impl ServerConfig for Faulty<dyn ServerConfig> {
    fn initial_keys(&self, version: u32, id: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.sessions.initial_keys(version, id)
    }

    fn retry_tag(&self, version: u32, id: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.sessions.retry_tag(version, id, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        parameters: &TransportParameters,
    ) -> Box<dyn Session> {
        let announced = self.announced(parameters);
        let session = Arc::clone(&self.sessions).start_session(version, &announced);
        self.session(session, Side::Server)
    }
}

struct FaultySession {
    session: Box<dyn Session>,
    side: Side,
    believed: BTreeMap<u64, u64>,
    switch: Switch,
    has_handshake_keys: bool,
}

impl FaultySession {
    fn packet_keys(
        &self,
        keys: KeyPair<Box<dyn PacketKey>>,
        replaces: bool,
    ) -> KeyPair<Box<dyn PacketKey>> {
        let faulty = |key, replaces| {
            let switch = self.switch.clone();
            Box::new(FaultyKey {
                key,
                switch,
                replaces,
            })
        };
        KeyPair {
            local: faulty(keys.local, replaces),
            remote: faulty(keys.remote, false),
        }
    }

    fn keys(&self, keys: Keys, replaces: bool) -> Keys {
        Keys {
            header: keys.header,
            packet: self.packet_keys(keys.packet, replaces),
        }
    }
}

impl Session for FaultySession {
    fn initial_keys(&self, id: &ConnectionId, side: Side) -> Keys {
        self.keys(self.session.initial_keys(id, side), false)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.session.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.session.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn PacketKey>)> {
        self.session.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.session.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    fn read_handshake(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        self.session.read_handshake(bytes)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        match self.session.transport_parameters()? {
            Some(theirs) => Ok(Some(changed(&theirs, &self.believed, self.side)?)),
            None => Ok(None),
        }
    }

    fn write_handshake(&mut self, buffer: &mut Vec<u8>) -> Option<Keys> {
        let keys = self.session.write_handshake(buffer)?;
        // Those of the handshake come first, then those of 1-RTT packets.
        let replaces = std::mem::replace(&mut self.has_handshake_keys, true);
        Some(self.keys(keys, replaces))
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn PacketKey>>> {
        let keys = self.session.next_1rtt_keys()?;
        Some(self.packet_keys(keys, true))
    }

    fn is_valid_retry(&self, id: &ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.session.is_valid_retry(id, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        self.session.export_keying_material(output, label, context)
    }
}

struct FaultyKey {
    key: Box<dyn PacketKey>,
    switch: Switch,
    replaces: bool,
}

impl PacketKey for FaultyKey {
    fn encrypt(&self, packet: u64, buffer: &mut [u8], header: usize) {
        let end = buffer.len().saturating_sub(self.key.tag_len());
        if let Some(payload) = buffer.get_mut(header..end).filter(|_| self.replaces)
            && let Some(frames) = self.switch.take_for(payload.len())
        {
            let (own, padding) = payload.split_at_mut(frames.len());
            own.copy_from_slice(&frames);
            padding.fill(0);
        }
        self.key.encrypt(packet, buffer, header);
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        match self.switch.state().is_deaf {
            true => Err(CryptoError),
            false => self.key.decrypt(packet, header, payload),
        }
    }

    fn tag_len(&self) -> usize {
        self.key.tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.key.confidentiality_limit()
    }

    fn integrity_limit(&self) -> u64 {
        self.key.integrity_limit()
    }
}

/// Parameters with some other values, as `reader` reads them.
fn changed(
    parameters: &TransportParameters,
    values: &BTreeMap<u64, u64>,
    reader: Side,
) -> Result<TransportParameters, Error> {
    if values.is_empty() {
        return Ok(*parameters);
    }
    let mut written = Vec::new();
    parameters.write(&mut written);
    let mut rest = &written[..];
    let mut bytes = Vec::new();
    while let (Ok(id), Ok(length)) = (VarInt::decode(&mut rest), VarInt::decode(&mut rest)) {
        let length = usize::try_from(length.into_inner()).unwrap_or(usize::MAX);
        let (value, others) = rest.split_at_checked(length).unwrap_or_default();
        rest = others;
        if !values.contains_key(&id.into_inner()) {
            put(&mut bytes, id, value);
        }
    }
    put_all(&mut bytes, values);
    TransportParameters::read(reader, &mut &bytes[..])
}

fn put_all(bytes: &mut Vec<u8>, values: &BTreeMap<u64, u64>) {
    for (id, value) in values {
        let mut written = Vec::new();
        varint(*value).encode(&mut written);
        put(bytes, varint(*id), &written);
    }
}

fn put(bytes: &mut Vec<u8>, id: VarInt, value: &[u8]) {
    id.encode(bytes);
    varint(value.len() as u64).encode(bytes);
    bytes.put_slice(value);
}

/// A code as QUIC carries it; one that is too large is the largest.
pub(crate) fn varint(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}
