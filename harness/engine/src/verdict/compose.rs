use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;
use shakedown_protocol::Protocol;
use shakedown_protocol::monitor::{Finding, Observation, Off};
use shakedown_protocol::requirement::{Level, Seen};

use crate::document::Pointer;
use crate::event::{FieldEvent, FindingEvent, ProcessEvent, VerdictEvent};
use crate::iut::Waiver;
use crate::scenario::{Counted, Scenario, each_step};
use crate::script::{Failure, Judgements, ScriptOutcome};

use super::Verdict;
use super::finding::{Place, hex, weigh};
use super::inside::{Counter, Inside};

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
    pub inside: &'a Inside,
    /// What the capture shows.
    pub capture: CaptureEvidence<'a>,
    /// What became of the implementation's process, for people.
    pub process: Option<ProcessEvent>,
    /// The implementation is gone and should not be.
    pub death: Option<Death>,
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
    /// What the protocol's monitor said of it.
    pub observations: &'a [Observation],
    /// UDP payloads of packets that observations name, as far as they are at hand.
    pub payloads: &'a BTreeMap<u64, Vec<u8>>,
    /// Why not everything on the wire is in it, in a sentence: packets were dropped or cut, it
    /// could not be written or read. `None` if it is whole.
    pub damage: Option<&'a str>,
}

/// How an implementation showed that it is gone: its process ended by itself where it should have
/// lived, was ended by a signal of its own making, or does not answer the probe any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// When, by the driver's clock.
    pub time: Duration,
    /// What was seen: `exit status 101 in the middle of the scenario`.
    pub got: String,
    /// The last packet received, counted from 1.
    pub packet: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// The verdict, on the scenario and on each requirement: those that it names, then those that
    /// the monitor judged, in the specification's order.
    pub verdict: VerdictEvent,
    /// What was found, causes before what follows from them and then the first in time first; those that do
    /// not count among them.
    pub findings: Vec<FindingEvent>,
    /// Indices of the waivers that matched a finding.
    pub waived: Vec<usize>,
}

impl Composed {
    /// What the capture is to say at packets that findings name. Steps comment on their own.
    pub fn comment(&self, comments: &mut BTreeMap<u64, Vec<String>>) {
        let of_monitor = self.findings.iter().filter(|found| found.step.is_none());
        for finding in of_monitor {
            if let Some(packet) = finding.packet {
                let text = format!("{}: {}", finding.requirement, finding.message);
                comments.entry(packet).or_default().push(text);
            }
        }
    }
}

/// Judges a played scenario. Every piece of evidence can only make the verdict worse:
///
/// * A finding of the script, of the monitor about the implementation's role, or the death of the
///   implementation is a `fail`, unless it is waived or its level does not count: then it is `waived`
///   or `advice`, never `pass`. So is the scenario: by any known failure, and by advice that ended the
///   script or is about a requirement of its own.
/// * Where the capture is damaged, only findings count that hold whatever is missing. What else the
///   monitor found or found in order is `inconclusive`, as is the scenario.
/// * A requirement of the scenario is `pass` only if something judged it: a step that was played, the
///   monitor in a situation that the requirement is about, or, of survival, the look at the process or
///   the probe at the end. If nothing did it is `not observed`, as long as the script was not ended by a
///   failure or a doubt; then it is `inconclusive`.
/// * A scenario none of whose requirements was judged is `inconclusive`, unless the description says
///   that what would show them tells nothing, or they show only from inside: then it is `not observed`.
///   So is one that is to look at counters, where they are not seen.
#[must_use]
pub fn compose(evidence: &Evidence<'_>) -> Composed {
    let mut waived = Vec::new();
    let mut findings = evidence.findings();
    for finding in &mut findings {
        waived.extend(weigh(
            finding,
            evidence.protocol,
            evidence.level,
            evidence.waivers,
        ));
    }
    causes_first(&mut findings, evidence.protocol);
    waived.sort_unstable();
    waived.dedup();
    let requirements = evidence.requirements(&findings);
    let (verdict, reason) = evidence.verdict(&findings, &requirements);
    let verdict = VerdictEvent {
        scenario: evidence.scenario.id.clone(),
        title: evidence.scenario.title.clone(),
        verdict,
        reason,
        requirements,
        capture: evidence.capture.path.map(str::to_owned),
        seconds: evidence.seconds,
        process: evidence.process.clone(),
    };
    Composed {
        verdict,
        findings,
        waived,
    }
}

/// Orders findings by cause, then by time: what follows from another finding comes after it.
fn causes_first(findings: &mut [FindingEvent], protocol: &Protocol) {
    let found: BTreeSet<String> = findings.iter().map(|one| one.requirement.clone()).collect();
    let depth = |finding: &FindingEvent| depth(&finding.requirement, &found, protocol);
    findings.sort_by(|a, b| depth(a).cmp(&depth(b)).then(a.time.total_cmp(&b.time)));
}

/// How many causes in a row stand before the breach of a requirement, of those that were found.
fn depth(id: &str, found: &BTreeSet<String>, protocol: &Protocol) -> usize {
    let mut others = found.clone();
    // Nothing is its own cause, whatever the table says.
    others.remove(id);
    let causes = protocol
        .requirement(id)
        .map_or(&[][..], |rule| &rule.follows_from);
    let causes = causes.iter().filter(|cause| others.contains(*cause));
    let deepest = causes
        .map(|cause| 1 + depth(cause, &others, protocol))
        .max();
    deepest.unwrap_or(0)
}

impl Evidence<'_> {
    /// What was found, in no order, waivers and levels not yet considered.
    fn findings(&self) -> Vec<FindingEvent> {
        let mut findings = Vec::new();
        let failure = match self.script {
            ScriptOutcome::Failed(failure) => Some(&**failure),
            ScriptOutcome::Passed
            | ScriptOutcome::Inconclusive { .. }
            | ScriptOutcome::Error { .. } => None,
        };
        let is_caused = failure.is_some_and(|failure| self.is_of_right_frames(failure));
        let death = self.death.as_ref().filter(|_| !is_caused);
        findings.extend(death.map(|death| self.of_death(death)));
        let failure = failure.filter(|failure| !self.is_by_death(failure));
        findings.extend(failure.map(|failure| self.of_script(failure)));
        for counted in self.counted() {
            if let Some(Counter::Is(number)) = counted.of(self.inside)
                && !counted.is_met(self.inside)
            {
                let (expected, got) = (counted.phrase(self.inside), number.to_string());
                findings.push(FindingEvent {
                    message: format!("expected {expected}, got {got}"),
                    expected,
                    got,
                    time: self.seconds,
                    ..self.finding(&counted.requirement)
                });
            }
        }
        for finding in self.monitored().filter(|finding| self.is_trusted(finding)) {
            let told = findings.iter().any(|told| {
                told.requirement == finding.requirement
                    && told.packet.is_some()
                    && told.packet == finding.packet
            });
            if !told {
                findings.push(self.of_monitor(finding));
            }
        }
        findings
    }

    /// Whether a step only missed what a dead implementation cannot send, and is judged by the
    /// requirement that the death breaks already.
    fn is_by_death(&self, failure: &Failure) -> bool {
        let is_survival = failure.requirement == self.protocol.survival;
        self.death.is_some() && is_silence(failure) && is_survival
    }

    /// Whether a step missed what a dead implementation cannot send, and nothing was sent before but frames
    /// as they are: then their requirement is broken, and not that of survival, which is about others.
    /// Where a scenario is about that, only its first question is beyond doubt.
    fn is_of_right_frames(&self, failure: &Failure) -> bool {
        let survival = &self.protocol.survival;
        let is_about_it = self.scenario.requirements.iter().any(|id| id == survival);
        let top = failure.step.split('.').next();
        let top = top.and_then(|top| top.parse::<usize>().ok());
        let before = top.and_then(|top| self.scenario.steps.get(..top));
        let is_plain = before.is_some_and(|before| {
            let mut is_plain = true;
            each_step(before, &Pointer::root(), &mut |step, _| {
                is_plain &= match is_about_it {
                    true => step.verb() == "send",
                    false => !["send_raw", "mutate"].contains(&step.verb()),
                };
            });
            is_plain
        });
        let is_over_datagrams = self.protocol.transport.is_none();
        is_over_datagrams && is_silence(failure) && failure.requirement != *survival && is_plain
    }

    fn requirements(&self, findings: &[FindingEvent]) -> IndexMap<String, Verdict> {
        let own = self.scenario.requirements.iter();
        let rest = (self.protocol.requirements)().iter().map(|rule| &rule.id);
        let rest = rest.filter(|id| {
            let found = findings.iter().any(|finding| finding.requirement == **id);
            found || self.is_judged(id) || self.is_doubtful(id)
        });
        let all = own.chain(rest);
        all.map(|id| (id.clone(), self.requirement(id, findings)))
            .collect()
    }

    fn requirement(&self, id: &str, findings: &[FindingEvent]) -> Verdict {
        let mut of_it = findings
            .iter()
            .filter(|finding| finding.requirement == id)
            .peekable();
        if of_it.peek().is_some() {
            return of_it.map(weight).fold(Verdict::Pass, Verdict::max);
        }
        if self.is_doubtful(id) {
            return Verdict::Inconclusive;
        }
        if let Some(verdict) = self.inner_verdict(id) {
            return verdict;
        }
        if self.is_judged(id) {
            return match self.capture.damage {
                Some(_) => Verdict::Inconclusive,
                None => Verdict::Pass,
            };
        }
        if self.judgements.judged.contains(id) && !self.is_in_doubt() {
            return Verdict::Pass;
        }
        match self.script {
            ScriptOutcome::Passed if id == self.protocol.survival => Verdict::Pass,
            ScriptOutcome::Passed => Verdict::NotObserved,
            _ if self.is_inner(id) => Verdict::NotObserved,
            ScriptOutcome::Failed(_) if findings.iter().all(|found| !found.counts()) => {
                Verdict::NotObserved
            }
            ScriptOutcome::Failed(_) | ScriptOutcome::Inconclusive { .. } => Verdict::Inconclusive,
            ScriptOutcome::Error { .. } => Verdict::Error,
        }
    }

    /// What must have been counted, once the script was played.
    fn counted(&self) -> impl Iterator<Item = &Counted> {
        let counted = self.scenario.inside.iter();
        counted.filter(|_| *self.script == ScriptOutcome::Passed)
    }

    /// The verdict on a requirement that counters show, where nothing was found.
    fn inner_verdict(&self, id: &str) -> Option<Verdict> {
        let of_it = self.counted().filter(|counted| counted.requirement == id);
        let verdicts = of_it.map(|counted| match counted.of(self.inside) {
            Some(Counter::Is(_)) => Verdict::Pass,
            Some(Counter::Unreadable(_)) => Verdict::Inconclusive,
            Some(Counter::Unseen(_)) | None => Verdict::NotObserved,
        });
        verdicts.max()
    }

    /// Whether the script came to no end that says anything of its steps.
    const fn is_in_doubt(&self) -> bool {
        match self.script {
            ScriptOutcome::Passed | ScriptOutcome::Failed(_) => false,
            ScriptOutcome::Inconclusive { .. } | ScriptOutcome::Error { .. } => true,
        }
    }

    /// Whether it shows only from inside.
    fn is_inner(&self, id: &str) -> bool {
        let rule = self.protocol.requirement(id);
        rule.is_some_and(|rule| rule.seen == [Seen::Inner])
    }

    /// Whether what would show the requirement tells nothing, as the description says.
    fn is_hidden(&self, id: &str) -> bool {
        let is_unseen = self.inner_verdict(id) == Some(Verdict::NotObserved);
        is_unseen || self.is_inner(id) || self.judgements.untold.contains(id)
    }

    /// The scenario's verdict, and why if it does not speak for itself.
    fn verdict(
        &self,
        findings: &[FindingEvent],
        requirements: &IndexMap<String, Verdict>,
    ) -> (Verdict, Option<String>) {
        let mut verdict = Verdict::Pass;
        let mut reasons = Vec::new();
        match self.script {
            ScriptOutcome::Passed => {
                let own = self.scenario.requirements.iter();
                let doubtful: Vec<_> = own
                    .filter(|id| requirements.get(*id) == Some(&Verdict::Inconclusive))
                    .map(String::as_str)
                    .collect();
                if !doubtful.is_empty() {
                    verdict = Verdict::Inconclusive;
                    reasons.push(format!("not judged: {}", self.why_doubtful(&doubtful)));
                }
                let own = self.scenario.requirements.iter();
                let silent = own.filter(|id| requirements.get(*id) == Some(&Verdict::NotObserved));
                let silent: Vec<_> = silent.collect();
                if silent.len() == self.scenario.requirements.len() {
                    let is_hidden = silent.iter().all(|id| self.is_hidden(id));
                    verdict = verdict.max(match is_hidden {
                        true => Verdict::NotObserved,
                        false => Verdict::Inconclusive,
                    });
                    reasons.push("none of its requirements could be judged".to_owned());
                }
                let mut counted = self.counted().map(|counted| counted.requirement.as_str());
                if counted.any(|id| requirements.get(id) == Some(&Verdict::NotObserved)) {
                    verdict = verdict.max(Verdict::NotObserved);
                }
                reasons.extend(self.why_silent(&silent));
            }
            // It is a finding, by which the scenario is judged below.
            ScriptOutcome::Failed(_) => {}
            ScriptOutcome::Inconclusive { why, step } => {
                verdict = Verdict::Inconclusive;
                reasons.push(format!("step {step}: {why}"));
            }
            ScriptOutcome::Error { why, step } => {
                verdict = Verdict::Error;
                reasons.push(format!("step {step}: {why}"));
            }
        }
        if let Some(damage) = self.capture.damage {
            verdict = verdict.max(Verdict::Inconclusive);
            reasons.push(format!("the capture is not whole: {damage}"));
        }
        for finding in findings {
            let weight = weight(finding);
            let is_own = self.scenario.requirements.contains(&finding.requirement);
            if weight != Verdict::Advice || is_own || finding.step.is_some() {
                verdict = verdict.max(weight);
            }
            match &finding.waived {
                Some(because) => {
                    reasons.push(format!("{} is waived: {because}", finding.requirement))
                }
                None if finding.advisory => {
                    let (id, level) = (&finding.requirement, &finding.level);
                    reasons.push(format!("{id} was not kept, which a {level} allows"));
                }
                None => {}
            }
        }
        let mut told = Vec::new();
        reasons.retain(|reason| {
            let is_new = !told.contains(reason);
            told.push(reason.clone());
            is_new
        });
        (verdict, (!reasons.is_empty()).then(|| reasons.join("; ")))
    }

    /// Why requirements were not observed, where the description has it.
    fn why_silent(&self, silent: &[&String]) -> Vec<String> {
        let untold = silent
            .iter()
            .filter(|id| self.judgements.untold.contains(**id));
        let untold: Vec<_> = untold.map(|id| id.as_str()).collect();
        let untold = (!untold.is_empty()).then(|| {
            let ids = untold.join(", ");
            format!(
                "not observed: {ids}, which only its exit status would tell (status_tells = false)"
            )
        });
        let unseen = self
            .counted()
            .filter_map(|counted| match counted.of(self.inside) {
                Some(Counter::Unseen(why)) => {
                    Some(format!("not observed: {}, for {why}", counted.requirement))
                }
                Some(Counter::Is(_) | Counter::Unreadable(_)) | None => None,
            });
        unseen.chain(untold).collect()
    }

    /// What the monitor or the counters said about requirements that could not be judged, or their ids.
    fn why_doubtful(&self, ids: &[&str]) -> String {
        let why = ids.iter().map(|id| {
            let doubts = self.doubts().filter(|doubt| doubt.requirement == *id);
            let unreadable =
                self.counted()
                    .filter_map(|counted| match counted.of(self.inside) {
                        Some(Counter::Unreadable(why)) if counted.requirement == *id => Some(why),
                        Some(Counter::Is(_) | Counter::Unseen(_) | Counter::Unreadable(_))
                        | None => None,
                    });
            match doubts.map(|doubt| &doubt.got).chain(unreadable).next() {
                Some(why) => format!("{id} ({why})"),
                None => (*id).to_owned(),
            }
        });
        why.collect::<Vec<_>>().join(", ")
    }

    /// The monitor's findings about the implementation.
    fn monitored(&self) -> impl Iterator<Item = &Finding> {
        self.capture
            .observations
            .iter()
            .filter_map(|observation| match observation {
                Observation::Finding(finding) => self.is_ours(finding).then_some(finding),
                Observation::Inconclusive(_) | Observation::Session(_) => None,
            })
    }

    /// What the monitor could not judge about the implementation.
    fn doubts(&self) -> impl Iterator<Item = &Finding> {
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
    fn is_trusted(&self, finding: &Finding) -> bool {
        let is_whole = self.capture.damage.is_none();
        self.protocol.is_proven(finding, is_whole)
    }

    /// Whether the monitor could not judge it, or not for sure.
    fn is_doubtful(&self, id: &str) -> bool {
        let distrusted = self.monitored().filter(|finding| !self.is_trusted(finding));
        self.doubts()
            .chain(distrusted)
            .any(|finding| finding.requirement == id)
    }

    /// Whether the monitor judged it in a session.
    fn is_judged(&self, id: &str) -> bool {
        let binds = self.protocol.requirement(id);
        let binds = binds.is_some_and(|rule| rule.roles.contains(&self.scenario.iut.role));
        let mut observations = self.capture.observations.iter();
        binds
            && observations.any(|observation| match observation {
                Observation::Session(session) => session.judged.of(id, self.scenario.iut.role),
                Observation::Finding(_) | Observation::Inconclusive(_) => false,
            })
    }

    fn of_script(&self, failure: &Failure) -> FindingEvent {
        let message = format!("expected {}, got {}", failure.expected, failure.got);
        // What keeps an implementation waiting makes it late; early it is only where its timer began before
        // that which the step counts from left.
        let until = failure.early.map_or(failure.time, |_| failure.since);
        FindingEvent {
            packet: failure.packet,
            time: self.since_start(self.epoch.saturating_add(failure.time)),
            message,
            expected: failure.expected.clone(),
            got: failure.got.clone(),
            step: Some(failure.step.clone()),
            bytes: failure.payload.as_deref().map(hex),
            off: Some(Off {
                // What the step took may have come before it began.
                since: self.epoch.saturating_add(failure.since.min(failure.time)),
                until: self.epoch.saturating_add(until),
                by: failure.early.unwrap_or_default(),
            }),
            field: failure.field.as_ref().map(|field| FieldEvent {
                name: field.name.clone(),
                offset: field.offset,
                length: field.length,
            }),
            ..self.finding(&failure.requirement)
        }
    }

    fn of_monitor(&self, finding: &Finding) -> FindingEvent {
        let payload = finding
            .packet
            .and_then(|packet| self.capture.payloads.get(&packet));
        self.place().of_monitor(finding, payload.map(Vec::as_slice))
    }

    fn of_death(&self, death: &Death) -> FindingEvent {
        let at = self.epoch.saturating_add(death.time);
        let since_start = at.saturating_sub(self.capture.start);
        FindingEvent {
            packet: death.packet,
            ..self.place().of_death(since_start, &death.got)
        }
    }

    fn finding(&self, requirement: &str) -> FindingEvent {
        self.place().nothing(requirement)
    }

    fn place(&self) -> Place<'_> {
        Place {
            protocol: self.protocol,
            id: &self.scenario.id,
            capture: self.capture.path,
            start: self.capture.start,
        }
    }

    /// Seconds from the first packet.
    fn since_start(&self, time: Duration) -> f64 {
        time.saturating_sub(self.capture.start).as_secs_f64()
    }
}

/// Whether nothing came, which is the failure.
const fn is_silence(failure: &Failure) -> bool {
    failure.packet.is_none() && failure.payload.is_none()
}

/// What a finding makes of its requirement.
const fn weight(finding: &FindingEvent) -> Verdict {
    match (&finding.waived, finding.advisory) {
        (Some(_), _) => Verdict::Waived,
        (None, true) => Verdict::Advice,
        (None, false) => Verdict::Fail,
    }
}
