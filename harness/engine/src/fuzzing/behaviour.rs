use std::time::Duration;

use serde_json::Value;
use shakedown_protocol::vocabulary::Vocabulary;

use crate::script::{Script, fingerprint};

/// Below so many milliseconds an answer is as quick as any; above it, powers of two are told apart.
const QUICK: u64 = 16;
/// Most answers of which the order counts.
const MOST_ANSWERS: usize = 16;
/// Numbers up to this are told apart.
const SMALL: u64 = 16;

/// What an implementation did in a conversation, without what is another thing each time: the shape of its
/// answers in their order, how often each came, how it ended, and how slow it was.
#[derive(Debug, Default)]
pub struct Behaviour {
    /// Answers in a row of the same frame: its name, the shape of the first, how many there were.
    answers: Vec<(&'static str, String, u64)>,
    slowest: Duration,
    ended: String,
}

impl Behaviour {
    /// A datagram came, so long after the last that was sent.
    pub fn answered(&mut self, vocabulary: &dyn Vocabulary, datagram: &[u8], after: Duration) {
        self.slowest = self.slowest.max(after);
        let (name, shape) = match vocabulary.decode(datagram) {
            Ok(Some(described)) => {
                let fields = described.fields.iter();
                let fields: Vec<_> = fields.map(|(_, value)| shape_of(value)).collect();
                (described.frame, fields.join(","))
            }
            Ok(None) => ("no form", String::new()),
            Err(_) => ("breaks its rules", String::new()),
        };
        let has_room = self.answers.len() < MOST_ANSWERS;
        match self.answers.last_mut() {
            Some((last, _, times)) if *last == name => *times += 1,
            Some(_) | None if has_room => self.answers.push((name, shape, 1)),
            Some(_) | None => {}
        }
    }

    /// The implementation ended so.
    pub fn ended(&mut self, how: String) {
        self.ended = how;
    }

    /// What it did as a number, with what the script saw of it; `group` tells implementations apart that were
    /// started in other ways.
    #[must_use]
    pub fn digest(&self, group: &str, script: &Script) -> u64 {
        let answers = self.answers.iter();
        let mut parts: Vec<_> = answers
            .map(|(name, shape, times)| {
                format!("{name}({shape})*{}", u64::BITS - times.leading_zeros())
            })
            .collect();
        parts.push(script.shape());
        parts.push(self.ended.clone());
        let millis = u64::try_from(self.slowest.as_millis()).unwrap_or(u64::MAX);
        parts.push(
            (millis / QUICK)
                .checked_ilog2()
                .map_or(0, |log| log + 1)
                .to_string(),
        );
        fingerprint(&format!("{group}\n{}", parts.join("\n")))
    }
}

/// What kind of value it is, and which if there are few.
fn shape_of(value: &Value) -> String {
    match value {
        Value::Null => String::from("-"),
        Value::Bool(is) => is.to_string(),
        Value::Number(number) => match number.as_u64() {
            Some(small) if small <= SMALL => small.to_string(),
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
