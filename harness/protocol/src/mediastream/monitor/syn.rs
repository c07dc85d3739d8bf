//! SYN: MS-H-02 and MS-H-03 of the initiator, MS-H-05 of the responder that should answer.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

use super::ledger::{Bench, Evidence};
use super::rule::Rule;
use super::time::{ANSWER, Millis, Moment, Window, repetition};
use super::view::ControlView;
use crate::mediastream::Mode;
use crate::mediastream::frame::{ConnectionId, Control};
use crate::monitor::Packet;
use crate::requirement::Role;

/// Sends in all by default (MS-H-03).
pub(super) const SENDS: u32 = 3;

/// A SYN with the id of one that nothing answered for so long asks for a new session.
pub(super) const GIVEN_UP: Duration = Duration::from_secs(10);

/// A SYN and its copies.
///
/// MS-H-02, any vantage: the id field of a SYN of version 1 has no NUL in its 37 bytes.
///
/// MS-H-03, where the initiator's doings can be seen: a copy before any SYN-ACK outside the window
/// around 500 ms, 1 s, 2 s ...; a SYN with another id in place of the copy that is due; no copy at
/// all though the capture goes on (in a supervised capture: fewer or more than 3 sends). After a
/// SYN-ACK, a START or the end of the capture nothing is missed. Elsewhere a doubt.
///
/// MS-H-05: see [`Syn::close`].
#[derive(Debug)]
pub(super) struct Syn {
    pub(super) first: Moment,
    pub(super) last: Moment,
    pub(super) sends: u32,
    pub(super) id: ConnectionId,
    print: u64,
    is_valid: bool,
    /// Where a SYN-ACK came from instead of the address that was asked.
    pub(super) answered_by: Option<(SocketAddr, u64)>,
    /// That it was another address was told.
    is_misplaced: bool,
}

impl Syn {
    pub(super) fn new(
        packet: &Packet<'_>,
        control: &ControlView<'_>,
        at: &Moment,
        bench: &mut Bench<'_>,
    ) -> Self {
        let id = control.connection_id().unwrap_or(ConnectionId::EMPTY);
        if control.version == Some(Control::VERSION) && control.id.is_some() {
            bench.exercised(Rule::H02);
            if !id.is_terminated() {
                // MS-H-02
                bench.breach(Rule::H02, Role::Initiator, || {
                    Evidence::at(
                        at,
                        "an id with a NUL in its 37 bytes, or 37 zero bytes",
                        format!("{:?} without a NUL", id.to_string()),
                    )
                    .field("ConnectionId", 30, ConnectionId::LENGTH)
                });
            }
        }
        Self {
            first: *at,
            last: *at,
            sends: 1,
            id,
            print: print(packet.payload),
            is_valid: control.is_valid(),
            answered_by: None,
            is_misplaced: false,
        }
    }

    /// Whether `packet` is a copy, byte for byte.
    pub(super) fn is_same(&self, packet: &Packet<'_>) -> bool {
        self.print == print(packet.payload)
    }

    /// Whether so much time has passed that a SYN with its id asks anew.
    pub(super) fn is_exhausted(&self, at: &Moment) -> bool {
        let patience = if self.sends >= SENDS {
            ANSWER + ANSWER
        } else {
            GIVEN_UP
        };
        at.since(&self.last).is_none_or(|gap| gap > patience)
    }

    /// A SYN of the same id came again; `is_unanswered` if no SYN-ACK came before.
    pub(super) fn again(
        &mut self,
        packet: &Packet<'_>,
        at: &Moment,
        is_unanswered: bool,
        bench: &mut Bench<'_>,
    ) {
        if is_unanswered {
            let window = Window::around(repetition(self.sends), bench.settings.tolerance);
            bench.exercised(Rule::H03);
            if let Some(gap) = at.since(&self.last).filter(|gap| !window.contains(*gap)) {
                // MS-H-03
                bench.breach_unless_network(Rule::H03, Role::Initiator, || {
                    let want = format!("the SYN again after {window}");
                    Evidence::at(at, want, format!("after {}", Millis(gap)))
                });
            } else if !self.is_same(packet) {
                self.changed(at, bench);
            } else if bench.settings.supervised && self.sends >= SENDS {
                bench.breach_unless_network(Rule::H03, Role::Initiator, || {
                    Evidence::at(
                        at,
                        "3 sends in all",
                        format!("SYN number {}", self.sends + 1),
                    )
                });
            }
        }
        self.last = *at;
        self.sends += 1;
    }

    /// Another SYN came in place of the copy that is due: a breach if it came just then.
    pub(super) fn replaced(&self, at: &Moment, bench: &mut Bench<'_>) {
        let window = Window::around(repetition(self.sends), bench.settings.tolerance);
        if self.sends < SENDS && at.since(&self.last).is_some_and(|gap| window.contains(gap)) {
            self.changed(at, bench);
        }
    }

    /// No copy came by `now`, and nothing answered.
    pub(super) fn lapse(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        let window = Window::around(repetition(self.sends), bench.settings.tolerance);
        let is_due = self.sends == 1 || (bench.settings.supervised && self.sends < SENDS);
        if is_due && now.is_past(&self.last, window.latest) {
            // MS-H-03
            let (last, sends) = (self.last, self.sends);
            bench.breach_unless_network(Rule::H03, Role::Initiator, || {
                let want = format!("the SYN of packet {} again after {window}", last.packet);
                let got = format!(
                    "nothing for {} after send {sends}",
                    Millis(now.since(&last).unwrap_or_default())
                );
                Evidence::lack(now.time, want, got)
            });
        }
    }

    /// MS-H-05: nothing answered the SYN although it was valid and the capture went on for 2 s (with
    /// the tolerance and 50 ms) after its last copy.
    ///
    /// A SYN-ACK from another address is a breach at any vantage. Silence is one at the sender, of a
    /// responder that is known to speak 3way: it was told to, or it answered a SYN elsewhere in the
    /// capture. Of another one it is a doubt, as it is away from the sender: in legacy mode, or with
    /// nobody there, silence is right. Under a flood of sessions silence says nothing (MS-H-19).
    pub(super) fn close(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        let patience = Window::around(ANSWER, bench.settings.tolerance).latest;
        if !self.is_valid || bench.is_flooded(&self.last) || !now.is_past(&self.last, patience) {
            return;
        }
        if self.answered_elsewhere(bench) {
            return;
        }
        let last = self.last;
        let want = self.wanted(bench);
        let silence = || {
            let got = format!(
                "nothing for {}",
                Millis(now.since(&last).unwrap_or_default())
            );
            Evidence::lack(now.time, want, got)
        };
        if bench.speaks(Mode::ThreeWay) == Some(false) {
            return;
        }
        if !bench.is_at(Role::Responder) {
            bench.doubt(
                Rule::H05,
                Role::Responder,
                "the network may have lost either",
                silence,
            );
        } else if bench.speaks_3way() || bench.settings.mode.is_some() {
            bench.breach(Rule::H05, Role::Responder, silence);
        } else {
            let why = "nothing shows that a 3way responder is there";
            bench.doubt(Rule::H05, Role::Responder, why, silence);
        }
    }

    /// MS-H-05, any vantage: whether the SYN-ACK came from another address. Told once.
    pub(super) fn answered_elsewhere(&mut self, bench: &mut Bench<'_>) -> bool {
        let Some((other, packet)) = self.answered_by else {
            return false;
        };
        if !std::mem::replace(&mut self.is_misplaced, true) {
            let (last, want) = (self.last, self.wanted(bench));
            bench.breach(Rule::H05, Role::Responder, || {
                let mut evidence =
                    Evidence::lack(last.time, want, format!("a SYN-ACK from {other}"));
                evidence.packet = Some(packet);
                evidence
            });
        }
        true
    }

    fn wanted(&self, bench: &Bench<'_>) -> String {
        format!(
            "a SYN-ACK from {}, as the SYN of packet {} asked",
            bench.parties.responder, self.last.packet
        )
    }

    fn changed(&self, at: &Moment, bench: &mut Bench<'_>) {
        // MS-H-03
        bench.breach_unless_network(Rule::H03, Role::Initiator, || {
            let want = format!("the same SYN again, as in packet {}", self.first.packet);
            Evidence::at(at, want, "another one").field("ConnectionId", 30, ConnectionId::LENGTH)
        });
    }
}

/// What tells datagrams apart.
pub(super) fn print(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
