//! What the packets of a connection say.

use shakedown_wire::quic::{
    Acknowledged, At, Carried, Event, EventKind, Level, Packet, Role, TransportParameters,
    protocols,
};
use shakedown_wire::{DecodeError, Reader, Rule};

use super::assembler::Budget;
use super::connection::{Connection, Early, Shared};
use super::frames::{self, Frame};
use super::header::Id;
use super::index::Index;
use super::protect::Opened;
use super::streams::Context;
use super::tls::{self, CLIENT_HELLO, ClientHello, ENCRYPTED_EXTENSIONS, SERVER_HELLO};

/// Most closes reported for an end: one at each level.
const MAX_CLOSES: usize = 4;

/// What the frames of a packet have in common.
struct Seen {
    ack_eliciting: bool,
    /// Whether it only tries a path.
    probing: bool,
    acknowledges: Option<Acknowledged>,
}

/// What frames need beside their connection.
struct Tools<'t> {
    budget: &'t mut Budget,
    index: &'t mut Index,
    tell: &'t mut dyn FnMut(EventKind<'_>),
}

impl Connection {
    /// Takes a packet that was opened into the shared buffer. Whether more packets may be readable
    /// now.
    pub(super) fn receive(
        &mut self,
        level: Level,
        by: Role,
        opened: &Opened,
        at: At,
        shared: &mut Shared<'_>,
    ) -> bool {
        let connection = Some(self.number);
        self.last = at;
        shared.statistics.read += 1;
        let space = self.space(level, by);
        let newest = space.is_newest(opened.number);
        if !space.insert(opened.number) {
            shared.statistics.repeated += 1;
            return false;
        }
        let before = (self.random, self.suite, self.early);
        let buffer = std::mem::take(shared.buffer);
        let payload = &buffer[opened.payload.clone()];
        let sink = &mut *shared.sink;
        let mut tell = |kind: EventKind<'_>| {
            sink(&Event {
                connection,
                at,
                kind,
            });
        };
        if let Some(count) = opened.updated {
            tell(EventKind::KeyUpdated { by, count });
        }
        let mut seen = Seen {
            ack_eliciting: false,
            probing: true,
            acknowledges: None,
        };
        let result = if opened.reserved_clear {
            let mut tools = Tools {
                budget: shared.budget,
                index: shared.index,
                tell: &mut tell,
            };
            self.frames(level, by, payload, &mut seen, &mut tools)
        } else {
            Err(DecodeError::invalid(
                "first byte",
                0,
                Rule::Value,
                "has reserved bits set",
            ))
        };
        if let Err(error) = result {
            shared.statistics.malformed += 1;
            tell(EventKind::Malformed { by, error });
        }
        let address = &mut self.addresses[by.index()];
        if newest && !seen.probing && *address != at.source {
            let from = std::mem::replace(address, at.source);
            let to = at.source;
            tell(EventKind::AddressChanged { by, from, to });
        }
        tell(EventKind::Packet(Packet {
            by,
            level,
            number: opened.number,
            ack_eliciting: seen.ack_eliciting,
            acknowledges: seen.acknowledges,
        }));
        *shared.buffer = buffer;
        let (client, server) = match by {
            Role::Client => (at.source, at.destination),
            Role::Server => (at.destination, at.source),
        };
        self.learn_path(client, server, shared.index);
        if let Some(random) = self.random.filter(|_| before.0.is_none()) {
            shared.index.add_random(random, self.number);
        }
        !self.waiting.is_empty() && before != (self.random, self.suite, self.early)
    }

    fn frames(
        &mut self,
        level: Level,
        by: Role,
        payload: &[u8],
        seen: &mut Seen,
        tools: &mut Tools<'_>,
    ) -> Result<(), DecodeError> {
        if payload.is_empty() {
            return Err(DecodeError::invalid(
                "payload",
                0,
                Rule::Missing,
                "has no frame",
            ));
        }
        let mut reader = Reader::new(payload);
        loop {
            let offset = reader.offset();
            let Some((kind, frame)) = frames::next(&mut reader, level)? else {
                return Ok(());
            };
            seen.ack_eliciting |= frames::is_ack_eliciting(kind);
            seen.probing &= frames::is_probing(kind);
            let context = &mut Context {
                budget: tools.budget,
                share: &mut self.share,
                tell: tools.tell,
            };
            let streams = &mut self.streams;
            let result = match frame {
                Frame::Skipped => Ok(()),
                Frame::Ack { largest, newest } => {
                    let space = self.space(level, by.peer());
                    let covered = (0..64).rev().filter(|n| newest >> n & 1 == 1);
                    let unseen = covered
                        .map(|n| largest.saturating_sub(n))
                        .any(|number| !space.has(number));
                    let now = Acknowledged {
                        largest,
                        newest,
                        unseen,
                    };
                    seen.acknowledges = Some(match seen.acknowledges {
                        Some(before) => Acknowledged {
                            unseen: before.unseen || unseen,
                            ..if before.largest > largest {
                                before
                            } else {
                                now
                            }
                        },
                        None => now,
                    });
                    Ok(())
                }
                Frame::Unknown(frame_type) => {
                    (tools.tell)(EventKind::UnknownFrame { by, frame_type });
                    Ok(())
                }
                Frame::Crypto { offset, data } => {
                    // The messages' own errors count from their first byte.
                    self.crypto(level, by, offset, data, tools)?;
                    Ok(())
                }
                Frame::Stream {
                    stream,
                    offset,
                    fin,
                    data,
                } => {
                    let length = data.len() as u64;
                    let carried = Carried::Bytes {
                        offset,
                        length,
                        fin,
                    };
                    (context.tell)(stream_frame(stream, by, carried));
                    streams.data(by, stream, (offset, data, fin), context)
                }
                Frame::ResetStream {
                    stream,
                    code,
                    final_size,
                } => {
                    (context.tell)(stream_frame(stream, by, Carried::Reset));
                    streams.reset(by, stream, (code, final_size), context)
                }
                Frame::StopSending { stream, code } => {
                    (context.tell)(stream_frame(stream, by, Carried::Stop));
                    streams.stop(by, stream, code, context)
                }
                Frame::Flow(flow) => {
                    (tools.tell)(EventKind::Flow { by, flow });
                    Ok(())
                }
                Frame::NewConnectionId { id, token } => {
                    self.learn_id(id, by, tools.index);
                    self.learn_token(token, by, tools.index);
                    Ok(())
                }
                Frame::Close { code, reason } => {
                    let told = &mut self.closed[by.index()];
                    if told.len() < MAX_CLOSES && !told.contains(&code) {
                        told.push(code);
                        self.is_closed = true;
                        (tools.tell)(EventKind::ConnectionClosed { by, code, reason });
                    }
                    Ok(())
                }
                Frame::HandshakeDone if by == Role::Client => Err(DecodeError::invalid(
                    "frame type",
                    offset,
                    Rule::Unexpected,
                    "is one that only a server sends",
                )),
                Frame::HandshakeDone => {
                    (tools.tell)(EventKind::HandshakeDone);
                    Ok(())
                }
                Frame::Datagram(bytes) => {
                    (tools.tell)(EventKind::DatagramFrame { by, bytes });
                    Ok(())
                }
            };
            // A frame's own errors count from its first byte.
            result.map_err(|error| DecodeError {
                offset: offset + error.offset,
                ..error
            })?;
        }
    }

    fn crypto(
        &mut self,
        level: Level,
        by: Role,
        offset: u64,
        data: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), DecodeError> {
        let crypto = match level {
            Level::Initial => &mut self.crypto[by.index()][0],
            Level::Handshake => &mut self.crypto[by.index()][1],
            // Tickets, which say nothing of this connection.
            Level::ZeroRtt | Level::OneRtt => return Ok(()),
        };
        if crypto.lost {
            return Ok(());
        }
        let mut messages = Vec::new();
        let parser = &mut crypto.messages;
        let out = |_, bytes: &[u8]| {
            parser.push(bytes, |kind, body| messages.push((kind, body.to_vec())));
        };
        let inserted = crypto
            .assembler
            .insert(offset, data, tools.budget, &mut self.share, out);
        if inserted.is_err() {
            crypto.lost = true;
            crypto.assembler.clear(tools.budget, &mut self.share);
        }
        for (kind, body) in &messages {
            match (level, by, *kind) {
                (Level::Initial, Role::Client, CLIENT_HELLO) => self.client_hello(body, tools)?,
                (Level::Initial, Role::Server, SERVER_HELLO) => {
                    let suite = tls::cipher_suite(body)?;
                    // A HelloRetryRequest before it named the same.
                    if self.suite.is_none() {
                        self.suite = Some(suite);
                        (tools.tell)(EventKind::CipherSuite(suite));
                    }
                }
                (Level::Handshake, Role::Server, ENCRYPTED_EXTENSIONS) => {
                    self.encrypted_extensions(body, tools)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn client_hello(&mut self, body: &[u8], tools: &mut Tools<'_>) -> Result<(), DecodeError> {
        let hello = ClientHello::parse(body)?;
        // The second one, after a HelloRetryRequest, has the same.
        self.random.get_or_insert(*hello.random);
        let parameters = hello.extensions.parameters.map(TransportParameters::parse);
        let parameters = parameters.transpose()?;
        (tools.tell)(EventKind::ClientHello {
            alpn: hello.extensions.alpn,
            server_name: hello.extensions.server_name,
            parameters: parameters.as_ref(),
        });
        Ok(())
    }

    fn encrypted_extensions(
        &mut self,
        body: &[u8],
        tools: &mut Tools<'_>,
    ) -> Result<(), DecodeError> {
        let extensions = tls::encrypted_extensions(body)?;
        self.early = if extensions.early_data {
            Early::Accepted
        } else {
            Early::Rejected
        };
        let parameters = extensions.parameters.map(TransportParameters::parse);
        let parameters = parameters.transpose()?;
        if let Some(parameters) = &parameters {
            if let Some(token) = parameters.stateless_reset_token {
                self.learn_token(token, Role::Server, tools.index);
            }
            if let Some((id, token)) = &parameters.preferred_address {
                self.learn_token(*token, Role::Server, tools.index);
                if let Some(id) = Id::new(id) {
                    self.learn_id(id, Role::Server, tools.index);
                }
            }
        }
        (tools.tell)(EventKind::ServerHandshake {
            alpn: extensions.alpn.and_then(|list| protocols(list).next()),
            parameters: parameters.as_ref(),
        });
        Ok(())
    }
}

const fn stream_frame(stream: u64, by: Role, carried: Carried) -> EventKind<'static> {
    EventKind::StreamFrame {
        stream,
        by,
        carried,
    }
}
