//! The START token and what answers it: MS-L-02 of the initiator, MS-L-03 of the responder.

use std::time::Duration;

use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::time::{CROSSING, Millis, Missed, Moment, Window};
use super::view::PROTOCOL_FLAG;
use crate::StreamParameters;

/// What comes on top of the frame interval before START is sent again (MS-L-02).
const PAUSE: Duration = Duration::from_millis(500);

/// The START tokens of one session.
///
/// MS-L-02, where the initiator's doings can be seen (elsewhere a doubt): a START more than 50 ms
/// after media came from the responder; a START too early or too late after the one before; an
/// answer that came late with no second START before it; none for as long as the initiator waits. Too
/// late is judged where the interval is known: configured, or seen in the stream that followed; after a
/// connection-id, which may end the repetition or not, it is not. A START that nothing ever answers and that is not repeated is a breach
/// in a supervised capture and else says nothing: its sender may be gone.
///
/// MS-L-03 at the sender (elsewhere a doubt): the first datagram that answers START is media.
#[derive(Debug)]
pub(super) struct StartTokens {
    pub(super) first: Moment,
    pub(super) last: Moment,
    /// When that was due; what comes next may come so much sooner after one that was late.
    due: Moment,
    sends: u32,
    /// The longest time from one START to the next, and when it ended.
    longest: Option<(Duration, Moment)>,
    is_named: bool,
    /// When the first media came.
    answered: Option<Moment>,
    /// A START after the first media, which may ask for the next session.
    late: Option<Moment>,
    /// Whether something came that is no answer, but that some may take for "something arrives".
    is_obscured: bool,
}

impl StartTokens {
    pub(super) const fn new(now: &Moment) -> Self {
        Self {
            first: *now,
            last: *now,
            due: *now,
            sends: 1,
            longest: None,
            is_named: false,
            answered: None,
            late: None,
            is_obscured: false,
        }
    }

    /// Those of the session that a START after this one's answer asked for, if one did.
    pub(super) fn of_the_next_session(&self) -> Option<Self> {
        self.late.as_ref().map(Self::new)
    }

    pub(super) fn again(&mut self, scope: &mut Scope<'_>) {
        let now = scope.now;
        scope.exercised(Rule::L02);
        if let Some(answered) = self.answered {
            self.late = Some(now);
            if now.is_past(&answered, CROSSING) {
                // MS-L-02
                scope.breach_unless_network(Rule::L02, || {
                    let want = format!("no START after the media of packet {}", answered.packet);
                    Evidence::new(want, "START again")
                });
            }
            return;
        }
        let stream = scope.stream.as_ref();
        let wait = stream.map_or(Duration::ZERO, StreamParameters::interval) + PAUSE;
        let earliest = Window::around(wait, scope.settings.tolerance).earliest;
        if let Some(gap) = now.since(&self.due)
            && let Some(by) = earliest.checked_sub(gap).filter(|by| !by.is_zero())
        {
            // MS-L-02
            scope.breach_unless_network(Rule::L02, || {
                let want = format!("START again after {} or more", Millis(earliest));
                let gap = now.since(&self.last).unwrap_or(gap);
                let got = format!("after {}", Millis(gap));
                Evidence::new(want, got).off(Missed::early(&self.last, by))
            });
        }
        self.waited(&now);
        self.due = now.due_after(&self.due, wait);
        self.last = now;
        self.sends += 1;
    }

    /// Something else came from the responder: whether START is sent again after it is not judged.
    pub(super) const fn obscured(&mut self) {
        self.is_obscured = self.is_obscured || !self.has_answer();
    }

    /// Whether nothing answered for so long that a START asks anew.
    pub(super) fn is_stale(&self, now: &Moment, patience: Duration) -> bool {
        !self.has_answer() && now.since(&self.last).is_none_or(|gap| gap > patience)
    }

    /// The last one, if nothing has answered it.
    pub(super) fn waiting(&self) -> Option<Moment> {
        (!self.has_answer()).then_some(self.last)
    }

    /// Something came from the responder: connection-id if `is_name`, else media.
    pub(super) fn answered(&mut self, is_name: bool, scope: &mut Scope<'_>) {
        let is_first = !self.has_answer();
        if is_name {
            if is_first {
                self.waited(&scope.now);
            }
            self.is_named = true;
        } else {
            self.answered.get_or_insert(scope.now);
        }
        if !is_first {
            return;
        }
        scope.exercised(Rule::L02);
        scope.exercised(Rule::L03);
        if !is_name {
            self.waited(&scope.now);
            // MS-L-03
            scope.breach_unless_network(Rule::L03, || {
                let want = "a connection-id first, then media";
                Evidence::new(want, "media first").field(PROTOCOL_FLAG)
            });
        }
    }

    /// The session is over; `interval` is the one between its frames, if known.
    pub(super) fn close(&mut self, interval: Option<Duration>, scope: &mut Scope<'_>) {
        if self.is_obscured {
            return;
        }
        let Some(interval) = interval else {
            return;
        };
        let window = Window::around(interval + PAUSE, scope.settings.tolerance);
        let gives_up = scope.settings.buffer_period;
        let waits = gives_up.is_none_or(|after| after > window.latest);
        if !self.has_answer() && scope.settings.supervised && waits {
            let waited = scope.now.since(&self.first).unwrap_or_default();
            let after = gives_up.map_or(Duration::ZERO, |after| waited.saturating_sub(after));
            if gives_up.is_some() || self.sends == 1 {
                self.waited(&scope.now.before(after));
            }
        }
        let Some((longest, at)) = self.longest else {
            return;
        };
        if longest > window.latest {
            // MS-L-02
            scope.breach_unless_network(Rule::L02, || {
                let want = format!("START again after {window}");
                let got = format!("none for {}", Millis(longest));
                let silence = Evidence::new(want, got).at(&at).silence();
                silence.off(window.misses(&at.before(longest), longest))
            });
        }
    }

    const fn has_answer(&self) -> bool {
        self.is_named || self.answered.is_some()
    }

    /// Until `now` no START came again, and nothing had answered.
    fn waited(&mut self, now: &Moment) {
        if !self.is_named
            && let Some(gap) = now.since(&self.last)
            && self.longest.is_none_or(|(longest, _)| gap > longest)
        {
            self.longest = Some((gap, *now));
        }
    }
}
