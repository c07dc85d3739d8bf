//! The page of a run or of checked captures: one file that needs nothing from elsewhere, and no script to be read.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use maud::{Markup, PreEscaped, html};
use shakedown_engine::event::{CheckSummary, FindingEvent, VerdictEvent};
use shakedown_engine::verdict::Verdict;

use crate::cause::by_cause;
use crate::document::Document;
use crate::html;
use crate::link::target;
use crate::text::{clean_line, count};
use crate::{Ladder, Record, ladder, requirements};

/// How it looks besides what all pages have.
const STYLE: &str = "
main { display: block; } h1 { margin-bottom: .2rem; overflow-wrap: anywhere; }
.counts { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }
.counts li { border: 1px solid var(--line); border-radius: .5rem; padding: .2rem .7rem; background: var(--soft); }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: .2rem 0; } details details { margin-left: 1rem; }
:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
th[scope=row] { position: sticky; left: 0; background: Canvas; font-weight: 600; white-space: nowrap; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
#filter { font: inherit; padding: .4rem .6rem; width: 100%; max-width: 30rem; margin-bottom: .6rem; }
@media (max-width: 40rem) { body { margin: 1rem auto; } th[scope=row] { white-space: normal; max-width: 45vw; } }
@media print { #filter, label[for=filter] { display: none; } details::details-content { content-visibility: visible; } }
";

/// Hides the scenarios whose row does not contain what is typed. Without it, all of them are shown.
const SCRIPT: &str = "
const filter = document.getElementById('filter');
filter?.addEventListener('input', () => {
  const wanted = filter.value.toLowerCase().split(/\\s+/);
  for (const row of document.querySelectorAll('#scenarios tbody tr'))
    row.hidden = !wanted.every(word => row.textContent.toLowerCase().includes(word));
});
";

/// A page of HTML: what it came to, what failed and why, the requirements, every scenario. Nothing is written where
/// implementations are set against each other, which has a page of its own.
#[must_use]
pub const fn run_page(path: PathBuf) -> Document {
    Document::new(path, |record, place, _| {
        let directory = place.parent().unwrap_or(Path::new(""));
        let is_table = record.table.is_some();
        Ok((!is_table).then(|| page(record, directory).into_string()))
    })
}

fn page(record: &Record, directory: &Path) -> Markup {
    let title = match &record.run {
        Some(run) => clean_line(&run.iut),
        None => "captures".to_owned(),
    };
    let body = html! {
        main {
            h1 { (title) }
            (head(record))
            (failed(record, directory))
            (not_counted(record, directory))
            (captures(record, directory))
            (requirement_table(record))
            (scenarios(record, directory))
        }
        script { (PreEscaped(SCRIPT)) }
    };
    html::document(&title, &[STYLE, ladder::STYLE], &body)
}

fn head(record: &Record) -> Markup {
    let summary = record.summary.as_ref();
    let notes = summary.into_iter().flat_map(|summary| &summary.notes);
    html! {
        @if let Some(run) = &record.run {
            p { strong {
                @match summary {
                    Some(summary) => (clean_line(&summary.message)),
                    None => "The run has not come to its end.",
                }
            } }
            ul.counts {
                @for (verdict, number) in record.counts() {
                    li class=(class(verdict)) { (number) " " (verdict.name()) }
                }
            }
            p {
                (count(run.scenarios as u64, "scenario")) " selected; seed " (run.seed)
                "; packets recorded by " (clean_line(&run.capture)) "."
            }
        }
        @for note in notes { p.unsure { (clean_line(note)) } }
    }
}

/// Scenarios that failed or could not be judged, those with the same cause as one.
fn failed(record: &Record, directory: &Path) -> Markup {
    let worst = record.worst_first().into_iter();
    let told = |verdict: &Verdict| {
        matches!(
            verdict,
            Verdict::Fail | Verdict::Error | Verdict::Inconclusive
        )
    };
    let groups = by_cause(worst.filter(|one| told(&one.verdict)), record);
    html! {
        @if !groups.is_empty() {
            section {
                h2 { "What did not pass" }
                @for group in &groups {
                    @if let Some((first, others)) = group.split_first() {
                        (failure(first, others, record, directory))
                    }
                }
            }
        }
    }
}

fn failure(
    first: &VerdictEvent,
    others: &[&VerdictEvent],
    record: &Record,
    directory: &Path,
) -> Markup {
    let run = record.run.as_ref();
    let seed = run.map_or("", |run| run.seed.as_str());
    let iut = if run.is_some_and(|run| run.reference) {
        ""
    } else {
        " --iut …"
    };
    let findings = record
        .findings_of(&first.scenario)
        .filter(|one| one.counts());
    html! {
        details open {
            summary {
                span class=(class(first.verdict)) { (first.verdict.name()) } " "
                code { (clean_line(&first.scenario)) }
                @if !others.is_empty() { " and " (others.len()) " more by the same cause" }
            }
            p { (clean_line(&first.title)) }
            @if let Some(reason) = &first.reason { p { (clean_line(reason)) } }
            @for finding in findings { (html::finding(finding, directory)) }
            (exchange(first, record))
            @if let Some(process) = &first.process { (html::process("implementation", process)) }
            (links(first, directory))
            p {
                "Again: " code {
                    "shakedown run --seed " (seed) (iut) " "
                    (clean_line(&first.scenario))
                }
            }
            @if !others.is_empty() {
                details {
                    summary { "The same cause" }
                    ul { @for other in others { li { (other_failure(other, record, directory)) } } }
                }
            }
        }
    }
}

/// One that fails by a cause that was told.
fn other_failure(other: &VerdictEvent, record: &Record, directory: &Path) -> Markup {
    html! {
        details {
            summary { code { (clean_line(&other.scenario)) } }
            (exchange(other, record))
            (links(other, directory))
        }
    }
}

/// The ladder of a scenario.
fn exchange(verdict: &VerdictEvent, record: &Record) -> Markup {
    let capture = verdict.capture.as_deref();
    let findings = record.findings_of(&verdict.scenario);
    let ladder = capture.and_then(|capture| Ladder::of(capture, findings));
    html! { @if let Some(ladder) = ladder { (ladder::drawn(&ladder)) } }
}

fn links(verdict: &VerdictEvent, directory: &Path) -> Markup {
    html! {
        @if let Some(capture) = &verdict.capture {
            p { a href=(target(capture, directory)) { "capture" } }
        }
    }
}

fn not_counted(record: &Record, directory: &Path) -> Markup {
    let findings: Vec<_> = record.findings.iter().filter(|one| !one.counts()).collect();
    html! {
        @if !findings.is_empty() {
            section {
                h2 { "Found and not counted" }
                @for finding in findings {
                    @if let Some(scenario) = &finding.scenario { p { code { (clean_line(scenario)) } } }
                    (html::finding(finding, directory))
                }
            }
        }
    }
}

fn captures(record: &Record, directory: &Path) -> Markup {
    html! {
        @if !record.checks.is_empty() {
            section {
                h2 { "Captures" }
                @for check in &record.checks {
                    details open[check.findings > 0] {
                        summary {
                            a href=(target(&check.capture, directory)) { (clean_line(&check.capture)) } ": "
                            (count(check.packets, "packet")) ", " (count(check.sessions as u64, "session")) ", "
                            (count(check.findings as u64, "finding"))
                        }
                        @for note in &check.notes { p.unsure { (clean_line(note)) } }
                        @for finding in findings_in(check, record) { (html::finding(finding, directory)) }
                    }
                }
            }
        }
    }
}

fn findings_in<'a>(check: &'a CheckSummary, record: &'a Record) -> Vec<&'a FindingEvent> {
    let found = record.findings_in(&check.capture);
    found
        .filter(|one| one.counts() && one.scenario.is_none())
        .collect()
}

/// The requirements, worst first.
fn requirement_table(record: &Record) -> Markup {
    let mut judged = record.requirements();
    judged.sort_by_key(|(_, verdict)| std::cmp::Reverse(*verdict));
    let passed = judged
        .iter()
        .filter(|(_, verdict)| *verdict == Verdict::Pass);
    let all = requirements::all_beside(judged.iter().map(|(id, _)| id.as_str()));
    let missing = all
        .iter()
        .filter(|one| !judged.iter().any(|(id, _)| *id == one.id));
    let missing: Vec<_> = missing.map(|one| one.id.as_str()).collect();
    html! {
        @if !judged.is_empty() {
            section {
                h2 { "Requirements" }
                p { (passed.count()) " of " (all.len()) " pass" }
                table {
                    thead { tr { th scope="col" { "requirement" } th scope="col" { "verdict" } th scope="col" { "level" } th scope="col" { "text" } } }
                    tbody {
                        @for (id, verdict) in &judged {
                            @let found = requirements::find(id);
                            tr {
                                th scope="row" { (clean_line(id)) }
                                td class=(class(*verdict)) { (verdict.name()) }
                                td { (found.map_or("", |found| requirements::level_name(found.level))) }
                                td { (found.map_or("", |found| &found.text)) }
                            }
                        }
                    }
                }
                @if !missing.is_empty() && record.run.is_some() { p { "Not judged here: " (missing.join(", ")) "." } }
            }
        }
    }
}

/// Every scenario that was played, worst first; of the others only how many, by their reasons.
fn scenarios(record: &Record, directory: &Path) -> Markup {
    let worst = record.worst_first();
    let (left_out, played): (Vec<_>, Vec<_>) =
        worst.into_iter().partition(|one| one.was_left_out());
    let mut reasons = BTreeMap::<String, usize>::new();
    for one in left_out {
        let reason = clean_line(one.reason.as_deref().unwrap_or_default());
        *reasons.entry(reason).or_default() += 1;
    }
    html! {
        @if !played.is_empty() {
            section {
                h2 { "Scenarios" }
                label for="filter" { "Show those with these words" } br;
                input #filter type="search" placeholder="fail 3way";
                table #scenarios {
                    thead { tr { th scope="col" { "scenario" } th scope="col" { "verdict" } th scope="col" { "seconds" } th scope="col" { "what it shows" } th scope="col" { "capture" } } }
                    tbody {
                        @for one in played {
                            tr {
                                th scope="row" { code { (clean_line(&one.scenario)) } }
                                td class=(class(one.verdict)) { (one.verdict.name()) }
                                td.number { (format!("{:.2}", one.seconds)) }
                                td { (clean_line(&one.title)) }
                                td { @if let Some(capture) = &one.capture { a href=(target(capture, directory)) { "pcapng" } } }
                            }
                        }
                    }
                }
            }
        }
        @if !reasons.is_empty() {
            section {
                h2 { "Not played" }
                ul { @for (reason, number) in reasons { li { (count(number as u64, "scenario")) ": " (reason) } } }
            }
        }
    }
}

const fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "good",
        Verdict::Fail | Verdict::Error => "bad",
        Verdict::Inconclusive | Verdict::Advice | Verdict::Waived => "unsure",
        Verdict::NotObserved | Verdict::NotApplicable => "",
    }
}

#[cfg(test)]
mod tests {
    use shakedown_engine::event::Event;

    use super::*;
    use crate::fixture::{self, record};

    fn written(events: Vec<Event>) -> String {
        let page = page(&record(events), Path::new("reports/latest")).into_string();
        page.replace("><", ">\n<")
    }

    #[test]
    fn a_run_has_its_failures_first_then_requirements_and_scenarios() {
        insta::assert_snapshot!(written(fixture::run()));
    }

    #[test]
    fn checked_captures_have_their_findings() {
        insta::assert_snapshot!(written(fixture::check()));
    }

    #[test]
    fn a_run_that_did_not_end_says_so() {
        assert!(written(fixture::interrupted()).contains("Interrupted after 1 of 3 scenarios."));
        let begun = fixture::run().into_iter().take(1).collect();
        assert!(written(begun).contains("The run has not come to its end."));
    }

    /// A run whose failure has a capture.
    fn with_capture() -> String {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pcaps/golden");
        let capture =
            golden.join("mediastream/3way/responder/a-lost-syn-ack-is-repeated-once.pcapng");
        let mut events = fixture::run();
        for event in &mut events {
            if let Event::Verdict(verdict) = event {
                verdict.capture = Some(capture.display().to_string());
            }
        }
        written(events)
    }

    #[test]
    fn what_did_not_pass_has_its_exchange_as_svg() {
        let page = with_capture();
        assert!(page.contains("SYN-ACK from B to A"), "{page}");
        assert!(page.contains("0010  "), "its bytes");
        assert!(page.contains("connection_id=3b6b5438-bc1a-4fc3-8938-d3759c1e1482"));
    }

    #[test]
    fn every_element_is_closed_in_its_order() {
        let page = with_capture();
        const VOID: [&str; 6] = ["!DOCTYPE", "meta", "br", "input", "hr", "link"];
        let mut open = Vec::new();
        // Behind the styles, whose text has signs of its own, and before the script.
        let body = page.split_once("<body>").unwrap().1;
        let body = body.split_once("<script>").unwrap().0;
        for tag in body.split('<').skip(1) {
            let name = tag.split(['>', ' ', '\n']).next().unwrap();
            match name.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "{tag}"),
                None if VOID.contains(&name) => {}
                None => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new());
        assert!(body.matches("<svg").count() > 5);
    }

    #[test]
    fn text_of_others_is_text_and_nothing_is_loaded_from_elsewhere() {
        let page = written(fixture::hostile());
        for never in [
            "\u{1b}",
            "<img",
            "<script>alert",
            "href=\"http",
            "href=\"java",
            "src=",
        ] {
            assert!(!page.contains(never), "{never:?}");
        }
        assert_eq!(page.matches("<script").count(), 1);
    }
}
