//! The initiator's answer to SYN-ACK: MS-H-09 and MS-H-10.

use super::handshake::{Answer, Handshake};
use super::ledger::{Bench, Evidence};
use super::rule::Rule;
use super::time::{ANSWER, CROSSING, Millis, Moment, Window, repetition};
use super::view::ControlView;
use crate::mediastream::frame::{ConnectionId, Control};
use crate::monitor::Packet;
use crate::requirement::Role;

/// An ACK of the initiator came; `earlier` is the id of the session before on the same tuple.
///
/// MS-H-09, any vantage: after SYN-ACK with Accept=1, an ACK with an id that none of the attempt's
/// SYN-ACKs assigned, nor the session before. (Ids are equal if their texts are.) For the lack of an
/// ACK see [`close`].
///
/// An ACK that comes when the responder may have dropped the session (MS-H-18, MS-H-19) is not known
/// to complete it: media after it shows that it did.
///
/// MS-H-10, any vantage: an ACK where all SYN-ACKs of the attempt had Accept=0, unless it is that of
/// the session before. Also a copy of the SYN that was rejected, see [`repeated_syn`].
pub(super) fn see(
    handshake: &mut Handshake,
    control: &ControlView<'_>,
    earlier: Option<ConnectionId>,
    at: &Moment,
    bench: &mut Bench<'_>,
) {
    let Some(id) = control
        .connection_id()
        .filter(|_| control.version == Some(Control::VERSION))
    else {
        if control.is_cut {
            handshake.acked.get_or_insert(*at);
        }
        return;
    };
    if earlier == Some(id) && !handshake.offered.contains(&id) {
        return;
    }
    handshake.has_ack = true;
    match handshake.answer {
        // The SYN-ACK came from another address (MS-H-05).
        Answer::None if handshake.offered.contains(&id) => {
            if control.is_valid() && handshake.acked.is_none() {
                handshake.acked = Some(*at);
                handshake.early.acked(at, bench);
            }
        }
        Answer::None => {}
        Answer::Accepted if handshake.offered.contains(&id) => {
            bench.exercised(Rule::H09);
            if (control.is_valid() || control.is_cut) && handshake.acked.is_none() {
                handshake.acked = Some(*at);
                let waiting = handshake.waiting.as_ref();
                handshake.is_ack_late =
                    waiting.is_some_and(|waiting| waiting.may_be_over(at, bench));
                handshake.early.acked(at, bench);
            }
        }
        Answer::Accepted => {
            // MS-H-09
            let assigned = handshake.offered.first();
            bench.breach(Rule::H09, Role::Initiator, || {
                let want = format!("ACK with the assigned id {}", text(assigned));
                Evidence::at(at, want, format!("ACK with {}", text(Some(id)))).field(
                    "ConnectionId",
                    30,
                    ConnectionId::LENGTH,
                )
            });
        }
        Answer::Rejected => {
            // MS-H-10
            bench.breach(Rule::H10, Role::Initiator, || {
                Evidence::at(
                    at,
                    "no answer to SYN-ACK with Accept=0",
                    format!("ACK with {}", text(Some(id))),
                )
                .field("ProtocolFlag", 0, 2)
            });
        }
    }
}

/// A SYN with the id of the one that was rejected.
///
/// MS-H-10, where the initiator's doings can be seen: a copy, byte for byte and with an id, when the
/// next repetition was due and more than 50 ms after the rejection, so that it cannot have crossed.
/// At another time, with another id or without one it asks for a new session, which it may.
pub(super) fn repeated_syn(
    handshake: &Handshake,
    packet: &Packet<'_>,
    at: &Moment,
    bench: &mut Bench<'_>,
) {
    let (Some(syn), Some(answered)) = (&handshake.syn, &handshake.answered) else {
        return;
    };
    let window = Window::around(repetition(syn.sends), bench.settings.tolerance);
    let is_due = at.since(&syn.last).is_some_and(|gap| window.contains(gap));
    if is_due && at.is_past(answered, CROSSING) && syn.is_same(packet) && !syn.id.is_empty() {
        // MS-H-10
        bench.breach_unless_network(Rule::H10, Role::Initiator, || {
            Evidence::at(at, "the session to end as rejected", "the same SYN again")
        });
    }
}

/// The attempt is over.
///
/// MS-H-09, where the initiator's doings can be seen: no ACK at all although a SYN-ACK with Accept=1
/// came while the initiator still waited for it and the capture goes on for 2 s (with the tolerance
/// and 50 ms) after the last one. Not judged of an initiator that turned to START.
pub(super) fn close(handshake: &Handshake, now: &Moment, bench: &mut Bench<'_>) {
    if handshake.answer == Answer::Rejected && handshake.syn.is_some() {
        bench.exercised(Rule::H07);
        bench.exercised(Rule::H10);
    }
    let (Some(syn), Some(waiting)) = (&handshake.syn, &handshake.waiting) else {
        return;
    };
    let waited_until = handshake.acked.as_ref().unwrap_or(now);
    if waited_until.is_past(&waiting.first, ANSWER) && !handshake.early.was_used() {
        bench.exercised(Rule::H15);
    }
    if handshake.has_ack || handshake.acked.is_some() || handshake.fell_back {
        return;
    }
    let tolerance = bench.settings.tolerance;
    let waits = Window::around(repetition(syn.sends), tolerance).earliest;
    let in_time = waiting
        .first
        .since(&syn.last)
        .is_some_and(|gap| gap <= waits);
    let patience = Window::around(ANSWER, tolerance).latest;
    if in_time && now.is_past(&waiting.last, patience) {
        // MS-H-09
        let last = waiting.last;
        bench.breach_unless_network(Rule::H09, Role::Initiator, || {
            let want = format!(
                "ACK with the id that the SYN-ACK of packet {} assigned",
                last.packet
            );
            let got = format!("none for {}", Millis(now.since(&last).unwrap_or_default()));
            Evidence::lack(now.time, want, got)
        });
    }
}

fn text(id: Option<ConnectionId>) -> String {
    id.map_or_else(|| "none".to_owned(), |id| format!("\"{id}\""))
}
