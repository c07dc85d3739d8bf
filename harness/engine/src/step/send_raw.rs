use super::prelude::datagrams::*;
use super::prelude::*;

/// Bytes to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRaw {
    /// The datagram in hexadecimal; spaces are allowed. Empty for a datagram of 0 bytes.
    pub hex: String,
    /// Zero bytes are appended up to this length, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pad_to: Option<usize>,
    /// The socket it leaves from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// How often it is sent in a row; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

impl Verb for SendRaw {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let bytes = check.hex(&self.hex, &inside.key("hex"));
        let length = bytes.map(|bytes| bytes.len().max(self.pad_to.unwrap_or(0)));
        check.datagram_size(length, &inside.key("pad_to"));
        check.socket(self.from.as_deref(), &inside.key("from"), true);
        check.not_zero(self.times.map(u64::from), &inside.key("times"));
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_send(inside, state);
    }

    fn in_words(&self) -> String {
        let padded = self
            .pad_to
            .map(|length| format!(", padded with zeros to {length} bytes"));
        let padded = padded.unwrap_or_default();
        let bytes = match self.hex.trim() {
            "" => "an empty datagram".to_owned(),
            hex => format!("the bytes {}", words::bytes(hex)),
        };
        let times = self.times.map(words::times).unwrap_or_default();
        let from = words::from(self.from.as_deref());
        format!("send {bytes}{padded}{from}{times}")
    }

    fn longest(&self, _: &Pace<'_>) -> Duration {
        Pace::burst(self.times)
    }

    fn sockets(&self) -> Vec<&str> {
        self.from.as_deref().into_iter().collect()
    }
}

impl Sends for SendRaw {
    fn stimulus(&self, _: Duration, context: &Context) -> Result<Stimulus, String> {
        let from = From::named(self.from.as_deref(), context)?;
        let mut datagram = send::hex(&self.hex)?;
        datagram.resize(self.pad_to.unwrap_or(0).max(datagram.len()), 0);
        Ok(Stimulus::Leaves(
            from,
            Repetition::times(datagram, self.times),
        ))
    }
}
