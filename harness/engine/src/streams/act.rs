//! What machines want done, and what leaves them.

use shakedown_capture::quic::{CloseCode, Role};
use shakedown_protocol::streams::{
    APPLICATION_ERROR, Closing, ConnectionNumber, Fault, Input, OnStream, Output, StreamId,
    StreamMachine,
};

use super::end::{Close, End, Message, NO_PROTOCOL, Phase, Stream, by_quic};
use super::watch::Watch;
use super::{Connection, Flight, MOST_CONNECTIONS, Place, StreamNetwork};

impl<C: StreamMachine, S: StreamMachine, W: Watch> StreamNetwork<C, S, W> {
    /// Gives a machine an input, and does what it wants then.
    pub(super) fn give(&mut self, place: Place, input: Input<'_>) {
        let now = self.now;
        self.watch.input(now, place, &input);
        if let Some(machine) = self.machine(place) {
            machine.handle(now, input);
        }
        self.obey(place);
    }

    /// Does what a machine wants done.
    pub(super) fn obey(&mut self, place: Place) {
        while let Some(output) = self.machine(place).and_then(StreamMachine::poll) {
            self.watch.output(self.now, place, &output);
            self.act(place, output);
        }
    }

    fn act(&mut self, place: Place, output: Output) {
        match output {
            Output::Admit(number) | Output::AdmitBy(number, _) => {
                if let Some((number, side)) = self.asked(place, number) {
                    self.admit(number, side);
                }
            }
            Output::Refuse(number) => {
                if let Some((number, side)) = self.asked(place, number) {
                    self.set_phase(number, side, Phase::Over);
                    self.send(number, side, Message::Refused);
                }
            }
            Output::Connect(number) => self.connect(place, number, None, true),
            Output::Open(number, stream) => self.open(place, number, stream),
            Output::Write(number, stream, bytes) => {
                self.with_stream(place, number, stream, |stream| {
                    stream.written += bytes.len() as u64;
                    stream.waiting.extend(bytes);
                    stream.writes.push_back(stream.written);
                });
            }
            Output::Fin(number, stream) => {
                self.with_stream(place, number, stream, |stream| stream.ends = true);
            }
            Output::Close {
                connection,
                code,
                reason,
            } => self.close(place, connection, code, reason),
            Output::ConnectBy(number, approach) => {
                let alpn = approach.alpn.as_deref();
                let ours = self.conditions.alpn;
                let is_ours = alpn.is_none_or(|offered| offered.iter().any(|one| one == ours));
                self.connect(place, number, approach.window, is_ours);
            }
            Output::Reset(number, id, code) => {
                if let Some((number, side)) = self.breaks(place, number, id) {
                    self.send(number, side, Message::Reset(id, code));
                    self.replace(number, side, id);
                }
            }
            Output::StopSending(number, id, code) => {
                if let Some((number, side)) = self.find_connected(place, number)
                    && self.has_room(number, side, id)
                {
                    self.send(number, side, Message::Stop(id, code));
                }
            }
            Output::Datagram(number, bytes) => {
                if self.conditions.datagrams
                    && let Some((number, side)) = self.find_connected(place, number)
                {
                    self.send(number, side, Message::Datagram(bytes));
                }
            }
            Output::Misbehave(_, Fault::Silent(is_silent)) => self.cut_off(place, is_silent),
            // It has no packets.
            Output::Misbehave(_, Fault::Deaf(_) | Fault::Replace(_) | Fault::Move) => {}
            Output::Transition { .. } | Output::Ended { .. } => {}
        }
    }

    /// The connection that this machine means, and its side of it.
    fn find(&self, place: Place, number: ConnectionNumber) -> Option<(u64, Role)> {
        match place {
            Place::Server => Some((number.0, Role::Server)),
            Place::Client(client) => {
                let is_it = |one: &Connection| one.client == client && one.number == number;
                let mut all = self.connections.iter();
                let found = all.find(|(_, connection)| is_it(connection));
                found.map(|(number, _)| (*number, Role::Client))
            }
        }
    }

    /// The same, if its handshake is done and it is not over.
    fn find_connected(&mut self, place: Place, number: ConnectionNumber) -> Option<(u64, Role)> {
        let (number, side) = self.find(place, number)?;
        let end = self.connections.get_mut(&number)?.end(side);
        (end.phase == Phase::Connected).then_some((number, side))
    }

    /// Whether a stream is there, and within the other side's limit if it is this side's.
    fn has_room(&mut self, number: u64, side: Role, id: StreamId) -> bool {
        let Some(connection) = self.connections.get_mut(&number) else {
            return false;
        };
        let end = connection.end(side);
        let is_own = id.is_of_server() == (side == Role::Server);
        end.streams.contains_key(&id) && (!is_own || id.0 >> 2 < end.may_open[kind(id)])
    }

    /// This machine breaks off what it sends on a stream, if the stream got through to the other
    /// side or may.
    fn breaks(
        &mut self,
        place: Place,
        number: ConnectionNumber,
        id: StreamId,
    ) -> Option<(u64, Role)> {
        let (number, side) = self.find_connected(place, number)?;
        let has_room = self.has_room(number, side, id);
        let end = self.connections.get_mut(&number)?.end(side);
        let may_send = id.is_bidirectional() || id.is_of_server() == (side == Role::Server);
        let stream = end.streams.get_mut(&id)?;
        let breaks = may_send && has_room && !stream.fin_sent;
        if breaks {
            stream.falls_silent();
        }
        breaks.then_some((number, side))
    }

    /// The connection about which this machine was asked.
    fn asked(&mut self, place: Place, number: ConnectionNumber) -> Option<(u64, Role)> {
        let (number, side) = self.find(place, number)?;
        let end = self.connections.get_mut(&number)?.end(side);
        (end.phase == Phase::Asked).then_some((number, side))
    }

    /// A client that offers another protocol is admitted, too, and then the handshake fails.
    fn admit(&mut self, number: u64, side: Role) {
        if self.connections.get(&number).is_some_and(|one| one.is_ours) {
            self.set_phase(number, side, Phase::Shaking);
            self.send(number, side, Message::Accepted);
            return;
        }
        self.set_phase(number, side, Phase::Over);
        self.send(number, side, Message::Closed(Close::no_protocol()));
        let why = Closing::Transport {
            code: NO_PROTOCOL,
            reason: &[],
        };
        let (place, connection) = (Place::Server, ConnectionNumber(number));
        self.give(place, Input::Closed { connection, why });
    }

    fn set_phase(&mut self, number: u64, side: Role, phase: Phase) {
        if let Some(connection) = self.connections.get_mut(&number) {
            connection.end(side).phase = phase;
        }
    }

    /// `is_ours` says whether the right protocol is among those that are offered.
    fn connect(
        &mut self,
        place: Place,
        number: ConnectionNumber,
        window: Option<u32>,
        is_ours: bool,
    ) {
        let problem = match place {
            Place::Server => Some("there is nobody to connect to"),
            Place::Client(_) if self.connections.len() >= MOST_CONNECTIONS => {
                Some("there are too many connections")
            }
            Place::Client(_) => None,
        };
        let (Place::Client(client), None) = (place, problem) else {
            let why = Closing::Other(problem.unwrap_or_default());
            let connection = number;
            return self.give(place, Input::Closed { connection, why });
        };
        let id = self.next_connection;
        self.next_connection += 1;
        let connection = Connection {
            client,
            number,
            is_ours,
            at_client: End::new(Phase::Shaking, self.now, window, &self.conditions),
            at_server: End::new(Phase::Nothing, self.now, None, &self.conditions),
            held: Vec::new(),
        };
        self.connections.insert(id, connection);
        self.send(id, Role::Client, Message::Hello);
    }

    fn open(&mut self, place: Place, number: ConnectionNumber, id: StreamId) {
        let Some((number, side)) = self.find(place, number) else {
            return;
        };
        let is_own = id.is_of_server() == (side == Role::Server);
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let credit = connection.end(side.peer()).window;
        let end = connection.end(side);
        if is_own && end.phase == Phase::Connected {
            let new = || Stream::new(credit, end.window);
            end.streams.entry(id).or_insert_with(new).is_told = true;
        }
    }

    /// Does something with a stream on which this machine may send, and sends what can be sent.
    fn with_stream(
        &mut self,
        place: Place,
        number: ConnectionNumber,
        id: StreamId,
        act: impl FnOnce(&mut Stream),
    ) {
        let Some((number, side)) = self.find(place, number) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let may_send = id.is_bidirectional() || id.is_of_server() == (side == Role::Server);
        let end = connection.end(side);
        let Some(stream) = end.streams.get_mut(&id).filter(|stream| !stream.ends) else {
            return;
        };
        if may_send && end.phase == Phase::Connected {
            act(stream);
            self.pump(number, side, id);
        }
    }

    /// Sends of a stream what its window and the limit of streams permit.
    pub(super) fn pump(&mut self, number: u64, side: Role, id: StreamId) {
        loop {
            let Some(connection) = self.connections.get_mut(&number) else {
                return;
            };
            let end = connection.end(side);
            let is_own = id.is_of_server() == (side == Role::Server);
            let may_open = end.may_open[kind(id)];
            let Some(stream) = end.streams.get_mut(&id) else {
                return;
            };
            if end.phase != Phase::Connected || (is_own && id.0 >> 2 >= may_open) {
                return;
            }
            while stream.writes.front().is_some_and(|end| *end <= stream.sent) {
                stream.writes.pop_front();
                let flight = Flight::Written(number, side, id);
                self.flying.insert((self.now, self.next_flight), flight);
                self.next_flight += 1;
            }
            let room = stream.credit.saturating_sub(stream.sent);
            let most = usize::try_from(room).unwrap_or(usize::MAX);
            let most = most.min(stream.waiting.len());
            let message = if most > 0 {
                let longest = self.conditions.longest_piece.max(1);
                let longest = longest.min(u32::try_from(most).unwrap_or(u32::MAX));
                let length = 1 + self.dice.below(longest);
                let length = usize::try_from(length).unwrap_or(1).min(most);
                let offset = stream.sent;
                stream.sent += length as u64;
                Message::Bytes(id, offset, stream.waiting.drain(..length).collect())
            } else if stream.ends && !stream.fin_sent && stream.waiting.is_empty() {
                stream.fin_sent = true;
                Message::Fin(id, stream.sent)
            } else if !stream.waiting.is_empty() && stream.is_blocked_at != Some(stream.credit) {
                stream.is_blocked_at = Some(stream.credit);
                Message::Blocked(id, stream.credit)
            } else {
                return self.replace(number, side, id);
            };
            self.send(number, side, message);
        }
    }

    /// A stream that both sides have ended makes room for another of the side that opened it.
    pub(super) fn replace(&mut self, number: u64, side: Role, id: StreamId) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let end = connection.end(side);
        let is_of_other = id.is_of_server() == (side == Role::Client);
        let Some(stream) = end.streams.get_mut(&id) else {
            return;
        };
        let has_sent_all = stream.fin_sent || !id.is_bidirectional();
        if is_of_other && has_sent_all && stream.fin_told && !stream.is_replaced {
            stream.is_replaced = true;
            end.grants[kind(id)] += 1;
            let message = Message::MayOpen(id.is_bidirectional(), end.grants[kind(id)]);
            self.send(number, side, message);
        }
    }

    fn close(&mut self, place: Place, number: ConnectionNumber, code: u64, reason: String) {
        let Some((number, side)) = self.find(place, number) else {
            return;
        };
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let end = connection.end(side);
        let code = match end.phase {
            Phase::Over => return,
            Phase::Connected => CloseCode::Application { code },
            Phase::Nothing | Phase::Asked | Phase::Shaking => by_quic(APPLICATION_ERROR),
        };
        end.phase = Phase::Over;
        let close = Close { code, reason };
        end.close = Some(close.clone());
        self.send(number, side, Message::Closed(close));
    }

    /// Tells a machine what happened on a stream, if the connection is there for it.
    pub(super) fn on_stream(
        &mut self,
        number: u64,
        side: Role,
        stream: StreamId,
        what: OnStream<'_>,
    ) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if connection.end(side).phase != Phase::Connected {
            return;
        }
        let place = connection.place(side);
        let connection = self.number_at(number, side);
        let input = Input::Stream {
            connection,
            stream,
            what,
        };
        self.give(place, input);
        self.settle(place);
    }

    /// A connection's number as the machine at this side knows it.
    pub(super) fn number_at(&self, number: u64, side: Role) -> ConnectionNumber {
        let connection = self.connections.get(&number);
        match (side, connection) {
            (Role::Client, Some(connection)) => connection.number,
            (Role::Server, _) | (_, None) => ConnectionNumber(number),
        }
    }
}

/// The index of bidirectional or unidirectional streams.
pub(super) const fn kind(stream: StreamId) -> usize {
    match stream.is_bidirectional() {
        true => 0,
        false => 1,
    }
}
