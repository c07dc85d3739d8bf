//! What is sent again until something answers it: SYN and START (MS-H-03, MS-S-08) by the initiator,
//! SYN-ACK and START_ACK (MS-H-18, MS-S-13) by the responder, all with the same timers.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::scope::{Evidence, Scope};
use crate::mediastream::monitor::time::{ANSWER, Millis, Missed, Moment, Window, repetition};

/// Sends in all by default (MS-H-03).
pub(super) const SENDS: u32 = 3;

/// A request like one that nothing answered for so long asks for a new session.
pub(super) const GIVEN_UP: Duration = Duration::from_secs(10);

/// The default age at which a half-open session is dropped (MS-H-19).
const AGE: Duration = Duration::from_secs(10);

/// A form that is sent again.
#[derive(Debug)]
pub(super) struct RepeatedForm {
    pub(super) name: &'static str,
    /// The name of what ends the repetition.
    pub(super) awaits: &'static str,
    /// The rule of its timers.
    pub(super) rule: Rule,
}

/// A datagram and its copies.
///
/// Where its sender's doings can be seen (elsewhere a doubt): a copy outside the window around 500 ms,
/// 1 s, 2 s ...; no copy at all though the capture goes on (in a supervised capture: fewer or more than
/// 3 sends).
///
/// MS-H-18, MS-S-13: an answer to a copy of the request is no repetition and changes no timer. One that
/// comes when the repetition is due may be either: from then on a copy only may not be later than the
/// longest interval. Under a flood of sessions nothing is missed (MS-H-19).
#[derive(Debug, Clone)]
pub(crate) struct Retransmissions {
    form: &'static RepeatedForm,
    pub(crate) first: Moment,
    pub(crate) last: Moment,
    /// When that was due; what comes next may come so much sooner after one that was late.
    pub(super) due: Moment,
    pub(super) sends: u32,
    /// Only timers made it repeat so far.
    pub(crate) is_by_timer: bool,
}

impl Retransmissions {
    pub(super) const fn new(form: &'static RepeatedForm, now: &Moment) -> Self {
        Self {
            form,
            first: *now,
            last: *now,
            due: *now,
            sends: 1,
            is_by_timer: true,
        }
    }

    /// It came again, byte for byte if it `is_same`, and by its timers.
    pub(super) fn again(&mut self, is_same: bool, scope: &mut Scope<'_>) {
        let RepeatedForm { name, rule, .. } = *self.form;
        let window = self.window(scope);
        scope.exercised(rule);
        // MS-H-03, MS-H-18, MS-S-08, MS-S-13
        if let Some((gap, missed)) = self.misses(&window, scope) {
            scope.breach_unless_network(rule, || {
                let want = format!("the {name} again after {window}");
                let got = format!("after {}", Millis(gap));
                Evidence::new(want, got).off(missed)
            });
        } else if !is_same {
            self.changed(scope);
        } else if scope.settings.supervised && self.is_by_timer && self.sends >= SENDS {
            scope.breach_unless_network(rule, || {
                Evidence::new(
                    "3 sends in all",
                    format!("{name} number {}", self.sends + 1),
                )
            });
        }
        self.count(&scope.now);
    }

    /// Another one came in its place.
    pub(super) fn changed(&self, scope: &mut Scope<'_>) {
        // MS-H-03, MS-S-08
        scope.breach_unless_network(self.form.rule, || {
            let RepeatedForm { name, .. } = self.form;
            let want = format!("the same {name} again, as in packet {}", self.first.packet);
            Evidence::new(want, "another one")
        });
    }

    /// It came again, whenever it did.
    pub(super) fn count(&mut self, now: &Moment) {
        self.due = now.due_after(&self.due, repetition(self.sends));
        self.last = *now;
        self.sends += 1;
    }

    /// Whether its next copy is due now.
    pub(super) fn is_due(&self, scope: &Scope<'_>) -> bool {
        let is_known = scope.now.since(&self.last).is_some();
        is_known && self.misses(&self.window(scope), scope).is_none()
    }

    /// How a copy that comes now lies outside the window after the one before, and how long after that it comes.
    fn misses(&self, window: &Window, scope: &Scope<'_>) -> Option<(Duration, Missed)> {
        let (since_due, gap) = (scope.now.since(&self.due)?, scope.now.since(&self.last)?);
        match window.earliest.checked_sub(since_due) {
            Some(early) if !early.is_zero() => Some((gap, Missed::early(&self.last, early))),
            _ => (gap > window.latest).then(|| (gap, window.misses(&self.last, gap))),
        }
    }

    /// Time went on: a copy may be missing.
    pub(super) fn lapse(&self, scope: &mut Scope<'_>) {
        let RepeatedForm { name, awaits, rule } = self.form;
        let window = self.window(scope);
        let is_due = self.sends == 1 || (scope.settings.supervised && self.sends < SENDS);
        if is_due && self.is_by_timer && scope.now.is_past(&self.last, window.latest) {
            let gap = scope.now.since(&self.last).unwrap_or_default();
            // MS-H-03, MS-H-18, MS-S-08, MS-S-13
            scope.breach_unless_network(*rule, || {
                let packet = self.last.packet;
                let want = format!(
                    "the {name} of packet {packet} again after {window}, as no {awaits} came"
                );
                Evidence::new(
                    want,
                    format!("nothing for {} after send {}", Millis(gap), self.sends),
                )
                .silence()
                .off(window.misses(&self.last, gap))
            });
        }
    }

    /// Whether so much time has passed that a request is given up.
    pub(crate) fn is_exhausted(&self, now: &Moment) -> bool {
        let patience = if self.sends >= SENDS {
            ANSWER + ANSWER
        } else {
            GIVEN_UP
        };
        now.since(&self.last).is_none_or(|gap| gap > patience)
    }

    /// Whether a session that waits for its confirmation may have been dropped: after the last wait, or for
    /// its age.
    pub(super) fn may_be_dropped(&self, scope: &Scope<'_>) -> bool {
        let is_over = |since: &Moment, wait: Duration| {
            let earliest = Window::around(wait, scope.settings.tolerance).earliest;
            scope.now.since(since).is_none_or(|gap| gap >= earliest)
        };
        (!self.is_by_timer && is_over(&self.first, all_waits()))
            || (self.sends >= SENDS && is_over(&self.due, repetition(SENDS)))
            || is_over(&self.first, AGE)
    }

    /// Whether it surely was: the waits after all its sends are over.
    pub(super) fn is_dropped(&self, scope: &Scope<'_>) -> bool {
        let latest = Window::around(all_waits(), scope.settings.tolerance).latest;
        let age = scope.now.since(&self.first);
        age.is_none_or(|age| age > latest)
    }

    fn window(&self, scope: &Scope<'_>) -> Window {
        let tolerance = scope.settings.tolerance;
        if self.is_by_timer {
            return Window::around(repetition(self.sends), tolerance);
        }
        Window {
            earliest: Duration::ZERO,
            latest: Window::around(repetition(SENDS), tolerance).latest,
        }
    }
}

/// What tells datagrams apart.
pub(super) fn print(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

/// How long all sends are waited for, one after the other: 3.5 s.
fn all_waits() -> Duration {
    (1..=SENDS).map(repetition).sum()
}
