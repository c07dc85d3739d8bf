use std::collections::BTreeMap;

use serde::Serialize;

use crate::proton::CloseCode;

/// What a machine counts.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Counters {
    /// Connections that came about.
    pub(super) connections: u64,
    /// Connections that were refused in the handshake.
    pub(super) refused: u64,
    /// Connections that this side closed, by the name of the code.
    pub(super) closed: BTreeMap<&'static str, u64>,
    /// Connections that ended otherwise, by cause.
    pub(super) ended: BTreeMap<&'static str, u64>,
    /// Events acked, or sent and acked.
    pub(super) events: u64,
    pub(super) commits: u64,
    /// Items sent or received.
    pub(super) actions: u64,
    /// Most bytes that waited at a time on a stream whose peer did not read (PR-T-04).
    pub(super) most_waiting: usize,
    /// Inputs about connections that are over.
    pub(super) late: u64,
}

impl Counters {
    pub(super) fn closed(&mut self, code: &'static str) {
        *self.closed.entry(code).or_default() += 1;
    }

    /// Whether this side closed a connection with this code.
    pub(super) fn has_closed(&self, code: CloseCode) -> bool {
        self.closed.contains_key(code.name())
    }

    pub(super) fn ended(&mut self, cause: &'static str) {
        *self.ended.entry(cause).or_default() += 1;
    }

    #[expect(
        clippy::panic,
        reason = "counters are numbers under names: they always have a JSON form"
    )]
    pub(super) fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_else(|error| panic!("counters have no JSON: {error}"))
    }
}
