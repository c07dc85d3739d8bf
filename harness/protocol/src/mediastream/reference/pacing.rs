use std::time::Duration;

use super::deviation::{Deviation, Deviations};
use crate::StreamParameters;

/// Further behind than this, a stream goes on at its pace instead of catching up at once: a
/// process that slept must not answer with a flood.
const CATCH_UP: Duration = Duration::from_secs(1);

/// When each frame of a stream is due: frame `n` at `start + n * interval`, without drift
/// (MS-D-06), the first one interval after the start (MS-D-12).
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Schedule {
    start: Duration,
    rate: u32,
    /// Number of the next frame, from 1 (MS-D-01).
    next: u64,
    frames: u64,
    /// How much later the last one is due.
    tail: Duration,
    /// When a frame that is due at this time is sent: then, except by a twin.
    pace: fn(Duration, u64) -> Duration,
}

impl Schedule {
    pub(super) fn new(start: Duration, stream: &StreamParameters, without: Deviations) -> Self {
        let (more, tail) = match without.has(Deviation::OneFrameLate) {
            true => (1, Duration::from_secs(2)),
            false => (0, Duration::ZERO),
        };
        Self {
            start,
            rate: stream.frames_per_second.max(1),
            next: 1,
            frames: stream.frames() + more,
            tail,
            pace: without.pace(),
        }
    }

    /// When the next frame is due; `None` after the last one (MS-D-07).
    pub(super) fn due(&self) -> Option<Duration> {
        (self.next <= self.frames).then(|| self.start.saturating_add(self.offset()))
    }

    /// The number of the frame that is due by `now`, which then counts as sent.
    pub(super) fn take(&mut self, now: Duration) -> Option<u64> {
        let due = self.due().filter(|due| *due <= now)?;
        if now - due > CATCH_UP {
            self.resume(now);
        }
        let number = self.next;
        self.next += 1;
        Some(number)
    }

    /// Makes the next frame due at `now` and the others follow at their pace, if it is late.
    pub(super) fn resume(&mut self, now: Duration) {
        if self.due().is_some_and(|due| due < now) {
            self.start = now.saturating_sub(self.offset());
        }
    }

    /// Whether a frame was sent.
    pub(super) const fn has_begun(&self) -> bool {
        self.next > 1
    }

    /// From the start to the next frame, in whole nanoseconds rounded down.
    fn offset(&self) -> Duration {
        let (rate, next) = (u64::from(self.rate), self.next);
        let rest = u128::from(next % rate) * 1_000_000_000 / u128::from(rate);
        let rest = Duration::from_nanos(u64::try_from(rest).unwrap_or(0));
        let tail = if next == self.frames {
            self.tail
        } else {
            Duration::ZERO
        };
        (self.pace)(Duration::from_secs(next / rate) + rest, next) + tail
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(frames_per_second: u32, seconds: u32) -> StreamParameters {
        StreamParameters {
            bits_per_second: 8_000_000,
            frames_per_second,
            seconds,
        }
    }

    #[test]
    fn the_first_frame_is_due_one_interval_after_the_start() {
        let schedule = Schedule::new(
            Duration::from_secs(3),
            &stream(50, 2),
            Deviations::default(),
        );
        assert_eq!(schedule.due(), Some(Duration::from_millis(3_020)));
    }

    #[test]
    fn a_day_at_30_frames_a_second_ends_exactly_a_day_later() {
        let mut schedule =
            Schedule::new(Duration::ZERO, &stream(30, 86_400), Deviations::default());
        let mut last = Duration::ZERO;
        while let Some(due) = schedule.due() {
            assert!(due - last <= Duration::from_nanos(33_333_334));
            last = due;
            schedule.take(due);
        }
        assert_eq!(last, Duration::from_secs(86_400));
    }

    #[test]
    fn nothing_is_due_early_or_after_the_last_frame() {
        let mut schedule = Schedule::new(Duration::ZERO, &stream(2, 1), Deviations::default());
        assert_eq!(schedule.take(Duration::from_millis(499)), None);
        assert_eq!(schedule.take(Duration::from_millis(500)), Some(1));
        assert_eq!(schedule.take(Duration::from_secs(1)), Some(2));
        assert_eq!(schedule.due(), None);
        assert_eq!(schedule.take(Duration::from_secs(9)), None);
    }

    #[test]
    fn a_stream_a_little_behind_catches_up_and_one_far_behind_goes_on_at_its_pace() {
        let mut schedule = Schedule::new(Duration::ZERO, &stream(10, 60), Deviations::default());
        let now = Duration::from_millis(450);
        let caught_up: Vec<_> = std::iter::from_fn(|| schedule.take(now)).collect();
        assert_eq!(caught_up, [1, 2, 3, 4]);

        let now = Duration::from_secs(30);
        assert_eq!(schedule.take(now), Some(5));
        assert_eq!(schedule.take(now), None);
        assert_eq!(schedule.due(), Some(Duration::from_millis(30_100)));
    }
}
