//! The page of a run or of checked captures: one file that needs nothing from elsewhere, and no
//! script to be read.

mod failures;
mod matrix;

use std::io;
use std::path::Path;

use maud::{Markup, PreEscaped, html};

use self::failures::Failures;
use self::matrix::{Column, class};
use crate::comparison::Comparison;
use crate::html;
use crate::text::{clean_line, count};
use crate::{Outcome, Record, ladder};

/// How it looks besides what all pages have.
const STYLE: &str = "
h1, h2 { margin-bottom: .4rem; overflow-wrap: anywhere; } h2 { font-size: 1.25rem; }
.counts { display: flex; flex-wrap: wrap; gap: .5rem; padding: 0; list-style: none; }
.counts li { border: 1px solid var(--line); border-radius: .5rem; padding: .2rem .7rem; background: var(--soft); }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere; }
summary { cursor: pointer; padding: .2rem 0; } details details { margin-left: 1rem; }
th[scope=row] { white-space: nowrap; }
#filter { font: inherit; padding: .4rem .6rem; width: 100%; max-width: 30rem; margin-bottom: .6rem; }
@media (max-width: 40rem) { body { margin: 1rem auto; } th[scope=row] { white-space: normal; max-width: 45vw; } #scenarios th[scope=row] { min-width: 11rem; } }
@media print {
  #filter, label[for=filter] { display: none; } details::details-content { content-visibility: visible; block-size: auto; }
  .other:not([open])::details-content { content-visibility: hidden; block-size: 0; }
  body { margin: 0; max-width: none; font-size: 10pt; } .scroll, pre { overflow: visible; white-space: pre-wrap; }
  th[scope=row] { position: static; white-space: normal; } tr, figure, dl { break-inside: avoid; } h2 { break-after: avoid; }
}
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

/// The HTML page of a run: summary, failures with causes, requirements, every scenario; several
/// implementations side by side. Nothing is written for an interoperability matrix, which has its
/// own page.
pub(crate) fn document(record: &Record, place: &Path, _: &Outcome) -> io::Result<Option<String>> {
    let directory = place.parent().unwrap_or(Path::new(""));
    let is_table = record.table.is_some();
    Ok((!is_table).then(|| page(record, directory).into_string()))
}

fn page(record: &Record, directory: &Path) -> Markup {
    let several: Vec<_> = record.implementations.iter().collect();
    let title = match &record.run {
        Some(_) if !several.is_empty() => format!("{} implementations", several.len()),
        Some(run) => clean_line(&run.iut),
        None => "captures".to_owned(),
    };
    let body = match several.is_empty() {
        true => {
            let only = ("verdict".to_owned(), record);
            html! { (head(record)) (sections(&[only], directory)) }
        }
        false => {
            let columns = several.iter().map(|(name, one)| (clean_line(name), *one));
            let columns: Vec<Column<'_>> = columns.collect();
            html! {
                @for (name, one) in &columns { section { h2 { (name) } (head(one)) } }
                (sections(&columns, directory))
            }
        }
    };
    whole(&title, &body)
}

impl Comparison {
    /// A page of HTML with the changes, and both runs beside each other, for a file in `directory`.
    #[must_use]
    pub fn page(&self, old: &Record, new: &Record, directory: &Path) -> String {
        let columns = [("before".to_owned(), old), ("now".to_owned(), new)];
        let body = html! {
            p { strong { (self.message()) } }
            @for (heading, changes, more) in self.groups() {
                section {
                    h2 { (heading) }
                    ul { @for change in changes { li { code { (clean_line(&change.of)) } " " (clean_line(&change.how)) } } }
                    @if more > 0 { p { "and " (more) " more" } }
                }
            }
            (Failures::new(new, directory).section(" now"))
            (matrix::requirement_table(&columns))
            (matrix::scenarios(&columns, directory))
        };
        whole("two runs compared", &body).into_string()
    }
}

/// A page with its head, style and script.
pub(crate) fn whole(title: &str, body: &Markup) -> Markup {
    let body = html! {
        main { h1 { (title) } (body) }
        script { (PreEscaped(SCRIPT)) }
    };
    html::whole_page(title, &[STYLE, ladder::STYLE], &body)
}

/// Everything but the head, for each column what did not pass.
fn sections(columns: &[Column<'_>], directory: &Path) -> Markup {
    html! {
        @for (name, record) in columns {
            @let failures = Failures::new(record, directory);
            @let of = if columns.len() > 1 { format!(": {name}") } else { String::new() };
            (failures.section(&of))
            (failures.not_counted())
            (failures.captures())
        }
        (matrix::requirement_table(columns))
        (matrix::scenarios(columns, directory))
    }
}

fn head(record: &Record) -> Markup {
    let summary = record.summary.as_ref();
    let notes = summary.into_iter().flat_map(|summary| &summary.notes);
    html! {
        @if let Some(run) = &record.run {
            p { strong {
                @match summary {
                    Some(summary) => (clean_line(&summary.message)),
                    None => "The run has not finished.",
                }
            } }
            ul.counts {
                @for (verdict, number) in record.counts() {
                    li class=(class(verdict)) { (number) " " (verdict.name()) }
                }
            }
            p {
                (count(run.scenarios as u64, "scenario")) " selected; seed " (run.seed)
                "; capture: " (clean_line(&run.capture)) "."
            }
        }
        @for note in notes { p.unsure { (clean_line(note)) } }
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
        assert!(written(begun).contains("The run has not finished."));
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
