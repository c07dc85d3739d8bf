//! A side that may send no more: PR-T-04.

use shakedown_wire::quic::Flow;

use super::{At, Connection, MOST_STREAMS};
use crate::proton::OPERATION;
use crate::proton::monitor::due::ExpectedClose;
use crate::requirement::Role;

/// A limit of a stream, or of the connection.
type Limit = Option<u64>;

/// What the client lets the server send.
#[derive(Debug, Clone, Default)]
pub(super) struct Windows {
    /// The largest limits that were given.
    given: Vec<(Limit, u64)>,
    /// The limits that hold the server back, and since when.
    full: Vec<(Limit, u64, At)>,
}

impl Windows {
    fn given(&self, of: Limit) -> Option<u64> {
        let mut all = self.given.iter();
        all.find(|(which, _)| *which == of).map(|(_, limit)| *limit)
    }

    /// The limit that has held the server back for the longest time.
    fn longest(&self) -> Option<At> {
        let since = self.full.iter().map(|(_, _, since)| *since);
        since.min_by_key(|since| since.time)
    }
}

impl Connection {
    /// Whether the server may have more to say than the client lets it.
    pub(super) fn is_held_back(&self) -> bool {
        self.windows.longest().is_some()
    }

    /// What a frame of flow control says of the bytes that may be sent.
    pub(in super::super) fn flow(&mut self, by: Role, flow: Flow, at: At) {
        match flow {
            Flow::MaxData(limit) => self.raised(by, None, limit),
            Flow::MaxStreamData { stream, maximum } => self.raised(by, Some(stream), maximum),
            Flow::DataBlocked(limit) => self.blocked(by, None, limit, at),
            Flow::StreamDataBlocked { stream, limit } => {
                self.blocked(by, Some(stream), limit, at);
            }
            Flow::MaxStreams { .. } | Flow::StreamsBlocked { .. } => {}
        }
    }

    fn blocked(&mut self, by: Role, of: Limit, limit: u64, at: At) {
        let windows = &mut self.windows;
        let stale = windows.given(of).is_some_and(|given| given > limit);
        let room = windows.full.len() < MOST_STREAMS;
        if by != Role::Responder || stale || !room {
            return;
        }
        match windows.full.iter_mut().find(|(which, ..)| *which == of) {
            Some((_, known, _)) if *known >= limit => {}
            Some(full) => *full = (of, limit, at),
            None => windows.full.push((of, limit, at)),
        }
    }

    fn raised(&mut self, by: Role, of: Limit, limit: u64) {
        if by != Role::Initiator {
            return;
        }
        let windows = &mut self.windows;
        let room = windows.given.len() < MOST_STREAMS;
        match windows.given.iter_mut().find(|(which, _)| *which == of) {
            Some((_, given)) => *given = limit.max(*given),
            None if room => windows.given.push((of, limit)),
            None => {}
        }
        windows
            .full
            .retain(|(which, full, _)| *which != of || *full >= limit);
        if windows.full.is_empty() {
            self.dues.retain(|due| due.requirement != "PR-T-04");
        }
    }

    /// PR-T-04: what the server must do after being blocked for this long.
    pub(super) fn unread(&self) -> Option<ExpectedClose> {
        let since = self.windows.longest()?;
        let why = "the client did not read for 5 min".to_owned();
        let due = ExpectedClose::new("PR-T-04", Role::Responder, since, why);
        Some(due.within(OPERATION).with(&[4]).of_its_own())
    }
}
