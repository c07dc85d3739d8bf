//! What leaves a side, and how it travels.

use shakedown_capture::quic::{Acknowledged, EventKind, Level, Packet, Role};
use shakedown_protocol::streams::StreamMachine;

use super::end::Message;
use super::watch::Watch;
use super::{Flight, StreamNetwork, show};

impl<C: StreamMachine, S: StreamMachine, W: Watch> StreamNetwork<C, S, W> {
    /// Sends a message to the other side.
    pub(super) fn send(&mut self, number: u64, side: Role, message: Message) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let (place, client) = (connection.place(side), connection.client);
        connection.end(side).sends(self.now);
        let Some(packet) = self.stamp(number, side, &message) else {
            return;
        };
        let opened = match message {
            Message::Bytes(stream, 0, _) | Message::Fin(stream, 0) => show::opened(stream, side),
            _ => None,
        };
        let shown = show::shown(&message, side, client, self.conditions.alpn);
        let all = opened.into_iter().chain(shown);
        for kind in all.chain([EventKind::Packet(packet)]) {
            self.watch.passes(self.now, place, number, &kind);
        }
        self.fly(number, side.peer(), message, packet);
    }

    /// The packet of a message, and what it acknowledges.
    pub(super) fn stamp(&mut self, number: u64, by: Role, message: &Message) -> Option<Packet> {
        let end = self.connections.get_mut(&number)?.end(by);
        if message.is_of_handshake() {
            return Some(Packet {
                by,
                level: Level::Handshake,
                number: 0,
                ack_eliciting: true,
                acknowledges: None,
            });
        }
        let own = end.packets;
        end.packets += 1;
        let unseen = false;
        let largest = end.largest;
        Some(Packet {
            by,
            level: Level::OneRtt,
            number: own,
            ack_eliciting: !message.ends(),
            acknowledges: largest.map(|largest| Acknowledged { largest, unseen }),
        })
    }

    /// Lets a message fly to a side, if anything passes.
    pub(super) fn fly(&mut self, number: u64, to: Role, message: Message, packet: Packet) {
        if !self.passes(number) {
            self.hold(number, to, message);
            return;
        }
        let delay = match to {
            Role::Client => self.conditions.to_client,
            Role::Server => self.conditions.to_server,
        };
        let time = self.now + self.dice.between(delay.least, delay.most);
        let flight = Flight::Arrives(number, to, message, packet);
        self.flying.insert((time, self.next_flight), flight);
        self.next_flight += 1;
    }

    /// Keeps what must arrive until it can.
    pub(super) fn hold(&mut self, number: u64, to: Role, message: Message) {
        if message.must_arrive()
            && let Some(connection) = self.connections.get_mut(&number)
        {
            connection.held.push((to, message));
        }
    }
}
