//! What leaves a side, and how it travels.

use shakedown_protocol::streams::{APPLICATION_ERROR, CONNECTION_REFUSED, StreamMachine};

use super::end::Message;
use super::watch::{Code, Numbers, Seen, Watch};
use super::{Flight, Place, Side, StreamNetwork, address, server_address};

impl<C: StreamMachine, S: StreamMachine, W: Watch> StreamNetwork<C, S, W> {
    /// Sends a message to the other side.
    pub(super) fn send(&mut self, number: u64, side: Side, message: Message) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let (place, client) = (connection.place(side), connection.client);
        connection.end(side).sends(self.now);
        let numbers = self.stamp(number, side, &message);
        self.seen_leaving(place, client, number, &message, numbers);
        self.fly(number, side.other(), message, numbers);
    }

    /// The number of a packet with this message, and what it acknowledges.
    pub(super) fn stamp(&mut self, number: u64, side: Side, message: &Message) -> Option<Numbers> {
        let end = self.connections.get_mut(&number)?.end(side);
        if message.is_of_handshake() {
            return None;
        }
        let own = end.packets;
        end.packets += 1;
        Some(Numbers {
            own,
            ack_eliciting: !message.ends(),
            acknowledged: end.largest,
        })
    }

    /// Lets a message fly to a side, if anything passes.
    pub(super) fn fly(
        &mut self,
        number: u64,
        to: Side,
        message: Message,
        numbers: Option<Numbers>,
    ) {
        if !self.passes(number) {
            self.hold(number, to, message);
            return;
        }
        let delay = match to {
            Side::Client => self.conditions.to_client,
            Side::Server => self.conditions.to_server,
        };
        let time = self.now + self.dice.between(delay.least, delay.most);
        let flight = Flight::Arrives(number, to, message, numbers);
        self.flying.insert((time, self.next_flight), flight);
        self.next_flight += 1;
    }

    /// Keeps what must arrive until it can.
    pub(super) fn hold(&mut self, number: u64, to: Side, message: Message) {
        if message.must_arrive()
            && let Some(connection) = self.connections.get_mut(&number)
        {
            connection.held.push((to, message));
        }
    }

    fn seen_leaving(
        &mut self,
        by: Place,
        client: usize,
        number: u64,
        message: &Message,
        numbers: Option<Numbers>,
    ) {
        let (client, server) = (address(client), server_address());
        let seen = match message {
            Message::Hello => Some(Seen::Asked { client, server }),
            Message::Accepted => Some(Seen::Agreed),
            Message::Bytes(stream, _, bytes) => {
                let stream = *stream;
                Some(Seen::Bytes { stream, by, bytes })
            }
            Message::Fin(stream, _) => {
                let stream = *stream;
                Some(Seen::Fin { stream, by })
            }
            Message::Closed(close) => Some(Seen::Closed {
                by,
                code: close.code,
            }),
            Message::Reset(stream, _) | Message::Stop(stream, _) => {
                let stream = *stream;
                Some(Seen::Broken { stream, by })
            }
            Message::Datagram(_) => Some(Seen::Datagram { by }),
            Message::Refused => Some(Seen::Closed {
                by,
                code: Code::Transport(CONNECTION_REFUSED),
            }),
            Message::StatelessReset => Some(Seen::Closed {
                by,
                code: Code::Transport(APPLICATION_ERROR),
            }),
            Message::Credit(stream, limit) => {
                let (stream, limit) = (*stream, *limit);
                Some(Seen::Raised { stream, by, limit })
            }
            Message::Blocked(stream, limit) => {
                let (stream, limit) = (*stream, *limit);
                Some(Seen::Blocked { stream, by, limit })
            }
            Message::Finished | Message::MayOpen(..) | Message::Ping => None,
        };
        let opened = match message {
            Message::Bytes(stream, 0, _) | Message::Fin(stream, 0) => Some(*stream),
            Message::Bytes(..)
            | Message::Fin(..)
            | Message::Reset(..)
            | Message::Stop(..)
            | Message::Datagram(_)
            | Message::Hello
            | Message::Refused
            | Message::Accepted
            | Message::Finished
            | Message::Credit(..)
            | Message::Blocked(..)
            | Message::MayOpen(..)
            | Message::Closed(_)
            | Message::StatelessReset
            | Message::Ping => None,
        };
        let opened = opened.filter(|stream| stream.is_of_server() == (by == Place::Server));
        let opened = opened.map(|stream| Seen::Stream { stream, by });
        let all = opened
            .into_iter()
            .chain(seen)
            .chain([Seen::Packet { by, numbers }]);
        for seen in all {
            self.watch.passes(self.now, by, number, seen);
        }
    }
}
