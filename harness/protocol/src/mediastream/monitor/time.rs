//! Moments of a capture, and the windows in which timers may fire.

use std::time::Duration;

use crate::Tolerance;
use crate::monitor::Datagram;

/// A clock step back by more than this makes spans across it worthless; captures that merge queues
/// of several processors are out of order by less.
const JITTER: Duration = Duration::from_millis(1);

/// What every time rule grants besides a share of the interval.
pub(super) const SLACK: Duration = Duration::from_millis(50);

/// Two packets closer than this may have crossed, whichever was recorded first.
pub(super) const INSTANT: Duration = Duration::from_millis(1);

/// Two datagrams in opposite directions on one host may cross for as long as a process takes to
/// get to run.
pub(super) const CROSSING: Duration = Duration::from_millis(50);

/// How long an answer may take that the specification gives no time for.
pub(super) const ANSWER: Duration = Duration::from_secs(2);

/// How long before a datagram the timer began, at most, by which it left.
pub(super) const TIMER: Duration = Duration::from_secs(1);

/// A moment of the capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// The packet, counted from 1.
    pub(super) packet: u64,
    /// Its time, as the capture counts it.
    pub(super) time: Duration,
    /// How often the capture's clock had stepped back by then.
    epoch: u32,
}

impl Moment {
    /// Time from `earlier` to this moment; `None` if the capture's clock stepped back in between.
    pub(super) fn since(&self, earlier: &Self) -> Option<Duration> {
        let same = self.epoch == earlier.epoch;
        same.then(|| self.time.saturating_sub(earlier.time))
    }

    /// The moment so long before, on the same clock.
    pub(super) fn before(&self, span: Duration) -> Self {
        Self {
            time: self.time.saturating_sub(span),
            ..*self
        }
    }

    /// Whether this moment is later than `earlier` by more than `span`, as far as the clock tells.
    pub(super) fn is_past(&self, earlier: &Self, span: Duration) -> bool {
        self.since(earlier).is_some_and(|passed| passed > span)
    }
}

/// The capture's clock, as its packets show it.
#[derive(Debug, Default)]
pub(super) struct Clock {
    latest: Duration,
    packet: u64,
    epoch: u32,
}

impl Clock {
    /// The moment of a packet.
    pub(super) fn moment(&mut self, packet: &Datagram<'_>) -> Moment {
        if packet.time + JITTER < self.latest {
            self.epoch += 1;
            self.latest = packet.time;
        } else {
            self.latest = self.latest.max(packet.time);
        }
        self.packet = packet.number;
        Moment {
            packet: packet.number,
            time: packet.time,
            epoch: self.epoch,
        }
    }

    /// The moment when the capture ends.
    pub(super) fn end(&self, end: Duration) -> Moment {
        Moment {
            packet: self.packet,
            time: end.max(self.latest),
            epoch: self.epoch,
        }
    }
}

/// Time from the `sends`-th copy of a SYN or SYN-ACK to the next (MS-H-03): 500 ms, doubling, at
/// most 2 s.
pub(super) fn repetition(sends: u32) -> Duration {
    match sends {
        0 | 1 => Duration::from_millis(500),
        2 => Duration::from_secs(1),
        _ => Duration::from_secs(2),
    }
}

/// The window around an interval, with the tolerance and 50 ms either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) earliest: Duration,
    pub(super) latest: Duration,
}

impl Window {
    /// The window around `interval`.
    pub(super) fn around(interval: Duration, tolerance: Tolerance) -> Self {
        let share = tolerance.of(interval);
        Self {
            earliest: interval.saturating_sub(share).saturating_sub(SLACK),
            latest: interval + share + SLACK,
        }
    }

    /// The window of a stream's first frame: as `around`, but at least a part of the interval must
    /// have passed, for of the 50 ms at most half the interval is granted before it.
    pub(super) fn of_the_first(interval: Duration, tolerance: Tolerance) -> Self {
        let around = Self::around(interval, tolerance);
        let share = around.latest.saturating_sub(interval + SLACK);
        Self {
            earliest: interval
                .saturating_sub(share)
                .saturating_sub(SLACK.min(interval / 2)),
            latest: around.latest,
        }
    }

    /// By how much a `span` that began at `since` lies outside, and from when on it may have come to
    /// that: what is early was sent by a timer that began before its last datagram left, late.
    pub(super) fn misses(&self, since: &Moment, span: Duration) -> (Moment, Duration) {
        match self.earliest.checked_sub(span) {
            Some(early) => (since.before(TIMER), early),
            None => (*since, span.saturating_sub(self.latest)),
        }
    }

    /// Whether `span` lies within.
    pub(super) fn contains(&self, span: Duration) -> bool {
        (self.earliest..=self.latest).contains(&span)
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", Millis(self.earliest), Millis(self.latest))
    }
}

/// A span as people read it: milliseconds, with three decimals below 10 ms.
pub(super) struct Millis(pub(super) Duration);

impl std::fmt::Display for Millis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = self.0.as_secs_f64() * 1e3;
        if millis < 10.0 {
            write!(f, "{millis:.3} ms")
        } else {
            write!(f, "{millis:.0} ms")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(number: u64, micros: u64) -> Datagram<'static> {
        let address = ([127, 0, 0, 1], 4444).into();
        Datagram {
            number,
            time: Duration::from_micros(micros),
            source: address,
            destination: address,
            payload: &[],
            length: 0,
        }
    }

    #[test]
    fn a_span_across_a_step_back_of_the_clock_is_not_known() {
        let mut clock = Clock::default();
        let first = clock.moment(&packet(1, 1_000_000));
        let jitter = clock.moment(&packet(2, 999_500));
        assert_eq!(jitter.since(&first), Some(Duration::ZERO));
        let back = clock.moment(&packet(3, 500_000));
        assert_eq!(back.since(&first), None);
        let next = clock.moment(&packet(4, 600_000));
        assert_eq!(next.since(&back), Some(Duration::from_millis(100)));
    }

    #[test]
    fn the_window_of_500_ms_at_a_quarter_is_325_to_675_ms() {
        let window = Window::around(repetition(1), Tolerance::default());
        assert_eq!(window.to_string(), "325 ms to 675 ms");
        assert!(window.contains(Duration::from_millis(325)));
        assert!(!window.contains(Duration::from_millis(324)));
        assert!(!window.contains(Duration::from_millis(676)));
    }

    #[test]
    fn the_window_of_a_first_frame_after_20_ms_at_a_quarter_is_5_to_75_ms() {
        let window = Window::of_the_first(Duration::from_millis(20), Tolerance::default());
        assert_eq!(window.to_string(), "5.000 ms to 75 ms");
        let slow = Window::of_the_first(Duration::from_secs(1), Tolerance::default());
        assert_eq!(
            slow,
            Window::around(Duration::from_secs(1), Tolerance::default())
        );
    }

    #[test]
    fn repetitions_double_up_to_two_seconds() {
        let waits = [1, 2, 3, 4].map(|sends| repetition(sends).as_millis());
        assert_eq!(waits, [500, 1_000, 2_000, 2_000]);
    }
}
