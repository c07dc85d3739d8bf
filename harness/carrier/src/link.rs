//! One QUIC connection: a machine's inputs and outputs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quinn_proto::{
    Connection, ConnectionError, Dir, Event, ReadError, Side, StreamEvent, VarInt, WriteError,
};
use shakedown_protocol::ReceiveTimeout;
use shakedown_protocol::streams::{ConnectionNumber, Path, StreamId, StreamUpdate};
use shakedown_wire::planted;

use crate::Socket;
use crate::congestion;
use crate::misbehave::{Switch, varint};

/// Bytes of a stream that are read at once.
const CHUNK: usize = 64 * 1024;

/// An input of a machine about a connection.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    Connected,
    Stream(StreamId, StreamInput),
    Delivered(StreamId),
    Datagram(Bytes),
    /// The path statistics, if packets were exchanged.
    Lost(ConnectionError, Option<Path>),
}

/// What happened on a stream.
#[derive(Debug)]
pub(crate) enum StreamInput {
    Opened,
    Bytes(Bytes),
    Fin,
    Reset(u64),
    Stopped(u64),
    Written,
}

impl StreamInput {
    pub(crate) fn as_input(&self) -> StreamUpdate<'_> {
        match self {
            Self::Opened => StreamUpdate::Opened,
            Self::Bytes(bytes) => StreamUpdate::Bytes(bytes),
            Self::Fin => StreamUpdate::Fin,
            Self::Reset(code) => StreamUpdate::Reset(*code),
            Self::Stopped(code) => StreamUpdate::Stopped(*code),
            Self::Written => StreamUpdate::Written,
        }
    }
}

/// A connection, until QUIC has forgotten it.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) quic: Connection,
    pub(crate) socket: Socket,
    pub(crate) switch: Switch,
    /// Its number, until its last input.
    pub(crate) number: Option<ConnectionNumber>,
    /// Whether the machine knows that the handshake is complete.
    pub(crate) is_connected: bool,
    /// The next timer of QUIC, or the receive timeout.
    pub(crate) due: Option<Duration>,
    /// Time of the last received datagram, or of the start.
    pub(crate) last_received: Duration,
    /// The packet whose acknowledgement confirms that everything was received, if nothing was sent since.
    probe: Option<u64>,
    /// How it ended, until that is reported.
    lost: Option<ConnectionError>,
    streams: BTreeMap<StreamId, Stream>,
    /// Streams blocked by the peer's stream limit, bidirectional and unidirectional.
    to_open: [VecDeque<StreamId>; 2],
    /// Streams with queued writes.
    writable: BTreeSet<StreamId>,
    /// Streams with readable data, in order of arrival.
    readable: VecDeque<StreamId>,
    events: VecDeque<(StreamId, StreamInput)>,
    /// Streams of which the peer has acknowledged everything.
    delivered: VecDeque<StreamId>,
}

#[derive(Debug)]
struct Stream {
    is_open: bool,
    /// Writes for the transport: the first one from byte `taken` on.
    waiting: VecDeque<SendItem>,
    taken: usize,
    /// Whether sending is still pending.
    sends: bool,
    receives: Receiving,
}

#[derive(Debug)]
enum SendItem {
    Write(Vec<u8>),
    Fin,
    Reset(u64),
}

#[derive(Debug, PartialEq, Eq)]
enum Receiving {
    Wanted,
    /// Code of a STOP_SENDING to send as soon as the stream is open.
    ToStop(u64),
    Over,
}

impl Stream {
    fn new(id: StreamId, is_own: bool) -> Self {
        let is_bidirectional = id.is_bidirectional();
        Self {
            is_open: !is_own,
            waiting: VecDeque::new(),
            taken: 0,
            sends: is_own || is_bidirectional,
            receives: match !is_own || is_bidirectional {
                true => Receiving::Wanted,
                false => Receiving::Over,
            },
        }
    }
}

impl Link {
    pub(crate) fn new(
        quic: Connection,
        socket: Socket,
        switch: Switch,
        number: ConnectionNumber,
        now: Duration,
    ) -> Self {
        Self {
            quic,
            socket,
            switch,
            number: Some(number),
            is_connected: false,
            due: None,
            last_received: now,
            probe: None,
            lost: None,
            streams: BTreeMap::new(),
            to_open: Default::default(),
            writable: BTreeSet::new(),
            readable: VecDeque::new(),
            events: VecDeque::new(),
            delivered: VecDeque::new(),
        }
    }

    /// Something is sent: an earlier probe says nothing about it.
    pub(crate) fn data_written(&mut self) {
        self.probe = None;
    }

    /// The packet that was sent last is a probe of whether everything was received.
    pub(crate) fn probe_sent(&mut self) {
        self.probe = Some(congestion::sent(&self.quic));
    }

    /// Whether the peer acknowledged the probe.
    pub(crate) fn is_read(&self) -> bool {
        self.probe
            .is_some_and(|number| congestion::is_acknowledged(&self.quic, number))
    }

    /// When the receive timeout expires, if the connection is still open for the machine.
    pub(crate) fn receive_deadline(&self, receive_timeout: ReceiveTimeout) -> Option<Duration> {
        self.number?;
        let time = match self.is_connected {
            true => receive_timeout.time,
            false => receive_timeout.handshake,
        };
        Some(self.last_received.saturating_add(time))
    }

    /// The receive timeout has expired.
    pub(crate) fn close_as_timed_out(&mut self, at: Instant, receive_timeout: ReceiveTimeout) {
        let reason = Bytes::from_static(b"nothing was heard");
        congestion::open(&self.quic);
        self.quic.close(at, varint(receive_timeout.code), reason);
        self.lost.get_or_insert(ConnectionError::TimedOut);
    }

    /// The machine gets no more input about it.
    pub(crate) fn forget(&mut self) {
        self.number = None;
        self.lost = None;
        self.streams.clear();
        self.to_open = Default::default();
        self.writable.clear();
        self.readable.clear();
        self.events.clear();
        self.delivered.clear();
    }

    /// The next input, after everything that can be done without the machine was done.
    /// `reads` says whether bytes of a stream are taken now.
    pub(crate) fn next(&mut self, reads: impl Fn(StreamId) -> bool) -> Option<LinkEvent> {
        while let Some(event) = self.quic.poll() {
            if self.number.is_some() && self.take(event) {
                self.is_connected = true;
                return Some(LinkEvent::Connected);
            }
        }
        self.number?;
        self.write_all();
        if let Some((stream, events)) = self.events.pop_front() {
            return Some(LinkEvent::Stream(stream, events));
        }
        if let Some(stream) = self.delivered.pop_front() {
            return Some(LinkEvent::Delivered(stream));
        }
        if let Some(datagram) = self.quic.datagrams().recv() {
            planted::panics("datagram-empty", || datagram.is_empty());
            return Some(LinkEvent::Datagram(datagram));
        }
        if let Some((stream, events)) = self.read(reads) {
            return Some(LinkEvent::Stream(stream, events));
        }
        // Data before the close is delivered before it.
        let lost = self.lost.take()?;
        let seen = self.quic.stats().path;
        let path = Path {
            round_trip: seen.rtt,
            sent: seen.sent_packets,
            lost: seen.lost_packets,
        };
        Some(LinkEvent::Lost(lost, Some(path)))
    }

    /// Whether bytes wait that the machine did not want: it may want them after its next input.
    pub(crate) fn holds_back(&self) -> bool {
        !self.readable.is_empty()
    }

    /// Takes note of an event; the result is whether the handshake is done with it.
    fn take(&mut self, event: Event) -> bool {
        match event {
            Event::Connected => return true,
            Event::ConnectionLost { reason } => self.lost = Some(reason),
            Event::Stream(event) => match event {
                StreamEvent::Readable { id } => {
                    self.may_be_read(StreamId(id.into()));
                }
                StreamEvent::Writable { id } => {
                    self.writable.insert(StreamId(id.into()));
                }
                StreamEvent::Stopped { id, error_code } => {
                    planted::panics("stopped-early", || {
                        !self.is_connected || error_code.into_inner() == (1 << 62) - 1
                    });
                    self.stopped(StreamId(id.into()), error_code);
                }
                StreamEvent::Finished { id } => {
                    let id = StreamId(id.into());
                    if let Some(stream) = self.streams.get_mut(&id) {
                        stream.sends = false;
                        self.delivered.push_back(id);
                        self.drop_if_over(id);
                    }
                }
                StreamEvent::Available { .. } => self.open_all(),
                StreamEvent::Opened { dir } => {
                    while let Some(id) = self.quic.streams().accept(dir) {
                        let id = StreamId(id.into());
                        self.streams.insert(id, Stream::new(id, false));
                        self.may_be_read(id);
                        self.events.push_back((id, StreamInput::Opened));
                    }
                }
            },
            // They are looked for each time.
            Event::DatagramReceived => {}
            Event::HandshakeDataReady | Event::DatagramsUnblocked => {}
        }
        false
    }

    fn may_be_read(&mut self, id: StreamId) {
        if !self.readable.contains(&id) {
            self.readable.push_back(id);
        }
    }

    /// The peer stopped the stream: it is answered by a reset (RFC 9000, section 3.5).
    fn stopped(&mut self, id: StreamId, code: VarInt) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.sends) else {
            return;
        };
        stream.sends = false;
        stream.waiting.clear();
        // It fails only where the stream is over already.
        let _ = self.quic.send_stream(quic_id(id)).reset(code);
        let events = StreamInput::Stopped(code.into_inner());
        self.events.push_back((id, events));
        self.drop_if_over(id);
    }

    /// Opens a stream as soon as the other side's limit permits.
    pub(crate) fn open(&mut self, id: StreamId) {
        if self.is_own(id) && !self.streams.contains_key(&id) {
            self.streams.insert(id, Stream::new(id, true));
            self.to_open[kind(id)].push_back(id);
            self.open_all();
        }
    }

    fn open_all(&mut self) {
        for (dir, index) in [(Dir::Bi, 0), (Dir::Uni, 1)] {
            while let Some(id) = self.to_open[index].front().copied()
                && let Some(opened) = self.quic.streams().open(dir)
            {
                self.to_open[index].pop_front();
                if quic_id(id) != opened {
                    tracing::debug!("stream {} was wanted, and {opened} is next", id.0);
                }
                self.opened(id);
            }
        }
    }

    fn opened(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.is_open = true;
        if let Receiving::ToStop(code) = stream.receives {
            stream.receives = Receiving::Wanted;
            self.stop(id, code);
        }
        self.writable.insert(id);
    }

    pub(crate) fn write(&mut self, id: StreamId, bytes: Vec<u8>) {
        self.push_send(id, SendItem::Write(bytes));
    }

    pub(crate) fn fin(&mut self, id: StreamId) {
        self.push_send(id, SendItem::Fin);
    }

    fn push_send(&mut self, id: StreamId, push_send: SendItem) {
        if let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.sends) {
            stream.waiting.push_back(push_send);
            self.writable.insert(id);
        }
    }

    /// Breaks off what is sent; what was to be written is not waited for.
    pub(crate) fn reset(&mut self, id: StreamId, code: u64) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.waiting.clear();
        }
        self.push_send(id, SendItem::Reset(code));
    }

    /// Asks for no more bytes of a stream.
    pub(crate) fn stop(&mut self, id: StreamId, code: u64) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.receives = match (&stream.receives, stream.is_open) {
            (Receiving::Wanted, true) => {
                // It fails only where the stream is over already.
                let _ = self.quic.recv_stream(quic_id(id)).stop(varint(code));
                Receiving::Over
            }
            (Receiving::Wanted | Receiving::ToStop(_), false) => Receiving::ToStop(code),
            (Receiving::Over | Receiving::ToStop(_), _) => Receiving::Over,
        };
        self.drop_if_over(id);
    }

    /// Sends a datagram, if the other side takes any.
    pub(crate) fn datagram(&mut self, bytes: Vec<u8>) {
        if let Err(error) = self.quic.datagrams().send(bytes.into(), true) {
            tracing::debug!("a datagram: {error}");
        }
    }

    /// Hands everything that waits to the transport, as far as it takes it.
    pub(crate) fn write_all(&mut self) {
        while let Some(id) = self.writable.pop_first() {
            self.write_out(id);
        }
    }

    fn write_out(&mut self, id: StreamId) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        while stream.is_open && stream.sends {
            let rest = match stream.waiting.front() {
                None => return,
                Some(SendItem::Fin) => {
                    stream.waiting.pop_front();
                    // It fails only where the stream is over already.
                    let _ = self.quic.send_stream(quic_id(id)).finish();
                    continue;
                }
                Some(SendItem::Reset(code)) => {
                    let _ = self.quic.send_stream(quic_id(id)).reset(varint(*code));
                    stream.sends = false;
                    return self.drop_if_over(id);
                }
                Some(SendItem::Write(bytes)) => bytes.get(stream.taken..).unwrap_or_default(),
            };
            match self.quic.send_stream(quic_id(id)).write(rest) {
                Ok(written) if written < rest.len() => stream.taken += written,
                Ok(_) => {
                    stream.taken = 0;
                    stream.waiting.pop_front();
                    self.events.push_back((id, StreamInput::Written));
                }
                Err(WriteError::Blocked) => return,
                Err(WriteError::Stopped(code)) => return self.stopped(id, code),
                Err(WriteError::ClosedStream) => {
                    stream.sends = false;
                    return self.drop_if_over(id);
                }
            }
        }
    }

    fn read(&mut self, reads: impl Fn(StreamId) -> bool) -> Option<(StreamId, StreamInput)> {
        let mut index = 0;
        while let Some(id) = self.readable.get(index).copied() {
            let Some(stream) = self.streams.get_mut(&id) else {
                self.readable.remove(index);
                continue;
            };
            if stream.receives == Receiving::Wanted && !reads(id) {
                index += 1;
                continue;
            }
            let events = match stream.receives {
                Receiving::Wanted => read(&mut self.quic, id),
                Receiving::ToStop(_) | Receiving::Over => None,
            };
            match events {
                Some(events @ StreamInput::Bytes(_)) => return Some((id, events)),
                Some(events) => {
                    stream.receives = Receiving::Over;
                    self.readable.remove(index);
                    self.drop_if_over(id);
                    return Some((id, events));
                }
                None => {
                    self.readable.remove(index);
                }
            }
        }
        None
    }

    fn drop_if_over(&mut self, id: StreamId) {
        let is_over = |stream: &Stream| !stream.sends && stream.receives == Receiving::Over;
        if self.streams.get(&id).is_some_and(is_over) {
            self.streams.remove(&id);
        }
    }

    fn is_own(&self, id: StreamId) -> bool {
        id.is_of_server() == (self.quic.side() == Side::Server)
    }
}

/// The next data on a stream, if any.
fn read(quic: &mut Connection, id: StreamId) -> Option<StreamInput> {
    let mut stream = quic.recv_stream(quic_id(id));
    let mut chunks = stream.read(true).ok()?;
    match chunks.next(CHUNK) {
        Ok(Some(chunk)) => Some(StreamInput::Bytes(chunk.bytes)),
        Ok(None) => Some(StreamInput::Fin),
        Err(ReadError::Reset(code)) => Some(StreamInput::Reset(code.into_inner())),
        Err(ReadError::Blocked) => None,
    }
}

/// The index of bidirectional or unidirectional streams.
const fn kind(id: StreamId) -> usize {
    match id.is_bidirectional() {
        true => 0,
        false => 1,
    }
}

fn quic_id(id: StreamId) -> quinn_proto::StreamId {
    varint(id.0).into()
}
