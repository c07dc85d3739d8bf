use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use uuid::Uuid;

/// The source of randomness of one service: the same seed gives the same ids and keys.
#[derive(Debug, Clone)]
pub(super) struct Random(ChaCha20Rng);

impl Random {
    /// That of the `n`-th service of a machine.
    pub(super) fn new(seed: u64, n: u64) -> Self {
        let mut source = ChaCha20Rng::seed_from_u64(seed);
        source.set_stream(n);
        Self(source)
    }

    /// A version 4 UUID.
    pub(super) fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    pub(super) fn many(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}
