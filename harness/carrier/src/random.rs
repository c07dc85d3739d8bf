//! Everything random of a carrier, from one generator.

use std::cell::RefCell;
use std::hash::Hasher;
use std::mem::swap;
use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid, Side};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret,
    SupportedKxGroup,
};
use rustls::{NamedGroup, PeerMisbehaved};
use siphasher::sip::SipHasher;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::{CarrierError, Security};

/// A generator for one side. The two sides of a connection may have the same seed.
pub(crate) fn generator(security: Security, side: Side) -> Result<ChaCha20Rng, CarrierError> {
    let mut seed = [0; 32];
    match security {
        Security::Tls => SystemRandom::new()
            .fill(&mut seed)
            .map_err(|_| CarrierError("the system gives no random numbers".to_owned()))?,
        Security::Seeded(number) | Security::Plain(number) => {
            seed[..8].copy_from_slice(&number.to_le_bytes());
            seed[8] = side as u8;
        }
    }
    Ok(ChaCha20Rng::from_seed(seed))
}

pub(crate) fn bytes<const N: usize>(generator: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    generator.fill_bytes(&mut bytes);
    bytes
}

thread_local! {
    /// What the provider draws from, during [`drawing_from`].
    static GENERATOR: RefCell<Option<ChaCha20Rng>> = const { RefCell::new(None) };
}

/// Does something during which [`provider`] draws from this generator: what a provider is made of is
/// `'static`, and so the generator of one carrier has to come from beside.
pub(crate) fn drawing_from<T>(generator: &mut Option<ChaCha20Rng>, act: impl FnOnce() -> T) -> T {
    if generator.is_none() {
        return act();
    }
    GENERATOR.with_borrow_mut(|current| swap(current, generator));
    let result = act();
    GENERATOR.with_borrow_mut(|current| swap(current, generator));
    result
}

fn draw(bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
    GENERATOR.with_borrow_mut(|current| match current {
        Some(generator) => {
            generator.fill_bytes(bytes);
            Ok(())
        }
        None => Err(GetRandomFailed),
    })
}

/// The cryptography of ring with the randomness of [`drawing_from`]. Its own key exchange draws from
/// the system, always, and is replaced. Of the suites there is the one with the fastest hash.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![&X25519],
        secure_random: &Drawn,
        ..rustls::crypto::ring::default_provider()
    }
}

#[derive(Debug)]
struct Drawn;

impl SecureRandom for Drawn {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        draw(bytes)
    }
}

#[derive(Debug)]
struct X25519;

impl SupportedKxGroup for X25519 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, rustls::Error> {
        let mut secret = [0; 32];
        draw(&mut secret)?;
        let secret = StaticSecret::from(secret);
        let public = PublicKey::from(&secret);
        Ok(Box::new(Exchange { secret, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct Exchange {
    secret: StaticSecret,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, rustls::Error> {
        let peer = <[u8; 32]>::try_from(peer).map_err(|_| PeerMisbehaved::InvalidKeyShare)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(peer));
        if !shared.was_contributory() {
            return Err(PeerMisbehaved::InvalidKeyShare.into());
        }
        Ok(SharedSecret::from(&shared.as_bytes()[..]))
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

/// Bytes of a connection id that are random; the others mark it as one of ours.
const NONCE: usize = 3;

/// Connection ids of 8 bytes like those of quinn: what is not one of ours is not answered by a
/// stateless reset.
#[derive(Debug)]
pub(crate) struct ConnectionIds {
    generator: ChaCha20Rng,
    key: u64,
}

impl ConnectionIds {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        let mut generator = ChaCha20Rng::from_seed(seed);
        let key = generator.next_u64();
        Self { generator, key }
    }

    fn id(&self, nonce: [u8; NONCE]) -> ConnectionId {
        let mut hasher = SipHasher::new_with_keys(self.key, 0);
        hasher.write(&nonce);
        let mut id = hasher.finish().to_le_bytes();
        id[..NONCE].copy_from_slice(&nonce);
        ConnectionId::new(&id)
    }
}

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        let nonce = bytes(&mut self.generator);
        self.id(nonce)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let nonce = id.first_chunk::<NONCE>().ok_or(InvalidCid)?;
        match self.id(*nonce) == *id {
            true => Ok(()),
            false => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        8
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
