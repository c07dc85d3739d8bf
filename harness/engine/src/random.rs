use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use shakedown_protocol::requirement::Role;

/// Random numbers that follow from a seed, for what decides how a run goes.
#[derive(Debug, Clone)]
pub(crate) struct SeededRandom {
    generator: ChaCha8Rng,
    /// What is drawn of few numbers before anything else: seeds are not among them, which would be the same.
    #[cfg(feature = "fuzz")]
    script: std::vec::IntoIter<u8>,
}

impl SeededRandom {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            generator: ChaCha8Rng::seed_from_u64(seed),
            #[cfg(feature = "fuzz")]
            script: Vec::new().into_iter(),
        }
    }

    /// The numbers that these bytes say, two each, then others.
    #[cfg(feature = "fuzz")]
    pub(crate) fn scripted(bytes: Vec<u8>) -> Self {
        Self {
            script: bytes.into_iter(),
            ..Self::new(0)
        }
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: u32) -> u32 {
        #[cfg(feature = "fuzz")]
        if end <= u32::from(u16::MAX)
            && let Some(low) = self.script.next()
        {
            let high = self.script.next().unwrap_or_default();
            return u32::from(u16::from_le_bytes([low, high])) % end.max(1);
        }
        // The slight preference of small numbers does not matter here.
        self.generator.next_u32() % end.max(1)
    }

    pub(crate) fn one_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn side(&mut self) -> Role {
        match self.one_in(2) {
            true => Role::Initiator,
            false => Role::Responder,
        }
    }

    pub(crate) fn millis(&mut self, most: u32) -> Duration {
        Duration::from_millis(u64::from(self.below(most + 1)))
    }

    /// A share of up to this many thousandths; often none.
    pub(crate) fn share(&mut self, most: u32) -> f64 {
        match self.one_in(2) {
            true => 0.0,
            false => f64::from(1 + self.below(most)) / 1_000.0,
        }
    }

    pub(crate) fn rarely<T: Default>(&mut self, value: impl FnOnce(&mut Self) -> T) -> T {
        match self.one_in(3) {
            true => value(self),
            false => T::default(),
        }
    }
}
