use std::time::Duration;

/// A side's own clock, which runs faster or slower than time itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// How many of its microseconds go by in a second.
    rate: u128,
}

const MILLION: u128 = 1_000_000;

impl Clock {
    /// A clock that is fast by this many ppm.
    pub(super) fn off_by(parts: i32) -> Self {
        let rate = 1_000_000_i64.saturating_add(i64::from(parts));
        let rate = u128::try_from(rate).unwrap_or(MILLION).max(1);
        Self { rate }
    }

    pub(super) fn shows(self, time: Duration) -> Duration {
        nanoseconds(time.as_nanos() * self.rate / MILLION)
    }

    /// The first time at which it shows at least so much.
    pub(super) fn time(self, shown: Duration) -> Duration {
        let time = (shown.as_nanos() * MILLION).div_ceil(self.rate);
        nanoseconds(time)
    }
}

fn nanoseconds(nanoseconds: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_1_percent_fast_shows_505_ms_after_half_a_second() {
        let clock = Clock::off_by(10_000);
        let half = Duration::from_millis(500);
        assert_eq!(clock.shows(half), Duration::from_millis(505));
        assert_eq!(clock.time(Duration::from_millis(505)), half);
    }

    #[test]
    fn when_a_clock_shows_something_it_shows_no_less() {
        for parts in [-10_000, -333, 0, 7, 9_999] {
            let clock = Clock::off_by(parts);
            for shown in [1, 2, 3, 999_999_999, 1_234_567_891] {
                let shown = Duration::from_nanos(shown);
                assert!(clock.shows(clock.time(shown)) >= shown, "{parts} {shown:?}");
            }
        }
    }
}
