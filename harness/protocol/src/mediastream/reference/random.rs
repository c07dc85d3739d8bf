use std::hash::{Hash, Hasher};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::mediastream::frame::ConnectionId;

/// The only source of randomness of a machine: the same seed gives the same ids.
#[derive(Debug, Clone)]
pub(super) struct Random {
    source: ChaCha20Rng,
    /// How often something was drawn: of one seed, the place in its sequence.
    drawn: u64,
}

/// By its place in the sequence of its seed.
impl Hash for Random {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.drawn.hash(hasher);
    }
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            source: ChaCha20Rng::seed_from_u64(seed),
            drawn: 0,
        }
    }

    /// A version 4 UUID in its 36 characters.
    pub(super) fn connection_id(&mut self) -> ConnectionId {
        let mut bytes = [0; 16];
        self.drawn += 1;
        self.source.fill_bytes(&mut bytes);
        let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
        let mut field = [0; ConnectionId::LENGTH];
        uuid.hyphenated()
            .encode_lower(&mut field[..ConnectionId::MAX_TEXT]);
        ConnectionId::from_bytes(field)
    }

    /// A StreamId or a nonce: any number but 0 (MS-S-01, MS-S-02).
    pub(super) fn nonzero(&mut self) -> u64 {
        self.drawn += 1;
        loop {
            match self.source.next_u64() {
                0 => {}
                number => return number,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_version_4_uuids_that_the_seed_decides() {
        let id = Random::new(7).connection_id();
        let text = String::from_utf8(id.text().to_vec()).unwrap();
        let uuid: uuid::Uuid = text.parse().unwrap();
        assert_eq!(uuid.get_version_num(), 4);
        assert_eq!(id, Random::new(7).connection_id());
        assert_ne!(id, Random::new(8).connection_id());
    }

    #[test]
    fn nonces_are_what_the_seed_decides_and_differ() {
        let (mut random, mut again) = (Random::new(7), Random::new(7));
        let first = random.nonzero();
        assert_eq!(first, again.nonzero());
        assert_ne!(first, random.nonzero());
    }
}
