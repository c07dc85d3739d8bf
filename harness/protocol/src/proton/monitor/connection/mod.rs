//! What is known of one connection, and what is judged of it alone.

mod answers;
mod clock;
mod closing;
mod flow;
mod messages;
mod outstanding;
mod streams;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use outstanding::Outstanding;
use shakedown_wire::quic::{self, Carried};

use super::at::{At, late};
use super::due::ExpectedClose;
use super::exchange::{Exchange, Message};
use super::findings::{Findings, ObservationSink, Occurrence};
use super::{Code, Kind, U32Reader};
use crate::monitor::{UnjudgedConnection, Unread};
use crate::proton::{IDLE_TIMEOUT, PROTOCOL};
use crate::requirement::Role;

/// Most streams that are kept of a connection.
const MOST_STREAMS: usize = 16;

/// A close that was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Close {
    pub(super) by: Role,
    pub(super) code: Code,
    pub(super) at: At,
}

#[derive(Debug, Clone)]
struct Stream {
    opened: At,
    /// When the server was first seen to have something of it.
    heard: Option<Duration>,
    kind: Option<Kind>,
    /// It sent 0xFF.
    resets: bool,
    /// It is wrong as it is; what follows on it is not judged.
    void: bool,
    /// There is one of its kind, and the server may take this one for the first.
    is_rival: bool,
    /// Bytes of the client are missing.
    client_lost: bool,
    /// The first byte of a u32 of the client that is not complete.
    rest: Option<At>,
    client: U32Reader,
    server: U32Reader,
    /// The server's data before the stream is identified.
    early: Vec<(At, Vec<u8>)>,
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: SocketAddr,
    pub(super) server: SocketAddr,
    pub(super) first: At,
    pub(super) offered: bool,
    /// When the server chose `proton`.
    pub(super) agreed: Option<Duration>,
    /// It is of another protocol.
    pub(super) foreign: bool,
    pub(super) unreadable: bool,
    /// When the server may last have begun anew after the end.
    pub(super) reborn: Option<Duration>,
    /// Whether data of the application of the client and the server could be read, and why a packet
    /// of them could not.
    read: [bool; 2],
    unread: [Option<Unread>; 2],
    /// The first close, not yet judged.
    pub(super) closed: Option<Close>,
    closing: Option<Close>,
    /// When the client and the server first closed it.
    pub(super) over: [Option<Duration>; 2],
    /// Its refusal was reported already.
    pub(super) told_why: bool,
    outstanding: [Outstanding; 2],
    /// A packet of each side that the other one is to acknowledge, and when it was seen.
    probes: [Option<(u64, Duration)>; 2],
    /// The longest time from a packet of each side to its acknowledgement.
    delays: [Duration; 2],
    /// When the server sent something of the handshake that was not acknowledged, and the longest time that
    /// took.
    shaking: Option<Duration>,
    handshake_delay: Duration,
    /// When the server restarted its idle timer by sending, since the client's last packet.
    idle_restarted: Option<Duration>,
    /// The number after the largest one of each side.
    next: [Option<u64>; 2],
    /// Packets are missing: their numbers are, or they are acknowledged and were not seen.
    gaps: bool,
    /// The client sent a packet of the handshake.
    is_past_first_packets: bool,
    /// When the server was first seen to have the client's data: its handshake is done.
    established: Option<At>,
    /// When a side was last seen to have everything of the other one.
    pub(super) caught_up: [Option<Duration>; 2],
    /// Times of the last packets, of the client and the server.
    pub(super) last: [Option<Duration>; 2],
    /// A packet of the client that may have been too late for the server.
    late: Option<Duration>,
    /// It sent 0xFF.
    pub(super) reset: bool,
    /// Its first stream sent a byte, 0xFF or another.
    pub(super) spoke: bool,
    /// Another connection was there when it came.
    pub(super) second_of: Option<u64>,
    /// Reported that both are served.
    pub(super) both_served: bool,
    /// Another connection reset this one.
    pub(super) superseded: bool,
    pub(super) first_id: Option<Message>,
    pub(super) last_id: u32,
    refused_id: Option<u32>,
    streams: BTreeMap<u64, Stream>,
    named: BTreeSet<Kind>,
    /// The kinds as they were named, and when the last one was.
    order: Vec<Kind>,
    complete: Option<At>,
    /// A stream was named so late that the server may have given up before.
    slow: bool,
    windows: flow::Windows,
    last_acked: Option<answers::Pair>,
    last_committed: Option<answers::Pair>,
    /// When either side last sent stream data, and the server.
    talked: Option<Duration>,
    pub(super) served: Option<Duration>,
    incomplete: bool,
    event: Exchange,
    pub(super) commit: Exchange,
    pub(super) action: Exchange,
    items: u64,
    asks: bool,
    pub(super) messages: u64,
    packets: u64,
    armed: BTreeSet<(&'static str, u64)>,
    pub(super) dues: Vec<ExpectedClose>,
    pub(super) findings: Findings,
}

pub(super) const fn index(role: Role) -> usize {
    match role {
        Role::Initiator => 0,
        Role::Responder => 1,
    }
}

impl Connection {
    pub(super) fn new(client: SocketAddr, server: SocketAddr, first: At) -> Self {
        Self {
            client,
            server,
            first,
            offered: false,
            agreed: None,
            foreign: false,
            unreadable: false,
            reborn: None,
            read: [false; 2],
            unread: [None; 2],
            closed: None,
            closing: None,
            over: [None; 2],
            told_why: false,
            outstanding: Default::default(),
            probes: [None; 2],
            delays: [Duration::ZERO; 2],
            next: [None; 2],
            gaps: false,
            shaking: None,
            handshake_delay: Duration::ZERO,
            idle_restarted: None,
            is_past_first_packets: false,
            established: None,
            caught_up: [None; 2],
            last: [None; 2],
            late: None,
            reset: false,
            spoke: false,
            second_of: None,
            both_served: false,
            superseded: false,
            first_id: None,
            last_id: 0,
            refused_id: None,
            streams: BTreeMap::new(),
            named: BTreeSet::new(),
            order: Vec::new(),
            complete: None,
            slow: false,
            windows: flow::Windows::default(),
            last_acked: None,
            last_committed: None,
            talked: None,
            served: None,
            incomplete: false,
            event: Exchange::default(),
            commit: Exchange::default(),
            action: Exchange::default(),
            items: 0,
            asks: false,
            messages: 0,
            packets: 0,
            armed: BTreeSet::new(),
            dues: Vec::new(),
            findings: Findings::default(),
        }
    }

    pub(super) const fn occurrence(&self, party: Role, at: At) -> Occurrence {
        let address = match party {
            Role::Initiator => self.client,
            Role::Responder => self.server,
        };
        Occurrence {
            party,
            address,
            packet: at.packet,
            time: at.time,
            silence: None,
        }
    }

    /// The time of the last packet of either side.
    pub(super) fn heard(&self) -> Option<Duration> {
        self.last.into_iter().flatten().max()
    }

    /// Whether it may go on for the server at this time.
    pub(super) fn may_live(&self, now: Duration) -> bool {
        let until = self.heard().map(|heard| heard + self.idle_timeout());
        self.closed.is_none() && self.agreed.is_some() && until > Some(now)
    }

    /// Whether the server may have begun it anew and have it at this time.
    pub(super) fn may_be_reborn(&self, now: Duration) -> bool {
        self.reborn.map(|since| since + IDLE_TIMEOUT) > Some(now)
    }

    /// Whether the server had something of the first stream before this time.
    pub(super) fn had_first_word(&self, now: Duration) -> bool {
        let heard = self.streams.get(&0).and_then(|stream| stream.heard);
        heard.is_some_and(|heard| heard < now)
    }

    /// When the server first had data of the client.
    pub(super) fn established(&self) -> Option<Duration> {
        self.established.map(|since| since.time)
    }

    /// The longest time that a packet and its acknowledgement took together, on both sides of where the
    /// capture was taken.
    pub(super) fn round_trip(&self) -> Duration {
        let [client, server] = self.delays;
        client + server
    }

    /// Whether some data may be missing in the capture.
    pub(super) const fn is_unsure(&self) -> bool {
        self.unreadable || self.incomplete || self.gaps
    }

    /// Whether data of the application of both sides could be read.
    pub(super) const fn is_read(&self) -> bool {
        let [client, server] = self.read;
        client && server
    }

    /// A packet could not be read.
    pub(super) fn not_read(&mut self, by: Option<quic::Role>, why: Unread) {
        if let Some(by) = by {
            let unread = &mut self.unread[by.index()];
            *unread = (*unread).max(Some(why));
        }
        self.unreadable |= self.closed.is_none();
    }

    /// Why it cannot be judged: nothing of a side could be read, or not which protocol it is.
    pub(super) fn unjudged(&self) -> Option<UnjudgedConnection> {
        UnjudgedConnection::of(PROTOCOL.id, self.unread, self.read, self.agreed.is_some())
    }

    /// Says that a requirement is broken, or not judged for sure where something was not seen.
    pub(super) fn found(
        &mut self,
        requirement: &'static str,
        occurrence: Occurrence,
        expected: impl Into<String>,
        got: impl Into<String>,
        emit: ObservationSink<'_>,
    ) {
        if self.is_unsure() {
            self.findings
                .doubt(requirement, occurrence, expected, got, emit);
        } else {
            self.findings
                .breach(requirement, occurrence, expected, got, emit);
        }
    }

    /// A packet carries this of a stream.
    pub(super) fn carries(&mut self, stream: u64, by: Role, carried: Carried) {
        self.outstanding[index(by)].carries(stream, carried);
    }

    pub(super) fn owe(&mut self, due: ExpectedClose) {
        if self.dues.len() < MOST_STREAMS {
            self.dues.push(due);
        }
    }

    pub(super) fn lost(&mut self, id: u64, by: Role) {
        self.incomplete = true;
        self.event.over = true;
        self.commit.over = true;
        self.action.over = true;
        if let (Some(stream), Role::Initiator) = (self.streams.get_mut(&id), by) {
            stream.client_lost = true;
        }
    }
}
