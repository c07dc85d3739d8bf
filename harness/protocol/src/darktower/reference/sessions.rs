//! WebTransport sessions as the services use them.

use std::time::Duration;

use super::super::StreamCode;
use super::store::Store;
use crate::sending::Sending;
use crate::streams::{ConnectionNumber, StreamId};

/// A WebTransport session: its connection and the stream of its CONNECT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    pub connection: ConnectionNumber,
    pub session: StreamId,
}

/// Actions of a service on its sessions. Codes are those of WebTransport.
pub trait Sessions {
    /// Opens a unidirectional stream, if the connection is there.
    fn open(&mut self, of: SessionKey) -> Option<StreamId>;
    /// Sends bytes on a stream.
    fn write(&mut self, of: SessionKey, stream: StreamId, bytes: Vec<u8>);
    /// Sends no more on a stream.
    fn fin(&mut self, of: SessionKey, stream: StreamId);
    /// Breaks off what is sent on a stream.
    fn reset(&mut self, of: SessionKey, stream: StreamId, code: StreamCode);
    /// Asks for no more bytes of a stream.
    fn stop_sending(&mut self, of: SessionKey, stream: StreamId, code: StreamCode);
    fn datagram(&mut self, of: SessionKey, bytes: &[u8]);
    fn close(&mut self, of: SessionKey, code: StreamCode, reason: &str);
    /// Reports a state transition of a session.
    fn transition(
        &mut self,
        of: SessionKey,
        from: &'static str,
        to: &'static str,
        why: &'static str,
    );
}

/// The environment of a service while it handles one input.
pub struct Context<'a> {
    /// The time since 1970.
    pub at: Duration,
    pub store: &'a mut dyn Store,
    pub sessions: &'a mut dyn Sessions,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// The other side closed it.
    Clean,
    /// Its connection was lost or timed out.
    Lost,
}

/// The send queue of one stream: one write at a time is with the transport. Bounded by the owner.
#[derive(Debug, Clone)]
pub(super) struct SendStream {
    of: SessionKey,
    pub(super) stream: StreamId,
    sending: Sending,
    /// Whether FIN comes after what waits.
    ends: bool,
}

impl SendStream {
    pub(super) fn new(of: SessionKey, stream: StreamId) -> Self {
        Self {
            of,
            stream,
            sending: Sending::default(),
            ends: false,
        }
    }

    pub(super) fn send(&mut self, context: &mut Context<'_>, bytes: &[u8]) {
        if let Some(bytes) = self.sending.send(context.at, bytes) {
            context.sessions.write(self.of, self.stream, bytes);
        }
    }

    /// The transport took the last write.
    pub(super) fn written(&mut self, context: &mut Context<'_>) {
        if let Some(bytes) = self.sending.written(context.at) {
            context.sessions.write(self.of, self.stream, bytes);
            if self.ends {
                context.sessions.fin(self.of, self.stream);
            }
        }
    }

    /// Sends no more after what waits.
    pub(super) fn end(&mut self, context: &mut Context<'_>) {
        if !std::mem::replace(&mut self.ends, true) && self.sending.waiting() == 0 {
            context.sessions.fin(self.of, self.stream);
        }
    }

    /// Whether nothing more is to be sent.
    pub(super) const fn ends(&self) -> bool {
        self.ends
    }

    /// Whether nothing more is to be sent and nothing waits.
    pub(super) const fn is_over(&self) -> bool {
        self.ends && self.sending.waiting() == 0
    }

    /// How many bytes wait for the transport, besides those that it has.
    pub(super) const fn waiting(&self) -> usize {
        self.sending.waiting()
    }

    /// Whether so much waits that nothing more should be asked for.
    pub(super) const fn is_full(&self) -> bool {
        self.sending.is_full()
    }
}
