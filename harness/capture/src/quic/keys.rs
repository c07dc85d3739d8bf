//! Keys from secrets: RFC 9001, sections 5 and 6. The cryptography is ring's.

use std::fmt;

use ring::aead::quic::{self as header_protection, HeaderProtectionKey};
use ring::aead::{self, LessSafeKey, UnboundKey};
use ring::hkdf;
use shakedown_wire::quic::Role;

/// A cipher suite of TLS 1.3 that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// TLS_AES_128_GCM_SHA256.
    Aes128Gcm,
    /// TLS_AES_256_GCM_SHA384.
    Aes256Gcm,
    /// TLS_CHACHA20_POLY1305_SHA256.
    ChaCha20Poly1305,
}

impl Suite {
    /// The suite with this number in TLS.
    #[must_use]
    pub const fn from_code(code: u16) -> Option<Self> {
        match code {
            0x1301 => Some(Self::Aes128Gcm),
            0x1302 => Some(Self::Aes256Gcm),
            0x1303 => Some(Self::ChaCha20Poly1305),
            _ => None,
        }
    }
}

/// Salt of the Initial secrets of QUIC v1.
const INITIAL_SALT: [u8; 20] = [
    0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, 0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad,
    0xcc, 0xbb, 0x7f, 0x0a,
];
/// Longest traffic secret in bytes: the output of SHA-384.
pub(super) const MAX_SECRET: usize = 48;

/// A traffic secret of TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TrafficSecret {
    bytes: [u8; MAX_SECRET],
    length: usize,
}

/// Secrets are for no log.
impl fmt::Debug for TrafficSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrafficSecret({} bytes)", self.length)
    }
}

impl TrafficSecret {
    /// `None` if no suite has secrets of this length.
    pub(super) fn new(secret: &[u8]) -> Option<Self> {
        let length = secret.len();
        if length != 32 && length != MAX_SECRET {
            return None;
        }
        let mut bytes = [0; MAX_SECRET];
        bytes[..length].copy_from_slice(secret);
        Some(Self { bytes, length })
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// The suites that have secrets of this length.
    pub(super) const fn suites(&self) -> &'static [Suite] {
        if self.length == MAX_SECRET {
            &[Suite::Aes256Gcm]
        } else {
            &[Suite::Aes128Gcm, Suite::ChaCha20Poly1305]
        }
    }
}

impl Suite {
    fn hash(self) -> hkdf::Algorithm {
        match self {
            Self::Aes128Gcm | Self::ChaCha20Poly1305 => hkdf::HKDF_SHA256,
            Self::Aes256Gcm => hkdf::HKDF_SHA384,
        }
    }

    fn aead(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes128Gcm => &aead::AES_128_GCM,
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }

    fn header_protection(self) -> &'static header_protection::Algorithm {
        match self {
            Self::Aes128Gcm => &header_protection::AES_128,
            Self::Aes256Gcm => &header_protection::AES_256,
            Self::ChaCha20Poly1305 => &header_protection::CHACHA20,
        }
    }
}

/// Length of an output of HKDF in bytes.
struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

/// HKDF-Expand-Label of TLS 1.3 with an empty context. `None` never happens for our lengths.
fn expand_label(prk: &hkdf::Prk, label: &[u8], out: &mut [u8]) -> Option<()> {
    const PREFIX: &[u8] = b"tls13 ";
    let length = u16::try_from(out.len()).ok()?.to_be_bytes();
    let label_length = [u8::try_from(PREFIX.len() + label.len()).ok()?];
    let info = [&length[..], &label_length, PREFIX, label, &[0]];
    let okm = prk.expand(&info, Length(out.len())).ok()?;
    okm.fill(out).ok()
}

/// What opens the packets of one generation in one direction.
#[derive(Debug)]
pub(super) struct Opener {
    pub(super) key: LessSafeKey,
    pub(super) iv: [u8; 12],
}

impl Opener {
    fn new(suite: Suite, prk: &hkdf::Prk) -> Option<Self> {
        let mut key = [0; 32];
        let key = &mut key[..suite.aead().key_len()];
        expand_label(prk, b"quic key", key)?;
        let mut iv = [0; 12];
        expand_label(prk, b"quic iv", &mut iv)?;
        let key = LessSafeKey::new(UnboundKey::new(suite.aead(), key).ok()?);
        Some(Self { key, iv })
    }
}

/// Generations of keys that are known ahead of the current one, so that a capture that misses all
/// packets of one generation is still read.
const AHEAD: usize = 2;

/// The keys of one direction at one level, through all key updates.
pub(super) struct Keys {
    pub(super) suite: Suite,
    pub(super) header: HeaderProtectionKey,
    /// Number of key updates until the current generation.
    generation: u64,
    /// Smallest packet number seen of the current generation.
    first: u64,
    previous: Option<Opener>,
    current: Opener,
    /// Derived only when a packet asks for them.
    ahead: Vec<Opener>,
    /// Secret of the last generation of `ahead`, or of the current one.
    secret: TrafficSecret,
}

/// Keys are for no log.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({:?}, generation {})", self.suite, self.generation)
    }
}

/// A generation of keys, by its distance from the current one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    Previous,
    Current,
    /// Generations ahead, less one.
    Ahead(usize),
}

impl Keys {
    /// `None` if the secret's length is not the suite's.
    pub(super) fn new(suite: Suite, secret: TrafficSecret) -> Option<Self> {
        if !secret.suites().contains(&suite) {
            return None;
        }
        let prk = hkdf::Prk::new_less_safe(suite.hash(), secret.as_bytes());
        let mut header = [0; 32];
        let header = &mut header[..suite.header_protection().key_len()];
        expand_label(&prk, b"quic hp", header)?;
        Some(Self {
            suite,
            header: HeaderProtectionKey::new(suite.header_protection(), header).ok()?,
            generation: 0,
            first: 0,
            previous: None,
            current: Opener::new(suite, &prk)?,
            ahead: Vec::new(),
            secret,
        })
    }

    /// The keys of the Initial packets that `sender` sends, from the Destination Connection ID of
    /// the client's first packet, or of its first one after a Retry.
    pub(super) fn initial(destination: &[u8], sender: Role) -> Option<Self> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, &INITIAL_SALT);
        let prk = salt.extract(destination);
        let label: &[u8] = match sender {
            Role::Client => b"client in",
            Role::Server => b"server in",
        };
        let mut secret = [0; 32];
        expand_label(&prk, label, &mut secret)?;
        Self::new(Suite::Aes128Gcm, TrafficSecret::new(&secret)?)
    }

    /// The generations that a packet with this key phase bit and number may be of, the likeliest
    /// first.
    pub(super) fn candidates(&self, phase: bool, number: u64) -> [Option<Generation>; 3] {
        if phase == (self.generation % 2 == 1) {
            return [Some(Generation::Current), Some(Generation::Ahead(1)), None];
        }
        let previous = self.previous.as_ref().map(|_| Generation::Previous);
        if number < self.first {
            [previous, Some(Generation::Ahead(0)), None]
        } else {
            [Some(Generation::Ahead(0)), previous, None]
        }
    }

    /// What opens the packets of a generation.
    pub(super) fn opener(&mut self, generation: Generation) -> Option<&Opener> {
        match generation {
            Generation::Previous => self.previous.as_ref(),
            Generation::Current => Some(&self.current),
            Generation::Ahead(distance) => {
                while self.ahead.len() <= distance.min(AHEAD - 1) {
                    let hash = self.suite.hash();
                    let mut next = self.secret;
                    let prk = hkdf::Prk::new_less_safe(hash, self.secret.as_bytes());
                    expand_label(&prk, b"quic ku", &mut next.bytes[..self.secret.length])?;
                    let prk = hkdf::Prk::new_less_safe(hash, next.as_bytes());
                    self.ahead.push(Opener::new(self.suite, &prk)?);
                    self.secret = next;
                }
                self.ahead.get(distance)
            }
        }
    }

    /// A packet of this generation was opened. Gives the number of key updates so far if there
    /// was one.
    pub(super) fn opened(&mut self, generation: Generation, number: u64) -> Option<u64> {
        match generation {
            Generation::Previous => None,
            Generation::Current => {
                self.first = self.first.min(number);
                None
            }
            Generation::Ahead(distance) => {
                for _ in 0..=distance.min(self.ahead.len().checked_sub(1)?) {
                    let next = self.ahead.remove(0);
                    self.previous = Some(std::mem::replace(&mut self.current, next));
                    self.generation += 1;
                }
                self.first = number;
                Some(self.generation)
            }
        }
    }
}
