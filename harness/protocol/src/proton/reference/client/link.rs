//! A connection of a client: its streams and what is asked on them.

use std::collections::VecDeque;
use std::time::Duration;

use crate::proton::{Kind, U32Reader};
use crate::sending::Sending;
use crate::streams::{ConnectionNumber, StreamId};

/// A connection of a client.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) connection: ConnectionNumber,
    pub(super) is_connected: bool,
    pub(super) resets: bool,
    pub(super) event: RequestStream<u32>,
    pub(super) commit: RequestStream<u32>,
    pub(super) action: RequestStream<()>,
    pub(super) items: VecDeque<u32>,
}

/// A stream, and what is asked on it.
#[derive(Debug)]
pub(super) struct RequestStream<T> {
    pub(super) words: U32Reader,
    pub(super) sending: Sending,
    /// What is not answered yet, and when it must be at the latest.
    pub(super) asked: VecDeque<(Duration, T)>,
}

impl<T> Default for RequestStream<T> {
    fn default() -> Self {
        Self {
            words: U32Reader::default(),
            sending: Sending::default(),
            asked: VecDeque::new(),
        }
    }
}

impl<T> RequestStream<T> {
    pub(super) fn deadline(&self, operation: Duration) -> Option<Duration> {
        let asked = self.asked.front().map(|(due, _)| *due);
        [asked, self.sending.deadline(operation)]
            .into_iter()
            .flatten()
            .min()
    }
}

impl Link {
    pub(super) fn stream(&self, kind: Kind) -> StreamId {
        let place = u64::from(kind.number() - 1);
        StreamId::of_client(place + u64::from(self.resets))
    }

    pub(super) fn kind(&self, stream: StreamId) -> Option<Kind> {
        Kind::ALL
            .into_iter()
            .find(|kind| self.stream(*kind) == stream)
    }

    pub(super) const fn sending(&mut self, kind: Kind) -> &mut Sending {
        match kind {
            Kind::Event => &mut self.event.sending,
            Kind::StateCommit => &mut self.commit.sending,
            Kind::Action => &mut self.action.sending,
        }
    }

    pub(super) const fn words(&mut self, kind: Kind) -> &mut U32Reader {
        match kind {
            Kind::Event => &mut self.event.words,
            Kind::StateCommit => &mut self.commit.words,
            Kind::Action => &mut self.action.words,
        }
    }
}
