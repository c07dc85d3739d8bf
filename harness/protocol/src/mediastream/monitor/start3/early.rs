//! Media before START_CONFIRM: MS-S-04.

use std::time::Duration;

use crate::StreamParameters;
use crate::mediastream::monitor::ledger::{Bench, Evidence};
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::time::{INSTANT, Moment};
use crate::mediastream::monitor::view::Media;
use crate::monitor::Vantage;
use crate::requirement::Role;

/// Media after which a careful responder waits for START_CONFIRM, in bytes.
const BUDGET: u64 = 64 * 1_024;

/// What it may have left of it when it holds its next frame back, in bytes.
const REST: u64 = BUDGET / 16;

/// Away from the sender, a START_CONFIRM that comes this late was not overtaken by media.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// What the responder sends before a matching START_CONFIRM, where the capture shows the START.
///
/// MS-S-04, at the sender: media before a matching START_CONFIRM without BEGIN_IMMEDIATELY in the
/// START_ACK, unless the START_CONFIRM follows within 1 ms (they crossed). Elsewhere a doubt if it
/// follows within 1 s, and if the media came before any START_ACK, which it may have overtaken; else
/// a breach.
#[derive(Debug, Default)]
pub(super) struct Early {
    first: Option<(Moment, bool)>,
    bytes: u64,
    went_on: bool,
}

impl Early {
    /// Whether media came before START_CONFIRM.
    pub(super) const fn was_used(&self) -> bool {
        self.bytes > 0
    }

    /// Media before START_CONFIRM; `begins` says whether the START_ACK allows it, if one was seen.
    pub(super) fn media(
        &mut self,
        media: &Media<'_>,
        begins: Option<bool>,
        at: &Moment,
        bench: &Bench<'_>,
    ) {
        self.bytes += media.length.max(1) as u64;
        if begins != Some(true) {
            let is_overtaking = begins.is_none() && bench.settings.vantage == Vantage::Path;
            self.first.get_or_insert((*at, is_overtaking));
        }
    }

    /// The matching START_CONFIRM came.
    pub(super) fn confirmed(&mut self, at: &Moment, bench: &mut Bench<'_>) {
        let Some((first, is_overtaking)) = self.first.take() else {
            return;
        };
        let gap = at.since(&first).unwrap_or_default();
        match bench.settings.vantage {
            Vantage::Sender if gap <= INSTANT => {}
            Vantage::Path if gap <= OVERTAKEN => tell(&first, true, bench),
            Vantage::Sender | Vantage::Path => tell(&first, is_overtaking, bench),
        }
    }

    /// Media comes after START_CONFIRM; whether it is the first that does and a budget may have held
    /// it back.
    pub(super) fn goes_on(&mut self, stream: Option<StreamParameters>) -> bool {
        if std::mem::replace(&mut self.went_on, true) || !self.was_used() {
            return false;
        }
        let frame = stream.map_or(0, |stream| stream.frame_bytes());
        (self.bytes + REST).saturating_add(frame) > BUDGET
    }

    /// Time went on without a START_CONFIRM.
    pub(super) fn lapse(&mut self, now: &Moment, bench: &mut Bench<'_>) {
        let patience = match bench.settings.vantage {
            Vantage::Sender => INSTANT,
            Vantage::Path => OVERTAKEN,
        };
        if let Some((first, is_overtaking)) = self.first
            && now.is_past(&first, patience)
        {
            self.first = None;
            tell(&first, is_overtaking, bench);
        }
    }

    /// The session is over without one.
    pub(super) fn close(&mut self, bench: &mut Bench<'_>) {
        if let Some((first, _)) = self.first.take() {
            tell(&first, true, bench);
        }
    }
}

fn tell(first: &Moment, is_doubtful: bool, bench: &mut Bench<'_>) {
    let evidence = || {
        Evidence::at(first, "no media before a matching START_CONFIRM", "media").field(
            "ProtocolFlag",
            0,
            2,
        )
    };
    // MS-S-04
    if is_doubtful {
        let why = "what allows it may have gone by unseen, or be overtaken";
        bench.doubt(Rule::S04, Role::Responder, why, evidence);
    } else {
        bench.breach(Rule::S04, Role::Responder, evidence);
    }
}
