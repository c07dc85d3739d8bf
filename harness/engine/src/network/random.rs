use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Draws for one datagram, more than are in use: what is added later moves none of the others.
const DRAWS: usize = 16;

/// The random numbers of one direction.
#[derive(Debug, Clone)]
pub(super) struct RandomStream(ChaCha8Rng);

/// All that is random about one datagram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws([u64; DRAWS]);

/// What a draw decides, by its place among them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Draw {
    Loss,
    Duplicate,
    Reorder,
    Corrupt,
    Checksum,
    Bit,
    Delay,
    Jitter,
    DelayOfCopy,
    JitterOfCopy,
}

impl RandomStream {
    /// The stream of this number of a seed.
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        Self(random)
    }

    /// The draws for the next datagram.
    pub(super) fn draw(&mut self) -> Draws {
        Draws(std::array::from_fn(|_| self.0.next_u64()))
    }
}

impl Draws {
    /// Whether something of this probability happens: never at 0, always at 1.
    pub(super) fn happens(&self, draw: Draw, probability: f64) -> bool {
        // 53 bits are all that a double holds exactly.
        let share = (self.raw(draw) >> 11) as f64 / (1_u64 << 53) as f64;
        share < probability
    }

    /// A number from 0 to `most`, evenly distributed.
    pub(super) fn up_to(&self, draw: Draw, most: u64) -> u64 {
        let values = u128::from(most) + 1;
        // Below 2^64, as the draw is.
        ((u128::from(self.raw(draw)) * values) >> 64) as u64
    }

    const fn raw(&self, draw: Draw) -> u64 {
        self.0[draw as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probability_0_never_happens_and_1_always_does() {
        for raw in [0, 1, u64::MAX / 2, u64::MAX] {
            let draws = Draws([raw; DRAWS]);
            assert!(!draws.happens(Draw::Loss, 0.0));
            assert!(draws.happens(Draw::Loss, 1.0));
            assert!(!draws.happens(Draw::Loss, f64::NAN));
        }
    }

    #[test]
    fn a_range_is_drawn_from_end_to_end_and_not_beyond() {
        let of = |raw, most| Draws([raw; DRAWS]).up_to(Draw::Bit, most);
        assert_eq!(of(0, 9), 0);
        assert_eq!(of(u64::MAX, 9), 9);
        assert_eq!(of(u64::MAX, 0), 0);
        assert_eq!(of(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(of(u64::MAX / 10 * 5, 9), 4);
    }

    #[test]
    fn one_seed_has_independent_streams() {
        let first = |stream| RandomStream::new(7, stream).draw().0;
        assert_eq!(first(0), first(0));
        assert_ne!(first(0), first(1));
    }
}
