use std::collections::BTreeMap;
use std::time::Duration;

use shakedown_protocol::Protocol;
use shakedown_protocol::monitor::{Finding, Observation};
use shakedown_protocol::requirement::{Level, Seen};

use super::Verdict;
use super::counters::{Counter, CounterValues};
use crate::event::ProcessEvent;
use crate::iut::Waiver;
use crate::scenario::{Counted, Scenario};
use crate::script::{Judgements, ScriptOutcome};

/// Everything that is known of one played scenario.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    /// The protocol whose requirements are judged.
    pub protocol: &'static Protocol,
    /// The scenario that was played.
    pub scenario: &'a Scenario,
    /// How its script ended.
    pub script: &'a ScriptOutcome,
    /// What its steps say of requirements.
    pub judgements: &'a Judgements,
    /// The capture's time at which the driver's clock, by which the script counts, was 0.
    pub epoch: Duration,
    /// What the implementation counted.
    pub counters: &'a CounterValues,
    /// What the capture shows.
    pub capture: CaptureEvidence<'a>,
    /// What became of the implementation's process (human-readable).
    pub process: Option<ProcessEvent>,
    /// The implementation is gone and should not be.
    pub unexpected_end: Option<UnexpectedEnd>,
    /// The weakest level whose findings count; those below are advisory.
    pub level: Level,
    /// What the implementation is known to break. A waiver that is past its date still waives; the
    /// run fails by it elsewhere.
    pub waivers: &'a [Waiver],
    /// How long the scenario took, in seconds.
    pub seconds: f64,
}

/// What a capture shows, and how far it can be trusted.
#[derive(Debug, Clone, Copy)]
pub struct CaptureEvidence<'a> {
    /// Its path, if it was written.
    pub path: Option<&'a str>,
    /// Time of its first packet.
    pub start: Duration,
    pub observations: &'a [Observation],
    /// UDP payloads of packets that observations name, as far as they are at hand.
    pub payloads: &'a BTreeMap<u64, Vec<u8>>,
    /// Why not everything on the wire is in it, in a sentence: packets were dropped or cut, it
    /// could not be written or read. `None` if it is whole.
    pub damage: Option<&'a str>,
}

/// How an implementation showed that it is gone: its process ended by itself where it should have
/// lived, crashed by a signal, or does not answer the probe any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnexpectedEnd {
    /// When, by the driver's clock.
    pub time: Duration,
    /// What was seen: `exit status 101 in the middle of the scenario`.
    pub got: String,
    /// The last packet received, counted from 1.
    pub packet: Option<u64>,
}

/// What single pieces of evidence say.
impl Evidence<'_> {
    /// The monitor's findings about the implementation.
    pub(super) fn monitored(&self) -> impl Iterator<Item = &Finding> {
        self.capture
            .observations
            .iter()
            .filter_map(|observation| match observation {
                Observation::Finding(finding) => self.is_ours(finding).then_some(finding),
                Observation::Inconclusive(_) | Observation::Session(_) => None,
            })
    }

    /// What the monitor could not judge about the implementation.
    pub(super) fn doubts(&self) -> impl Iterator<Item = &Finding> {
        self.capture
            .observations
            .iter()
            .filter_map(|observation| match observation {
                Observation::Inconclusive(finding) => self.is_ours(finding).then_some(finding),
                Observation::Finding(_) | Observation::Session(_) => None,
            })
    }

    fn is_ours(&self, finding: &Finding) -> bool {
        finding.party == self.scenario.iut.role
    }

    /// Whether a finding holds although something may be missing in the capture.
    pub(super) fn is_trusted(&self, finding: &Finding) -> bool {
        let is_whole = self.capture.damage.is_none();
        self.protocol.is_proven(finding, is_whole)
    }

    /// Whether the monitor could not judge it, or not for sure.
    pub(super) fn is_doubtful(&self, id: &str) -> bool {
        let distrusted = self.monitored().filter(|finding| !self.is_trusted(finding));
        self.doubts()
            .chain(distrusted)
            .any(|finding| finding.requirement == id)
    }

    /// Whether the monitor judged it in a session.
    pub(super) fn is_judged(&self, id: &str) -> bool {
        let binds = self.protocol.requirement(id);
        let binds = binds.is_some_and(|rule| rule.roles.contains(&self.scenario.iut.role));
        let mut observations = self.capture.observations.iter();
        binds
            && observations.any(|observation| match observation {
                Observation::Session(session) => session.judged.of(id, self.scenario.iut.role),
                Observation::Finding(_) | Observation::Inconclusive(_) => false,
            })
    }

    /// What must have been counted, once the script was played.
    pub(super) fn counted(&self) -> impl Iterator<Item = &Counted> {
        let inside = &self.scenario.inside;
        let is_seen = |counted: &Counted| {
            let counter = counted.of(self.counters);
            matches!(counter, Some(Counter::Is(_) | Counter::Unreadable(_)))
        };
        let is_shown = move |id: &str| {
            let mut others = inside.iter().filter(|other| other.requirement == id);
            others.any(is_seen)
        };
        let counted = inside.iter();
        let counted = counted.filter(move |one| is_seen(one) || !is_shown(&one.requirement));
        counted.filter(|_| *self.script == ScriptOutcome::Passed)
    }

    /// The verdict on a requirement that counters show, where nothing was found.
    pub(super) fn inner_verdict(&self, id: &str) -> Option<Verdict> {
        let of_it = self.counted().filter(|counted| counted.requirement == id);
        let verdicts = of_it.map(|counted| match counted.of(self.counters) {
            Some(Counter::Is(_)) => Verdict::Pass,
            Some(Counter::Unreadable(_)) => Verdict::Inconclusive,
            Some(Counter::Unseen(_)) | None => Verdict::NotObserved,
        });
        verdicts.max()
    }

    /// Whether the script came to no end that says anything of its steps.
    pub(super) const fn is_in_doubt(&self) -> bool {
        match self.script {
            ScriptOutcome::Passed | ScriptOutcome::Failed(_) => false,
            ScriptOutcome::Inconclusive { .. } | ScriptOutcome::Error { .. } => true,
        }
    }

    /// Whether it shows only from inside.
    pub(super) fn is_inner(&self, id: &str) -> bool {
        let rule = self.protocol.requirement(id);
        rule.is_some_and(|rule| rule.seen == [Seen::Inner])
    }

    /// Whether the description says that the evidence for the requirement means nothing.
    pub(super) fn is_hidden(&self, id: &str) -> bool {
        let is_unseen = self.inner_verdict(id) == Some(Verdict::NotObserved);
        is_unseen || self.is_inner(id) || self.judgements.untold.contains(id)
    }
}
