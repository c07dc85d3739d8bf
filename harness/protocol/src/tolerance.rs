use std::time::Duration;

/// By how much an implementation may be off what a time says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Share of every interval, from 0 up.
    pub share: f64,
    /// What that comes to at the most for one interval: a timer of minutes is as exact as one of seconds.
    pub at_most: Duration,
}

impl Tolerance {
    pub const AT_MOST: Duration = Duration::from_secs(5);

    /// This share of every interval, and [`Self::AT_MOST`].
    #[must_use]
    pub const fn new(share: f64) -> Self {
        Self {
            share,
            at_most: Self::AT_MOST,
        }
    }

    /// By how much one interval may be off.
    #[must_use]
    pub fn of(self, interval: Duration) -> Duration {
        self.of_many(interval).min(self.at_most)
    }

    /// The same of a length that is made of many intervals, each of which may be off.
    #[must_use]
    pub fn of_many(self, length: Duration) -> Duration {
        let share = length.as_secs_f64() * self.share.max(0.0);
        Duration::try_from_secs_f64(share).unwrap_or(Duration::MAX)
    }
}

impl Default for Tolerance {
    fn default() -> Self {
        Self::new(0.25)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_interval_may_be_off_by_no_more_than_the_cap() {
        let tolerance = Tolerance::default();
        let minutes = Duration::from_secs(300);
        assert_eq!(
            tolerance.of(Duration::from_secs(10)),
            Duration::from_millis(2_500)
        );
        assert_eq!(tolerance.of(minutes), Duration::from_secs(5));
        assert_eq!(tolerance.of_many(minutes), Duration::from_secs(75));
        assert_eq!(Tolerance::new(f64::NAN).of(minutes), Duration::ZERO);
        assert_eq!(
            Tolerance::new(f64::INFINITY).of_many(minutes),
            Duration::MAX
        );
    }
}
