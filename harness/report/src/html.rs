//! The page of a table of implementations: one file that needs nothing from elsewhere.

use std::io;
use std::path::Path;

use maud::{DOCTYPE, Markup, html};
use shakedown_engine::event::{FindingEvent, ProcessEvent};
use shakedown_engine::interop::{PairEvent, Standing};

use crate::hexdump;
use crate::link::target;
use crate::table::{Table, demanded, label, legend, standing, words};
use crate::text::{clean, clean_line, count};
use crate::{Ladder, Outcome, Record, ladder, requirements};

/// Pairs whose ladders are drawn.
const MOST_LADDERS: usize = 200;

/// How pages look, in light and in dark.
const STYLE: &str = "
:root { color-scheme: light dark; --page: #ffffff; --text: #1f2328; --good: #1a7f37; --bad: #c01c28;
  --unsure: #8a5a00; --quiet: #59636e; --line: #d1d9e0; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0d1117; --text: #e6edf3; --good: #4ac26b; --bad: #ff7b72; --unsure: #d4a72c; --quiet: #9198a1;
    --line: #3d444d; --soft: #161b22; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); margin: 2rem auto; max-width: 75rem;
  padding: 0 1rem; }
table { border-collapse: collapse; } .scroll { overflow-x: auto; }
:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left;
  vertical-align: top; }
th { background: var(--soft); font-weight: 600; }
tr > th:first-child { position: sticky; left: 0; } th[scope=row] { background: var(--page); }
td small { display: block; white-space: nowrap; }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; white-space: pre-wrap; }
pre.bytes { white-space: pre; } dd { overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.unsure { color: var(--unsure); }
a { color: inherit; } section { border-top: 1px solid var(--line); margin-top: 1.5rem; }
dt { font-weight: 600; } .rule { font-weight: normal; } h1 { font-size: clamp(1.3rem, 5vw, 2rem); } dd { margin: 0 0 .4rem 1.5rem; }
";

/// A page of HTML with the table, what was found in each cell, and links to its captures; nothing
/// is written without an interoperability matrix.
pub(crate) fn document(record: &Record, place: &Path, _: &Outcome) -> io::Result<Option<String>> {
    let directory = place.parent().unwrap_or(Path::new(""));
    let table = record.table.as_ref();
    Ok(table.map(|table| page(table, record, directory).into_string()))
}

fn page(table: &Table, record: &Record, directory: &Path) -> Markup {
    let responders = Table::names(&table.responders).join(", ");
    let initiators = Table::names(&table.initiators).join(", ");
    let title = clean_line(&format!("{responders} with {initiators}"));
    let body = html! {
        main {
            h1 { (title) }
            p { strong { (clean_line(&table.message())) } }
            p { (counts(table)) }
            @for note in table.summaries.iter().flat_map(|summary| &summary.notes) {
                p.unsure { (clean_line(note)) }
            }
            (matrix(table, directory))
            p { (legend(table)) }
            @for (number, pair) in table.in_order().into_iter().enumerate() {
                (details(pair, number, record, directory))
            }
        }
    };
    whole_page(&title, &[ladder::STYLE], &body)
}

/// A whole page; `styles` are what it has besides the style of all pages.
pub(crate) fn whole_page(title: &str, styles: &[&str], body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Shakedown: " (title) }
                style { (STYLE) @for style in styles { (style) } }
            }
            body { (body) }
        }
    }
}

fn counts(table: &Table) -> String {
    let counts = table.counts().into_iter();
    let counts: Vec<_> = counts
        .map(|(standing, number)| format!("{number} {}", standing.name()))
        .collect();
    let network = match &table.impair {
        Some(impair) => format!("impaired by {}", clean_line(impair)),
        None => "not impaired".to_owned(),
    };
    format!(
        "{} of {}; {}; seed {}; the network between them was {network}.",
        counts.join(", "),
        count(table.wanted as u64, "pair"),
        table.protocol,
        table.seed,
    )
}

fn matrix(table: &Table, directory: &Path) -> Markup {
    let order = table.in_order();
    let place = |pair: &PairEvent| order.iter().position(|other| other.pair == pair.pair);
    html! {
        div.scroll tabindex="0" role="region" aria-label="pairs" {
            table {
                tr {
                    th { "responder / initiator" }
                    @for side in &table.initiators {
                        th scope="col" { (clean_line(&label(side, &table.initiators))) }
                    }
                }
                @for responder in &table.responders {
                    tr {
                        th scope="row" { (clean_line(&label(responder, &table.responders))) }
                        @for initiator in &table.initiators {
                            @match table.cell(responder, initiator) {
                                Some(pair) => td class=(class(pair.standing)) {
                                    a href=(format!("#pair-{}", place(pair).unwrap_or_default())) {
                                        (clean_line(&words(pair)))
                                    }
                                    small { (captures(pair, directory)) }
                                },
                                None => td { "–" },
                            }
                        }
                    }
                }
            }
        }
    }
}

fn captures(pair: &PairEvent, directory: &Path) -> Markup {
    let sides = [
        ("initiator", &pair.captures.initiator),
        ("responder", &pair.captures.responder),
    ];
    html! {
        @for (side, capture) in sides {
            @if let Some(capture) = capture {
                a href=(target(capture, directory)) title=(clean_line(capture)) { (side) ".pcapng" }
                " "
            }
        }
    }
}

fn details(pair: &PairEvent, number: usize, record: &Record, directory: &Path) -> Markup {
    let initiator = &pair.initiator;
    let responder = &pair.responder;
    let sides = [
        ("initiator", &pair.processes.initiator),
        ("responder", &pair.processes.responder),
    ];
    html! {
        section id=(format!("pair-{number}")) {
            h2 {
                (clean_line(&format!("{} ({})", responder.name, responder.setup()))) " and "
                (clean_line(&format!("{} ({})", initiator.name, initiator.setup())))
            }
            p class=(class(pair.standing)) {
                (pair.outcome.name()) ": " (clean_line(&pair.seen)) " – " (clean_line(&standing(pair)))
            }
            p { "Demanded: " (clean_line(&demanded(pair))) }
            @for note in &pair.notes { p.unsure { (clean_line(note)) } }
            p { (captures(pair, directory)) }
            @for finding in record.findings_of(&pair.pair) { (self::finding(finding, directory)) }
            @if number < MOST_LADDERS && let Some(ladder) = exchange(pair, record) {
                (ladder::drawn(&ladder))
            }
            @for (side, process) in sides {
                @if let Some(process) = process { (self::process(side, process)) }
            }
        }
    }
}

/// The ladder of a pair that did not do as demanded, as the side saw it that shows what is wrong.
fn exchange(pair: &PairEvent, record: &Record) -> Option<Ladder> {
    if class(pair.standing) == "good" {
        return None;
    }
    let findings: Vec<_> = record.findings_of(&pair.pair).collect();
    let named = findings.iter().find_map(|one| one.capture.as_ref());
    let [initiator, responder] = [&pair.captures.initiator, &pair.captures.responder];
    let capture = named.or(responder.as_ref()).or(initiator.as_ref())?;
    let of_it = findings
        .into_iter()
        .filter(|one| one.capture.as_ref() == Some(capture));
    Ladder::of(capture, of_it)
}

pub(crate) fn finding(finding: &FindingEvent, directory: &Path) -> Markup {
    let rule = requirements::find(&finding.requirement).map_or("", |found| &found.text);
    let style = if finding.counts() { "bad" } else { "unsure" };
    let packet = finding.packet.map(|packet| format!("packet {packet}, "));
    html! {
        dl {
            dt {
                span class=(style) { (clean_line(&finding.requirement)) } " "
                (clean_line(&finding.level)) " " span.rule { (rule) }
            }
            dd { "expected: " (clean_line(&finding.expected)) }
            dd { "got: " (clean_line(&finding.got)) }
            dd {
                "at: " (packet.unwrap_or_default()) (format!("{:.6} s", finding.time))
                @if let Some(capture) = &finding.capture {
                    ", " a href=(target(capture, directory)) { (clean_line(capture)) }
                }
            }
            @if let Some(because) = &finding.waived { dd { "waived: " (clean_line(because)) } }
            @if finding.advisory { dd { "advice" } }
            @if let Some(dump) = dump(finding) { dd { pre.bytes tabindex="0" { (dump) } } }
        }
    }
}

/// The payload of its packet, with carets under the field.
fn dump(finding: &FindingEvent) -> Option<String> {
    let payload = hex::decode(finding.bytes.as_ref()?).ok()?;
    let field = finding.field.as_ref();
    let marked = field.map(|field| field.offset..field.offset.saturating_add(field.length));
    let mut text = String::new();
    for line in hexdump::lines(&payload, marked) {
        let (bytes, carets) = line.plain();
        text += &format!("{bytes}\n");
        text.extend(carets.map(|carets| format!("{carets}\n")));
    }
    Some(text)
}

pub(crate) fn process(side: &str, process: &ProcessEvent) -> Markup {
    html! {
        p { "The " (side) "'s process: " (clean_line(&process.status)) }
        @if !process.output.trim().is_empty() { pre { (clean(&process.output)) } }
    }
}

const fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::AsDemanded => "good",
        Standing::LeftOpen | Standing::Excused | Standing::Inconclusive | Standing::Error => {
            "unsure"
        }
        Standing::Breaks | Standing::NotAsDemanded => "bad",
    }
}

#[cfg(test)]
mod tests {
    use shakedown_engine::event::Event;

    use super::*;
    use crate::fixture::{self, record};
    use crate::{Document, Sink};

    fn written(events: Vec<Event>) -> String {
        let record = record(events);
        let table = record.table.as_ref().unwrap();
        page(table, &record, Path::new("reports/interop")).into_string()
    }

    #[test]
    fn every_cell_says_how_it_ended_and_leads_to_its_captures() {
        let page = written(fixture::interop());
        insta::assert_snapshot!(page.replace("><", ">\n<"));
        let link = "href=\"captures/acme-server-2-1/legacy/player/3way.fallback/responder.pcapng\"";
        assert!(page.contains(link), "{link}");
    }

    #[test]
    fn text_of_others_is_text_and_nothing_is_loaded_from_elsewhere() {
        let page = written(fixture::interop());
        assert!(page.contains("acme server &lt;2.1&gt;"));
        assert!(page.contains("assertion &lt;failed&gt;"));
        for never in ["\u{1b}", "<script", "http:", "https:", "src="] {
            assert!(!page.contains(never), "{never:?}");
        }
    }

    /// The colours of the light or the dark page, by name: red, green, blue.
    fn palette(place: usize) -> std::collections::BTreeMap<&'static str, [f64; 3]> {
        let root = STYLE.split(":root {").nth(place).unwrap();
        let root = root.split('}').next().unwrap();
        let colours = root.split("--").filter_map(|one| one.split_once(": #"));
        let colours = colours.map(|(name, digits)| {
            let number = u32::from_str_radix(&digits[..6], 16).unwrap().to_be_bytes();
            let share = |byte: u8| f64::from(byte) / 255.0;
            (name, [share(number[1]), share(number[2]), share(number[3])])
        });
        colours.collect()
    }

    /// How much two colours differ, as WCAG counts it.
    fn contrast(a: [f64; 3], b: [f64; 3]) -> f64 {
        let light = |share: f64| match share <= 0.04045 {
            true => share / 12.92,
            false => ((share + 0.055) / 1.055).powf(2.4),
        };
        let luminance = |[red, green, blue]: [f64; 3]| {
            0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_stands_out_from_its_ground_in_light_and_in_dark() {
        assert!((contrast([1.0; 3], [0.0; 3]) - 21.0).abs() < 1e-9);
        for place in [1, 2] {
            let palette = palette(place);
            for text in ["text", "good", "bad", "unsure", "quiet"] {
                for ground in ["page", "soft"] {
                    let contrast = contrast(palette[text], palette[ground]);
                    assert!(contrast >= 4.5, "{text} on {ground}: {contrast:.2}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_written_where_nobody_was_set_at_a_table() {
        let directory = tempfile::tempdir().unwrap();
        let mut page = Document::new(directory.path().join("interop.html"), document);
        let record = record(fixture::run());
        page.finish(&record, &Outcome::default()).unwrap();
        assert_eq!(page.file(), None);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
