//! Payloads in hexadecimal, with the bytes marked that matter.

use std::ops::Range;

/// Bytes in a row.
pub const ROW: usize = 16;
/// Rows that are shown of a payload without a mark.
const HEAD: usize = 4;

/// One line of a dump.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// Up to 16 bytes.
    Bytes {
        /// Offset of the first in the payload.
        offset: usize,
        bytes: Vec<u8>,
        /// Which of them are marked, as indices into `bytes`.
        marked: Range<usize>,
    },
    /// This many bytes are omitted here.
    Gap(usize),
}

/// The lines that show the `marked` bytes: their rows, one row around them and the first row. A
/// mark past the end marks nothing.
pub(crate) fn lines(payload: &[u8], marked: Option<Range<usize>>) -> Vec<Line> {
    let rows = payload.len().div_ceil(ROW);
    let marked = marked.unwrap_or(0..0);
    let shown = |row: usize| {
        if marked.is_empty() || marked.start >= payload.len() {
            return row < HEAD;
        }
        let first = (marked.start / ROW).saturating_sub(1);
        let last = (marked.end.min(payload.len()) - 1) / ROW + 1;
        row == 0 || (first..=last).contains(&row)
    };
    let mut lines = Vec::new();
    let mut gap = 0;
    for row in 0..rows {
        let offset = row * ROW;
        let bytes = &payload[offset..payload.len().min(offset + ROW)];
        if !shown(row) {
            gap += bytes.len();
            continue;
        }
        if gap > 0 {
            lines.push(Line::Gap(std::mem::take(&mut gap)));
        }
        let within = |at: usize| at.saturating_sub(offset).min(bytes.len());
        lines.push(Line::Bytes {
            offset,
            bytes: bytes.to_vec(),
            marked: within(marked.start)..within(marked.end),
        });
    }
    if gap > 0 {
        lines.push(Line::Gap(gap));
    }
    lines
}

impl Line {
    /// The line without colours, and the carets under the marked bytes if there are any.
    pub(crate) fn plain(&self) -> (String, Option<String>) {
        match self {
            Self::Gap(bytes) => (format!("      … {bytes} bytes"), None),
            Self::Bytes {
                offset,
                bytes,
                marked,
            } => {
                let line = row(*offset, bytes);
                (line, carets(marked))
            }
        }
    }
}

/// `0010  53 54 41 52  STAR`: a row of up to 16 bytes, with the offset of its first.
#[must_use]
pub fn row(offset: usize, bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let text: String = bytes.iter().copied().map(printable).collect();
    format!("{offset:04x}  {:<47}  {text}", digits.join(" "))
}

/// The carets under a row's marked bytes, indented to stand under them.
pub(crate) fn carets(marked: &Range<usize>) -> Option<String> {
    if marked.is_empty() {
        return None;
    }
    let width = marked.len() * 3 - 1;
    Some(" ".repeat(6 + marked.start * 3) + &"^".repeat(width))
}

/// A byte as the text column shows it.
pub(crate) const fn printable(byte: u8) -> char {
    match byte {
        0x20..=0x7e => byte as char,
        _ => '.',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(length: u8, marked: Option<Range<usize>>) -> String {
        let payload: Vec<u8> = (0..length).collect();
        let mut text = String::new();
        for line in lines(&payload, marked) {
            let (bytes, carets) = line.plain();
            text += bytes.trim_end();
            text.push('\n');
            if let Some(carets) = carets {
                text += &carets;
                text.push('\n');
            }
        }
        text
    }

    #[test]
    fn marked_bytes_stand_over_carets() {
        insta::assert_snapshot!(dump(40, Some(14..18)));
    }

    #[test]
    fn rows_far_from_the_mark_are_left_out() {
        insta::assert_snapshot!(dump(200, Some(130..132)));
    }

    #[test]
    fn without_a_mark_the_first_rows_are_shown() {
        insta::assert_snapshot!(dump(200, None));
    }

    #[test]
    fn a_mark_past_the_end_marks_nothing() {
        assert_eq!(dump(20, Some(30..32)), dump(20, None));
        assert_eq!(dump(0, Some(0..2)), "");
        assert!(dump(20, Some(18..40)).ends_with(
            " ^^^^^
"
        ));
    }
}
