use std::time::Duration;

use serde_json::Value;
use shakedown_protocol::vocabulary::Vocabulary;

/// Longest hexadecimal text that is shown in full, in characters.
const MAX_HEX: usize = 32;

/// A datagram in a line: the frame's name and the fields that are not zero or empty;
/// `malformed (why)` or `unknown (bytes)` where it has no name.
#[must_use]
pub fn describe(vocabulary: &dyn Vocabulary, datagram: &[u8]) -> String {
    match vocabulary.decode(datagram) {
        Ok(Some(described)) => {
            let fields = described.fields.iter();
            let fields = fields.filter(|(name, _)| vocabulary.shows(&described, name));
            fields.fold(described.frame.to_owned(), |line, (name, field)| {
                format!("{line} {name}={}", value(field))
            })
        }
        Ok(None) => format!(
            "unknown datagram of {} bytes ({})",
            datagram.len(),
            hex(datagram)
        ),
        Err(error) => format!(
            "malformed datagram of {} bytes ({error}; {})",
            datagram.len(),
            hex(datagram)
        ),
    }
}

/// A duration, human-readable: `1.25 s`, `350 ms`, `0 ms`.
#[must_use]
pub fn human_time(time: Duration) -> String {
    let (number, unit) = match time.as_secs_f64() {
        seconds if seconds >= 1.0 => (format!("{seconds:.3}"), "s"),
        seconds => (format!("{:.1}", seconds * 1e3), "ms"),
    };
    let number = number.trim_end_matches('0').trim_end_matches('.');
    format!("{number} {unit}")
}

/// Bytes in hexadecimal, the first of many: `07 00 00 00`.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(MAX_HEX);
    let shown: Vec<_> = shown.map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > MAX_HEX { " ..." } else { "" };
    shown.join(" ") + more
}

/// A field's value, human-readable.
pub(crate) fn value(value: &Value) -> String {
    if let Some(object) = value.as_object() {
        if let (1, Some(length)) = (object.len(), object.get("pattern")) {
            return format!("pattern({length})");
        }
        if let (1, Some(Value::String(hex))) = (object.len(), object.get("hex")) {
            return format!("hex({})", shorten(hex));
        }
    }
    value.to_string()
}

fn hex(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(MAX_HEX / 2 + 1)];
    shorten(&hex::encode(shown))
}

fn shorten(hex: &str) -> String {
    match hex.get(..MAX_HEX) {
        Some(start) if hex.len() > MAX_HEX => format!("{start}..."),
        _ => hex.to_owned(),
    }
}
