use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use serde::Serialize;

use crate::machine::Tally;
use crate::mediastream::Rejection;

/// Counts by cause, in the order of their names.
pub(super) type Causes = BTreeMap<&'static str, u64>;

/// What a machine counts, by the names of specification section 6.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Counters {
    /// Every datagram that came in, whatever became of it.
    pub(super) received_datagrams: u64,
    pub(super) received_bytes: u64,
    pub(super) sent_datagrams: u64,
    pub(super) sent_bytes: u64,
    /// Datagrams that were dropped because they break a rule, by cause.
    pub(super) validation_errors: Causes,
    /// Well-formed datagrams that the state had no use for, by form.
    pub(super) unexpected: Causes,
    /// Frames sent or received in full.
    pub(super) frames: u64,
    /// Datagrams of frames that were complete already (MS-D-08).
    pub(super) duplicates: u64,
    /// Frame numbers that were missing when a later one came.
    pub(super) sequence_gaps: u64,
    /// Frames that were dropped incomplete (MS-R-05).
    pub(super) reassembly_timeouts: u64,
    /// What was refused because a bound was reached (MS-R-06, MS-H-19).
    pub(super) resource_rejections: u64,
    pub(super) handshakes: Handshakes,
    /// From the first SYN or START of a session to its first media.
    pub(super) time_to_first_media: Times,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Handshakes {
    pub(super) attempted: u64,
    pub(super) succeeded: u64,
    pub(super) failed: Causes,
}

/// A spread of times, in seconds.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Times {
    count: u64,
    min: Option<f64>,
    max: Option<f64>,
    mean: Option<f64>,
}

/// What is counted never decides what is done: all counters are alike.
impl Hash for Counters {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl Counters {
    pub(super) fn received(&mut self, payload: &[u8]) {
        self.received_datagrams += 1;
        self.received_bytes += payload.len() as u64;
    }

    pub(super) fn sent(&mut self, payload: &[u8]) {
        self.sent_datagrams += 1;
        self.sent_bytes += payload.len() as u64;
    }

    pub(super) fn invalid(&mut self, cause: &'static str) {
        count(&mut self.validation_errors, cause);
    }

    pub(super) fn rejected(&mut self, rejection: &Rejection) {
        self.invalid(match rejection {
            Rejection::Empty => "empty",
            Rejection::Oversized { .. } => "oversized",
            Rejection::UnknownFlag { .. } => "unknown_flag",
            Rejection::StartNotAllowed => "start_not_allowed",
            Rejection::Malformed(_) => "malformed",
        });
    }

    pub(super) fn unexpected(&mut self, form: &'static str) {
        count(&mut self.unexpected, form);
    }

    pub(super) fn handshake_failed(&mut self, cause: &'static str) {
        count(&mut self.handshakes.failed, cause);
    }

    /// Those that must add up, while `open` handshakes wait and there are `sessions`.
    pub(super) fn tally(&self, open: usize, sessions: usize) -> Tally {
        Tally {
            received_datagrams: self.received_datagrams,
            received_bytes: self.received_bytes,
            sent_datagrams: self.sent_datagrams,
            sent_bytes: self.sent_bytes,
            attempted: self.handshakes.attempted,
            succeeded: self.handshakes.succeeded,
            failed: self.handshakes.failed.values().sum(),
            open: open as u64,
            sessions: sessions as u64,
        }
    }

    /// The counters as a JSON object.
    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        self.count += 1;
        self.min = Some(self.min.map_or(seconds, |min| min.min(seconds)));
        self.max = Some(self.max.map_or(seconds, |max| max.max(seconds)));
        let mean = self.mean.unwrap_or_default();
        self.mean = Some(mean + (seconds - mean) / self.count as f64);
    }
}

fn count(causes: &mut Causes, cause: &'static str) {
    *causes.entry(cause).or_default() += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_the_names_of_the_specification() {
        let mut counters = Counters::default();
        counters.received(&[0; 27]);
        counters.rejected(&Rejection::Empty);
        counters.handshake_failed("timeout");
        counters.time_to_first_media.add(Duration::from_millis(20));
        counters.time_to_first_media.add(Duration::from_millis(40));
        let json = counters.to_json();
        assert_eq!(json["received_datagrams"], 1);
        assert_eq!(json["received_bytes"], 27);
        assert_eq!(json["validation_errors"]["empty"], 1);
        assert_eq!(json["handshakes"]["failed"]["timeout"], 1);
        assert_eq!(json["time_to_first_media"]["min"], 0.02);
        assert_eq!(json["time_to_first_media"]["max"], 0.04);
        for name in [
            "duplicates",
            "sequence_gaps",
            "reassembly_timeouts",
            "resource_rejections",
        ] {
            assert_eq!(json[name], 0, "{name}");
        }
    }
}
