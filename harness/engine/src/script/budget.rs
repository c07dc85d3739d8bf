//! How many bytes of what was received are held, over all scripts of a run and the relays before
//! them: what waits to be looked at, what is on its way, and notes of what has passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most bytes that wait over all scripts.
const MOST: usize = 128 << 20;

/// The part that is divided in advance: each script has its share whatever others hold, so that
/// one flooding implementation does not starve the others.
const SHARED_OUT: usize = 32 << 20;

/// Memory for what the scripts of a run have received and not looked at.
#[derive(Debug, Clone)]
pub struct Budget {
    held: Arc<AtomicUsize>,
    /// What each script has in any case.
    each: usize,
}

/// What one script, or its driver, holds of the budget. It goes back when this is dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    held: usize,
}

impl Budget {
    /// For this many concurrent scripts.
    #[must_use]
    pub fn for_scripts(count: usize) -> Self {
        Self {
            held: Arc::default(),
            each: SHARED_OUT / count.max(1),
        }
    }

    #[must_use]
    pub fn share(&self) -> Share {
        Share {
            budget: self.clone(),
            held: 0,
        }
    }
}

impl Share {
    /// Whether anything more may be held.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.held < self.budget.each || self.budget.held.load(Ordering::Relaxed) < MOST
    }

    /// How many bytes it holds.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.held
    }

    /// Reserves bytes.
    pub fn take(&mut self, bytes: usize) {
        self.held += bytes;
        self.budget.held.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Releases bytes.
    pub fn give_back(&mut self, bytes: usize) {
        self.held -= bytes;
        self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_holds_everything_leaves_the_others_their_part() {
        let budget = Budget::for_scripts(32);
        let (mut greedy, mut modest) = (budget.share(), budget.share());
        greedy.take(MOST);
        assert!(!greedy.has_room());
        assert!(modest.has_room());
        modest.take(1 << 20);
        assert!(!modest.has_room());
        drop(greedy);
        assert!(modest.has_room());
    }
}
