use std::collections::VecDeque;

use crate::mediastream::frame::ConnectionId;

/// Media that came before the SYN-ACK or START_ACK, until the session is known (MS-H-17, MS-H-24).
///
/// Bounded: a responder may send 64 KiB before the ACK (MS-H-22), and four times that is kept.
#[derive(Debug, Clone, Hash, Default)]
pub(super) struct Early {
    datagrams: VecDeque<(Option<ConnectionId>, Vec<u8>)>,
    held: usize,
}

/// Most that is kept, in bytes.
const LIMIT: usize = 256 * 1024;
/// What a datagram costs besides its bytes.
const COST: usize = 64;

impl Early {
    /// Keeps a datagram under the id that its tuple has; false if there is no room.
    pub(super) fn keep(&mut self, id: Option<ConnectionId>, datagram: &[u8]) -> bool {
        let cost = datagram.len() + COST;
        if self.held + cost > LIMIT {
            return false;
        }
        self.held += cost;
        self.datagrams.push_back((id, datagram.to_vec()));
        true
    }

    /// The tuple has an id now, which also applies to earlier datagrams, since they may have been
    /// reordered.
    pub(super) fn name(&mut self, id: ConnectionId) {
        for (name, _) in &mut self.datagrams {
            name.get_or_insert(id);
        }
    }

    /// What was kept, in the order in which it came, and whether it belongs to session `id`.
    pub(super) fn take(
        &mut self,
        id: Option<ConnectionId>,
    ) -> impl Iterator<Item = (bool, Vec<u8>)> {
        let taken = std::mem::take(self);
        taken
            .datagrams
            .into_iter()
            .map(move |(name, datagram)| (name.is_none() || name == id, datagram))
    }
}
