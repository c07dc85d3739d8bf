mod client;
mod pair;
mod runner;
mod server;

use std::time::Duration;

use crate::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine, StreamUpdate};

pub(super) const FIRST: ConnectionNumber = ConnectionNumber(0);
pub(super) const SECOND: ConnectionNumber = ConnectionNumber(1);

/// The n-th stream of a client, from 0.
pub(super) const fn stream(n: u64) -> StreamId {
    StreamId::of_client(n)
}

pub(super) const fn seconds(seconds: f64) -> Duration {
    Duration::from_millis((seconds * 1_000.0) as u64)
}

/// A machine, the time, and everything that it put out.
pub(super) struct Rig<M> {
    pub(super) machine: M,
    pub(super) now: Duration,
    pub(super) put_out: Vec<Output>,
}

impl<M: StreamMachine> Rig<M> {
    pub(super) const fn new(machine: M) -> Self {
        Self {
            machine,
            now: Duration::ZERO,
            put_out: Vec::new(),
        }
    }

    pub(super) fn give(&mut self, input: Input<'_>) {
        self.machine.handle(self.now, input);
        self.collect();
    }

    pub(super) fn collect(&mut self) {
        while let Some(output) = self.machine.poll() {
            self.put_out.push(output);
        }
    }

    pub(super) fn on(&mut self, connection: ConnectionNumber, n: u64, what: StreamUpdate<'_>) {
        self.give(Input::Stream {
            connection,
            stream: stream(n),
            what,
        });
    }

    pub(super) fn bytes(&mut self, n: u64, bytes: &[u8]) {
        self.on(FIRST, n, StreamUpdate::Bytes(bytes));
    }

    /// Lets time go by, with every deadline at its time; writes are taken at once.
    pub(super) fn wait(&mut self, span: Duration) {
        let end = self.now + span;
        while let Some(due) = self.machine.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            let before = self.put_out.len();
            self.give(Input::Tick);
            self.take_writes(before);
        }
        self.now = end;
    }

    /// Tells that the transport took what was written since.
    pub(super) fn take_writes(&mut self, mut from: usize) {
        while from < self.put_out.len() {
            if let Output::Write(connection, stream, _) = self.put_out[from] {
                let what = StreamUpdate::Written;
                self.give(Input::Stream {
                    connection,
                    stream,
                    what,
                });
            }
            from += 1;
        }
    }

    /// The u32 that were written on a stream.
    pub(super) fn words(&self, connection: ConnectionNumber, n: u64) -> Vec<u32> {
        let bytes: Vec<u8> = self.written(connection, n);
        let words = bytes.chunks_exact(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    pub(super) fn written(&self, connection: ConnectionNumber, n: u64) -> Vec<u8> {
        let writes = self.put_out.iter().filter_map(|output| match output {
            Output::Write(on, at, bytes) if (*on, *at) == (connection, stream(n)) => Some(bytes),
            _ => None,
        });
        writes.flatten().copied().collect()
    }

    /// The codes with which a connection was closed.
    pub(super) fn closed(&self, connection: ConnectionNumber) -> Vec<u64> {
        let closed = self.put_out.iter().filter_map(|output| match output {
            Output::Close {
                connection: of,
                code,
                ..
            } if *of == connection => Some(*code),
            _ => None,
        });
        closed.collect()
    }
}
