use std::time::Duration;

use super::{At, Connection, MOST_STREAMS, Stream, index, late};
use crate::MonitorSettings;
use crate::proton::monitor::due::ExpectedClose;
use crate::proton::monitor::findings::ObservationSink;
use crate::proton::{IDENTIFICATION, Kind, PROTOCOL, RESET, SETUP, U32Reader};
use crate::requirement::Role;

impl Connection {
    pub(in super::super) fn opened(
        &mut self,
        stream: u64,
        by: Role,
        unidirectional: bool,
        at: At,
        emit: ObservationSink<'_>,
    ) {
        if unidirectional {
            self.not_admitted(by, at, "a unidirectional stream", emit);
            return;
        }
        if by == Role::Responder {
            let occurrence = self.occurrence(by, at);
            let expected = "streams opened by the client alone";
            let got = format!("stream {stream} opened by the server");
            self.findings
                .doubt("PR-S-01", occurrence, expected, got, emit);
            return;
        }
        let ordinary = self.streams.values().filter(|one| !one.resets).count();
        let surplus = ordinary >= 3;
        if self.streams.len() < MOST_STREAMS {
            let new = Stream {
                opened: at,
                heard: None,
                kind: None,
                resets: false,
                void: surplus,
                is_rival: false,
                client_lost: false,
                rest: None,
                client: U32Reader::default(),
                server: U32Reader::default(),
                early: Vec::new(),
            };
            self.streams.insert(stream, new);
        }
        if surplus {
            // PR-S-01, PR-S-04
            let occurrence = self.occurrence(by, at);
            let got = format!("stream {stream} as the fourth");
            self.findings
                .breach("PR-S-01", occurrence, "three streams", got, emit);
            let why = "there is a fourth stream".to_owned();
            let peer = Role::Responder;
            self.owe(
                ExpectedClose::new("PR-S-04", peer, at, why)
                    .with(&[1])
                    .or_refused(),
            );
        }
    }

    pub(in super::super) fn datagram(&mut self, by: Role, at: At, emit: ObservationSink<'_>) {
        self.outstanding[index(by)].carries_datagram();
        self.not_admitted(by, at, "a datagram", emit);
    }

    /// PR-S-07
    fn not_admitted(&mut self, by: Role, at: At, what: &str, emit: ObservationSink<'_>) {
        let occurrence = self.occurrence(by, at);
        let expected = "bidirectional streams alone";
        self.findings
            .breach("PR-S-07", occurrence, expected, what, emit);
        let why = format!("{what} came");
        let peer = by.peer();
        self.owe(
            ExpectedClose::new("PR-S-07", peer, at, why)
                .with(&[5])
                .or_refused(),
        );
    }

    /// Takes the byte that says what a stream is; gives what follows it.
    pub(super) fn name<'b>(
        &mut self,
        id: u64,
        bytes: &'b [u8],
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) -> &'b [u8] {
        let Some(stream) = self.streams.get_mut(&id) else {
            return &[];
        };
        if stream.void || stream.kind.is_some() {
            return bytes;
        }
        let Some((&byte, rest)) = bytes.split_first() else {
            return bytes;
        };
        if id == 0 {
            self.spoke = true;
        }
        if stream.resets {
            // What follows 0xFF on its stream is left open; the byte of a kind may.
            let kind = Kind::from_number(byte);
            stream.kind = kind.filter(|kind| self.named.insert(*kind));
            stream.void = stream.kind.is_none();
            if let Some(kind) = stream.kind {
                self.named(id, kind, at, settings);
            }
            return rest;
        }
        if byte == RESET && id == 0 {
            stream.resets = true;
            self.reset = true;
            return match rest.is_empty() {
                true => rest,
                false => self.name(id, rest, at, settings, emit),
            };
        }
        match Kind::from_number(byte) {
            Some(kind) if self.named.insert(kind) => {
                stream.kind = Some(kind);
                self.named(id, kind, at, settings);
                return rest;
            }
            known => {
                stream.void = true;
                let (requirement, why) = match known {
                    Some(kind) => (
                        "PR-S-04",
                        format!("there is a second {} stream", kind.name()),
                    ),
                    None => ("PR-S-03", format!("{byte:#04x} names no stream")),
                };
                let occurrence = self.occurrence(Role::Initiator, at);
                let expected = "one stream of each kind: 1, 2 and 3";
                let got = format!("{byte:#04x} as the first byte of stream {id}");
                self.findings
                    .breach("PR-S-01", occurrence, expected, got, emit);
                let server = Role::Responder;
                let refusable = requirement == "PR-S-04";
                // 0xFF in a wrong place is also a breach of the protocol.
                let codes: &[u64] = match byte {
                    RESET => &[1, 5],
                    _ => &[1],
                };
                let due = ExpectedClose::new(requirement, server, at, why).with(codes);
                self.owe(if refusable { due.or_refused() } else { due });
                self.compete(id, known);
            }
        }
        rest
    }

    /// A second stream of a kind is the first one for a server that has nothing of the other, or both in one packet.
    fn compete(&mut self, id: u64, kind: Option<Kind>) {
        let mut all = self.streams.iter();
        let first = all.find(|(_, stream)| kind.is_some() && stream.kind == kind);
        let client = &self.outstanding[index(Role::Initiator)];
        let is_rival = first.is_some_and(|(first, _)| !client.has_begin_of(*first));
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.is_rival = is_rival;
        }
    }

    /// Whether what is said on a second stream of a kind may be what the server goes by.
    pub(super) fn has_rival(&self) -> bool {
        let client = &self.outstanding[index(Role::Initiator)];
        let mut all = self.streams.iter();
        all.any(|(id, stream)| stream.is_rival && client.is_longer(*id))
    }

    fn named(&mut self, id: u64, kind: Kind, at: At, settings: &MonitorSettings) {
        let after = |since: Option<At>| {
            let since = since.map(|since| since.time);
            since.map_or(Duration::ZERO, |since| at.time.saturating_sub(since))
        };
        let stream = self.streams.get(&id);
        let opened = stream.map(|stream| stream.opened);
        let limit = late(IDENTIFICATION, settings);
        let heard = stream.and_then(|stream| stream.heard);
        let is_late = heard.is_some_and(|heard| at.time > heard + limit);
        self.slow |= after(opened) > IDENTIFICATION / 2 || after(self.established) > SETUP / 2;
        // The server may have had it in time. Streams of one packet are owed for together.
        let waits = |stream: &Stream| stream.kind.is_none() && !stream.resets && !stream.void;
        if let Some(opened) = opened
            && !is_late
            && !self
                .streams
                .values()
                .any(|other| other.opened.packet == opened.packet && waits(other))
        {
            let of =
                |due: &ExpectedClose| due.requirement == "PR-S-05" && due.packet == opened.packet;
            self.dues.retain(|due| !of(due));
        }
        if self.named.len() == 3 && after(self.established) <= late(SETUP, settings) {
            self.dues.retain(|due| due.requirement != "PR-S-06");
        }
        self.order.push(kind);
        if self.named.len() == 3 {
            self.complete = Some(at);
            self.findings.judge("PR-S-01");
        }
    }

    /// Whether the streams came in another order than the specification names them.
    pub(super) fn is_out_of_order(&self) -> bool {
        let by_id = self.streams.values().filter_map(|stream| stream.kind);
        !by_id.is_sorted() || !self.order.is_sorted()
    }

    /// PR-S-08, PR-A-03
    pub(in super::super) fn fin(&mut self, id: u64, by: Role, at: At) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if stream.void || stream.resets {
            return;
        }
        let pending = match by {
            Role::Initiator => stream.client.pending(),
            Role::Responder => stream.server.pending(),
        };
        let (requirement, codes): (_, &'static [u64]) = match (stream.kind, by, pending) {
            (Some(Kind::Action), Role::Responder, 1..) => ("PR-A-03", &[5]),
            (Some(_), Role::Initiator, 0) => ("PR-S-08", &[0]),
            (Some(_), _, 1..) => ("PR-S-08", &[5]),
            (Some(_), Role::Responder, 0) | (None, _, _) => ("PR-S-08", &[]),
        };
        let name = stream.kind.map_or("unnamed", Kind::name);
        let why = match pending {
            0 => format!("the {name} stream ended"),
            _ => format!("the {name} stream ended in the middle of a u32"),
        };
        let peer = by.peer();
        self.owe(ExpectedClose::new(requirement, peer, at, why).with(codes));
    }

    /// PR-S-08
    pub(in super::super) fn broken(&mut self, id: u64, by: Role, at: At) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if !stream.void && !stream.resets {
            let why = format!("the {by} broke off stream {id}", by = PROTOCOL.side(by));
            let peer = by.peer();
            self.owe(ExpectedClose::new("PR-S-08", peer, at, why));
        }
    }
}
