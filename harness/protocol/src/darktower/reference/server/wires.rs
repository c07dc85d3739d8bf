use std::collections::{BTreeMap, VecDeque};

use crate::darktower::StreamCode;
use crate::darktower::reference::sessions::{SessionKey, Sessions};
use crate::streams::{ConnectionNumber, Output, StreamId};
use crate::web::{SessionClose, Web};

/// The connections as the services use them.
#[derive(Debug, Default)]
pub(super) struct Wires {
    pub(super) webs: BTreeMap<ConnectionNumber, Web>,
    pub(super) outputs: VecDeque<Output>,
}

impl Wires {
    /// What a connection wants of QUIC leaves in the order in which it was asked for.
    pub(super) fn drain(&mut self, connection: ConnectionNumber) {
        if let Some(web) = self.webs.get_mut(&connection) {
            self.outputs
                .extend(std::iter::from_fn(|| web.poll_output()));
        }
    }

    pub(super) fn with<T>(&mut self, of: SessionKey, act: impl FnOnce(&mut Web) -> T) -> Option<T> {
        let done = self.webs.get_mut(&of.connection).map(act);
        self.drain(of.connection);
        done
    }
}

impl Sessions for Wires {
    fn open(&mut self, of: SessionKey) -> Option<StreamId> {
        self.with(of, |web| web.open(of.session, true))
    }

    fn write(&mut self, of: SessionKey, stream: StreamId, bytes: Vec<u8>) {
        self.with(of, |web| web.write(stream, bytes));
    }

    fn fin(&mut self, of: SessionKey, stream: StreamId) {
        self.with(of, |web| web.fin(stream));
    }

    fn reset(&mut self, of: SessionKey, stream: StreamId, code: StreamCode) {
        self.with(of, |web| web.reset(stream, code.number()));
    }

    fn stop_sending(&mut self, of: SessionKey, stream: StreamId, code: StreamCode) {
        self.with(of, |web| web.stop_sending(stream, code.number()));
    }

    fn datagram(&mut self, of: SessionKey, bytes: &[u8]) {
        self.with(of, |web| web.datagram(of.session, bytes));
    }

    fn close(&mut self, of: SessionKey, code: StreamCode, reason: &str) {
        let close = SessionClose {
            code: code.number(),
            reason: reason.to_owned(),
        };
        self.with(of, |web| web.close(of.session, &close));
    }

    fn transition(
        &mut self,
        of: SessionKey,
        from: &'static str,
        to: &'static str,
        why: &'static str,
    ) {
        self.outputs.push_back(Output::Transition {
            connection: of.connection,
            from,
            to,
            why,
        });
    }
}
