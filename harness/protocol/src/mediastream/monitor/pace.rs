//! When frames leave: MS-D-06, MS-D-07 and MS-D-12, all against the configured stream.

use std::time::Duration;

use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::time::{CROSSING, Millis, Missed, Moment, SLACK, Window};
use super::view::SEQUENCE;
use crate::StreamParameters;

/// From this length on a stream's rate is judged without a constant on top of the 5%.
const WHOLE: Duration = Duration::from_secs(1);

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
/// MS-D-06: over at least ten frames the time from the first to the last is off by more than 5% (and 50 ms
/// where that is less than a second), or a frame comes more than 5 intervals and 50 ms after it was due, which is one interval
/// after the frame before it. Where MS-H-22 held an optimistic stream back until its ACK, that pause
/// counts neither way: what was held back may be left out or caught up.
///
/// MS-D-07: more than FrameRate x StreamLength frames, counted from the first number (any vantage; a doubt
/// where the stream's start was not seen); a connection-id after the last frame; or a stream that stops
/// short while the capture goes on for 5 intervals and a second.
///
/// MS-D-12: the first frame does not leave one interval (with the tolerance and 50 ms) after the
/// session started: the connection-id in answer to START, or the matching ACK. Load makes no frame
/// early, so on that side the 50 ms are at most half the interval; but a connection-id may leave
/// late, so that it is a doubt if the frame is not too early after the START itself. A session whose
/// start was not seen, and one that is named or streams before the ACK, is not judged.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The number before the stream's first, as far as it is known.
    base: Option<u64>,
    first: Option<(u64, Moment)>,
    last: Option<(u64, Moment)>,
    /// The next frame ends a pause that MS-H-22 made.
    is_held_back: bool,
    /// How much longer than its interval that pause was.
    pause: Duration,
}

impl Pace {
    /// The first datagram of a frame with a higher number than all before it, in a stream whose numbers
    /// begin after `base`, if that is known.
    pub(super) fn frame(
        &mut self,
        sequence: u64,
        base: Option<u64>,
        start: Option<&Start>,
        scope: &mut Scope<'_>,
    ) {
        self.base = base;
        if let Some(stream) = scope.stream {
            match self.last {
                None => first(start, stream.interval(), scope),
                Some((before, then)) => {
                    let due = stream.interval()
                        * u32::try_from(sequence.saturating_sub(before)).unwrap_or(u32::MAX);
                    if self.is_held_back {
                        let gap = scope.now.since(&then).unwrap_or_default();
                        self.pause += gap.saturating_sub(due);
                    } else {
                        late(&then, due, stream.interval(), scope);
                    }
                }
            }
            self.above(sequence, stream.frames(), scope);
        }
        self.first.get_or_insert((sequence, scope.now));
        self.last = Some((sequence, scope.now));
        self.is_held_back = false;
    }

    /// Until its ACK the stream had used up what MS-H-22 allows; now it goes on.
    pub(super) const fn held_back(&mut self) {
        self.is_held_back = true;
    }

    /// Connection-id in a session that streams or streamed.
    pub(super) fn name(&self, scope: &mut Scope<'_>) {
        let (Some(stream), Some((sequence, _))) = (scope.stream, self.last) else {
            return;
        };
        if stream.frames() > 0 && self.is_complete(sequence, &stream) {
            // MS-D-07
            scope.breach_unless_network(Rule::D07, || {
                let want = format!("nothing after frame {sequence}, the last");
                Evidence::new(want, "a connection-id")
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
    /// `is_ended` the stream was to end before its last frame: the session was restarted or dropped. So many
    /// frames may have `crossed` with those of the session before.
    pub(super) fn close(&self, is_ended: bool, crossed: u64, scope: &mut Scope<'_>) {
        let Some(stream) = scope.stream else {
            return;
        };
        let (Some((first, _)), Some((last, at))) = (self.first, self.last) else {
            return;
        };
        let interval = stream.interval();
        if last - first + 1 >= FEWEST {
            self.rate(last - first, &at, interval, scope);
        }
        let patience = interval * 5 + Duration::from_secs(1) + CROSSING;
        if self.is_complete(last + crossed, &stream) {
            scope.exercised(Rule::D07);
        } else if !is_ended && scope.now.is_past(&at, patience) {
            // MS-D-07
            let gap = scope.now.since(&at).unwrap_or_default();
            scope.breach_unless_network(Rule::D07, || {
                let want = format!("{} frames", stream.frames());
                let got = format!(
                    "frame {last} was the last; nothing came for {}",
                    Millis(gap)
                );
                Evidence::new(want, got).silence()
            });
        }
    }

    /// Whether the stream's last frame has this number, or a lower one.
    pub(super) fn is_complete(&self, sequence: u64, stream: &StreamParameters) -> bool {
        sequence.saturating_sub(self.base.unwrap_or(0)) >= stream.frames()
    }

    fn above(&self, sequence: u64, frames: u64, scope: &mut Scope<'_>) {
        if sequence.saturating_sub(self.base.unwrap_or(0)) <= frames {
            return;
        }
        let evidence = || {
            let want = format!("the stream to end after {frames} frames");
            Evidence::new(want, format!("frame {sequence}")).field(SEQUENCE)
        };
        // MS-D-07
        if self.base.is_some() {
            scope.breach(Rule::D07, evidence);
        } else {
            scope.doubt(Rule::D07, "it need not have begun with frame 1", evidence);
        }
    }

    /// Judges the time that `intervals` took which end at `at`.
    fn rate(&self, intervals: u64, at: &Moment, interval: Duration, scope: &mut Scope<'_>) {
        let (Some(span), Ok(intervals)) = (
            self.first.and_then(|(_, first)| at.since(&first)),
            u32::try_from(intervals),
        ) else {
            return;
        };
        scope.exercised(Rule::D06);
        let due = interval * intervals;
        let slack = match due >= WHOLE {
            true => due / 20,
            false => due / 20 + SLACK,
        };
        if span + slack < due || span.saturating_sub(self.pause) > due + slack {
            // MS-D-06
            scope.breach_unless_network(Rule::D06, || {
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
                let late = span.saturating_sub(self.pause).saturating_sub(due + slack);
                let by = late.max(due.saturating_sub(span + slack));
                let since = self.first.as_ref().map_or(at, |(_, first)| first);
                Evidence::new(want, got).at(at).off(Missed::now(since, by))
            });
        }
    }
}

fn first(start: Option<&Start>, interval: Duration, scope: &mut Scope<'_>) {
    let Some((start, after)) = start.zip(start.and_then(|start| scope.now.since(&start.at))) else {
        return;
    };
    let window = Window::of_the_first(interval, scope.settings.tolerance);
    scope.exercised(Rule::D12);
    if window.contains(after) {
        return;
    }
    let evidence = || {
        let want = format!("the first frame {window} after the session started");
        let got = format!("{} after", Millis(after));
        Evidence::new(want, got).off(window.misses(&start.at, after))
    };
    let asked = scope.now.since(&start.asked).unwrap_or(after);
    // MS-D-12
    if after < window.earliest && asked >= window.earliest {
        let why = "the connection-id may have left late";
        scope.doubt(Rule::D12, why, evidence);
    } else {
        scope.breach_unless_network(Rule::D12, evidence);
    }
}

fn late(then: &Moment, due: Duration, interval: Duration, scope: &mut Scope<'_>) {
    let Some(gap) = scope.now.since(then) else {
        return;
    };
    scope.exercised(Rule::D06);
    if gap.saturating_sub(due) > interval * 5 + SLACK {
        // MS-D-06
        scope.breach_unless_network(Rule::D06, || {
            let want = format!(
                "a frame at most 5 intervals of {} and 50 ms late",
                Millis(interval)
            );
            let got = format!("{} after the frame before it", Millis(gap));
            let by = gap.saturating_sub(due + interval * 5 + SLACK);
            Evidence::new(want, got).off(Missed::now(then, by))
        });
    }
}
