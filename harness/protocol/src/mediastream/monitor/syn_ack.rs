//! SYN-ACK: MS-H-06, MS-H-07 and MS-H-18 of the responder.

use std::time::Duration;

use super::handshake::{Answer, Handshake};
use super::ledger::{Bench, Evidence};
use super::rule::Rule;
use super::syn::SENDS;
use super::time::{Millis, Moment, Window, repetition};
use super::view::ControlView;
use crate::mediastream::frame::{ConnectionId, Control};
use crate::requirement::Role;

/// The default age at which a half-open session is dropped (MS-H-19).
const AGE: Duration = Duration::from_secs(10);

/// A SYN-ACK of the attempt came.
///
/// MS-H-06, any vantage: Accept=1 with an empty id, or one without a NUL.
pub(super) fn see(
    handshake: &mut Handshake,
    control: &ControlView<'_>,
    at: &Moment,
    bench: &mut Bench<'_>,
) {
    handshake.answered.get_or_insert(*at);
    let is_answer = handshake.unanswered_syns > 0;
    handshake.unanswered_syns = handshake.unanswered_syns.saturating_sub(1);
    bench.exercised(Rule::H05);
    if control.version != Some(Control::VERSION) {
        return;
    }
    if !control.accepts() {
        if control.is_valid() && handshake.answer == Answer::None {
            handshake.answer = Answer::Rejected;
        }
        return;
    }
    let Some(id) = control.connection_id() else {
        return;
    };
    bench.exercised(Rule::H06);
    if id.is_empty() || !id.is_terminated() {
        // MS-H-06
        bench.breach(Rule::H06, Role::Responder, || {
            let got = if id.is_empty() {
                "an empty id"
            } else {
                "no NUL in its 37 bytes"
            };
            Evidence::at(at, "a non-empty id with a NUL in its 37 bytes", got).field(
                "ConnectionId",
                30,
                ConnectionId::LENGTH,
            )
        });
        return;
    }
    if !control.is_valid() && !control.is_cut {
        return;
    }
    handshake.answer = Answer::Accepted;
    handshake.offered.add(id);
    if handshake.acked.is_some() {
        return;
    }
    match &mut handshake.waiting {
        None => handshake.waiting = Some(Waiting::new(at, Rule::H18, "SYN-ACK", "ACK")),
        Some(waiting) if is_answer => waiting.answered(at),
        Some(waiting) => waiting.again(at, handshake.syn.is_some(), bench),
    }
}

/// Media or connection-id came from the responder.
///
/// MS-H-07, any vantage: it comes after Accept=0, and neither another SYN nor a START that is
/// served, nor an earlier session of the tuple, accounts for it.
pub(super) fn after_rejection(
    handshake: &Handshake,
    form: &'static str,
    at: &Moment,
    bench: &mut Bench<'_>,
) {
    if handshake.answer == Answer::Rejected && handshake.syn.is_some() {
        // MS-H-07
        bench.breach(Rule::H07, Role::Responder, || {
            let want = "neither media nor connection-id after SYN-ACK with Accept=0";
            Evidence::at(at, want, form).field("ProtocolFlag", 0, 2)
        });
    }
}

/// A responder that waits for the ACK, or a start3 one that waits for START_CONFIRM (MS-S-13, with the
/// same timers).
///
/// MS-H-18, at the sender (elsewhere a doubt), where the capture shows the SYN: a copy of the
/// SYN-ACK outside the window around 500 ms, 1 s, 2 s ...; no copy although the capture goes on (in
/// a supervised capture: fewer or more than 3 sends). A SYN-ACK that answers a copy of the SYN is
/// no repetition, and whether it starts the timers anew is open: from then on a copy only may not
/// be later than the longest interval. Under a flood of sessions nothing is missed (MS-H-19).
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) first: Moment,
    pub(super) last: Moment,
    pub(super) sends: u32,
    rule: Rule,
    /// The answer's name.
    name: &'static str,
    /// The name of what it waits for.
    lacks: &'static str,
    /// Only timers made it repeat so far.
    pub(super) is_by_timer: bool,
}

impl Waiting {
    pub(super) const fn new(
        at: &Moment,
        rule: Rule,
        name: &'static str,
        lacks: &'static str,
    ) -> Self {
        Self {
            rule,
            name,
            lacks,
            first: *at,
            last: *at,
            sends: 1,
            is_by_timer: true,
        }
    }

    pub(super) fn window(&self, bench: &Bench<'_>) -> Window {
        let tolerance = bench.settings.tolerance;
        if self.is_by_timer {
            Window::around(repetition(self.sends), tolerance)
        } else {
            Window {
                earliest: Duration::ZERO,
                latest: Window::around(repetition(SENDS), tolerance).latest,
            }
        }
    }

    /// Whether the session may have been dropped by `at`: after the last wait, which answers to copies
    /// of the SYN or START may put off or not, or for its age.
    pub(super) fn may_be_over(&self, at: &Moment, bench: &Bench<'_>) -> bool {
        let tolerance = bench.settings.tolerance;
        let wait = Window::around(repetition(SENDS), tolerance).earliest;
        let age = Window::around(AGE, tolerance).earliest;
        let all = (1..=SENDS).map(repetition).sum();
        let unmoved = Window::around(all, tolerance).earliest;
        (!self.is_by_timer && at.since(&self.first).is_none_or(|gap| gap >= unmoved))
            || (self.sends >= SENDS && at.since(&self.last).is_none_or(|gap| gap >= wait))
            || at.since(&self.first).is_none_or(|gap| gap >= age)
    }

    /// A SYN-ACK that answers a copy of the SYN.
    pub(super) const fn answered(&mut self, at: &Moment) {
        self.is_by_timer = false;
        self.last = *at;
        self.sends += 1;
    }

    pub(super) fn again(&mut self, at: &Moment, is_judged: bool, bench: &mut Bench<'_>) {
        if is_judged {
            let window = self.window(bench);
            bench.exercised(self.rule);
            if let Some(gap) = at.since(&self.last).filter(|gap| !window.contains(*gap)) {
                // MS-H-18, MS-S-13
                bench.breach_unless_network(self.rule, Role::Responder, || {
                    let want = format!("the {} again after {window}", self.name);
                    Evidence::at(at, want, format!("after {}", Millis(gap)))
                });
            } else if bench.settings.supervised && self.is_by_timer && self.sends >= SENDS {
                bench.breach_unless_network(self.rule, Role::Responder, || {
                    let got = format!(
                        "{} number {} of a half-open session",
                        self.name,
                        self.sends + 1
                    );
                    Evidence::at(at, "3 sends in all, then the session dropped", got)
                });
            }
        }
        self.last = *at;
        self.sends += 1;
    }

    /// No copy came by `now`.
    pub(super) fn lapse(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        let is_due = self.sends == 1 || (bench.settings.supervised && self.sends < SENDS);
        let latest = self.window(bench).latest;
        if is_due
            && self.is_by_timer
            && now.is_past(&self.last, latest)
            && !bench.is_flooded(&self.last)
        {
            // MS-H-18, MS-S-13
            let (last, window) = (self.last, self.window(bench));
            let (name, lacks) = (self.name, self.lacks);
            bench.breach_unless_network(self.rule, Role::Responder, || {
                let want = format!(
                    "the {name} of packet {} again after {window}, as no {lacks} came",
                    last.packet
                );
                let got = format!(
                    "nothing for {}",
                    Millis(now.since(&last).unwrap_or_default())
                );
                Evidence::lack(now.time, want, got)
            });
        }
    }
}
