//! A network of streams without QUIC: machines of a protocol over QUIC, one server and any number
//! of clients, joined in virtual time.
//!
//! It keeps what QUIC promises and leaves out how QUIC does it, so that a run of minutes takes
//! microseconds and a seed gives the same run for ever:
//!
//! - **Connections.** A client asks, the server's machine admits or refuses at once, and both hear
//!   [`Input::Connected`] when the handshake is done, the client first. Several at once are as many
//!   as the machines want, up to [`MOST_CONNECTIONS`].
//! - **Streams.** Bytes are cut into pieces, each with a delay of its own from the seed. Those of one
//!   stream are handed on in order and once; streams overtake each other. The other side hears of
//!   a stream by its first bytes or its end, and of those with lower ids before it. A stream beyond
//!   the other side's limit waits; one that both sides have ended makes room for another.
//! - **Windows.** A side holds back what the other does not take: while [`StreamMachine::reads`] says
//!   no, a window's worth is on its way or kept, and a write that does not fit is not
//!   [`OnStream::Written`].
//! - **Ends.** A close with a code is heard by the other side, and what was on its way to either is
//!   lost; before the other side's handshake is done the code is hidden. A side that hears nothing
//!   for the idle timeout, counted as in RFC 9000, section 10.1, loses the connection; keep-alive is
//!   what it hears of a silent peer. Who is told anything about a connection that it does not have
//!   any more says so: by its close again, or by a stateless reset.
//! - **Cuts.** Nothing passes to and from a machine that is cut off, as if its cable were pulled. What
//!   must arrive arrives when the cable is back; a close, a refusal and a keep-alive do not.
//!
//! What it does not know: packets, congestion, ports of single connections and changes of address, key
//! updates, and errors of QUIC but that of a handshake without a common protocol. Memory is bounded by the windows of the streams and by what the machines write ahead
//! of them.

mod act;
mod arrive;
mod end;
mod send;
mod show;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::quic::{Packet, Role};
use shakedown_protocol::Transport;
use shakedown_protocol::streams::{
    Closing, ConnectionNumber, Input, OnStream, StreamId, StreamMachine,
};

use crate::dice::Dice;
use crate::network::Delay;
use end::{End, Message, Phase};
pub use watch::Watch;

/// Connections that there may be at a time; a client that asks for a further one hears that it has
/// failed.
pub const MOST_CONNECTIONS: usize = 64;

/// Things that may happen at one moment; a machine that wants more stands in a loop.
const MOST_AT_ONCE: u32 = 100_000;

/// How a network of streams behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// How long things take from a client to the server.
    pub to_server: Delay,
    /// How long things take from the server to a client.
    pub to_client: Delay,
    /// The longest piece into which bytes are cut, in bytes, at least 1.
    pub longest_piece: u32,
    /// The protocol's name in the TLS handshake: who offers others only fails in it.
    pub alpn: &'static str,
    /// Whether datagrams (RFC 9221) are taken; else they are not sent.
    pub datagrams: bool,
    /// Bytes of a stream that one side may send before the other takes them.
    pub window: u64,
    /// Bidirectional streams that each side may have open at a time.
    pub bidirectional: u64,
    /// Unidirectional streams that each side may have open at a time.
    pub unidirectional: u64,
    /// After this long without sending anything a side sends something.
    pub keep_alive: Duration,
    /// After this long without hearing anything a side loses the connection.
    pub idle_timeout: Duration,
    /// Seed of everything random.
    pub seed: u64,
}

impl Conditions {
    /// A millisecond of delay in each direction and pieces of any length, with the limits and times
    /// of a protocol.
    #[must_use]
    pub fn of(transport: &Transport, seed: u64) -> Self {
        let delay = Delay {
            least: Duration::from_millis(1),
            most: Duration::from_millis(1),
        };
        Self {
            to_server: delay,
            to_client: delay,
            longest_piece: u32::MAX,
            alpn: transport.alpn,
            datagrams: transport.datagrams,
            window: 64 * 1024,
            bidirectional: transport.bidirectional.into(),
            unidirectional: transport.unidirectional.into(),
            keep_alive: transport.keep_alive,
            idle_timeout: transport.idle_timeout,
            seed,
        }
    }
}

/// A machine of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// The client that joined as this one, from 0.
    Client(usize),
    /// The server.
    Server,
}

/// A machine wants something at the same moment again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much happens at {0:?}: a machine stands in a loop")]
pub struct Spins(pub Duration);

/// Machines, and what is on its way between them.
#[derive(Debug)]
pub struct StreamNetwork<C, S, W = ()> {
    conditions: Conditions,
    dice: Dice,
    now: Duration,
    clients: Vec<Party<C>>,
    server: Party<S>,
    connections: BTreeMap<u64, Connection>,
    next_connection: u64,
    flying: BTreeMap<(Duration, u64), Flight>,
    next_flight: u64,
    /// Things that happened at this moment.
    at_once: u32,
    watch: W,
}

#[derive(Debug)]
struct Party<M> {
    machine: M,
    is_cut_off: bool,
}

/// A connection by its number in the network, which is the server's for it too.
#[derive(Debug)]
struct Connection {
    client: usize,
    /// The client's number for it.
    number: ConnectionNumber,
    /// The client offers the protocol.
    is_ours: bool,
    at_client: End,
    at_server: End,
    /// What could not pass because a side was cut off, with its destination.
    held: Vec<(Role, Message)>,
}

/// Something that will happen.
#[derive(Debug)]
enum Flight {
    /// A message gets to a side of a connection.
    Arrives(u64, Role, Message, Packet),
    /// A side's transport has taken a write.
    Written(u64, Role, StreamId),
}

impl Connection {
    const fn end(&mut self, side: Role) -> &mut End {
        match side {
            Role::Client => &mut self.at_client,
            Role::Server => &mut self.at_server,
        }
    }

    const fn place(&self, side: Role) -> Place {
        match side {
            Role::Client => Place::Client(self.client),
            Role::Server => Place::Server,
        }
    }

    /// What the server has not heard of when the client gives up, it never hears of.
    fn is_over(&self) -> bool {
        let server = self.at_server.phase;
        self.at_client.phase == Phase::Over && matches!(server, Phase::Over | Phase::Nothing)
    }
}

impl<C: StreamMachine, S: StreamMachine, W: Watch> StreamNetwork<C, S, W> {
    /// A network with a server and nobody else. `watch` sees what happens.
    pub fn new(server: S, conditions: Conditions, watch: W) -> Self {
        Self {
            dice: Dice::new(conditions.seed),
            conditions,
            now: Duration::ZERO,
            clients: Vec::new(),
            server: Party {
                machine: server,
                is_cut_off: false,
            },
            connections: BTreeMap::new(),
            next_connection: 0,
            flying: BTreeMap::new(),
            next_flight: 0,
            at_once: 0,
            watch,
        }
    }

    /// Adds a client, from a port of its own. The result is its place among the clients.
    pub fn join(&mut self, client: C) -> usize {
        self.clients.push(Party {
            machine: client,
            is_cut_off: false,
        });
        self.clients.len() - 1
    }

    /// The time, since the network began.
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// The client at this place, if one joined there.
    pub fn client(&self, client: usize) -> Option<&C> {
        self.clients.get(client).map(|party| &party.machine)
    }

    /// The server.
    pub const fn server(&self) -> &S {
        &self.server.machine
    }

    /// What sees everything.
    pub const fn watch(&self) -> &W {
        &self.watch
    }

    /// What sees everything.
    pub const fn watch_mut(&mut self) -> &mut W {
        &mut self.watch
    }

    /// Connections that are not over for both sides.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Lets the owner of a client ask it for something now; `None` if there is no such client.
    pub fn ask<T>(&mut self, client: usize, ask: impl FnOnce(&mut C, Duration) -> T) -> Option<T> {
        let now = self.now;
        let party = self.clients.get_mut(client)?;
        let answer = ask(&mut party.machine, now);
        let place = Place::Client(client);
        self.obey(place);
        self.settle(place);
        self.forget();
        Some(answer)
    }

    /// The same of the server.
    pub fn ask_server<T>(&mut self, ask: impl FnOnce(&mut S, Duration) -> T) -> T {
        let answer = ask(&mut self.server.machine, self.now);
        self.obey(Place::Server);
        self.settle(Place::Server);
        self.forget();
        answer
    }

    /// Tells a machine to end.
    pub fn stop(&mut self, place: Place) {
        self.give(place, Input::Stop);
        self.settle(place);
        self.forget();
    }

    /// Lets nothing pass to or from a machine from now on, or everything again.
    pub fn cut_off(&mut self, place: Place, is_cut_off: bool) {
        match place {
            Place::Server => self.server.is_cut_off = is_cut_off,
            Place::Client(client) => {
                if let Some(party) = self.clients.get_mut(client) {
                    party.is_cut_off = is_cut_off;
                }
            }
        }
        let numbers: Vec<_> = self.connections.keys().copied().collect();
        for number in numbers {
            if self.passes(number)
                && let Some(connection) = self.connections.get_mut(&number)
            {
                for (to, message) in std::mem::take(&mut connection.held) {
                    if let Some(packet) = self.stamp(number, to.peer(), &message) {
                        self.fly(number, to, message, packet);
                    }
                }
            }
        }
    }

    /// When something happens next, if anything ever does.
    pub fn next(&self) -> Option<Duration> {
        let machines = self.clients.iter().map(|party| party.machine.deadline());
        let machines = machines.chain([self.server.machine.deadline()]).flatten();
        let flying = self.flying.keys().next().map(|(time, _)| *time);
        let ends = self
            .ends()
            .filter_map(|(_, _, end)| end.due(&self.conditions));
        let next = machines.chain(flying).chain(ends).min()?;
        Some(next.max(self.now))
    }

    /// Goes on to this time, with everything that happens until then, and at it.
    ///
    /// # Errors
    /// [`Spins`] if a machine stands in a loop.
    pub fn run_until(&mut self, time: Duration) -> Result<(), Spins> {
        while self.next().is_some_and(|next| next <= time) {
            self.step()?;
        }
        self.turn_to(time);
        Ok(())
    }

    /// Goes on by this much: see [`StreamNetwork::run_until`].
    ///
    /// # Errors
    /// [`Spins`] if a machine stands in a loop.
    pub fn run_for(&mut self, span: Duration) -> Result<(), Spins> {
        self.run_until(self.now + span)
    }

    /// Lets the next thing happen. The result is whether there was one.
    ///
    /// # Errors
    /// [`Spins`] if a machine stands in a loop.
    pub fn step(&mut self) -> Result<bool, Spins> {
        let Some(next) = self.next() else {
            return Ok(false);
        };
        self.turn_to(next);
        self.at_once += 1;
        if self.at_once > MOST_AT_ONCE {
            return Err(Spins(self.now));
        }
        if let Some(flight) = self.flying.first_entry()
            && flight.key().0 <= self.now
        {
            match flight.remove() {
                Flight::Arrives(number, side, message, packet) => {
                    self.arrive(number, side, message, packet);
                }
                Flight::Written(number, side, stream) => {
                    self.on_stream(number, side, stream, OnStream::Written);
                }
            }
            self.forget();
            return Ok(true);
        }
        if let Some((number, side)) = self.end_that_is_due() {
            self.end_is_due(number, side);
            self.forget();
            return Ok(true);
        }
        let due = |deadline: Option<Duration>| deadline.is_some_and(|due| due <= self.now);
        let client = self.clients.iter();
        let client = client.map(|party| party.machine.deadline()).position(due);
        let place = client.map_or(Place::Server, Place::Client);
        self.give(place, Input::Tick);
        self.settle(place);
        self.forget();
        Ok(true)
    }

    fn turn_to(&mut self, time: Duration) {
        if time > self.now {
            self.now = time;
            self.at_once = 0;
        }
    }

    fn ends(&self) -> impl Iterator<Item = (u64, Role, &End)> {
        self.connections.iter().flat_map(|(number, connection)| {
            [
                (*number, Role::Client, &connection.at_client),
                (*number, Role::Server, &connection.at_server),
            ]
        })
    }

    fn end_that_is_due(&self) -> Option<(u64, Role)> {
        let is_due = |end: &End| end.due(&self.conditions).is_some_and(|due| due <= self.now);
        let due = self.ends().find(|(_, _, end)| is_due(end));
        due.map(|(number, side, _)| (number, side))
    }

    /// An end keeps its connection alive, or loses it.
    fn end_is_due(&mut self, number: u64, side: Role) {
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        let end = connection.end(side);
        if end
            .lost_at(&self.conditions)
            .is_some_and(|at| at <= self.now)
        {
            end.phase = Phase::Over;
            self.closed(number, side, Closing::TimedOut);
        } else {
            self.send(number, side, Message::Ping);
        }
    }

    /// Connections that are over for both sides are no more.
    fn forget(&mut self) {
        self.connections
            .retain(|_, connection| !connection.is_over());
    }

    /// Whether anything passes between both sides of a connection.
    fn passes(&self, number: u64) -> bool {
        let client = self.connections.get(&number).map(|one| one.client);
        let client = client.and_then(|client| self.clients.get(client));
        !self.server.is_cut_off && client.is_some_and(|party| !party.is_cut_off)
    }

    fn machine(&mut self, place: Place) -> Option<&mut dyn StreamMachine> {
        match place {
            Place::Server => Some(&mut self.server.machine),
            Place::Client(client) => {
                let party = self.clients.get_mut(client)?;
                Some(&mut party.machine)
            }
        }
    }
}

/// The address of a client.
fn address(client: usize) -> SocketAddr {
    let port = 50_000 + u16::try_from(client % 10_000).unwrap_or_default();
    ([192, 0, 2, 2], port).into()
}

/// The address of the server.
fn server_address() -> SocketAddr {
    ([192, 0, 2, 1], 4_433).into()
}
