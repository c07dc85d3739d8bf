//! Media before the confirmation: MS-H-15, MS-H-16, MS-H-22 and MS-S-04.

use std::time::Duration;

use crate::StreamParameters;
use crate::mediastream::frame::ConnectionId;
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::scope::{Evidence, Scope};
use crate::mediastream::monitor::time::{INSTANT, Moment};
use crate::mediastream::monitor::view::{Media, PROTOCOL_FLAG, field};

use super::Offered;

/// Media that may go out before a matching confirmation, in bytes (MS-H-22).
const BUDGET: u64 = 64 * 1_024;

/// The time in which it may (MS-H-22).
const PERIOD: Duration = Duration::from_secs(10);

/// What a responder may have left of it when it holds its next frame back, in bytes: it may count
/// the headers of lower layers too.
const REST: u64 = BUDGET / 16;

/// Away from the sender, a confirmation that comes this late was not overtaken by media on its way.
const OVERTAKEN: Duration = Duration::from_secs(1);

/// What the responder sends before a matching confirmation, in a handshake whose request the capture
/// shows.
///
/// MS-H-15: media before the ACK. Where optimistic start is not known to be on or off, media that
/// follows a connection-id with the assigned id is taken for optimistic. Where it is known to be
/// on, media without that connection-id breaks MS-H-16 instead. MS-S-04: media before START_CONFIRM
/// without BEGIN_IMMEDIATELY in the START_ACK.
///
/// All at the sender, unless the confirmation follows within 1 ms (they crossed). Elsewhere a doubt if it
/// follows within 1 s, for the two directions may take different ways; also if the media came
/// before any answer, or within 1 s before its connection-id, for it may have
/// overtaken them (and where the request itself came after its time, no confirmation ever follows); else a
/// breach.
///
/// MS-H-16, any vantage, also: a connection-id before the ACK with an id that was not assigned. That of the
/// session before may come late, but not at the sender after the SYN-ACK of an optimistic one.
/// Away from the sender a doubt as long as no SYN-ACK was seen, for it may have been lost.
///
/// MS-H-22, any vantage: a frame that begins after 65,536 bytes of payload or more before the confirmation, within
/// 10 s after the first of it, those of earlier handshakes of the tuple included; what was begun before may be ended.
/// Whoever breaks MS-H-15 for long breaks it too.
#[derive(Debug, Default)]
pub(crate) struct EarlyMedia {
    is_named: bool,
    first: Option<First>,
    spent: Option<UnconfirmedMedia>,
    was_used: bool,
    /// Media came after the confirmation too.
    went_on: bool,
}

/// Media that went to a tuple without a confirmation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct UnconfirmedMedia {
    since: Moment,
    last: Moment,
    /// What went out within 10 s of `since`.
    payload: u64,
    /// With the headers of its datagrams, and as long as no 10 s are without any: what a responder may
    /// count whose period moves on with the media.
    bytes: u64,
    /// The number of the frame that came last, where it shows.
    frame: Option<u64>,
    /// Whether that began when all was spent.
    is_over: bool,
    /// The part of `payload` before a START token, or before an ACK that came when the responder may have dropped the
    /// session: it may count or not.
    may_be_confirmed: u64,
}

/// The first media that nothing licensed.
#[derive(Debug, Clone, Copy)]
struct First {
    rule: Rule,
    at: Moment,
    /// What would license it may have been overtaken.
    is_overtaking: bool,
}

impl EarlyMedia {
    /// Whether the session was named before its ACK: it streams optimistically.
    pub(crate) const fn is_named(&self) -> bool {
        self.is_named
    }

    /// A connection-id of which the capture keeps too little to read: it may be right.
    pub(crate) const fn name_cut(&mut self) {
        self.is_named = true;
    }

    /// A connection-id before the ACK; `earlier` is the id of the session before on the tuple.
    pub(super) fn name(
        &mut self,
        id: ConnectionId,
        offered: &Offered,
        earlier: Option<ConnectionId>,
        scope: &mut Scope<'_>,
    ) {
        let assigned = offered.first();
        let is_unknown = assigned.is_none() || scope.option("optimistic_start") != Some(true);
        let may_be_late = earlier == Some(id) && (scope.is_on_the_path() || is_unknown);
        if offered.contains(&id) {
            self.is_named = true;
            if let Some(first) = &mut self.first {
                first.is_overtaking |= scope.is_on_the_path();
            }
        } else if assigned.is_none() && scope.is_on_the_path() {
            self.is_named = true;
            let why = "its SYN-ACK may have been lost, or come later";
            scope.doubt(Rule::H16, why, || {
                Evidence::new("the assigned id", format!("\"{id}\""))
            });
        } else if !may_be_late && scope.option("optimistic_start") != Some(false) {
            self.is_named = true;
            // MS-H-16
            scope.breach(Rule::H16, || {
                let assigned = assigned.map_or_else(String::new, |id| format!(" \"{id}\""));
                let at = field("ConnectionId", 2, ConnectionId::LENGTH);
                Evidence::new(format!("the assigned id{assigned}"), format!("\"{id}\"")).field(at)
            });
        }
    }

    /// The rule that media breaks now in a handshake of 3.2, if it breaks one.
    pub(super) fn unlicensed(&self, scope: &Scope<'_>) -> Option<Rule> {
        match scope.option("optimistic_start") {
            Some(false) => Some(Rule::H15),
            Some(true) => (!self.is_named).then_some(Rule::H16),
            None => (!self.is_named).then_some(Rule::H15),
        }
    }

    /// Media before the confirmation, which breaks a rule if it is `unlicensed`; an answer came before it
    /// if `is_answered`.
    pub(super) fn media(
        &mut self,
        media: &Media<'_>,
        unlicensed: Option<Rule>,
        is_answered: bool,
        scope: &Scope<'_>,
    ) {
        if let Some(rule) = unlicensed {
            self.first.get_or_insert(First {
                rule,
                at: scope.now,
                is_overtaking: !is_answered && scope.is_on_the_path(),
            });
        }
        let is_past = |moment: &Moment| scope.now.is_past(moment, PERIOD);
        let counted = self.spent.filter(|spent| !is_past(&spent.last));
        let spent = self.spent.filter(|spent| !is_past(&spent.since));
        let spent = self.spent.insert(spent.unwrap_or(UnconfirmedMedia {
            since: scope.now,
            last: scope.now,
            payload: 0,
            bytes: counted.map_or(0, |counted| counted.bytes),
            frame: None,
            is_over: false,
            may_be_confirmed: 0,
        }));
        spent.last = scope.now;
        let begins = media.sequence.is_none() || media.sequence != spent.frame;
        spent.is_over |= begins && spent.payload - spent.may_be_confirmed >= BUDGET;
        spent.frame = media.sequence;
        spent.payload += media.payload_length.unwrap_or(0) as u64;
        spent.bytes += media.length as u64;
        self.was_used = true;
    }

    /// Judges how much went out so far.
    pub(super) fn amount(&self, scope: &mut Scope<'_>) {
        scope.exercised(Rule::H22);
        if let Some(spent) = self.spent.filter(|spent| spent.is_over) {
            let payload = spent.payload - spent.may_be_confirmed;
            // MS-H-22
            scope.breach(Rule::H22, || {
                let want =
                    "at most 65,536 bytes of media in 10 s before a matching ACK or START_CONFIRM";
                Evidence::new(want, format!("{payload} bytes of payload"))
            });
        }
    }

    /// The matching confirmation came.
    pub(super) fn confirmed(&mut self, scope: &mut Scope<'_>) {
        let Some(first) = self.first.take() else {
            return;
        };
        let gap = scope.now.since(&first.at).unwrap_or_default();
        if scope.is_on_the_path() {
            first.report(gap <= OVERTAKEN, scope);
        } else if gap > INSTANT {
            first.report(false, scope);
        }
    }

    /// What went out before the confirmation of this handshake and of those before it on the tuple.
    pub(crate) const fn spent(&self) -> Option<UnconfirmedMedia> {
        self.spent
    }

    /// What came may have confirmed the session or not.
    pub(super) const fn may_be_confirmed(&mut self) {
        if let Some(spent) = &mut self.spent {
            spent.may_be_confirmed = spent.payload;
            spent.is_over = false;
        }
    }

    /// That much went to the tuple before.
    pub(crate) fn goes_on_after(&mut self, before: Option<UnconfirmedMedia>) {
        self.spent = self.spent.or(before);
    }

    /// Whether media came before the confirmation.
    pub(super) const fn was_used(&self) -> bool {
        self.was_used
    }

    /// Media comes after the confirmation; whether it is the first that does, and MS-H-22 held it back.
    pub(super) fn goes_on(&mut self, stream: Option<StreamParameters>) -> bool {
        if std::mem::replace(&mut self.went_on, true) || !self.was_used {
            return false;
        }
        let frame = stream.map_or(0, |stream| stream.frame_bytes());
        let bytes = self.spent.map_or(0, |spent| spent.bytes);
        (bytes + REST).saturating_add(frame) > BUDGET
    }

    /// Time went on without a confirmation.
    #[inline]
    pub(super) fn lapse(&mut self, scope: &mut Scope<'_>) {
        let patience = if scope.is_on_the_path() {
            OVERTAKEN
        } else {
            INSTANT
        };
        if let Some(first) = self
            .first
            .take_if(|first| scope.now.is_past(&first.at, patience))
        {
            first.report(false, scope);
        }
    }

    /// The handshake is over without one.
    pub(super) fn close(&mut self, scope: &mut Scope<'_>) {
        if let Some(first) = self.first.take() {
            // Where all is seen until the end, no confirmation was on its way.
            let is_certain = scope.settings.supervised && !scope.is_on_the_path();
            first.report(!is_certain, scope);
        }
    }
}

impl First {
    fn report(self, is_doubtful: bool, scope: &mut Scope<'_>) {
        let want = match self.rule {
            Rule::H16 => "connection-id with the assigned id before any media",
            Rule::S04 => "no media before a matching START_CONFIRM",
            _ => "no media before a matching ACK",
        };
        let evidence = || {
            Evidence::new(want, "media")
                .at(&self.at)
                .field(PROTOCOL_FLAG)
        };
        // MS-H-15, MS-H-16, MS-S-04
        if is_doubtful || self.is_overtaking {
            let why = "what allows it may have gone by unseen, or be overtaken";
            scope.doubt(self.rule, why, evidence);
        } else {
            scope.breach(self.rule, evidence);
        }
    }
}
