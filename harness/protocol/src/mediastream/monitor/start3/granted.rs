//! START_ACK: MS-S-02 and MS-S-13 of the responder.

use super::parameters::Parameters;
use super::{Exchange, Key, View, begins_immediately};
use crate::mediastream::monitor::ledger::{Bench, Evidence};
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::syn::{SENDS, print};
use crate::mediastream::monitor::syn_ack::Waiting;
use crate::mediastream::monitor::time::{Millis, Moment, Window, repetition};
use crate::requirement::Role;

/// The session's first START_ACK.
#[derive(Debug)]
pub(super) struct Granted {
    /// Its SenderNonce, and that of a later one that differs.
    nonces: [u64; 2],
    print: u64,
    begins_immediately: bool,
    pub(super) parameters: Parameters,
}

impl Granted {
    pub(super) fn new(view: &View<'_>) -> Self {
        Self {
            nonces: [view.sender_nonce.unwrap_or_default(); 2],
            print: print(view.bytes),
            begins_immediately: begins_immediately(view),
            parameters: view.parameters,
        }
    }

    /// What tells its START_ACK from those of other sessions.
    pub(super) const fn mark(&self, key: Key) -> Mark {
        Mark {
            key,
            print: self.print,
        }
    }

    /// Whether a START_ACK of the session carries this SenderNonce.
    pub(super) fn has(&self, nonce: u64) -> bool {
        self.nonces.contains(&nonce)
    }

    /// SenderNonce of the first.
    pub(super) const fn sender_nonce(&self) -> u64 {
        self.nonces[0]
    }

    /// Whether media need not wait for START_CONFIRM.
    pub(super) const fn begins_immediately(&self) -> bool {
        self.begins_immediately
    }
}

/// The START_ACK of an earlier session of the tuple, which its responder may still keep: until
/// START_CONFIRM comes or its timers have run off, though the stream is silent (MS-S-13).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mediastream::monitor) struct Mark {
    key: Key,
    print: u64,
}

impl Mark {
    /// Whether it came again, byte for byte.
    pub(super) fn is_on(&self, view: &View<'_>) -> bool {
        view.key == Some(self.key) && self.print == print(view.bytes)
    }
}

/// Judges a START_ACK; whether it is one of the session.
///
/// MS-S-02, any vantage: SenderNonce 0; extensions that cannot be read; and where the capture shows
/// the START, another StreamId or Nonce (if neither is right it may answer another START: a doubt
/// but at the sender), a parameter above what was asked, or none where FrameRate, BitRate or
/// StreamLength was asked.
///
/// MS-S-13, any vantage: other bytes than in the START_ACK before, while its session cannot have
/// been dropped.
pub(super) fn judge(
    exchange: &mut Exchange,
    view: &View<'_>,
    at: &Moment,
    bench: &mut Bench<'_>,
) -> bool {
    let (Some(key), Some(nonce)) = (view.key, view.sender_nonce) else {
        return false;
    };
    if view.version != Some(crate::mediastream::frame::Start3::VERSION) {
        return false;
    }
    bench.exercised(Rule::S02);
    if key != exchange.key {
        mismatch(exchange, view, at, bench);
        return false;
    }
    if let Some((want, got)) = fault(exchange, view, nonce) {
        // MS-S-02
        bench.breach(Rule::S02, Role::Responder, || {
            let (name, offset, length) = match nonce {
                0 => ("SenderNonce", 46, 8),
                _ => ("TLV", 54, 0),
            };
            Evidence::at(at, want, got).field(name, offset, length)
        });
    }
    if !view.is_valid() {
        return false;
    }
    let may_be_dropped = exchange.may_be_dropped(at, bench);
    if let Some(granted) = &mut exchange.granted
        && granted.print != print(view.bytes)
    {
        granted.nonces[1] = nonce;
        if !may_be_dropped {
            // MS-S-13
            bench.breach(Rule::S13, Role::Responder, || {
                let want = "the same START_ACK again, byte for byte";
                Evidence::at(at, want, "another one")
            });
        }
    }
    true
}

/// A START_ACK for another StreamId or Nonce.
fn mismatch(exchange: &Exchange, view: &View<'_>, at: &Moment, bench: &mut Bench<'_>) {
    let (Some(key), true) = (view.key, exchange.asked.is_some()) else {
        return;
    };
    let own = exchange.key;
    let evidence = || {
        let (name, offset, want, got) = if key.stream_id == own.stream_id {
            ("Nonce", 38, own.nonce, key.nonce)
        } else {
            ("StreamId", 30, own.stream_id, key.stream_id)
        };
        let want = format!("{name} {want:#x}, as in START");
        Evidence::at(at, want, format!("{got:#x}")).field(name, offset, 8)
    };
    // MS-S-02
    if key.stream_id == own.stream_id || key.nonce == own.nonce {
        bench.breach(Rule::S02, Role::Responder, evidence);
    } else {
        bench.breach_unless_network(Rule::S02, Role::Responder, evidence);
    }
}

/// What is wrong with a START_ACK of the session: what was wanted, and what came.
fn fault(exchange: &Exchange, view: &View<'_>, nonce: u64) -> Option<(String, String)> {
    if nonce == 0 {
        let want = "a SenderNonce other than 0".to_owned();
        return Some((want, "SenderNonce 0".to_owned()));
    }
    if view.is_cut {
        return None;
    }
    if !view.is_well_formed {
        let want = "the accepted parameters".to_owned();
        return Some((want, "extensions that cannot be read".to_owned()));
    }
    let asked = exchange.asked.as_ref()?.parameters()?;
    if let Some((name, asked, own)) = view.parameters.above(asked) {
        return Some((
            format!("{name} of at most {asked}, as asked"),
            format!("{own}"),
        ));
    }
    let name = view.parameters.missing(asked)?;
    Some((
        format!("the accepted {name}, which was asked"),
        "none".to_owned(),
    ))
}

/// MS-S-13, in a supervised capture: after the last START_ACK and its wait no ERROR with code 8.
pub(super) fn lapse(waiting: &Waiting, now: &Moment, bench: &mut Bench<'_>) {
    let window = Window::around(repetition(SENDS), bench.settings.tolerance);
    let is_due = bench.settings.supervised && waiting.is_by_timer && waiting.sends >= SENDS;
    if is_due && now.is_past(&waiting.last, window.latest) && !bench.is_flooded(&waiting.last) {
        let last = waiting.last;
        // MS-S-13
        bench.breach_unless_network(Rule::S13, Role::Responder, || {
            let want = format!("ERROR with code 8 {window} after packet {}", last.packet);
            let got = format!("none for {}", Millis(now.since(&last).unwrap_or_default()));
            Evidence::lack(now.time, want, got)
        });
    }
}

/// The responder gave a half-open session up with ERROR 8.
///
/// MS-S-13, in a supervised capture: before its third START_ACK, or too early after it.
pub(super) fn timed_out(waiting: Option<&Waiting>, at: &Moment, bench: &mut Bench<'_>) {
    let Some(waiting) = waiting.filter(|waiting| waiting.is_by_timer) else {
        return;
    };
    bench.exercised(Rule::S13);
    let earliest = Window::around(repetition(SENDS), bench.settings.tolerance).earliest;
    let is_early = at.since(&waiting.last).is_some_and(|gap| gap < earliest);
    if bench.settings.supervised && (waiting.sends < SENDS || is_early) {
        let sends = waiting.sends;
        // MS-S-13
        bench.breach_unless_network(Rule::S13, Role::Responder, || {
            let want = format!("3 sends of START_ACK and {} more", Millis(earliest));
            Evidence::at(at, want, format!("ERROR with code 8 after {sends}"))
        });
    }
}
