use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::{Date, OffsetDateTime};
use tokio::time::Instant;

/// The one clock of a scenario: time since a start, and the same moment as time of day.
///
/// Both come from the monotonic clock, so that a step of the system's clock during a run neither
/// shortens a window nor puts packets of a capture out of order.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    /// Time of day at the start, since 1970.
    epoch: Duration,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
            epoch: time_of_day(),
        }
    }

    /// Time since the start.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The moment `at` of this clock as the runtime's timers take it.
    #[must_use]
    pub fn instant(&self, at: Duration) -> Instant {
        self.start + at
    }

    /// The moment `at` of this clock as time of day since 1970, for captures.
    #[must_use]
    pub fn wall(&self, at: Duration) -> Duration {
        self.epoch + at
    }

    /// The moment of this clock that a capture calls `wall`.
    #[must_use]
    pub fn at(&self, wall: Duration) -> Duration {
        wall.saturating_sub(self.epoch)
    }

    /// The day, in Universal Time.
    #[must_use]
    pub fn today(&self) -> Date {
        let seconds = i64::try_from(self.wall(self.now()).as_secs()).unwrap_or(i64::MAX);
        OffsetDateTime::from_unix_timestamp(seconds).map_or(Date::MAX, OffsetDateTime::date)
    }

    /// The moment of a kernel's time stamp, which is a time of day. Never in the future.
    ///
    /// It is placed by its age, which is right even if the system's clock was set since the start.
    #[must_use]
    pub fn of_stamp(&self, stamp: Duration) -> Duration {
        let now = self.now();
        let age = time_of_day().saturating_sub(stamp);
        now.saturating_sub(age)
    }
}

fn time_of_day() -> Duration {
    // A clock before 1970 is wrong by so much that 1970 serves as well.
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_a_moment_ago_lies_between_the_start_and_now() {
        let clock = Clock::start();
        let before = clock.now();
        let stamp = time_of_day();
        let after = clock.now();
        let placed = clock.of_stamp(stamp);
        let slack = Duration::from_millis(20);
        assert!(
            placed + slack >= before && placed <= after + slack,
            "{placed:?}"
        );
    }

    #[test]
    fn a_stamp_from_before_the_start_is_the_start() {
        let clock = Clock::start();
        let long_ago = time_of_day() - Duration::from_secs(60);
        assert_eq!(clock.of_stamp(long_ago), Duration::ZERO);
    }
}
