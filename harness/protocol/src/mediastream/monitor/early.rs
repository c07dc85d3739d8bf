//! Media before the ACK: MS-H-15, MS-H-16 and MS-H-22.

use std::time::Duration;

use super::handshake::Offered;
use super::ledger::{Bench, Evidence};
use super::rule::Rule;
use super::time::{INSTANT, Moment};
use super::view::Media;
use crate::StreamParameters;
use crate::mediastream::frame::ConnectionId;
use crate::monitor::Vantage;
use crate::requirement::Role;

/// Media that may go out before a matching ACK, in bytes (MS-H-22).
const BUDGET: u64 = 64 * 1_024;

/// What a responder may have left of it when it holds its next frame back, in bytes: it may count
/// the headers of lower layers too.
const REST: u64 = BUDGET / 16;

/// Away from the sender, an ACK that comes this late was not overtaken by media on its way.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// What the responder sends before a matching ACK, in a handshake whose SYN the capture shows.
///
/// MS-H-15: media before the ACK. Where optimistic start is not known to be on or off, media that
/// follows a connection-id with the assigned id is taken for optimistic. Where it is known to be
/// on, media without that connection-id breaks MS-H-16 instead.
///
/// Both at the sender, unless the ACK follows within 1 ms (they crossed). Elsewhere a doubt if the
/// ACK follows within 1 s, for the two directions may take different ways; also if the media came
/// before any SYN-ACK of the attempt, or within 1 s before its connection-id, for it may have
/// overtaken them (and where the SYN itself came after its time, no ACK ever follows); else a breach.
///
/// MS-H-16, any vantage, also: a connection-id before the ACK with an id that was not assigned.
/// Away from the sender a doubt as long as no SYN-ACK was seen, for it may have been lost.
///
/// MS-H-22, any vantage: more than 65,536 bytes of payload before the ACK. Whoever breaks MS-H-15 for
/// long breaks it too.
#[derive(Debug, Default)]
pub(super) struct Early {
    is_named: bool,
    first: Option<First>,
    /// Payload before the ACK.
    bytes: u64,
    /// The headers of that media.
    headers: u64,
    /// Media came after the ACK too.
    went_on: bool,
}

/// The first media that nothing licensed.
#[derive(Debug, Clone, Copy)]
struct First {
    rule: Rule,
    at: Moment,
    /// What would license it may have been overtaken.
    is_overtaking: bool,
}

impl Early {
    /// Whether the session was named before its ACK: it streams optimistically.
    pub(super) const fn is_named(&self) -> bool {
        self.is_named
    }

    /// A connection-id before the ACK; `earlier` is the id of the session before on the tuple.
    pub(super) fn name(
        &mut self,
        id: ConnectionId,
        offered: &Offered,
        earlier: Option<ConnectionId>,
        at: &Moment,
        bench: &mut Bench<'_>,
    ) {
        if offered.contains(&id) {
            self.is_named = true;
            if let Some(first) = &mut self.first {
                first.is_overtaking |= bench.settings.vantage == Vantage::Path;
            }
        } else if offered.first().is_none() && bench.settings.vantage == Vantage::Path {
            self.is_named = true;
            let why = "its SYN-ACK may have been lost, or come later";
            bench.doubt(Rule::H16, Role::Responder, why, || {
                Evidence::at(at, "the assigned id", format!("\"{id}\""))
            });
        } else if earlier != Some(id) && bench.option("optimistic_start") != Some(false) {
            // MS-H-16
            let assigned = offered.first();
            bench.breach(Rule::H16, Role::Responder, || {
                let want = match assigned {
                    Some(assigned) => format!("the assigned id \"{assigned}\""),
                    None => "the assigned id".to_owned(),
                };
                Evidence::at(at, want, format!("\"{id}\"")).field(
                    "ConnectionId",
                    2,
                    ConnectionId::LENGTH,
                )
            });
            self.is_named = true;
        }
    }

    /// A connection-id of which the capture keeps too little to read: it may be right.
    pub(super) const fn name_cut(&mut self) {
        self.is_named = true;
    }

    /// Media before the ACK; `is_answered` if a SYN-ACK came before it.
    pub(super) fn media(
        &mut self,
        media: &Media<'_>,
        is_answered: bool,
        at: &Moment,
        bench: &mut Bench<'_>,
    ) {
        let rule = match bench.option("optimistic_start") {
            Some(false) => Some(Rule::H15),
            Some(true) => (!self.is_named).then_some(Rule::H16),
            None => (!self.is_named).then_some(Rule::H15),
        };
        match rule {
            Some(rule) => {
                self.first.get_or_insert(First {
                    rule,
                    at: *at,
                    is_overtaking: !is_answered && bench.settings.vantage == Vantage::Path,
                });
            }
            None => bench.exercised(Rule::H16),
        }
        let payload = media.payload_length.unwrap_or(0);
        self.bytes += payload as u64;
        self.headers += media.length.saturating_sub(payload) as u64;
        bench.exercised(Rule::H22);
        if self.bytes > BUDGET {
            // MS-H-22
            bench.breach(Rule::H22, Role::Responder, || {
                let got = format!("{} bytes of payload", self.bytes);
                Evidence::at(
                    at,
                    "at most 65,536 bytes of media before a matching ACK",
                    got,
                )
            });
        }
    }

    /// The matching ACK came.
    pub(super) fn acked(&mut self, at: &Moment, bench: &mut Bench<'_>) {
        let Some(first) = self.first.take() else {
            return;
        };
        let gap = at.since(&first.at).unwrap_or_default();
        match bench.settings.vantage {
            Vantage::Sender if gap <= INSTANT => {}
            Vantage::Path if gap <= OVERTAKEN => doubt(first, bench),
            Vantage::Sender | Vantage::Path => judge(first, bench),
        }
    }

    /// Whether media came before the ACK.
    pub(super) const fn was_used(&self) -> bool {
        self.bytes > 0
    }

    /// Media comes after the ACK; whether it is the first that does, and MS-H-22 held it back.
    pub(super) fn goes_on(&mut self, stream: Option<StreamParameters>) -> bool {
        if std::mem::replace(&mut self.went_on, true) || !self.was_used() {
            return false;
        }
        let frame = stream.map_or(0, |stream| stream.frame_bytes());
        (self.bytes + self.headers + REST).saturating_add(frame) > BUDGET
    }

    /// Time went on without an ACK.
    #[inline]
    pub(super) fn lapse(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        let Some(first) = self.first else {
            return;
        };
        let patience = match bench.settings.vantage {
            Vantage::Sender => INSTANT,
            Vantage::Path => OVERTAKEN,
        };
        if now.is_past(&first.at, patience) {
            self.first = None;
            judge(first, bench);
        }
    }

    /// The attempt is over without one.
    pub(super) fn close(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        self.lapse(now, bench);
        if let Some(first) = self.first.take() {
            doubt(first, bench);
        }
    }
}

fn judge(first: First, bench: &mut Bench<'_>) {
    if first.is_overtaking {
        doubt(first, bench);
    } else {
        // MS-H-15, MS-H-16
        bench.breach(first.rule, Role::Responder, || {
            evidence(first.rule, &first.at)
        });
    }
}

fn doubt(first: First, bench: &mut Bench<'_>) {
    let why = "what allows it may have gone by unseen, or be overtaken";
    bench.doubt(first.rule, Role::Responder, why, || {
        evidence(first.rule, &first.at)
    });
}

fn evidence(rule: Rule, first: &Moment) -> Evidence {
    let want = match rule {
        Rule::H16 => "connection-id with the assigned id before any media",
        _ => "no media before a matching ACK",
    };
    Evidence::at(first, want, "media").field("ProtocolFlag", 0, 2)
}
