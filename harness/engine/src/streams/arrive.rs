//! What gets to machines.

use shakedown_capture::quic::{CloseCode, EventKind, Packet, Role};
use shakedown_protocol::streams::{Closing, Input, OnStream, StreamId, StreamMachine};

use super::end::{Message, Phase, Stream};
use super::watch::Watch;
use super::{Place, StreamNetwork, address, show};

impl<C: StreamMachine, S: StreamMachine, W: Watch> StreamNetwork<C, S, W> {
    /// A message gets to a side, if anything passes.
    pub(super) fn arrive(&mut self, number: u64, side: Role, message: Message, packet: Packet) {
        if !self.passes(number) {
            self.hold(number, side, message);
            return;
        }
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let end = connection.end(side);
        if end.phase == Phase::Over {
            if !message.ends() {
                let answer = end.close.clone().map(Message::Closed);
                self.send(number, side, answer.unwrap_or(Message::StatelessReset));
            }
            return;
        }
        end.hears(self.now);
        if message.is_of_streams() && end.phase != Phase::Connected {
            end.early.push((message, packet));
            return;
        }
        if packet.is_of_the_application() {
            end.largest = end.largest.max(Some(packet.number));
        }
        self.absorb(number, side, &message, packet);
        self.react(number, side, message);
    }

    /// Keeps what a message brings, and shows it.
    fn absorb(&mut self, number: u64, side: Role, message: &Message, packet: Packet) {
        let Some(connection) = self.connections.get(&number) else {
            return;
        };
        let (edge, by) = (connection.place(side), side.peer());
        let shown = show::shown(message, by, connection.client, self.conditions.alpn);
        let mut seen = Vec::new();
        let grown;
        match message {
            Message::Bytes(id, offset, bytes) => {
                let stream = id.0;
                let at = self.received(number, side, *id);
                if let Some(at) = at.filter(|at| at.broken.is_none()) {
                    let offset_of_new = at.whole;
                    at.pieces.insert(*offset, bytes.clone());
                    grown = at.grow();
                    let ends = at.ends_whole();
                    if !grown.is_empty() {
                        let opens = offset_of_new == 0;
                        seen.extend(opens.then(|| show::opened(*id, by)).flatten());
                        seen.push(EventKind::StreamBytes {
                            stream,
                            by,
                            offset: offset_of_new,
                            bytes: &grown,
                        });
                    }
                    seen.extend(ends.then(|| show::ended(*id, by, at.whole)));
                }
            }
            Message::Fin(id, offset) => {
                if let Some(at) = self.received(number, side, *id) {
                    at.end = Some(*offset);
                    let (is_empty, ends) = (*offset == 0, at.ends_whole());
                    seen.extend(is_empty.then(|| show::opened(*id, by)).flatten());
                    seen.extend(ends.then(|| show::ended(*id, by, *offset)));
                }
            }
            Message::Reset(id, code) => {
                if let Some(at) = self.received(number, side, *id) {
                    at.breaks(*code);
                }
                seen.extend(shown);
            }
            Message::Hello
            | Message::Accepted
            | Message::Finished
            | Message::Refused
            | Message::Closed(_)
            | Message::StatelessReset
            | Message::Stop(..)
            | Message::Datagram(_)
            | Message::Credit(..)
            | Message::Blocked(..)
            | Message::MayOpen(..)
            | Message::Ping => seen.extend(shown),
        }
        for kind in seen.into_iter().chain([EventKind::Packet(packet)]) {
            self.watch.passes(self.now, edge, number, &kind);
        }
    }

    /// Does what a message is for.
    fn react(&mut self, number: u64, side: Role, message: Message) {
        let Some(one) = self.connections.get_mut(&number) else {
            return;
        };
        let (place, client) = (one.place(side), one.client);
        let end = one.end(side);
        match message {
            Message::Hello => {
                end.phase = Phase::Asked;
                let connection = self.number_at(number, side);
                let from = address(client);
                self.give(place, Input::Incoming { connection, from });
                self.settle(place);
            }
            Message::Accepted => {
                self.send(number, side, Message::Finished);
                self.connected(number, side);
            }
            Message::Finished => self.connected(number, side),
            Message::Refused => self.over(number, side, Closing::Refused),
            Message::StatelessReset => self.over(number, side, Closing::Reset),
            Message::Closed(close) => {
                let reason = close.reason.as_bytes();
                let why = match close.code {
                    CloseCode::Application { code } => Closing::Application { code, reason },
                    CloseCode::Transport { code, .. } => Closing::Transport { code, reason: &[] },
                };
                self.over(number, side, why);
            }
            Message::Ping | Message::Blocked(..) => {}
            Message::Bytes(..) | Message::Fin(..) | Message::Reset(..) => self.settle(place),
            Message::Stop(id, code) => {
                if let Some(stream) = self.received(number, side, id) {
                    stream.falls_silent();
                    self.settle(place);
                    self.on_stream(number, side, id, OnStream::Stopped(code));
                }
            }
            Message::Datagram(bytes) => {
                let (connection, bytes) = (self.number_at(number, side), &bytes[..]);
                self.give(place, Input::Datagram { connection, bytes });
                self.settle(place);
            }
            Message::Credit(id, credit) => {
                if let Some(stream) = end.streams.get_mut(&id) {
                    stream.credit = stream.credit.max(credit);
                    self.pump(number, side, id);
                }
            }
            Message::MayOpen(is_bidirectional, streams) => {
                let may_open = match is_bidirectional {
                    true => &mut end.may_open[0],
                    false => &mut end.may_open[1],
                };
                *may_open = streams.max(*may_open);
                let ids: Vec<_> = end.streams.keys().copied().collect();
                for id in ids {
                    self.pump(number, side, id);
                }
            }
        }
    }

    fn connected(&mut self, number: u64, side: Role) {
        let Some(one) = self.connections.get_mut(&number) else {
            return;
        };
        let place = one.place(side);
        let end = one.end(side);
        end.phase = Phase::Connected;
        let early = std::mem::take(&mut end.early);
        let connection = self.number_at(number, side);
        self.give(place, Input::Connected { connection });
        self.settle(place);
        for (message, packet) in early {
            self.arrive(number, side, message, packet);
        }
    }

    /// The stream on which something came. The streams of the other side below it are there, too.
    fn received(&mut self, number: u64, side: Role, id: StreamId) -> Option<&mut Stream> {
        let connection = self.connections.get_mut(&number)?;
        let credit = connection.end(side.peer()).window;
        let end = connection.end(side);
        if id.is_of_server() == (side == Role::Client) {
            let low_bits = id.0 & 3;
            for index in 0..=(id.0 >> 2) {
                let lower = StreamId(index << 2 | low_bits);
                let new = || Stream::new(credit, end.window);
                end.streams.entry(lower).or_insert_with(new);
            }
        }
        end.streams.get_mut(&id)
    }

    /// The connection is over for this side.
    fn over(&mut self, number: u64, side: Role, why: Closing<'_>) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let end = connection.end(side);
        let is_known = end.phase != Phase::Nothing;
        end.phase = Phase::Over;
        if is_known {
            self.closed(number, side, why);
        }
    }

    /// Tells a machine that a connection is over.
    pub(super) fn closed(&mut self, number: u64, side: Role, why: Closing<'_>) {
        let Some(place) = self.connections.get(&number).map(|one| one.place(side)) else {
            return;
        };
        let connection = self.number_at(number, side);
        self.give(place, Input::Closed { connection, why });
        self.settle(place);
    }

    /// Gives a machine what came on its streams, as far as it reads.
    pub(super) fn settle(&mut self, place: Place) {
        while let Some((number, side, id)) = self.news(place) {
            let connection = self.number_at(number, side);
            let Some(stream) = self.stream(number, side, id) else {
                return;
            };
            let on = |what| Input::Stream {
                connection,
                stream: id,
                what,
            };
            if !stream.is_told {
                stream.is_told = true;
                self.give(place, on(OnStream::Opened));
            } else if let Some(bytes) = stream.take() {
                self.grant(number, side, id);
                self.give(place, on(OnStream::Bytes(&bytes)));
            } else if let Some(code) = stream.broken {
                stream.fin_told = true;
                self.replace(number, side, id);
                self.give(place, on(OnStream::Reset(code)));
            } else {
                stream.fin_told = true;
                self.replace(number, side, id);
                self.give(place, on(OnStream::Fin));
            }
        }
    }

    fn stream(&mut self, number: u64, side: Role, id: StreamId) -> Option<&mut Stream> {
        let end = self.connections.get_mut(&number)?.end(side);
        end.streams.get_mut(&id)
    }

    /// A stream of which something waits for a machine that takes it.
    fn news(&mut self, place: Place) -> Option<(u64, Role, StreamId)> {
        let side = match place {
            Place::Client(_) => Role::Client,
            Place::Server => Role::Server,
        };
        let mut found = Vec::new();
        for (number, connection) in &mut self.connections {
            if connection.place(side) != place {
                continue;
            }
            let end = connection.end(side);
            if end.phase != Phase::Connected {
                continue;
            }
            for (id, stream) in &end.streams {
                if !stream.is_told || stream.has_news() {
                    found.push((*number, *id, stream.is_told));
                }
            }
        }
        for (number, id, is_told) in found {
            let connection = self.number_at(number, side);
            let machine = self.machine(place)?;
            if !is_told || machine.reads(connection, id) {
                return Some((number, side, id));
            }
        }
        None
    }

    /// Lets the other side send more on a stream, once half of its window was taken.
    fn grant(&mut self, number: u64, side: Role, id: StreamId) {
        let Some(window) = self
            .connections
            .get_mut(&number)
            .map(|one| one.end(side).window)
        else {
            return;
        };
        let Some(stream) = self.stream(number, side, id) else {
            return;
        };
        let new = stream.taken + window;
        if new - stream.granted >= window.div_ceil(2) {
            stream.granted = new;
            self.send(number, side, Message::Credit(id, new));
        }
    }
}
