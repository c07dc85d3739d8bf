use std::time::Duration;

use indexmap::IndexMap;
use shakedown_engine::event::{Latency, LoadCause, LoadStretch};
use shakedown_engine::script::ScriptOutcome;

/// Time intervals of a load's progress over time.
const STRETCHES: usize = 60;

/// Distinct causes; further ones are counted with the last.
const MOST_CAUSES: usize = 32;

/// What plays came to.
#[derive(Debug, Default)]
pub(super) struct Measured {
    pub(super) completed: u64,
    pub(super) failed: u64,
    /// Failures that are the harness's own.
    pub(super) faults: u64,
    handshakes: Vec<Sample>,
    media: Vec<Sample>,
    failures: Vec<Duration>,
    causes: IndexMap<(String, String, bool), LoadCause>,
}

/// How long something took, and when it was done.
#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Microseconds since the run began; 71 minutes at most, later ones count as then.
    at: u32,
    /// Microseconds.
    took: u32,
}

/// One play at its end.
#[derive(Debug)]
pub(super) struct CompletedPlay<'a> {
    pub(super) started: Duration,
    pub(super) ended: Duration,
    pub(super) handshake: Option<Duration>,
    pub(super) first_media: Option<Duration>,
    pub(super) outcome: &'a ScriptOutcome,
}

/// The numbers of all plays.
#[derive(Debug)]
pub(super) struct Numbers {
    pub(super) handshakes: u64,
    pub(super) per_second: f64,
    pub(super) best_second: u64,
    pub(super) time_to_handshake: Option<Latency>,
    pub(super) time_to_first_media: Option<Latency>,
    pub(super) causes: Vec<LoadCause>,
    pub(super) course: Vec<LoadStretch>,
}

impl Measured {
    pub(super) fn add(&mut self, play: &CompletedPlay<'_>) {
        match play.outcome {
            ScriptOutcome::Passed => self.completed += 1,
            ScriptOutcome::Failed(failure) => {
                let got_something = failure.payload.is_some();
                let (step, expected) = (&failure.step, &failure.expected);
                self.fail(
                    &failure.requirement,
                    step,
                    got_something,
                    expected,
                    &failure.got,
                );
                self.failures.push(play.ended);
            }
            ScriptOutcome::Inconclusive { why, step } | ScriptOutcome::Error { why, step } => {
                self.faults += 1;
                self.fail("", step, false, "", why);
                self.failures.push(play.ended);
            }
        }
        let is_done = *play.outcome == ScriptOutcome::Passed || play.first_media.is_some();
        if let Some(at) = play.handshake.filter(|_| is_done) {
            self.handshakes.push(Sample::new(play.started, at));
        }
        if let Some(at) = play.first_media {
            self.media.push(Sample::new(play.started, at));
        }
    }

    /// Plays are alike that failed in the same step by the same requirement: what they got differs
    /// in ids and times.
    fn fail(&mut self, requirement: &str, step: &str, got_frame: bool, expected: &str, got: &str) {
        self.failed += 1;
        let key = (requirement.to_owned(), step.to_owned(), got_frame);
        if let Some(known) = self.causes.get_mut(&key) {
            known.plays += 1;
            return;
        }
        if self.causes.len() >= MOST_CAUSES {
            if let Some((_, last)) = self.causes.last_mut() {
                last.plays += 1;
            }
            return;
        }
        let cause = LoadCause {
            requirement: requirement.to_owned(),
            step: step.to_owned(),
            plays: 1,
            expected: expected.to_owned(),
            got: got.to_owned(),
        };
        self.causes.insert(key, cause);
    }

    /// All numbers; `took` is how long the run took.
    pub(super) fn numbers(mut self, took: Duration) -> Numbers {
        self.handshakes.sort_unstable_by_key(|sample| sample.at);
        self.media.sort_unstable_by_key(|sample| sample.at);
        let course = self.course(took);
        let count = self.handshakes.len() as u64;
        let mut causes: Vec<LoadCause> = self.causes.into_values().collect();
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.plays));
        Numbers {
            handshakes: count,
            per_second: match took.as_secs_f64() {
                0.0 => 0.0,
                seconds => count as f64 / seconds,
            },
            best_second: best_second(&self.handshakes),
            time_to_handshake: latency(self.handshakes.iter().map(|sample| sample.took)),
            time_to_first_media: latency(self.media.iter().map(|sample| sample.took)),
            causes,
            course,
        }
    }

    fn course(&self, took: Duration) -> Vec<LoadStretch> {
        let length = micros(took) / STRETCHES as u32 + 1;
        let index = |at: u32| ((at / length) as usize).min(STRETCHES - 1);
        let mut handshakes = vec![Vec::new(); STRETCHES];
        let mut media = vec![Vec::new(); STRETCHES];
        let mut failed = [0_u64; STRETCHES];
        for sample in &self.handshakes {
            handshakes[index(sample.at)].push(sample.took);
        }
        for sample in &self.media {
            media[index(sample.at)].push(sample.took);
        }
        for at in &self.failures {
            failed[index(micros(*at))] += 1;
        }
        let stretch = |n: usize| LoadStretch {
            time: f64::from(length) * (n + 1) as f64 / 1e6,
            handshakes: handshakes[n].len() as u64,
            failed: failed[n],
            time_to_handshake: latency(handshakes[n].iter().copied()),
            time_to_first_media: latency(media[n].iter().copied()),
        };
        (0..STRETCHES).map(stretch).collect()
    }
}

impl Sample {
    fn new(started: Duration, at: Duration) -> Self {
        Self {
            at: micros(at),
            took: micros(at.saturating_sub(started)),
        }
    }
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

/// Percentiles by the nearest rank; `None` of nothing.
fn latency(times: impl Iterator<Item = u32>) -> Option<Latency> {
    let mut times: Vec<u32> = times.collect();
    times.sort_unstable();
    let last = times.len().checked_sub(1)?;
    let of = |percent: usize| {
        let rank = (times.len() * percent).div_ceil(100).saturating_sub(1);
        f64::from(times[rank.min(last)]) / 1e6
    };
    Some(Latency {
        p50: of(50),
        p90: of(90),
        p99: of(99),
        max: of(100),
    })
}

/// Most samples within any second; they are sorted by time.
fn best_second(samples: &[Sample]) -> u64 {
    let mut first = 0;
    let mut best = 0;
    for (n, sample) in samples.iter().enumerate() {
        while sample.at - samples[first].at >= 1_000_000 {
            first += 1;
        }
        best = best.max(n + 1 - first);
    }
    best as u64
}

#[cfg(test)]
mod tests {
    use shakedown_engine::script::Failure;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn passed(started: Duration, handshake: Duration) -> CompletedPlay<'static> {
        CompletedPlay {
            started,
            ended: handshake,
            handshake: Some(handshake),
            first_media: None,
            outcome: &ScriptOutcome::Passed,
        }
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let all = latency((1..=100).rev()).unwrap();
        let wanted = [50e-6, 90e-6, 99e-6, 100e-6];
        assert_eq!([all.p50, all.p90, all.p99, all.max], wanted);
        assert_eq!(latency([7].into_iter()).unwrap().p50, 7e-6);
        assert_eq!(latency([].into_iter()), None);
    }

    #[test]
    fn the_best_second_may_begin_at_any_moment() {
        let mut measured = Measured::default();
        for tenths in [0, 8, 12, 15, 17, 30] {
            let at = SECOND * tenths / 10;
            measured.add(&passed(Duration::ZERO, at));
        }
        let numbers = measured.numbers(SECOND * 3);
        assert_eq!((numbers.handshakes, numbers.best_second), (6, 4));
        assert_eq!(numbers.per_second, 2.0);
        let counts = numbers.course.iter().map(|stretch| stretch.handshakes);
        assert_eq!(counts.sum::<u64>(), 6);
    }

    #[test]
    fn failures_are_alike_that_differ_in_what_came_only() {
        let mut measured = Measured::default();
        let fail = |step: &str, got: &str| {
            let failure = Failure::new("MS-H-05", step, SECOND, "SYN-ACK", got);
            ScriptOutcome::Failed(Box::new(failure))
        };
        for outcome in [fail("1", "id a"), fail("3", "no media"), fail("1", "id b")] {
            let outcome = &outcome;
            measured.add(&CompletedPlay {
                outcome,
                ..passed(Duration::ZERO, SECOND)
            });
        }
        assert_eq!(
            (measured.completed, measured.failed, measured.faults),
            (0, 3, 0)
        );
        let numbers = measured.numbers(SECOND);
        let causes: Vec<_> = numbers
            .causes
            .iter()
            .map(|cause| (cause.step.as_str(), cause.plays, cause.got.as_str()))
            .collect();
        assert_eq!(causes, [("1", 2, "id a"), ("3", 1, "no media")]);
        // A handshake that led to nothing is none.
        assert_eq!(numbers.handshakes, 0);
    }
}
