//! The sender's clock: MS-D-04 and MS-D-05.

use std::time::Duration;

use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::time::{Missed, Moment};
use super::view::{Media, QPC, QPF};

/// How many samples at either end of a session are compared.
const EDGE: usize = 3;

/// Shortest span over which the two clocks are compared.
const SPAN: Duration = Duration::from_millis(200);

/// The clock of one stream.
///
/// MS-D-04, any vantage: a datagram with QPF 0 or with another QPF than the session's first; a
/// frame with a higher number and a lower QPC than the highest before it. The order is that of
/// the numbers: what arrives late is not compared, for reordering makes no clock fall.
///
/// MS-D-05, at the sender (elsewhere a doubt): QPC / QPF against the capture's clock from the start
/// to the end of the session. Delay only ever adds to the capture's time, so of three frames at
/// either end the least delayed one counts; a single late frame is no fault of the clock. It is
/// not judged over less than 200 ms or six frames, nor across a fall of QPC or a step back of the
/// capture's clock.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    qpf: Option<u64>,
    highest: Option<Sample>,
    is_swapped: bool,
    first: Edge,
    last: Edge,
    samples: u64,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Moment,
    /// As it stands on the wire.
    raw: u64,
    /// As it was meant.
    qpc: u64,
}

/// A few samples at one end of the session.
#[derive(Debug, Default)]
struct Edge {
    samples: [Option<Sample>; EDGE],
}

impl Ticks {
    /// Any datagram: its QPF.
    pub(super) fn frequency(&mut self, media: &Media<'_>, scope: &mut Scope<'_>) {
        let Some((_, qpf)) = media.clock else { return };
        scope.exercised(Rule::D04);
        let expected = *self.qpf.get_or_insert(qpf);
        if qpf == 0 {
            // MS-D-04
            scope.breach(Rule::D04, || {
                Evidence::new("a QPF other than 0", "QPF 0").field(QPF)
            });
            if expected == 0 {
                self.qpf = None;
            }
        } else if qpf != expected {
            scope.breach(Rule::D04, || {
                let want = format!("QPF {expected}, as in the session's first datagram");
                Evidence::new(want, format!("QPF {qpf}")).field(QPF)
            });
        }
    }

    /// The first datagram of a frame with a higher number than all before it. Gives the QPC that
    /// was meant.
    pub(super) fn frame(&mut self, media: &Media<'_>, scope: &mut Scope<'_>) {
        let Some((raw, qpf)) = media.clock else {
            return;
        };
        let sample = Sample {
            at: scope.now,
            raw,
            qpc: self.meant(raw, qpf, scope),
        };
        if let Some(before) = self.highest
            && sample.qpc < before.qpc
        {
            // MS-D-04
            scope.breach(Rule::D04, || {
                let want = format!(
                    "QPC of at least {}, as in packet {}",
                    before.qpc, before.at.packet
                );
                Evidence::new(want, format!("QPC {}", sample.qpc)).field(QPC)
            });
            self.restart();
        } else if self
            .highest
            .is_some_and(|before| scope.now.since(&before.at).is_none())
        {
            self.restart();
        }
        self.highest = Some(sample);
        if Some(qpf) == self.qpf && qpf != 0 {
            self.samples += 1;
            self.first.fill(sample);
            self.last.roll(sample);
        }
    }

    /// The QPC that was meant by a later datagram of the highest frame.
    pub(super) const fn reading(&self, raw: u64) -> u64 {
        if self.is_swapped {
            raw.swap_bytes()
        } else {
            raw
        }
    }

    /// A later datagram of the highest frame: the next frame's QPC is at least this one's.
    pub(super) fn part(&mut self, raw: u64, now: &Moment) {
        let qpc = self.reading(raw);
        if let Some(highest) = &mut self.highest
            && qpc > highest.qpc
        {
            *highest = Sample { at: *now, raw, qpc };
        }
    }

    /// The session is over.
    pub(super) fn close(&self, scope: &mut Scope<'_>) {
        let (Some(qpf), true) = (self.qpf, self.samples >= 2 * EDGE as u64) else {
            return;
        };
        let Some(base) = self.first.samples[0] else {
            return;
        };
        let delay = |sample: &Sample| {
            let ticks = sample.qpc.wrapping_sub(base.qpc) as f64 / qpf as f64;
            sample.at.time.as_secs_f64() - base.at.time.as_secs_f64() - ticks
        };
        let (Some(early), Some(late)) = (self.first.least(delay), self.last.least(delay)) else {
            return;
        };
        let Some(span) = late.at.since(&early.at).filter(|span| *span >= SPAN) else {
            return;
        };
        let advance = late.qpc.saturating_sub(early.qpc) as f64 / qpf as f64;
        let allowed = 0.01 * span.as_secs_f64() + 0.020;
        scope.exercised(Rule::D05);
        if (advance - span.as_secs_f64()).abs() > allowed {
            // MS-D-05
            scope.breach_unless_network(Rule::D05, || {
                let want = format!(
                    "QPC / QPF to advance by {:.3} s (± {:.3} s) from packet {} to {}, as the capture's clock does",
                    span.as_secs_f64(), allowed, early.at.packet, late.at.packet
                );
                let by = (advance - span.as_secs_f64()).abs() - allowed;
                let evidence = Evidence::new(want, format!("{advance:.3} s")).at(&late.at);
                let evidence = evidence.field(QPC);
                let by = Duration::try_from_secs_f64(by).unwrap_or(Duration::MAX);
                evidence.off(Missed::now(&early.at, by))
            });
        }
    }

    fn restart(&mut self) {
        self.first = Edge::default();
        self.last = Edge::default();
        self.samples = 0;
    }

    /// QPC as it was meant: swapped where only that goes with the capture's clock (MS-W-01).
    fn meant(&mut self, raw: u64, qpf: u64, scope: &mut Scope<'_>) -> u64 {
        let Some(before) = self.highest else {
            return raw;
        };
        let Some(passed) = scope.now.since(&before.at).filter(|_| qpf != 0) else {
            return self.reading(raw);
        };
        let off = |from: u64, to: u64| {
            let ticks = i128::from(to) - i128::from(from);
            (ticks as f64 / qpf as f64 - passed.as_secs_f64()).abs()
        };
        let qpc = self.reading(raw);
        if off(before.qpc, qpc) < 10.0 {
            return qpc;
        }
        let swapped = raw.swap_bytes();
        let all = off(before.raw.swap_bytes(), swapped) < 1.0;
        let one = off(before.qpc, swapped) < 1.0;
        if !all && !one {
            return qpc;
        }
        // MS-W-01
        scope.breach(Rule::W01, || {
            let got = format!("QPC {raw}, which goes with the capture's clock as {swapped} only");
            Evidence::new("little-endian integers", got).field(QPC)
        });
        if all {
            self.is_swapped = true;
            self.restart();
            self.highest = Some(Sample {
                qpc: before.raw.swap_bytes(),
                ..before
            });
        }
        swapped
    }
}

impl Edge {
    /// Takes the first few.
    fn fill(&mut self, sample: Sample) {
        if let Some(slot) = self.samples.iter_mut().find(|slot| slot.is_none()) {
            *slot = Some(sample);
        }
    }

    /// Keeps the last few.
    fn roll(&mut self, sample: Sample) {
        self.samples.rotate_left(1);
        self.samples[EDGE - 1] = Some(sample);
    }

    /// The sample with the least delay.
    fn least(&self, delay: impl Fn(&Sample) -> f64) -> Option<Sample> {
        let samples = self.samples.iter().flatten();
        samples
            .min_by(|a, b| delay(a).total_cmp(&delay(b)))
            .copied()
    }
}
