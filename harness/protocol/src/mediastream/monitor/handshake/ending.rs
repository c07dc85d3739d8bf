//! ERROR: MS-S-15 and MS-S-16 of both parties.

use crate::mediastream::frame::ErrorCode;
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::scope::{Evidence, Scope};
use crate::mediastream::monitor::time::{ANSWER, CROSSING, Millis, Missed, Moment};
use crate::mediastream::monitor::view::{ControlView, Key, PROTOCOL_FLAG};
use crate::requirement::Role;

/// The ERRORs of one session.
///
/// MS-S-15, where that party's doings can be seen (elsewhere a doubt): an ERROR within 2 s after one
/// from the other side, while nothing else is left that it could answer. A timeout of a half-open
/// session answers nothing.
///
/// MS-S-16, likewise: after an ERROR for the session (its StreamId, with its nonces or 0) media or a
/// frame of 3.3 from the side that sent it; from the other side once 50 ms have passed, for what was
/// on its way before may still come. One with code 7 ends nothing, nor does one with another StreamId or
/// other nonces, as code 9 has it.
#[derive(Debug, Default)]
pub(super) struct SessionErrors {
    /// Datagrams that a party may still answer by an ERROR.
    provoked: [u32; 2],
    /// When a party last got an ERROR.
    heard: [Option<Moment>; 2],
    end: Option<End>,
    /// A party closed its session for a StreamId or a nonce of the other side, by an ERROR that bears those.
    is_closed: bool,
}

#[derive(Debug, Clone, Copy)]
struct End {
    by: Role,
    at: Moment,
    /// The other side has to take it as the session's.
    is_certain: bool,
}

impl SessionErrors {
    /// A datagram went to `party` which it may answer by an ERROR.
    pub(super) const fn provoked(&mut self, party: Role) {
        let count = &mut self.provoked[party as usize];
        *count = count.saturating_add(1);
    }

    /// `party` answered one otherwise.
    pub(super) const fn answered(&mut self, party: Role) {
        let count = &mut self.provoked[party as usize];
        *count = count.saturating_sub(1);
    }

    /// Whether an ERROR ended the session, or told that a party closed it.
    pub(super) const fn is_ended(&self) -> bool {
        self.end.is_some() || self.is_closed
    }

    /// An ERROR; whether it ends the session `own`, whose START_ACKs bore these SenderNonces, if any was seen.
    pub(super) fn error(
        &mut self,
        own: Key,
        granted: Option<[u64; 2]>,
        is_half_open: bool,
        view: &ControlView<'_>,
        scope: &mut Scope<'_>,
    ) -> bool {
        let Some(key) = view.key().filter(|_| view.may_be_valid()) else {
            return false;
        };
        let from = scope.from;
        let is_answer = self.provoked[from as usize] > 0;
        self.answered(from);
        scope.exercised_by(Rule::S15, from.peer());
        let is = |code: ErrorCode| view.error_code() == Some(code.number());
        // That of another session on the tuple may have been half-open.
        let is_other = key.stream_id != own.stream_id;
        let is_timeout = is(ErrorCode::Timeout) && (is_half_open || is_other);
        // One that answers an ERROR breaks a rule, and ends the session all the same.
        if !is_answer && !is_timeout && self.answers_an_error(scope) && self.is_ended() {
            return false;
        }
        self.heard[from.peer() as usize] = Some(scope.now);
        let sender_nonce = view.number("SenderNonce").unwrap_or_default();
        let is_known = granted.is_some_and(|known| known.contains(&sender_nonce));
        let is_ours = key.stream_id == own.stream_id
            && [own.nonce, 0].contains(&key.nonce)
            && (is_known || sender_nonce == 0 || granted.is_none());
        // MS-S-05, MS-S-06: its sender closes the session. Which numbers it bears is open: the other side
        // may have to ignore it.
        let closes = match from {
            Role::Initiator => is(ErrorCode::StreamIdMismatch) || is(ErrorCode::NonceMismatch),
            Role::Responder => is(ErrorCode::NonceMismatch) && !is_other,
        };
        self.is_closed |= is_answer && closes;
        // MS-S-11: it refuses a START with another Nonce, which may be 0.
        let refuses = is(ErrorCode::DuplicateStreamId) && key.nonce != own.nonce;
        if !is_ours || refuses || is(ErrorCode::UnexpectedFrame) {
            return false;
        }
        if self.end.is_some() {
            if !is_answer {
                self.is_after("ERROR", scope);
            }
            return false;
        }
        scope.exercised_by(Rule::S16, from);
        scope.exercised_by(Rule::S16, from.peer());
        self.end = Some(End {
            by: from,
            at: scope.now,
            is_certain: (is_known || sender_nonce == 0) && !view.is_cut,
        });
        true
    }

    /// Whether the datagram comes after the session's end: then it is judged.
    pub(super) fn is_after(&self, form: &'static str, scope: &mut Scope<'_>) -> bool {
        let Some(end) = self.end else {
            return false;
        };
        let now = scope.now;
        let may_have_crossed = !end.is_certain || !now.is_past(&end.at, CROSSING);
        if end.by == scope.from || !may_have_crossed {
            // MS-S-16
            let is_own = end.by == scope.from;
            scope.breach_unless_network(Rule::S16, || {
                let want = format!("nothing after the ERROR of packet {}", end.at.packet);
                let after = now.since(&end.at).unwrap_or_default();
                let got = format!("{form} {} later", Millis(after));
                let evidence = Evidence::new(want, got).field(PROTOCOL_FLAG);
                match is_own {
                    true => evidence,
                    // Who was kept waiting had not read the ERROR.
                    false => evidence.off(Missed::now(&end.at, after.saturating_sub(CROSSING))),
                }
            });
        }
        true
    }

    fn answers_an_error(&self, scope: &mut Scope<'_>) -> bool {
        let heard = self.heard[scope.from as usize];
        let Some(heard) = heard.filter(|heard| !scope.now.is_past(heard, ANSWER)) else {
            return false;
        };
        // MS-S-15
        scope.breach_unless_network(Rule::S15, || {
            let want = format!("no answer to the ERROR of packet {}", heard.packet);
            Evidence::new(want, "an ERROR").field(PROTOCOL_FLAG)
        });
        true
    }
}
