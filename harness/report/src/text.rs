//! Text of others, made safe to show: control characters as visible escapes, lines of a width.

use std::borrow::Cow;

use console::{measure_text_width, truncate_str};
use textwrap::{Options, WordSplitter};

/// Makes control characters visible: an escape sequence, a carriage return or an invisible change
/// of direction in the output of an implementation must not act on the terminal or in a document.
/// Line feeds stay; a tab becomes a space.
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\t' => clean.push(' '),
            c if acts(c) => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// As [`clean`], in one line.
#[must_use]
pub fn clean_line(text: &str) -> String {
    clean(text).lines().collect::<Vec<_>>().join(" ")
}

/// Whether a character acts on a terminal or on what is shown beside it. A line feed does not.
pub(crate) fn acts(c: char) -> bool {
    let invisible = matches!(c,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        | '\u{fff9}'..='\u{ffff}' | '\u{e0000}'..='\u{e007f}');
    (c.is_control() && c != '\n') || invisible
}

/// Breaks a text into lines of at most `width` columns, between words where that is possible. Words
/// are not broken at their hyphens: ids have some.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let options = Options::new(width.max(1)).word_splitter(WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(text.trim_end_matches('\n'), options);
    lines.into_iter().map(Cow::into_owned).collect()
}

/// Cuts a text to `width` columns, with an ellipsis where something was cut.
#[must_use]
pub fn fit(text: &str, width: usize) -> String {
    truncate_str(text, width, "…").into_owned()
}

/// As [`fit`], but what is cut is the beginning: the end of a name or a path is more specific.
#[must_use]
pub fn fit_tail(text: &str, width: usize) -> String {
    if measure_text_width(text) <= width {
        return text.to_owned();
    }
    let tails = text.char_indices().map(|(at, _)| &text[at..]);
    let mut fitting = tails.skip_while(|tail| measure_text_width(tail) >= width.max(1));
    format!("…{}", fitting.next().unwrap_or_default())
}

/// `1 finding`, `2 findings`.
#[must_use]
pub fn count(number: u64, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {one}{plural}")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::colour("\u{1b}[31mred\u{1b}[0m", r"\u{1b}[31mred\u{1b}[0m")]
    #[case::title("\u{1b}]0;mine\u{7}", r"\u{1b}]0;mine\u{7}")]
    #[case::c1_sequence("\u{9b}31m", r"\u{9b}31m")]
    #[case::overwriting("bad\rgood", r"bad\rgood")]
    #[case::erasing("a\u{8}\u{7f}", r"a\u{8}\u{7f}")]
    #[case::direction("a\u{202e}b\u{2066}c", r"a\u{202e}b\u{2066}c")]
    #[case::nul("a\0", r"a\u{0}")]
    #[case::tab_and_line("a\tb\nc", "a b\nc")]
    #[case::plain("Grüße, 世界", "Grüße, 世界")]
    fn control_characters_become_visible(#[case] text: &str, #[case] clean_text: &str) {
        assert_eq!(clean(text), clean_text);
    }

    #[rstest]
    #[case("one two three", 7, &["one two", "three"])]
    #[case("abcdefghij k", 4, &["abcd", "efgh", "ij k"])]
    #[case("a abcdefgh", 4, &["a", "abcd", "efgh"])]
    #[case("an MS-H-12", 8, &["an", "MS-H-12"])]
    #[case("世界 世界", 5, &["世界", "世界"])]
    #[case("first\nsecond", 10, &["first", "second"])]
    #[case("", 10, &[""])]
    fn lines_break_between_words(#[case] text: &str, #[case] width: usize, #[case] lines: &[&str]) {
        assert_eq!(wrap(text, width), lines);
    }

    #[rstest]
    #[case("abc", 3, "abc", "abc")]
    #[case("abcd", 3, "ab…", "…cd")]
    #[case("äöüß", 2, "ä…", "…ß")]
    #[case("世界", 3, "世…", "…界")]
    #[case("abc", 0, "…", "…")]
    fn a_long_text_is_cut(
        #[case] text: &str,
        #[case] width: usize,
        #[case] start: &str,
        #[case] end: &str,
    ) {
        assert_eq!(fit(text, width), start);
        assert_eq!(fit_tail(text, width), end);
    }
}
