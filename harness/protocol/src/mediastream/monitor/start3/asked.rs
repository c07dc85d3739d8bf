//! START: MS-S-01, MS-S-08 and MS-S-10 of the initiator.

use super::View;
use super::parameters::Parameters;
use crate::mediastream::frame::Start3;
use crate::mediastream::monitor::ledger::{Bench, Evidence};
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::syn::{GIVEN_UP, SENDS, print};
use crate::mediastream::monitor::time::{ANSWER, Millis, Moment, Window, repetition};
use crate::requirement::Role;

/// A START and its copies.
///
/// MS-S-01, any vantage: a START of another Version than 1, with StreamId 0 or a SenderNonce other
/// than 0, or whose parameters cannot be read.
///
/// MS-S-08, where the initiator's doings can be seen (elsewhere a doubt), as MS-H-03: a copy before
/// any answer outside the window around 500 ms, 1 s, 2 s ...; other bytes in a copy; another START in
/// place of the copy that is due; no copy at all though the capture goes on (in a supervised
/// capture: fewer or more than 3 sends). After an answer, an ERROR or the START token nothing is
/// missed.
///
/// MS-S-10, any vantage: the START token in place of a further START although COMPAT_MODE was not
/// set. In a supervised capture also COMPAT_MODE other than the option `fallback` says.
#[derive(Debug, Clone)]
pub(in crate::mediastream::monitor) struct Asked {
    last: Moment,
    sends: u32,
    /// STARTs, copies included, less START_ACKs that may answer one.
    unanswered: u32,
    print: u64,
    is_compatible: bool,
    /// `None` if they cannot be read.
    parameters: Option<Parameters>,
}

impl Asked {
    pub(in crate::mediastream::monitor) fn new(
        view: &View<'_>,
        at: &Moment,
        bench: &mut Bench<'_>,
    ) -> Self {
        first(view, at, bench);
        let is_compatible = view.has(Start3::COMPAT_MODE);
        if let (true, Some(falls_back)) = (bench.settings.supervised, bench.option("fallback")) {
            bench.exercised(Rule::S10);
            if falls_back != is_compatible && view.is_valid() {
                // MS-S-10
                bench.breach(Rule::S10, Role::Initiator, || {
                    let (want, got) = if falls_back {
                        ("COMPAT_MODE, as fallback is on", "it is not set")
                    } else {
                        ("no COMPAT_MODE, as fallback is off", "it is set")
                    };
                    Evidence::at(at, want, got).field("Flags", 28, 2)
                });
            }
        }
        Self {
            last: *at,
            sends: 1,
            unanswered: 1,
            print: print(view.bytes),
            is_compatible,
            parameters: view.is_well_formed.then_some(view.parameters),
        }
    }

    /// What it asks for, if that can be read.
    pub(super) const fn parameters(&self) -> Option<&Parameters> {
        self.parameters.as_ref()
    }

    /// Whether so much time has passed that it is given up.
    pub(super) fn is_exhausted(&self, at: &Moment) -> bool {
        let patience = if self.sends >= SENDS {
            ANSWER + ANSWER
        } else {
            GIVEN_UP
        };
        at.since(&self.last).is_none_or(|gap| gap > patience)
    }

    /// START came again; `is_unanswered` if nothing answered before.
    pub(super) fn again(
        &mut self,
        view: &View<'_>,
        at: &Moment,
        is_unanswered: bool,
        bench: &mut Bench<'_>,
    ) {
        if is_unanswered {
            let window = Window::around(repetition(self.sends), bench.settings.tolerance);
            bench.exercised(Rule::S08);
            if let Some(gap) = at.since(&self.last).filter(|gap| !window.contains(*gap)) {
                // MS-S-08
                bench.breach_unless_network(Rule::S08, Role::Initiator, || {
                    let want = format!("the START again after {window}");
                    Evidence::at(at, want, format!("after {}", Millis(gap)))
                });
            } else if self.print != print(view.bytes) {
                changed(at, bench);
            } else if bench.settings.supervised && self.sends >= SENDS {
                bench.breach_unless_network(Rule::S08, Role::Initiator, || {
                    let got = format!("START number {}", self.sends + 1);
                    Evidence::at(at, "3 sends in all", got)
                });
            }
        }
        self.last = *at;
        self.sends += 1;
        self.unanswered += 1;
    }

    /// Another START came, and nothing answered this one: a breach if its copy was due just then.
    pub(super) fn replaced(&self, at: &Moment, bench: &mut Bench<'_>) {
        let window = Window::around(repetition(self.sends), bench.settings.tolerance);
        if self.sends < SENDS && at.since(&self.last).is_some_and(|gap| window.contains(gap)) {
            changed(at, bench);
        }
    }

    /// Whether a START waits for its START_ACK.
    pub(super) const fn waits(&self) -> bool {
        self.unanswered > 0
    }

    /// Whether a START_ACK may answer a START that none answered; it does once.
    pub(super) const fn take(&mut self) -> bool {
        let is_answer = self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        is_answer
    }

    /// No copy came by `now`, and nothing answered.
    pub(super) fn lapse(&self, now: &Moment, bench: &mut Bench<'_>) {
        let window = Window::around(repetition(self.sends), bench.settings.tolerance);
        let is_due = self.sends == 1 || (bench.settings.supervised && self.sends < SENDS);
        if is_due && now.is_past(&self.last, window.latest) {
            // MS-S-08
            let (last, sends) = (self.last, self.sends);
            bench.breach_unless_network(Rule::S08, Role::Initiator, || {
                let want = format!("the START of packet {} again after {window}", last.packet);
                let got = format!(
                    "nothing for {} after send {sends}",
                    Millis(now.since(&last).unwrap_or_default())
                );
                Evidence::lack(now.time, want, got)
            });
        }
    }

    /// The START token came in a session that is not confirmed: the initiator falls back.
    pub(super) fn fell_back(&self, at: &Moment, bench: &mut Bench<'_>) {
        if at.is_past(&self.last, GIVEN_UP) {
            return;
        }
        bench.exercised(Rule::S10);
        if !self.is_compatible {
            // MS-S-10
            bench.breach(Rule::S10, Role::Initiator, || {
                let want = format!("COMPAT_MODE in the START of packet {}", self.last.packet);
                Evidence::at(at, want, "the START token, though it was not set")
            });
        }
    }
}

fn first(view: &View<'_>, at: &Moment, bench: &mut Bench<'_>) {
    let (Some(version), Some(key), Some(nonce)) = (view.version, view.key, view.sender_nonce)
    else {
        return;
    };
    bench.exercised(Rule::S01);
    let wrong = if version != Start3::VERSION {
        Some(("Version", 26, 1, "Version 1", format!("Version {version}")))
    } else if key.stream_id == 0 {
        Some((
            "StreamId",
            30,
            8,
            "a StreamId other than 0",
            "StreamId 0".to_owned(),
        ))
    } else if nonce != 0 {
        Some((
            "SenderNonce",
            46,
            8,
            "SenderNonce 0",
            format!("SenderNonce {nonce:#x}"),
        ))
    } else if !view.is_well_formed && !view.is_cut {
        let got = "extensions that cannot be read".to_owned();
        Some(("TLV", Start3::TLV_OFFSET, 0, "the wanted parameters", got))
    } else {
        None
    };
    if let Some((name, offset, length, want, got)) = wrong {
        // MS-S-01
        bench.breach(Rule::S01, Role::Initiator, || {
            Evidence::at(at, format!("{want} in START"), got).field(name, offset, length)
        });
    }
}

fn changed(at: &Moment, bench: &mut Bench<'_>) {
    // MS-S-08
    bench.breach_unless_network(Rule::S08, Role::Initiator, || {
        Evidence::at(at, "the same START again, byte for byte", "another one")
    });
}
