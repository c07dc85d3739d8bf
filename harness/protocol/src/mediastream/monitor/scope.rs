//! What the rules look at besides the datagram, and where they bring what they find: each breach is told
//! once a session, the rest is counted.

use std::net::SocketAddr;

use super::responders::Responders;
use super::rule::{Rule, Rules};
use super::time::{Missed, Moment};
use crate::mediastream::{Mode, Modes};
use crate::monitor::{Field, Finding, Judged, MissedMoment, Observation, Vantage};
use crate::requirement::Role;
use crate::{MonitorSettings, StreamParameters};

/// What all sessions share, at one packet or at the end of the capture.
pub(super) struct Context<'a> {
    pub(super) settings: &'a MonitorSettings,
    pub(super) now: Moment,
    /// Who sent the packet; `None` at the end.
    pub(super) source: Option<SocketAddr>,
    pub(super) responders: &'a mut Responders,
    pub(super) emit: &'a mut dyn FnMut(Observation),
}

impl Context<'_> {
    /// The same at an earlier moment.
    pub(super) fn at(&mut self, now: Moment) -> Context<'_> {
        Context {
            settings: self.settings,
            now,
            source: self.source,
            responders: self.responders,
            emit: self.emit,
        }
    }
}

/// What a session has had judged and told so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Findings {
    /// Of the initiator, and of the responder.
    exercised: [Rules; 2],
    /// Broken by the initiator, and by the responder.
    told: [Rules; 2],
    doubted: Rules,
    /// Breaches that were counted only.
    pub(super) more: u64,
}

impl Findings {
    /// The requirements that were judged: exercised, and broken or beyond doubt.
    pub(super) fn judged(&self, is_upload: bool) -> Judged {
        let of = |party: Role| {
            let exercised = self.exercised[party as usize] - self.doubted;
            let rules = (self.told[party as usize] | exercised).ids(is_upload);
            rules.into_iter().map(move |id| (id, party))
        };
        of(Role::Initiator).chain(of(Role::Responder)).collect()
    }
}

/// The bytes or the silence that show a breach.
#[derive(Debug)]
pub(super) struct Evidence {
    expected: String,
    got: String,
    /// Where it shows, if not at the present moment.
    at: Option<Moment>,
    is_silence: bool,
    field: Option<Field>,
    /// The moment that it missed.
    off: Option<Missed>,
}

impl Evidence {
    /// What the rule wanted, and what came.
    pub(super) fn new(expected: impl Into<String>, got: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            got: got.into(),
            at: None,
            is_silence: false,
            field: None,
            off: None,
        }
    }

    /// Shown by an earlier packet.
    pub(super) const fn at(mut self, moment: &Moment) -> Self {
        self.at = Some(*moment);
        self
    }

    /// A moment that was missed.
    pub(super) const fn off(mut self, off: Missed) -> Self {
        self.off = Some(off);
        self
    }

    /// Shown by the lack of a packet.
    pub(super) const fn silence(mut self) -> Self {
        self.is_silence = true;
        self
    }

    /// With the bytes that show it.
    pub(super) fn field(mut self, field: impl Into<Option<Field>>) -> Self {
        self.field = field.into();
        self
    }
}

/// Who the parties of a session are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parties {
    pub(super) initiator: SocketAddr,
    pub(super) responder: SocketAddr,
}

impl Parties {
    const fn address(&self, role: Role) -> SocketAddr {
        match role {
            Role::Initiator => self.initiator,
            Role::Responder => self.responder,
        }
    }

    /// Whether both parties live on one host, so that nothing lies between them.
    fn share_a_host(&self) -> bool {
        let (initiator, responder) = (self.initiator.ip(), self.responder.ip());
        initiator == responder || (initiator.is_loopback() && responder.is_loopback())
    }
}

/// What the rules of one session know of the present moment, and where they bring what they find.
pub(super) struct Scope<'a> {
    pub(super) settings: &'a MonitorSettings,
    pub(super) now: Moment,
    pub(super) parties: Parties,
    /// Who sent the packet.
    pub(super) from: Role,
    /// Who sends the media: the responder, but in an upload the initiator.
    pub(super) sender: Role,
    /// What is streamed, as far as it is known: as the session agreed, else as it was configured.
    pub(super) stream: Option<StreamParameters>,
    pub(super) responders: &'a Responders,
    pub(super) findings: &'a mut Findings,
    pub(super) emit: &'a mut dyn FnMut(Observation),
}

impl Scope<'_> {
    /// Whether gaps, swaps, repetitions and lateness in what `party` sent are its own doing: the
    /// capture was taken at the sender of media, and for the other only if it lives there too.
    pub(super) fn is_at(&self, party: Role) -> bool {
        match self.settings.vantage {
            Vantage::Path => false,
            Vantage::Sender => party == self.sender || self.parties.share_a_host(),
        }
    }

    pub(super) const fn is_on_the_path(&self) -> bool {
        matches!(self.settings.vantage, Vantage::Path)
    }

    /// Whether the responder may have dropped half-open sessions at `moment` or later.
    pub(super) fn is_flooded(&self, moment: &Moment) -> bool {
        self.responders.is_flooded(self.parties.responder, moment)
    }

    /// The modes that the implementation was told to speak, if they are known.
    pub(super) fn modes(&self) -> Option<Modes> {
        self.settings.mode.as_ref()?.parse().ok()
    }

    /// Whether the implementation was told to speak this mode and no other.
    pub(super) fn speaks_only(&self, mode: Mode) -> bool {
        self.modes().and_then(Modes::only) == Some(mode)
    }

    /// Whether the implementation was told not to speak this mode.
    pub(super) fn is_without(&self, mode: Mode) -> bool {
        self.modes().is_some_and(|modes| !modes.contains(mode))
    }

    /// Whether the option is known to be on or off.
    pub(super) fn option(&self, name: &str) -> Option<bool> {
        let options = self.settings.options.as_ref()?;
        Some(options.iter().any(|option| option == name))
    }

    /// The stimulus of the rule was there: from now on silence means that it holds.
    pub(super) const fn exercised(&mut self, rule: Rule) {
        self.exercised_by(rule, rule.party(self.from, self.sender));
    }

    /// The same where another party than the sender of the datagram is bound by what follows it.
    pub(super) const fn exercised_by(&mut self, rule: Rule, party: Role) {
        self.findings.exercised[party as usize].insert(rule);
    }

    /// The rule is broken, whatever the network did. Told once a session and party.
    pub(super) fn breach(&mut self, rule: Rule, evidence: impl FnOnce() -> Evidence) {
        self.exercised(rule);
        let party = rule.party(self.from, self.sender);
        if self.findings.told[party as usize].insert(rule) {
            let finding = self.finding(rule, evidence());
            (self.emit)(Observation::Finding(finding));
        } else {
            self.findings.more += 1;
        }
    }

    /// It looks like a breach, and it cannot be told whether it is one. Told once a session.
    pub(super) fn doubt(&mut self, rule: Rule, why: &str, evidence: impl FnOnce() -> Evidence) {
        if self.findings.doubted.insert(rule) {
            let mut finding = self.finding(rule, evidence());
            finding.got = format!("{}; {why}", finding.got);
            (self.emit)(Observation::Inconclusive(finding));
        }
    }

    /// A breach if the capture was taken where the party sends, else a doubt: the network may have
    /// done it.
    pub(super) fn breach_unless_network(
        &mut self,
        rule: Rule,
        evidence: impl FnOnce() -> Evidence,
    ) {
        if self.is_at(rule.party(self.from, self.sender)) {
            self.breach(rule, evidence);
        } else {
            self.doubt(rule, "the network may have done it", evidence);
        }
    }

    fn finding(&self, rule: Rule, evidence: Evidence) -> Finding {
        let party = rule.party(self.from, self.sender);
        let at = evidence.at.unwrap_or(self.now);
        Finding {
            requirement: rule.id(),
            party,
            address: self.parties.address(party),
            packet: (!evidence.is_silence).then_some(at.packet),
            time: at.time,
            expected: evidence.expected,
            got: evidence.got,
            field: evidence.field,
            off: evidence.off.map(|missed| MissedMoment {
                since: missed.since.time,
                until: missed.until.unwrap_or(at).time,
                by: missed.by,
            }),
        }
    }
}
