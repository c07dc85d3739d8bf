//! Text of others, names and links in Markdown.

use std::path::Path;

use crate::link::target;
use crate::text::clean_line;

/// A link to a capture: relative to the document where the capture lies beside it.
pub(super) fn link(capture: Option<&str>, directory: &Path) -> String {
    let Some(capture) = capture else {
        return String::new();
    };
    let name = Path::new(capture).file_name().unwrap_or_default();
    let target = target(capture, directory);
    format!("[{}]({target})", escape(&name.to_string_lossy()))
}

/// Text of others as text: no markup, no table cell, no line ends before its time.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in clean_line(text).chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '@' => escaped += "&#64;",
            c => escaped.push(c),
        }
    }
    // Viewers make links of bare addresses.
    escaped.replace("://", "&#58;//")
}

/// A name of ours as code, or escaped where it cannot be code.
pub(super) fn code(text: &str) -> String {
    match text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "/-_.,".contains(c))
        && !text.is_empty()
    {
        true => format!("`{text}`"),
        false => escape(text),
    }
}
