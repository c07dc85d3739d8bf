//! What stands in START_ACK, and what follows from it: MS-S-02 and MS-S-13 of the responder.

use super::repeated::{Retransmissions, SENDS, print};
use super::{Handshake, Start3};
use crate::StreamParameters;
use crate::mediastream::frame::Start3 as Body;
use crate::mediastream::monitor::parameters::{Agreed, Parameters};
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::scope::{Evidence, Scope};
use crate::mediastream::monitor::time::{Millis, Missed, Window, repetition};
use crate::mediastream::monitor::view::{ControlView, Key};
use crate::requirement::Role;

/// The session's first START_ACK.
#[derive(Debug)]
pub(super) struct Granted {
    /// Its SenderNonce, and that of a later one that differs.
    pub(super) nonces: [u64; 2],
    /// Of it, or of a later one that may be the next session's.
    print: u64,
    begins_immediately: bool,
    parameters: Parameters,
}

/// The START_ACK of an earlier session of the tuple, which its responder may still keep: until
/// START_CONFIRM comes or its timers have run off, though the stream is silent (MS-S-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    key: Key,
    print: u64,
}

impl Handshake {
    /// A START_ACK that may be the session's; `before` is that of an earlier one of the tuple.
    pub(crate) fn start_ack(
        &mut self,
        view: &ControlView<'_>,
        before: Option<Mark>,
        scope: &mut Scope<'_>,
    ) {
        let Some(start3) = &mut self.start3 else {
            return;
        };
        let print = print(view.bytes);
        if before.is_some() && before == view.key().map(|key| Mark { key, print }) {
            if view.key() != Some(start3.key) {
                // The session before waits for its START_CONFIRM.
                start3.ending.provoked(Role::Initiator);
                return;
            }
            start3.goes_on |= start3.granted.is_none();
        }
        start3.ending.answered(Role::Responder);
        if start3.ending.is_after(view.name(), scope) {
            return;
        }
        start3.ending.provoked(Role::Initiator);
        let nonce = view.number("SenderNonce");
        let Some(nonce) = nonce.filter(|nonce| self.is_granted_by(view, *nonce, scope)) else {
            return;
        };
        let Some(start3) = &mut self.start3 else {
            return;
        };
        if start3.granted.is_none() {
            start3.granted = Some(Granted {
                nonces: [nonce; 2],
                print,
                begins_immediately: view.has(Body::BEGIN_IMMEDIATELY),
                parameters: view.parameters,
            });
            self.answered = Some(scope.now);
            // A START_CONFIRM that came before was none of this START_ACK's.
            if start3
                .confirmed_nonce
                .is_some_and(|confirmed| confirmed != nonce)
            {
                self.confirmed = None;
                start3.confirmed_nonce = None;
            }
        }
        let is_known = !start3.goes_on;
        if self.confirmed.is_none() {
            let is_answer = self.takes_answer();
            self.wait(is_answer, scope);
            if let Some(waiting) = &mut self.waiting {
                waiting.is_by_timer &= is_known;
            }
        }
    }

    /// The exchange that a START_ACK grants which is none of this one, though of the same StreamId and
    /// Nonce: it has another SenderNonce, and a START waits for its answer.
    pub(crate) fn anew(&self, view: &ControlView<'_>) -> Option<Self> {
        let start3 = self.start3.as_ref()?;
        let known = start3.granted.as_ref()?.nonces;
        let nonce = view.number("SenderNonce").filter(|_| view.may_be_valid())?;
        if view.key() != Some(start3.key) || known.contains(&nonce) || self.unanswered == 0 {
            return None;
        }
        let mut anew = Start3 {
            is_compatible: start3.is_compatible,
            asked: start3.asked,
            ..Start3::of(view)
        };
        anew.ending.provoked(Role::Responder);
        Some(Self {
            request: self.request.clone(),
            print: self.print,
            unanswered: self.unanswered,
            start3: Some(Box::new(anew)),
            ..Self::default()
        })
    }

    /// Its START_ACK, if the responder may keep the session when the next one begins; else that of
    /// the session `before` it.
    pub(crate) fn mark(&self, before: Option<Mark>) -> Option<Mark> {
        let (Some(key), Some(Granted { print, .. })) = (self.key(), self.granted()) else {
            return before;
        };
        (!self.is_ended()).then_some(Mark { key, print: *print })
    }

    pub(crate) fn agreed(&self, own: Option<StreamParameters>) -> Agreed {
        let asked = self
            .start3
            .as_ref()
            .and_then(|start3| start3.asked.as_ref());
        match self.granted() {
            Some(granted) => granted.parameters.agreed(asked, own),
            // The responder may have granted less.
            None if self.start3.is_some() && self.request.is_some() => Agreed::Unknown,
            None => Agreed::Configured,
        }
    }

    /// Largest datagram that was granted, in bytes.
    pub(crate) fn max_datagram(&self) -> Option<usize> {
        let most = self.granted()?.parameters.max_datagram?;
        usize::try_from(most).ok()
    }

    /// Whether media need not wait for START_CONFIRM.
    pub(super) fn begins_immediately(&self) -> bool {
        let granted = self.granted();
        granted.is_some_and(|granted| granted.begins_immediately)
    }

    fn granted(&self) -> Option<&Granted> {
        self.start3.as_ref()?.granted.as_ref()
    }

    /// Whether the START_ACK is one of the session.
    ///
    /// MS-S-02, any vantage: see [`fault`]; and where the capture shows the START, another StreamId or
    /// Nonce (if neither is right it may answer another START: a doubt but at the sender).
    ///
    /// MS-S-13, any vantage: other bytes than in the START_ACK before, while its session cannot have
    /// been dropped.
    fn is_granted_by(&mut self, view: &ControlView<'_>, nonce: u64, scope: &mut Scope<'_>) -> bool {
        let (Some(start3), Some(key), true) = (&self.start3, view.key(), view.is_ours()) else {
            return false;
        };
        scope.exercised(Rule::S02);
        if let Some((name, expected, got)) = start3.key.differs(key) {
            let evidence = || {
                let want = format!("{name} {expected:#x}, as in START");
                Evidence::new(want, format!("{got:#x}")).field(view.field(name))
            };
            let own = start3.key;
            // MS-S-02
            if key.stream_id != own.stream_id && key.nonce != own.nonce && self.request.is_some() {
                scope.breach_unless_network(Rule::S02, evidence);
            } else if self.request.is_some() {
                scope.breach(Rule::S02, evidence);
            }
            return false;
        }
        if let Some((name, want, got)) = fault(start3.asked.as_ref(), view, nonce) {
            // MS-S-02
            scope.breach(Rule::S02, || {
                Evidence::new(want, got).field(view.field(name))
            });
        }
        if !view.may_be_valid() {
            return false;
        }
        let may_be_another = self.may_be_another(scope);
        let granted = self
            .start3
            .as_mut()
            .and_then(|start3| start3.granted.as_mut());
        if let Some(granted) = granted.filter(|granted| granted.print != print(view.bytes)) {
            granted.nonces[1] = nonce;
            if may_be_another {
                granted.print = print(view.bytes);
            } else {
                // MS-S-13
                scope.breach(Rule::S13, || {
                    Evidence::new("the same START_ACK again, byte for byte", "another one")
                });
            }
        }
        true
    }

    /// Whether a START_ACK with other bytes may be that of the next session under the same key.
    fn may_be_another(&self, scope: &Scope<'_>) -> bool {
        let start3 = self.start3.as_ref();
        let waiting = self.waiting.as_ref().filter(|_| self.confirmed.is_none());
        self.is_confirm_late
            || start3.is_some_and(|start3| start3.is_complete || start3.goes_on)
            || waiting.is_some_and(|waiting| waiting.may_be_dropped(scope))
    }
}

impl Key {
    /// Where `other` is not the same: the field, what stands in this one, and what in the other.
    pub(super) const fn differs(self, other: Self) -> Option<(&'static str, u64, u64)> {
        if other.stream_id != self.stream_id {
            Some(("StreamId", self.stream_id, other.stream_id))
        } else if other.nonce != self.nonce {
            Some(("Nonce", self.nonce, other.nonce))
        } else {
            None
        }
    }
}

/// What is wrong with a START_ACK of the session, where START `asked` for parameters: SenderNonce 0;
/// extensions that cannot be read; a parameter above what was asked, or none where FrameRate, BitRate or
/// StreamLength was asked. The field, what was wanted, and what came.
fn fault(
    asked: Option<&Parameters>,
    view: &ControlView<'_>,
    nonce: u64,
) -> Option<(&'static str, String, String)> {
    let (name, want, got) = if nonce == 0 {
        (
            "SenderNonce",
            "a SenderNonce other than 0".to_owned(),
            "SenderNonce 0".to_owned(),
        )
    } else if view.is_cut {
        return None;
    } else if !view.is_well_formed {
        let got = "extensions that cannot be read".to_owned();
        ("TLVs", "the accepted parameters".to_owned(), got)
    } else if let Some((name, asked, own)) = view.parameters.above(asked?) {
        (
            "TLVs",
            format!("{name} of at most {asked}, as asked"),
            own.to_string(),
        )
    } else {
        let name = view.parameters.missing(asked?)?;
        (
            "TLVs",
            format!("the accepted {name}, which was asked"),
            "none".to_owned(),
        )
    };
    Some((name, want, got))
}

/// MS-S-13, in a supervised capture: after the last START_ACK and its wait no ERROR with code 8.
pub(super) fn lapse(waiting: &Retransmissions, scope: &mut Scope<'_>) {
    let window = Window::around(repetition(SENDS), scope.settings.tolerance);
    let is_due = scope.settings.supervised && waiting.is_by_timer && waiting.sends >= SENDS;
    if is_due && scope.now.is_past(&waiting.last, window.latest) {
        let gap = scope.now.since(&waiting.last).unwrap_or_default();
        // MS-S-13
        scope.breach_unless_network(Rule::S13, || {
            let packet = waiting.last.packet;
            let want = format!("ERROR with code 8 {window} after packet {packet}");
            let silence = Evidence::new(want, format!("none for {}", Millis(gap))).silence();
            silence.off(window.misses(&waiting.last, gap))
        });
    }
}

/// The responder gave a half-open session up with ERROR 8.
///
/// MS-S-13, in a supervised capture: before its third START_ACK, or too early after it.
pub(super) fn timed_out(waiting: &Retransmissions, scope: &mut Scope<'_>) {
    if !waiting.is_by_timer {
        return;
    }
    scope.exercised(Rule::S13);
    let earliest = Window::around(repetition(SENDS), scope.settings.tolerance).earliest;
    let gap = scope.now.since(&waiting.due);
    let is_early = gap.is_some_and(|gap| gap < earliest);
    if scope.settings.supervised && (waiting.sends < SENDS || is_early) {
        // MS-S-13
        scope.breach_unless_network(Rule::S13, || {
            let want = format!("3 sends of START_ACK and {} more", Millis(earliest));
            let got = format!("ERROR with code 8 after {}", waiting.sends);
            let by = earliest.saturating_sub(gap.unwrap_or_default());
            Evidence::new(want, got).off(Missed::early(&waiting.last, by))
        });
    }
}
