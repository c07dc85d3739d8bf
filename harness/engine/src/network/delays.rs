use std::time::Duration;

use shakedown_protocol::StreamParameters;
use shakedown_protocol::requirement::Role;

use super::{Delay, FaultKind, Impairment, LONGEST_QUEUE, LONGEST_REORDER};

impl Impairment {
    /// The least and the most time that this network takes for a datagram of the `from` side while
    /// one of them sends this stream; one that is lost is left aside.
    ///
    /// `delay`, `jitter`, the queue of `rate` and `reorder` count. An exact `reorder` does not:
    /// how long its datagram is held back depends on what is sent meanwhile, which only the author
    /// knows.
    #[must_use]
    pub fn delays(&self, from: Role, stream: &StreamParameters) -> Delay {
        let late = self.faults.iter().filter_map(|fault| match fault.kind {
            FaultKind::Delay(by) if fault.from.is_none_or(|side| side == from) => Some(by),
            FaultKind::Delay(_)
            | FaultKind::Drop
            | FaultKind::Duplicate
            | FaultKind::Reorder(_)
            | FaultKind::Corrupt(_) => None,
        });
        let late = late.max().unwrap_or_default();
        if self.from.is_some_and(|side| side != from) {
            return Delay {
                least: Duration::ZERO,
                most: late,
            };
        }
        let reordered = match self.reorder > 0.0 {
            true => LONGEST_REORDER,
            false => Duration::ZERO,
        };
        let queued = self
            .rate
            .map_or(Duration::ZERO, |rate| longest_queue(rate, stream));
        let parts = [self.delay.most, self.jitter, late, reordered, queued];
        Delay {
            least: self.delay.least,
            most: parts
                .into_iter()
                .fold(Duration::ZERO, Duration::saturating_add),
        }
    }
}

/// How long a datagram of the stream waits at most at this rate in bytes per second: for the
/// frame that it is part of and the one before, or, where the stream is too much, for all of it.
fn longest_queue(rate: u64, stream: &StreamParameters) -> Duration {
    let bytes = match rate.saturating_mul(8) >= stream.bits_per_second {
        true => stream.frame_bytes().saturating_mul(2),
        false => stream.frame_bytes().saturating_mul(stream.frames()),
    };
    // Exact enough for a bound.
    let seconds = bytes as f64 / rate.max(1) as f64;
    Duration::try_from_secs_f64(seconds)
        .unwrap_or(LONGEST_QUEUE)
        .min(LONGEST_QUEUE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: StreamParameters = StreamParameters {
        bits_per_second: 400_000,
        frames_per_second: 50,
        seconds: 2,
    };

    fn delays(text: &str, from: Role) -> (u128, u128) {
        let impair: Impairment = text.parse().unwrap();
        let delay = impair.delays(from, &STREAM);
        (delay.least.as_millis(), delay.most.as_millis())
    }

    use Role::{Initiator, Responder};

    #[test]
    fn what_loses_or_repeats_takes_no_time() {
        let text = "loss=0.5,duplicate=0.5,corrupt=0.1,drop=ACK#1,reorder=SYN#1+2,outage=1s..2s";
        assert_eq!(delays(text, Initiator), (0, 0));
    }

    #[test]
    fn delays_of_all_kinds_add_up() {
        let text = "delay=20ms..80ms,jitter=5ms,delay=SYN#1+300ms,delay=ACK#1+100ms,reorder=0.1";
        assert_eq!(delays(text, Initiator), (20, 1_385));
    }

    #[test]
    fn a_side_that_does_not_suffer_is_only_late_where_a_fault_says_so() {
        let text = "delay=20ms,from=responder,delay=SYN#1+300ms,delay=responder:ERROR#1+1s";
        assert_eq!(delays(text, Initiator), (0, 300));
        assert_eq!(delays(text, Responder), (20, 1_020));
    }

    #[test]
    fn a_rate_above_that_of_the_stream_keeps_a_frame_and_one_below_all_of_it() {
        assert_eq!(delays("rate=100000", Responder), (0, 20));
        assert_eq!(delays("rate=25000", Responder), (0, 4_000));
        assert_eq!(delays("rate=100", Responder), (0, 10_000));
    }
}
