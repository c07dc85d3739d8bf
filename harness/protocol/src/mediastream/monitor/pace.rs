//! When frames leave: MS-D-06, MS-D-07 and MS-D-12, all against the configured stream.

use std::time::Duration;

use super::ledger::{Bench, Evidence};
use super::rule::Rule;
use super::time::{CROSSING, Millis, Moment, SLACK, Window};
use crate::StreamParameters;

/// Fewest frames over which a mean interval is judged.
const FEWEST: u64 = 10;

/// When a session started, as the capture shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// The connection-id that answers START, or the matching ACK.
    pub(super) at: Moment,
    /// What the responder took it from: START, or the ACK.
    pub(super) asked: Moment,
}

/// The pace of one stream. Nothing here is judged unless the stream is known: START_ACK says what
/// was agreed, of other sessions a capture does not say what was configured; away from the sender, lateness is a doubt.
///
/// MS-D-06: over at least ten frames the time from the first to the last is off by more than 5% and
/// 50 ms, or a frame comes more than 5 intervals and 50 ms after it was due, which is one interval
/// after the frame before it. Where MS-H-22 held an optimistic stream back until its ACK, that pause
/// counts neither way: what was held back may be left out or caught up.
///
/// MS-D-07: a frame number above FrameRate x StreamLength (any vantage); a connection-id after the
/// last frame; or a stream that stops short while the capture goes on for 5 intervals and a second.
///
/// MS-D-12: the first frame does not leave one interval (with the tolerance and 50 ms) after the
/// session started: the connection-id in answer to START, or the matching ACK. Load makes no frame
/// early, so on that side the 50 ms are at most half the interval; but a connection-id may leave
/// late, so that it is a doubt if the frame is not too early after the START itself. A session whose
/// start was not seen, and one that is named or streams before the ACK, is not judged.
#[derive(Debug, Default)]
pub(super) struct Pace {
    first: Option<(u64, Moment)>,
    last: Option<(u64, Moment)>,
    /// The next frame ends a pause that MS-H-22 made.
    is_held_back: bool,
    /// How much longer than its interval that pause was.
    pause: Duration,
}

impl Pace {
    /// The first datagram of a frame with a higher number than all before it.
    pub(super) fn frame(
        &mut self,
        sequence: u64,
        at: &Moment,
        start: Option<&Start>,
        bench: &mut Bench<'_>,
    ) {
        if let Some(stream) = bench.stream {
            match self.last {
                None => first(at, start, stream.interval(), bench),
                Some((before, then)) => {
                    let due = stream.interval()
                        * u32::try_from(sequence.saturating_sub(before)).unwrap_or(u32::MAX);
                    if self.is_held_back {
                        let gap = at.since(&then).unwrap_or_default();
                        self.pause += gap.saturating_sub(due);
                    } else {
                        late(at, &then, due, stream.interval(), bench);
                    }
                }
            }
            above(sequence, stream.frames(), at, bench);
        }
        self.first.get_or_insert((sequence, *at));
        self.last = Some((sequence, *at));
        self.is_held_back = false;
    }

    /// Until its ACK the stream had used up what MS-H-22 allows; now it goes on.
    pub(super) const fn held_back(&mut self) {
        self.is_held_back = true;
    }

    /// Connection-id in a session that streams or streamed.
    pub(super) fn name(&self, at: &Moment, bench: &mut Bench<'_>) {
        let (Some(stream), Some((sequence, _))) = (bench.stream, self.last) else {
            return;
        };
        if stream.frames() > 0 && sequence >= stream.frames() {
            // MS-D-07
            bench.breach_unless_network(Rule::D07, bench.sender, || {
                let want = format!("nothing after frame {}, the last", stream.frames());
                Evidence::at(at, want, "a connection-id")
            });
        }
    }

    /// The interval: the configured one, else the mean of what was seen.
    pub(super) fn interval(&self, stream: Option<StreamParameters>) -> Option<Duration> {
        stream.map_or_else(|| self.mean(), |stream| Some(stream.interval()))
    }

    /// The mean interval that was seen.
    pub(super) fn mean(&self) -> Option<Duration> {
        let ((first, start), (last, end)) = self.first.zip(self.last)?;
        let frames = u32::try_from(last.checked_sub(first)?)
            .ok()
            .filter(|n| *n > 0)?;
        Some(end.since(&start)? / frames)
    }

    /// The session is over; `end` is the last moment of the capture that belongs to it. With
    /// `is_ended` the stream was to end before its last frame: the session was restarted or dropped.
    pub(super) fn close(&self, end: &Moment, is_ended: bool, bench: &mut Bench<'_>) {
        let Some(stream) = bench.stream else {
            return;
        };
        let (Some((first, _)), Some((last, at))) = (self.first, self.last) else {
            return;
        };
        let interval = stream.interval();
        if last - first + 1 >= FEWEST {
            self.rate(last - first, &at, interval, bench);
        }
        let patience = interval * 5 + Duration::from_secs(1) + CROSSING;
        if last >= stream.frames() {
            bench.exercised(Rule::D07);
        } else if !is_ended && end.is_past(&at, patience) {
            // MS-D-07
            bench.breach_unless_network(Rule::D07, bench.sender, || {
                let want = format!("{} frames", stream.frames());
                let got = format!(
                    "frame {last} was the last; nothing came for {}",
                    Millis(end.since(&at).unwrap_or_default())
                );
                Evidence::lack(end.time, want, got)
            });
        }
    }

    /// Judges the time that `intervals` took which end at `at`.
    fn rate(&self, intervals: u64, at: &Moment, interval: Duration, bench: &mut Bench<'_>) {
        let (Some(span), Ok(intervals)) = (
            self.first.and_then(|(_, first)| at.since(&first)),
            u32::try_from(intervals),
        ) else {
            return;
        };
        bench.exercised(Rule::D06);
        let due = interval * intervals;
        let slack = due / 20 + SLACK;
        if span + slack < due || span.saturating_sub(self.pause) > due + slack {
            // MS-D-06
            bench.breach_unless_network(Rule::D06, bench.sender, || {
                let frames = intervals + 1;
                let want = format!(
                    "a mean interval of {} ± 5%: {frames} frames within {} ± {}",
                    Millis(interval),
                    Millis(due),
                    Millis(slack)
                );
                let mut got = format!("{frames} frames within {}", Millis(span));
                if !self.pause.is_zero() {
                    got += &format!(", {} of it before the ACK", Millis(self.pause));
                }
                Evidence::at(at, want, got)
            });
        }
    }
}

fn first(at: &Moment, start: Option<&Start>, interval: Duration, bench: &mut Bench<'_>) {
    let Some((start, after)) = start.zip(start.and_then(|start| at.since(&start.at))) else {
        return;
    };
    let window = Window::of_the_first(interval, bench.settings.tolerance);
    bench.exercised(Rule::D12);
    if window.contains(after) {
        return;
    }
    let evidence = || {
        let want = format!("the first frame {window} after the session started");
        Evidence::at(at, want, format!("{} after", Millis(after)))
    };
    let asked = at.since(&start.asked).unwrap_or(after);
    // MS-D-12
    if after < window.earliest && asked >= window.earliest {
        let why = "the connection-id may have left late";
        bench.doubt(Rule::D12, bench.sender, why, evidence);
    } else {
        bench.breach_unless_network(Rule::D12, bench.sender, evidence);
    }
}

fn late(at: &Moment, then: &Moment, due: Duration, interval: Duration, bench: &mut Bench<'_>) {
    let Some(gap) = at.since(then) else { return };
    bench.exercised(Rule::D06);
    if gap.saturating_sub(due) > interval * 5 + SLACK {
        // MS-D-06
        bench.breach_unless_network(Rule::D06, bench.sender, || {
            let want = format!(
                "a frame at most 5 intervals of {} and 50 ms late",
                Millis(interval)
            );
            let got = format!("{} after the frame before it", Millis(gap));
            Evidence::at(at, want, got)
        });
    }
}

fn above(sequence: u64, frames: u64, at: &Moment, bench: &mut Bench<'_>) {
    if sequence > frames {
        // MS-D-07
        bench.breach(Rule::D07, bench.sender, || {
            let want = format!("the stream to end after {frames} frames");
            Evidence::at(at, want, format!("frame {sequence}")).field("SequenceNumber", 2, 8)
        });
    }
}
