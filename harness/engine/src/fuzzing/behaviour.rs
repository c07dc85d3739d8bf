use std::time::Duration;

use serde_json::Value;
use shakedown_protocol::vocabulary::Vocabulary;

use crate::script::{Script, fingerprint};

/// Response times are distinguished by powers of two above this, in milliseconds.
const RESOLUTION: u64 = 16;
/// Most runs of responses that are distinguished.
const MAX_RESPONSES: usize = 16;
/// Largest number that is distinguished from others.
const MAX_DISTINCT: u64 = 16;

/// What an implementation did in a conversation, without values that differ each time: the shapes of its responses
/// in order, how often each came, the fault, and the slowest response.
#[derive(Debug, Default)]
pub struct Behaviour {
    /// Runs of responses with the same frame: name, shape of the first, count.
    responses: Vec<(&'static str, String, u64)>,
    slowest: Duration,
    fault: String,
}

impl Behaviour {
    /// A datagram was received, `after` the last that was sent.
    pub fn response(&mut self, vocabulary: &dyn Vocabulary, datagram: &[u8], after: Duration) {
        self.slowest = self.slowest.max(after);
        let (name, shape) = match vocabulary.decode(datagram) {
            Ok(Some(described)) => {
                let fields = described.fields.iter();
                let fields: Vec<_> = fields.map(|(_, value)| shape_of(value)).collect();
                (described.frame, fields.join(","))
            }
            Ok(None) => ("unknown", String::new()),
            Err(_) => ("malformed", String::new()),
        };
        let has_room = self.responses.len() < MAX_RESPONSES;
        match self.responses.last_mut() {
            Some((last, _, times)) if *last == name => *times += 1,
            Some(_) | None if has_room => self.responses.push((name, shape, 1)),
            Some(_) | None => {}
        }
    }

    /// The observed fault, if there was one.
    pub fn fault(&mut self, how: String) {
        self.fault = how;
    }

    /// A number for this behaviour and the script's. `group` distinguishes implementations that were started with other
    /// arguments.
    #[must_use]
    pub fn digest(&self, group: &str, script: &Script) -> u64 {
        let responses = self.responses.iter();
        let mut parts: Vec<_> = responses
            .map(|(name, shape, times)| {
                format!("{name}({shape})*{}", u64::BITS - times.leading_zeros())
            })
            .collect();
        parts.push(script.shape());
        parts.push(self.fault.clone());
        let millis = u64::try_from(self.slowest.as_millis()).unwrap_or(u64::MAX);
        parts.push(
            (millis / RESOLUTION)
                .checked_ilog2()
                .map_or(0, |log| log + 1)
                .to_string(),
        );
        fingerprint(&format!("{group}\n{}", parts.join("\n")))
    }
}

/// The type of a value, and the value if it is small.
fn shape_of(value: &Value) -> String {
    match value {
        Value::Null => String::from("-"),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => match number.as_u64() {
            Some(small) if small <= MAX_DISTINCT => small.to_string(),
            Some(_) | None => String::from("n"),
        },
        Value::String(text) => String::from(if text.is_empty() { "e" } else { "t" }),
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(shape_of).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let members = members.iter();
            let members: Vec<_> = members
                .map(|(name, value)| format!("{name}:{}", shape_of(value)))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}
