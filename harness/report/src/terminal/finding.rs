//! One finding (human-readable).

use shakedown_engine::event::FindingEvent;

use super::style::{self, paint};
use crate::hexdump::{self, Line};
use crate::requirements;
use crate::text::{clean, clean_line, count, wrap};

/// Column at which the values of `expected`, `got` and so on begin.
const VALUES: usize = 12;

/// The requirement with its text (unless it was printed just before) and level, expected and got,
/// where, and the bytes.
pub(super) fn render(finding: &FindingEvent, is_again: bool, width: usize) -> String {
    let mut text = requirement(finding, is_again, width);
    text += &labelled("expected", &finding.expected, style::GOOD, width);
    text += &labelled("got", &finding.got, style::BAD, width);
    if let Some(field) = &finding.field {
        let length = count(field.length as u64, "byte");
        let field = format!("{} at offset {}, {length}", field.name, field.offset);
        text += &labelled("field", &field, style::DIM, width);
    }
    text += &labelled("at", &place(finding), style::DIM, width);
    if let Some(because) = &finding.waived {
        text += &labelled("waived", because, style::DIM, width);
    }
    if finding.advisory {
        let why = format!(
            "no, it is advice: --level decides whether a {level} counts",
            level = finding.level
        );
        text += &labelled("counts", &why, style::DIM, width);
    }
    text + &dump(finding)
}

/// `MS-H-18 MUST  While it waits for ACK ...`.
fn requirement(finding: &FindingEvent, is_again: bool, width: usize) -> String {
    let id = clean_line(&finding.requirement);
    let level = clean_line(&finding.level);
    let rule = match is_again {
        true => "again",
        false => requirements::find(&finding.requirement).map_or("", |found| &found.text),
    };
    let indent = 2 + id.chars().count() + 1 + level.chars().count() + 2;
    let lines = wrap(rule, width.saturating_sub(indent));
    let mut text = format!("  {} {level}  ", paint(style::BOLD, &id));
    text += &lines.join(&format!("\n{}", " ".repeat(indent)));
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// `packet 4, 0.512338 s, step 3`.
fn place(finding: &FindingEvent) -> String {
    let mut place = match finding.packet {
        Some(packet) => format!("packet {packet}, "),
        None => String::new(),
    };
    place += &format!("{:.6} s", finding.time);
    if let Some(step) = &finding.step {
        place += &format!(", step {step}");
    }
    place
}

/// A label and its value in a column, broken into lines.
pub(super) fn labelled(label: &str, value: &str, style: anstyle::Style, width: usize) -> String {
    let mut text = String::new();
    let lines = wrap(&clean(value), width.saturating_sub(VALUES));
    for (number, line) in lines.iter().enumerate() {
        let label = if number == 0 { label } else { "" };
        let gap = VALUES - 1;
        text += &format!("{label:>gap$} {}\n", paint(style, line));
    }
    text
}

/// A label and a path, which is never broken: people copy it.
pub(super) fn path(label: &str, path: &str) -> String {
    let gap = VALUES - 1;
    let path = paint(style::DIM, &clean_line(path));
    format!("{label:>gap$} {path}\n")
}

/// The payload, with the field marked.
fn dump(finding: &FindingEvent) -> String {
    let Some(Ok(payload)) = finding.bytes.as_ref().map(hex::decode) else {
        return String::new();
    };
    let field = finding.field.as_ref();
    let marked = field.map(|field| field.offset..field.offset.saturating_add(field.length));
    let mut text = String::from("\n");
    for line in hexdump::lines(&payload, marked) {
        text += &format!("    {}\n", paint_line(&line));
        if let (_, Some(carets)) = line.plain() {
            text += &format!("    {}\n", paint(style::BAD, &carets));
        }
    }
    text
}

fn paint_line(line: &Line) -> String {
    let Line::Bytes {
        offset,
        bytes,
        marked,
    } = line
    else {
        return paint(style::DIM, &line.plain().0);
    };
    let mut hex = String::new();
    let mut shown = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        let digits = format!("{byte:02x}");
        let c = hexdump::printable(*byte).to_string();
        let (digits, c) = match marked.contains(&index) {
            true => (paint(style::MARK, &digits), paint(style::MARK, &c)),
            false => (digits, c),
        };
        hex += &digits;
        hex.push(' ');
        shown += &c;
    }
    let padding = " ".repeat((16 - bytes.len()) * 3 + 1);
    let offset = paint(style::DIM, &format!("{offset:04x}"));
    format!("{offset}  {hex}{padding}{shown}")
}
