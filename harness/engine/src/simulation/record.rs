use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Value;

use crate::network::Fault;
use crate::script::{Judgements, ScriptOutcome, StepEvent};
use crate::verdict::NetworkEffects;
use crate::verdict::UnexpectedEnd;

/// A scenario that was played.
pub(super) struct RunRecord {
    pub(super) outcome: ScriptOutcome,
    pub(super) judgements: Judgements,
    /// What the reference counted.
    pub(super) counters: Value,
    pub(super) events: Vec<StepEvent>,
    pub(super) ignored: IndexMap<String, u64>,
    pub(super) bindings: IndexMap<String, Value>,
    pub(super) capture: Vec<u8>,
    /// Secrets of its TLS sessions, lines in the format of `SSLKEYLOGFILE`.
    pub(super) key_log: String,
    pub(super) comments: BTreeMap<u64, Vec<String>>,
    pub(super) first_packet: Duration,
    pub(super) end: Duration,
    pub(super) unexpected_end: Option<UnexpectedEnd>,
    /// Until when the reference was watched and lived, and when it was stopped to be started again.
    pub(super) watched_until: Duration,
    pub(super) stopped: Vec<Duration>,
    /// The addresses of the scripted peer.
    pub(super) own: BTreeSet<SocketAddr>,
    /// Exact faults of the network whose datagram was not sent.
    pub(super) missed: Vec<Fault>,
    pub(super) effects: NetworkEffects,
    /// What the network did, if it left something to chance.
    pub(super) happened: Option<Vec<Fault>>,
}
