//! What did not pass, by cause, each with all that helps to see why.

use std::cell::Cell;
use std::path::Path;

use maud::{Markup, html};
use shakedown_engine::event::{CheckSummary, FindingEvent, VerdictEvent};
use shakedown_engine::verdict::Verdict;

use super::matrix::class;
use crate::cause::by_cause;
use crate::link::target;
use crate::text::{clean_line, count};
use crate::{Ladder, Record, html, ladder};

/// Ladders on a page. Further ones are drawn by the command that stands there.
const MOST_LADDERS: usize = 200;

/// Packets of a capture that was checked, up to which its ladder is drawn.
const MOST_PACKETS: u64 = 200_000;

/// A page's content about one record.
pub(super) struct Failures<'a> {
    record: &'a Record,
    directory: &'a Path,
    drawn: Cell<usize>,
}

impl<'a> Failures<'a> {
    pub(super) const fn new(record: &'a Record, directory: &'a Path) -> Self {
        Self {
            record,
            directory,
            drawn: Cell::new(0),
        }
    }

    /// Scenarios that failed or could not be judged, those with the same cause as one.
    pub(super) fn section(&self, of: &str) -> Markup {
        let worst = self.record.worst_first().into_iter();
        let failing = worst.filter(|one| {
            matches!(
                one.verdict,
                Verdict::Fail | Verdict::Error | Verdict::Inconclusive
            )
        });
        let groups = by_cause(failing, self.record);
        html! {
            @if !groups.is_empty() {
                section {
                    h2 { "What did not pass" (of) }
                    @for group in &groups {
                        @if let Some((first, others)) = group.split_first() { (self.cause(first, others)) }
                    }
                }
            }
        }
    }

    fn cause(&self, first: &VerdictEvent, others: &[&VerdictEvent]) -> Markup {
        html! {
            details open {
                summary {
                    span class=(class(first.verdict)) { (first.verdict.name()) } " "
                    code { (clean_line(&first.scenario)) }
                    @if !others.is_empty() { " and " (others.len()) " more by the same cause" }
                }
                (self.scenario(first))
                @if !others.is_empty() {
                    details {
                        summary { "The same cause" }
                        @for other in others {
                            details.other {
                                summary { code { (clean_line(&other.scenario)) } }
                                (self.scenario(other))
                            }
                        }
                    }
                }
            }
        }
    }

    fn scenario(&self, verdict: &VerdictEvent) -> Markup {
        let findings = self.record.findings_of(&verdict.scenario);
        let counted = findings.filter(|one| one.counts());
        let all = self.record.findings_of(&verdict.scenario);
        html! {
            p { (clean_line(&verdict.title)) }
            @if let Some(reason) = &verdict.reason { p { (clean_line(reason)) } }
            @for finding in counted { (html::finding(finding, self.directory)) }
            @if let Some(capture) = &verdict.capture { (self.exchange(capture, all)) }
            @if let Some(process) = &verdict.process { (html::process("implementation", process)) }
            @if let Some(again) = self.record.again(&verdict.scenario) {
                p { "Again: " code { (clean_line(&again)) } }
            }
        }
    }

    /// The ladder of a capture, and where the capture lies.
    fn exchange<'f>(
        &self,
        capture: &str,
        findings: impl Iterator<Item = &'f FindingEvent>,
    ) -> Markup {
        let has_room = self.drawn.get() < MOST_LADDERS;
        let ladder = has_room.then(|| Ladder::of(capture, findings)).flatten();
        self.drawn
            .set(self.drawn.get() + usize::from(ladder.is_some()));
        html! {
            @if let Some(ladder) = ladder { (ladder::drawn(&ladder)) }
            p {
                a href=(target(capture, self.directory)) { "capture" }
                @if !has_room { "; its ladder: " code { (clean_line(&crate::again::drawing(capture))) } }
            }
        }
    }

    /// What was found and makes no verdict worse.
    pub(super) fn not_counted(&self) -> Markup {
        let findings: Vec<_> = self
            .record
            .findings
            .iter()
            .filter(|one| !one.counts())
            .collect();
        html! {
            @if !findings.is_empty() {
                section {
                    h2 { "Findings that do not count" }
                    @for finding in findings {
                        @if let Some(scenario) = &finding.scenario { p { code { (clean_line(scenario)) } } }
                        (html::finding(finding, self.directory))
                    }
                }
            }
        }
    }

    /// Captures that were checked.
    pub(super) fn captures(&self) -> Markup {
        html! {
            @if !self.record.checks.is_empty() {
                section {
                    h2 { "Captures" }
                    @for check in &self.record.checks { (self.capture(check)) }
                }
            }
        }
    }

    fn capture(&self, check: &CheckSummary) -> Markup {
        let found = self.record.findings_in(&check.capture);
        let counted: Vec<_> = found.filter(|one| one.counts()).collect();
        let is_drawn = !counted.is_empty() && check.packets <= MOST_PACKETS;
        html! {
            details open[check.findings > 0] {
                summary {
                    a href=(target(&check.capture, self.directory)) { (clean_line(&check.capture)) } ": "
                    (count(check.packets, "packet")) ", " (count(check.sessions as u64, "session")) ", "
                    (count(check.findings as u64, "finding"))
                }
                @for note in &check.notes { p.unsure { (clean_line(note)) } }
                @for finding in &counted { (html::finding(finding, self.directory)) }
                @if is_drawn { (self.exchange(&check.capture, counted.into_iter())) }
            }
        }
    }
}
