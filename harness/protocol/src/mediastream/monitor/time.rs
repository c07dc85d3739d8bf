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

    /// When a copy was due that left now: so long after the one before, which was due at `before`, or
    /// now if that is earlier. Who counts from when he meant to send is not early where he was late before.
    pub(super) fn due_after(&self, before: &Self, interval: Duration) -> Self {
        let passed = self.since(before).unwrap_or_default();
        self.before(passed.saturating_sub(interval))
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
    /// The window around `interval`. The tolerance is for what is late: no machine is so busy that timers run
    /// fast.
    pub(super) fn around(interval: Duration, tolerance: Tolerance) -> Self {
        Self {
            earliest: interval.saturating_sub(SLACK),
            latest: interval + tolerance.of(interval) + SLACK,
        }
    }

    /// The window of a stream's first frame. When its session started is not seen to the millisecond: the
    /// tolerance is granted before it, too, but of the 50 ms at most half the interval.
    pub(super) fn of_the_first(interval: Duration, tolerance: Tolerance) -> Self {
        let granted = tolerance.of(interval) + SLACK.min(interval / 2);
        Self {
            earliest: interval.saturating_sub(granted),
            ..Self::around(interval, tolerance)
        }
    }

    /// How a `span` that began at `since` lies outside.
    pub(super) fn misses(&self, since: &Moment, span: Duration) -> Missed {
        match self.earliest.checked_sub(span) {
            Some(early) => Missed::early(since, early),
            None => Missed::now(since, span.saturating_sub(self.latest)),
        }
    }

    /// Whether `span` lies within.
    pub(super) fn contains(&self, span: Duration) -> bool {
        (self.earliest..=self.latest).contains(&span)
    }
}

/// A moment that was missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed {
    /// From when on it may have come to that.
    pub(super) since: Moment,
    /// Until when, where that is not the moment of the finding.
    pub(super) until: Option<Moment>,
    pub(super) by: Duration,
}

impl Missed {
    /// It was missed at the moment of the finding.
    pub(super) const fn now(since: &Moment, by: Duration) -> Self {
        Self {
            since: *since,
            until: None,
            by,
        }
    }

    /// Something came too early after what left at `since`: by a timer that began before that left, late.
    pub(super) fn early(since: &Moment, by: Duration) -> Self {
        Self {
            since: since.before(TIMER),
            until: Some(*since),
            by,
        }
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
    fn the_window_of_500_ms_at_a_quarter_is_450_to_675_ms() {
        let window = Window::around(repetition(1), Tolerance::default());
        assert_eq!(window.to_string(), "450 ms to 675 ms");
        assert!(window.contains(Duration::from_millis(450)));
        assert!(!window.contains(Duration::from_millis(449)));
        assert!(!window.contains(Duration::from_millis(676)));
    }

    #[test]
    fn the_window_of_a_first_frame_after_20_ms_at_a_quarter_is_5_to_75_ms() {
        let window = Window::of_the_first(Duration::from_millis(20), Tolerance::default());
        assert_eq!(window.to_string(), "5.000 ms to 75 ms");
        let slow = Window::of_the_first(Duration::from_secs(1), Tolerance::default());
        assert_eq!(slow.to_string(), "700 ms to 1300 ms");
    }

    #[test]
    fn repetitions_double_up_to_two_seconds() {
        let waits = [1, 2, 3, 4].map(|sends| repetition(sends).as_millis());
        assert_eq!(waits, [500, 1_000, 2_000, 2_000]);
    }
}
