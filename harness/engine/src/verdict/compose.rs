use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use shakedown_protocol::Protocol;
use shakedown_protocol::monitor::{Finding, MissedMoment};

use crate::document::Pointer;
use crate::event::{FieldEvent, FindingEvent, VerdictEvent};
use crate::scenario::each_step;
use crate::script::{Failure, ScriptOutcome};

use super::counters::Counter;
use super::evidence::{Evidence, UnexpectedEnd};
use super::finding::{Place, hex, weigh};

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
/// * A finding of the script, of the monitor about the implementation's role, or the unexpected_end of the
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

/// Orders findings by cause, then by time: what follows from another finding comes after it. Of one packet
/// the monitor tells which rule it breaks, a step only that another was wanted.
fn causes_first(findings: &mut [FindingEvent], protocol: &Protocol) {
    let place = |one: &FindingEvent| match one.packet {
        Some(packet) => (Some(packet), 0),
        None => (None, one.time.to_bits()),
    };
    let of_monitor = findings.iter().filter(|one| one.step.is_none());
    let told: BTreeSet<_> = of_monitor.map(place).collect();
    let follows = |one: &FindingEvent| one.step.is_some() && told.contains(&place(one));
    let causes = findings.iter().filter(|one| !follows(one));
    let found: BTreeSet<String> = causes.clone().map(|one| one.requirement.clone()).collect();
    let rank = |one: &FindingEvent| {
        let time = Duration::try_from_secs_f64(one.time).unwrap_or_default();
        (depth(&one.requirement, &found, protocol), time)
    };
    let mut last = BTreeMap::new();
    for one in causes {
        let known = last.entry(place(one)).or_insert_with(|| rank(one));
        *known = rank(one).max(*known);
    }
    findings.sort_by_cached_key(|one| {
        let of_place = last.get(&place(one)).filter(|_| follows(one));
        let rank = of_place.copied().unwrap_or_else(|| rank(one));
        (rank, one.step.is_some(), one.requirement.clone())
    });
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
        let unexpected_end = self.unexpected_end.as_ref().filter(|_| !is_caused);
        findings
            .extend(unexpected_end.map(|unexpected_end| self.of_unexpected_end(unexpected_end)));
        let failure = failure.filter(|failure| !self.is_by_death(failure));
        findings.extend(failure.map(|failure| self.of_script(failure)));
        for counted in self.counted() {
            if let Some(Counter::Is(number)) = counted.of(self.counters)
                && !counted.is_met(self.counters)
            {
                let (expected, got) = (counted.phrase(self.counters), number.to_string());
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
    /// requirement that the unexpected_end breaks already.
    fn is_by_death(&self, failure: &Failure) -> bool {
        let is_survival = failure.requirement == self.protocol.survival;
        self.unexpected_end.is_some() && is_silence(failure) && is_survival
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
            off: Some(MissedMoment {
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

    fn of_unexpected_end(&self, unexpected_end: &UnexpectedEnd) -> FindingEvent {
        let at = self.epoch.saturating_add(unexpected_end.time);
        let since_start = at.saturating_sub(self.capture.start);
        FindingEvent {
            packet: unexpected_end.packet,
            ..self
                .place()
                .of_unexpected_end(since_start, &unexpected_end.got)
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
