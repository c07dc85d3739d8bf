use serde_json::{Map, Value};

use super::prelude::datagrams::*;
use super::prelude::*;

/// A frame to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// The frame's name.
    pub frame: String,
    /// Its fields; one that is not given has the value that the specification demands.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// The socket it leaves from: `main`, one of `sockets`, or `fresh` for a new port each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How often it is sent in a row; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Send {
    /// The frame in words, with where it leaves from and how often.
    pub(super) fn frame_in_words(&self) -> String {
        let fields = words::with_fields(&self.fields);
        let from = words::from(self.from.as_deref());
        let times = self.times.map(words::times).unwrap_or_default();
        format!("{}{fields}{from}{times}", self.frame)
    }
}

impl Verb for Send {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let bytes = check.sent(&self.frame, &self.fields, inside);
        check.datagram_size(bytes.map(|bytes| bytes.len()), &inside.key("fields"));
        check.socket(self.from.as_deref(), &inside.key("from"), true);
        check.not_zero(self.times.map(u64::from), &inside.key("times"));
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.uses_of(&self.fields, inside, state);
        check.may_send(inside, state);
    }

    fn in_words(&self) -> String {
        format!("send {}", self.frame_in_words())
    }

    fn longest(&self, _: &Pace<'_>) -> Duration {
        Pace::burst(self.times)
    }

    fn sockets(&self) -> Vec<&str> {
        self.from.as_deref().into_iter().collect()
    }
}

impl Sends for Send {
    fn stimulus(&self, _: Duration, context: &Context) -> Result<Stimulus, String> {
        let datagram = send::typed(&self.frame, &self.fields, context)?;
        let from = From::named(self.from.as_deref(), context)?;
        Ok(Stimulus::Leaves(
            from,
            Repetition::times(datagram, self.times),
        ))
    }
}
