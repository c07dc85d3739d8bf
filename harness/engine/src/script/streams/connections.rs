//! The scripted peer's connections and streams, with unprocessed data.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_capture::quic;
use shakedown_protocol::Protocol;
use shakedown_protocol::stream_decoder::StreamDecoders;
use shakedown_protocol::streams::{
    APPLICATION_ERROR, Closing, ConnectionNumber, Output, StreamId, StreamUpdate,
};

use super::acts::Target;
use super::ended::{ConnectionEnd, Moment, StreamEnd};
use super::stream::{MOST_UNREAD, Stream};
use super::web::{HttpUse, WebState};
use crate::scenario::words;

/// Connections that wait to be taken; further ones are refused.
const MOST_INCOMING: usize = 64;
/// The codes that stand for TLS alerts (RFC 9001, section 4.8).
pub(crate) const ALERTS: std::ops::RangeInclusive<u64> = 0x100..=0x1ff;
/// How long after completing here the handshake may be incomplete at the other side.
const STILL_SHAKING: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) connected: Option<Moment>,
    /// Whom it is to, where that is not the implementation's own address.
    pub(crate) to: Option<SocketAddr>,
    pub(crate) ended: Option<(Moment, ConnectionEnd)>,
    pub(crate) streams: BTreeMap<StreamId, Stream>,
    /// The first datagram that came, its length, and how many there were.
    pub(crate) datagrams: Option<(Moment, usize, u64)>,
    /// How many bidirectional and unidirectional streams the scripted peer has opened.
    opened: [u64; 2],
    /// How HTTP/3 is spoken on it, where it carries the protocol.
    pub(crate) speaks: HttpUse,
    /// HTTP/3, once the handshake is done.
    pub(super) web: Option<Box<WebState>>,
}

/// Everything that the scripted peer has to do with.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    /// Whether the scripted peer is the client.
    pub(crate) is_client: bool,
    /// Whether HTTP/3 carries the protocol.
    is_web: bool,
    /// The frames on its streams.
    words: Option<StreamDecoders>,
    pub(crate) by_number: BTreeMap<ConnectionNumber, Connection>,
    names: BTreeMap<String, ConnectionNumber>,
    streams: BTreeMap<String, (ConnectionNumber, StreamId)>,
    /// Connections of the implementation that no step has taken.
    pub(crate) incoming: VecDeque<(ConnectionNumber, Moment)>,
    next: u64,
    pub(crate) outputs: VecDeque<Output>,
    /// The last packet of the capture that it knows of.
    pub(crate) packets: Option<u64>,
    /// When the first bytes came on any stream.
    pub(super) first_bytes: Option<Duration>,
}

impl Connection {
    /// The state of it and its streams, without contents.
    pub(crate) fn shape(&self) -> String {
        let ended = self.ended.as_ref().map(|(_, ended)| match ended {
            ConnectionEnd::Application { code, .. } => format!("application {code}"),
            ConnectionEnd::Transport { code, .. } => format!("transport {code}"),
            ConnectionEnd::TimedOut => "timeout".to_owned(),
            ConnectionEnd::Refused => "refused".to_owned(),
            ConnectionEnd::Reset => "reset".to_owned(),
            ConnectionEnd::Other(_) => "other".to_owned(),
            ConnectionEnd::ByScript => "by script".to_owned(),
        });
        let streams = self.streams.values().map(|stream| {
            let came = stream.taken.saturating_add(stream.unread.len() as u64);
            let bits = u64::BITS - came.leading_zeros();
            let end = stream.end.as_ref().map(|(_, end)| end.in_words());
            let stopped = stream.stopped.map(|(_, code)| code);
            format!("{bits}/{end:?}/{stopped:?}/{}", stream.frames.len())
        });
        let streams: Vec<_> = streams.collect();
        format!(
            "{}{ended:?}[{}]",
            self.connected.is_some(),
            streams.join(" ")
        )
    }

    /// How it ended, without when; `None` while it has not.
    pub(crate) fn how(&self) -> Option<String> {
        let (moment, ended) = self.ended.as_ref()?;
        let because = |reason: &str| match reason {
            "" => String::new(),
            reason => format!(" ({reason:?})"),
        };
        let before = if self.connected.is_none() {
            ", before its handshake was done"
        } else {
            ""
        };
        Some(match ended {
            ConnectionEnd::Application { code, reason } => {
                format!("closed with code {code}{}", because(reason))
            }
            ConnectionEnd::Transport {
                code: APPLICATION_ERROR,
                ..
            } if self.is_shaking(*moment) => {
                "closed in its handshake with a code of the application that QUIC hides there (0xc)"
                    .to_owned()
            }
            ConnectionEnd::Transport { code, reason } if ALERTS.contains(code) => {
                let alert = code & 0xff;
                let reason = because(reason);
                format!("closed with TLS alert {alert} (QUIC {code:#x}){reason}{before}")
            }
            ConnectionEnd::Transport { code, reason } => {
                let reason = because(reason);
                format!("closed by its transport with QUIC code {code:#x}{reason}{before}")
            }
            ConnectionEnd::TimedOut => format!("lost by silence (idle timeout){before}"),
            ConnectionEnd::Refused => "refused".to_owned(),
            ConnectionEnd::Reset => "reset without state (stateless reset)".to_owned(),
            ConnectionEnd::Other(why) => format!("ended ({why}){before}"),
            ConnectionEnd::ByScript => "closed by the scripted peer itself".to_owned(),
        })
    }

    /// Whether the other side's handshake may not have been done then.
    pub(crate) fn is_shaking(&self, then: Moment) -> bool {
        self.connected
            .is_none_or(|connected| then.at.saturating_sub(connected.at) <= STILL_SHAKING)
    }
}

impl Connections {
    pub(crate) fn new(is_client: bool, protocol: &Protocol) -> Self {
        Self {
            is_client,
            is_web: protocol.transport.is_some_and(|transport| transport.web),
            words: protocol.stream_decoders,
            ..Self::default()
        }
    }

    /// Asks the transport for something.
    pub(crate) fn ask(&mut self, output: Output) {
        let output = self.through_web(output);
        self.outputs.extend(output);
    }

    /// Stops reading from a stream, or resumes.
    pub(crate) fn hold(&mut self, (number, id): (ConnectionNumber, StreamId), is_held: bool) {
        if let Some(stream) = self.stream(number, id) {
            stream.is_held = is_held;
        }
    }

    /// The number of the packet that is recorded next, if any are.
    pub(crate) fn next_packet(&self) -> Option<u64> {
        self.packets.map(|packets| packets + 1)
    }

    pub(crate) const fn moment(&self, at: Duration) -> Moment {
        let packet = self.packets;
        Moment { at, packet }
    }

    /// The connection that has this name by now.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn named(&self, name: &str) -> Result<ConnectionNumber, String> {
        let number = self.names.get(name).copied();
        number.ok_or_else(|| format!("no connection is called `{name}` yet"))
    }

    /// A connection as its name of now says.
    pub(crate) fn called(&self, number: ConnectionNumber) -> String {
        let named = self.names.iter().find(|(_, named)| **named == number);
        let name = named.map(|(name, _)| words::the_connection(name));
        name.unwrap_or_else(|| "an earlier connection".to_owned())
    }

    /// The stream that has this name by now.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn stream_named(&self, name: &str) -> Result<(ConnectionNumber, StreamId), String> {
        let found = self.streams.get(name).copied();
        found.ok_or_else(|| format!("no stream is called `{name}` yet"))
    }

    pub(crate) fn stream(
        &mut self,
        connection: ConnectionNumber,
        id: StreamId,
    ) -> Option<&mut Stream> {
        self.by_number.get_mut(&connection)?.streams.get_mut(&id)
    }

    /// The stream that a step is about.
    pub(crate) fn stream_of(&mut self, target: Target) -> Option<&mut Stream> {
        let (connection, id) = target.stream().ok()?;
        self.stream(connection, id)
    }

    /// A connection of the scripted peer's own.
    pub(crate) fn connect(&mut self, name: &str) -> ConnectionNumber {
        let number = ConnectionNumber(self.next);
        self.next += 1;
        self.add(number, name);
        number
    }

    /// Names a connection. What no name refers to is dropped.
    pub(crate) fn add(&mut self, number: ConnectionNumber, name: &str) {
        self.names.insert(name.to_owned(), number);
        self.by_number.entry(number).or_default();
        let Self {
            by_number,
            names,
            streams,
            ..
        } = self;
        by_number.retain(|number, connection| {
            let is_meant = names.values().any(|named| named == number);
            let has_stream = || streams.values().any(|(of, _)| of == number);
            connection.ended.is_none() || is_meant || has_stream()
        });
    }

    /// A connection of the implementation is admitted or refused; it has no name yet.
    pub(crate) fn begin(&mut self, number: ConnectionNumber) {
        self.by_number.entry(number).or_default();
    }

    /// The id of the next stream that the scripted peer opens on a connection, which gets a name.
    pub(crate) fn open(
        &mut self,
        number: ConnectionNumber,
        is_unidirectional: bool,
        name: &str,
    ) -> Option<StreamId> {
        let raw = self.raw_id(number, is_unidirectional);
        let low_bits = u64::from(!self.is_client) | u64::from(is_unidirectional) << 1;
        let connection = self.by_number.get_mut(&number)?;
        let id = raw.unwrap_or_else(|| {
            let count = &mut connection.opened[usize::from(is_unidirectional)];
            let id = StreamId(*count << 2 | low_bits);
            *count += 1;
            id
        });
        self.own(number, id, name);
        Some(id)
    }

    /// A stream that the scripted peer opened gets a name.
    pub(crate) fn own(&mut self, number: ConnectionNumber, id: StreamId, name: &str) {
        let mut stream = Stream::new(self.words.and_then(|words| (words.content)(id.0)));
        stream.is_named = true;
        if let Some(connection) = self.by_number.get_mut(&number) {
            connection.streams.insert(id, stream);
        }
        self.streams.insert(name.to_owned(), (number, id));
    }

    /// A stream of the implementation gets a name.
    pub(crate) fn found(&mut self, number: ConnectionNumber, id: StreamId, name: &str) {
        if let Some(stream) = self.stream(number, id) {
            stream.is_named = true;
        }
        self.streams.insert(name.to_owned(), (number, id));
    }

    /// A peer wants to connect.
    pub(crate) fn asked(&mut self, number: ConnectionNumber, now: Duration) {
        if self.is_client || self.incoming.len() >= MOST_INCOMING {
            self.outputs.push_back(Output::Refuse(number));
            return;
        }
        let moment = self.moment(now);
        self.incoming.push_back((number, moment));
    }

    /// Those who wait to be taken are gone.
    pub(crate) fn forget_incoming(&mut self) {
        for (number, _) in std::mem::take(&mut self.incoming) {
            self.outputs.push_back(Output::Refuse(number));
        }
    }

    pub(crate) fn connected(&mut self, number: ConnectionNumber, now: Duration) {
        let moment = self.moment(now);
        if let Some(connection) = self.by_number.get_mut(&number) {
            connection.connected.get_or_insert(moment);
        }
        if self.is_web {
            self.begin_web(number);
        }
    }

    pub(crate) fn closed(&mut self, number: ConnectionNumber, why: Closing<'_>, now: Duration) {
        let moment = self.moment(now);
        self.incoming.retain(|(other, _)| *other != number);
        if let Some(connection) = self.by_number.get_mut(&number) {
            connection.ended.get_or_insert_with(|| (moment, why.into()));
        }
    }

    /// The scripted peer closes or refuses a connection.
    pub(crate) fn closes(&mut self, number: ConnectionNumber, now: Duration) {
        let moment = self.moment(now);
        if let Some(connection) = self.by_number.get_mut(&number) {
            connection
                .ended
                .get_or_insert((moment, ConnectionEnd::ByScript));
        }
    }

    pub(crate) fn datagram(&mut self, number: ConnectionNumber, bytes: &[u8], now: Duration) {
        if self.web_datagram(number, bytes, now) {
            return;
        }
        let (moment, length) = (self.moment(now), bytes.len());
        if let Some(connection) = self.by_number.get_mut(&number) {
            let (_, _, count) = connection.datagrams.get_or_insert((moment, length, 0));
            *count += 1;
        }
    }

    pub(crate) fn on_stream(
        &mut self,
        number: ConnectionNumber,
        id: StreamId,
        what: StreamUpdate<'_>,
        now: Duration,
    ) {
        if !self.web_stream(number, id, what, now) {
            self.content(number, id, what, now);
        }
    }

    /// Something happened on a stream that steps are about.
    pub(super) fn content(
        &mut self,
        number: ConnectionNumber,
        id: StreamId,
        what: StreamUpdate<'_>,
        now: Duration,
    ) {
        let moment = self.moment(now);
        let is_client = self.is_client;
        let is_of_iut = id.is_of_server() == is_client;
        let reader = || self.words.and_then(|words| (words.content)(id.0));
        let Some(connection) = self.by_number.get_mut(&number) else {
            return;
        };
        let stream = match connection.streams.get_mut(&id) {
            Some(stream) => stream,
            None if is_of_iut => {
                let mut new = Stream::new(reader());
                new.opened = Some(moment);
                connection.streams.entry(id).or_insert(new)
            }
            None => return,
        };
        match what {
            StreamUpdate::Opened => {}
            StreamUpdate::Bytes(bytes) => {
                self.first_bytes.get_or_insert(now);
                let by = match is_client {
                    true => quic::Role::Server,
                    false => quic::Role::Client,
                };
                stream.arrive(by, bytes, moment);
            }
            StreamUpdate::Fin => {
                stream.end.get_or_insert((moment, StreamEnd::Fin));
            }
            StreamUpdate::Reset(code) => {
                stream.end.get_or_insert((moment, StreamEnd::Reset(code)));
            }
            StreamUpdate::Stopped(code) => {
                stream.stopped.get_or_insert((moment, code));
            }
            StreamUpdate::Written => {
                stream.unwritten.pop_front();
            }
        }
    }

    /// Whether bytes of this stream are taken from the transport now.
    pub(crate) fn reads(&self, number: ConnectionNumber, id: StreamId) -> bool {
        let Some(connection) = self.by_number.get(&number) else {
            return true;
        };
        if connection.web.as_ref().is_some_and(|it| !it.web.reads(id)) {
            return false;
        }
        connection.streams.get(&id).is_none_or(|stream| {
            !stream.is_held && (stream.is_wanted || stream.unread.len() < MOST_UNREAD)
        })
    }

    /// Closes everything that is still open.
    pub(crate) fn hang_up(&mut self) {
        self.forget_incoming();
        for (number, connection) in &mut self.by_number {
            if connection.ended.is_none() {
                self.outputs.push_back(Output::Close {
                    connection: *number,
                    code: 0,
                    reason: String::new(),
                });
            }
        }
        self.by_number.clear();
    }
}
