//! What drives a client: its inputs, and when it wants to go on.

use std::time::Duration;

use super::{Client, CloseReason, Deviation, MOST_ITEMS};
use crate::proton::{CloseCode, Kind};
use crate::streams::{ConnectionNumber, Input, Output, StreamId, StreamMachine};

impl StreamMachine for Client {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.tick(now);
        match input {
            // A client accepts no connections.
            Input::Incoming { connection, .. } => {
                self.outputs.push_back(Output::Refuse(connection))
            }
            Input::Connected { connection } => self.connected(now, connection),
            Input::Stream {
                connection,
                stream,
                what,
            } => self.on_stream(now, connection, stream, what),
            Input::Datagram { connection, .. } => {
                if self.link_with(connection).is_some() && !self.without.has(Deviation::Datagrams) {
                    self.end(now, &CloseReason::violation("a datagram")); // PR-S-07
                }
            }
            Input::Closed { connection, why } => self.closed(now, connection, why),
            Input::Delivered { .. } | Input::Tick => {}
            Input::Stop => {
                self.is_stopped = true;
                self.end(now, &CloseReason::new(CloseCode::Normal, "the client ends"));
            }
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let link = self.link.as_ref()?;
        if self.without.has(Deviation::WaitsForever) {
            return None;
        }
        let operation = self.operation();
        let all = [
            link.event.deadline(operation),
            link.commit.deadline(operation),
            link.action.deadline(operation),
        ];
        all.into_iter().flatten().min()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        let link = self.link.as_ref();
        let link = link.filter(|link| link.connection == connection);
        link.is_some_and(|link| match link.kind(stream) {
            Some(Kind::Action) => link.items.len() < MOST_ITEMS,
            Some(Kind::Event | Kind::StateCommit) | None => true,
        })
    }

    fn is_finished(&self) -> bool {
        self.is_stopped
    }

    fn counters(&self) -> serde_json::Value {
        self.counters.to_json()
    }
}
