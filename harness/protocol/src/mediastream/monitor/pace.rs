//! When frames leave: MS-D-06, MS-D-07 and MS-D-12, all against the configured stream.

use std::time::Duration;

use super::ledger::{Bench, Evidence};
use super::rule::Rule;
use super::time::{CROSSING, Millis, Moment, Window};
use crate::MonitorSettings;
use crate::requirement::Role;

/// Fewest frames over which a mean interval is judged.
const FEWEST: u64 = 10;

/// The pace of one stream. Nothing here is judged without [`MonitorSettings::stream`], for a capture
/// does not say what was configured; away from the sender, lateness is a doubt.
///
/// MS-D-06: over at least ten frames the mean interval is off by more than 5%, or a frame comes more
/// than 5 intervals after it was due, which is one interval after the frame before it.
///
/// MS-D-07: a frame number above FrameRate x StreamLength (any vantage); a connection-id after the
/// last frame; or a stream that stops short while the capture goes on for 5 intervals and a second.
///
/// MS-D-12: the first frame does not leave one interval (with the tolerance and 50 ms) after the
/// session started: the connection-id in answer to START, or the matching ACK. A session whose
/// start was not seen, and one that streams before the ACK, is not judged.
#[derive(Debug, Default)]
pub(super) struct Pace {
    first: Option<(u64, Moment)>,
    last: Option<(u64, Moment)>,
}

impl Pace {
    /// The first datagram of a frame with a higher number than all before it.
    pub(super) fn frame(
        &mut self,
        sequence: u64,
        at: &Moment,
        start: Option<&Moment>,
        bench: &mut Bench<'_>,
    ) {
        if let Some(stream) = bench.settings.stream {
            match self.last {
                None => first(at, start, stream.interval(), bench),
                Some((before, then)) => {
                    let due = stream.interval()
                        * u32::try_from(sequence.saturating_sub(before)).unwrap_or(u32::MAX);
                    late(at, &then, due, stream.interval(), bench);
                }
            }
            above(sequence, stream.frames(), at, bench);
        }
        self.first.get_or_insert((sequence, *at));
        self.last = Some((sequence, *at));
    }

    /// Connection-id in a session that streams or streamed.
    pub(super) fn name(&self, at: &Moment, bench: &mut Bench<'_>) {
        let (Some(stream), Some((sequence, _))) = (bench.settings.stream, self.last) else {
            return;
        };
        if stream.frames() > 0 && sequence >= stream.frames() {
            // MS-D-07
            bench.breach_unless_network(Rule::D07, Role::Responder, || {
                let want = format!("nothing after frame {}, the last", stream.frames());
                Evidence::at(at, want, "a connection-id")
            });
        }
    }

    /// The interval: the configured one, else the mean of what was seen.
    pub(super) fn interval(&self, settings: &MonitorSettings) -> Option<Duration> {
        settings
            .stream
            .map_or_else(|| self.mean(), |stream| Some(stream.interval()))
    }

    /// The mean interval that was seen.
    pub(super) fn mean(&self) -> Option<Duration> {
        let ((first, start), (last, end)) = self.first.zip(self.last)?;
        let frames = u32::try_from(last.checked_sub(first)?)
            .ok()
            .filter(|n| *n > 0)?;
        Some(end.since(&start)? / frames)
    }

    /// The session is over; `end` is the last moment of the capture that belongs to it.
    pub(super) fn close(&self, end: &Moment, is_restarted: bool, bench: &mut Bench<'_>) {
        let Some(stream) = bench.settings.stream else {
            return;
        };
        let (Some((first, _)), Some((last, at))) = (self.first, self.last) else {
            return;
        };
        let interval = stream.interval();
        if let Some(mean) = self.mean().filter(|_| last - first + 1 >= FEWEST) {
            bench.exercised(Rule::D06);
            if mean.abs_diff(interval) > interval / 20 {
                // MS-D-06
                bench.breach_unless_network(Rule::D06, Role::Responder, || {
                    let want = format!("a mean interval of {} ± 5%", Millis(interval));
                    let got = format!("{} over {} frames", Millis(mean), last - first + 1);
                    Evidence::at(&at, want, got)
                });
            }
        }
        let patience = interval * 5 + Duration::from_secs(1) + CROSSING;
        if last >= stream.frames() {
            bench.exercised(Rule::D07);
        } else if !is_restarted && end.is_past(&at, patience) {
            // MS-D-07
            bench.breach_unless_network(Rule::D07, Role::Responder, || {
                let want = format!("{} frames", stream.frames());
                let got = format!(
                    "frame {last} was the last; nothing came for {}",
                    Millis(end.since(&at).unwrap_or_default())
                );
                Evidence::lack(end.time, want, got)
            });
        }
    }
}

fn first(at: &Moment, start: Option<&Moment>, interval: Duration, bench: &mut Bench<'_>) {
    let Some(after) = start.and_then(|start| at.since(start)) else {
        return;
    };
    let window = Window::around(interval, bench.settings.tolerance);
    bench.exercised(Rule::D12);
    if !window.contains(after) {
        // MS-D-12
        bench.breach_unless_network(Rule::D12, Role::Responder, || {
            let want = format!("the first frame {window} after the session started");
            Evidence::at(at, want, format!("{} after", Millis(after)))
        });
    }
}

fn late(at: &Moment, then: &Moment, due: Duration, interval: Duration, bench: &mut Bench<'_>) {
    let Some(gap) = at.since(then) else { return };
    bench.exercised(Rule::D06);
    if gap.saturating_sub(due) > interval * 5 {
        // MS-D-06
        bench.breach_unless_network(Rule::D06, Role::Responder, || {
            let want = format!("a frame at most 5 intervals of {} late", Millis(interval));
            let got = format!("{} after the frame before it", Millis(gap));
            Evidence::at(at, want, got)
        });
    }
}

fn above(sequence: u64, frames: u64, at: &Moment, bench: &mut Bench<'_>) {
    if sequence > frames {
        // MS-D-07
        bench.breach(Rule::D07, Role::Responder, || {
            let want = format!("the stream to end after {frames} frames");
            Evidence::at(at, want, format!("frame {sequence}")).field("SequenceNumber", 2, 8)
        });
    }
}
