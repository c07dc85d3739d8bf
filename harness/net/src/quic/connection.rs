//! The tasks of one connection: they wait where quinn waits, and tell the host what happens.

use bytes::Bytes;
use quinn::{Connection, ConnectionError, ReadError, RecvStream, SendStream, VarInt, WriteError};
use shakedown_protocol::streams::{ConnectionNumber, StreamId};
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::{mpsc, watch};

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// What the tasks tell.
#[derive(Debug)]
pub(super) enum Happening {
    Incoming(Box<quinn::Incoming>),
    Connected(ConnectionNumber, Connection),
    /// The other side opened a stream; a unidirectional one has no sending half.
    Accepted(ConnectionNumber, Option<SendStream>, RecvStream, Token),
    Stream(ConnectionNumber, StreamId, Told),
    Datagram(ConnectionNumber, Bytes),
    Closed(ConnectionNumber, ConnectionError),
}

/// Held by each task that may still have something to tell of a connection, and by what hands a
/// stream on to such a task: its end is told when nobody holds one any more.
pub(super) type Token = mpsc::Sender<()>;

/// What happens on a stream.
#[derive(Debug)]
pub(super) enum Told {
    Bytes(Bytes),
    Fin,
    Reset(u64),
    Stopped(u64),
    Written,
}

/// What a stream's writer is told.
#[derive(Debug)]
enum Order {
    Write(Vec<u8>),
    Fin,
    Reset(u64),
}

/// What a stream's reader is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// The machine was not asked yet: also after the end, what came before it may be wanted.
    Unasked,
    /// Nothing is to be read now.
    Held,
    Wanted,
    /// Nothing will be read any more: STOP_SENDING with this code.
    Stopped(u64),
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub(super) struct Link {
    number: ConnectionNumber,
    connection: Connection,
    tell: mpsc::Sender<Happening>,
    streams: BTreeMap<StreamId, Handle>,
    /// For each kind of streams by itself: those that wait to be opened.
    opener: mpsc::UnboundedSender<Waiting>,
    unidirectional: mpsc::UnboundedSender<Waiting>,
}

/// The host's end of a stream.
#[derive(Debug)]
struct Handle {
    orders: mpsc::UnboundedSender<Order>,
    reading: watch::Sender<Reading>,
}

/// The tasks' end of a stream.
#[derive(Debug)]
struct Waiting {
    id: StreamId,
    orders: mpsc::UnboundedReceiver<Order>,
    wish: watch::Receiver<Reading>,
}

fn stream() -> (Handle, impl FnOnce(StreamId) -> Waiting) {
    let (orders, ordered) = mpsc::unbounded_channel();
    let (reading, wish) = watch::channel(Reading::Unasked);
    let waiting = |id| Waiting {
        id,
        orders: ordered,
        wish,
    };
    (Handle { orders, reading }, waiting)
}

impl Link {
    pub(super) fn new(
        number: ConnectionNumber,
        connection: Connection,
        tell: mpsc::Sender<Happening>,
    ) -> Self {
        let (opener, to_open) = mpsc::unbounded_channel();
        let (unidirectional, others) = mpsc::unbounded_channel();
        let link = Self {
            number,
            connection,
            tell,
            streams: BTreeMap::new(),
            opener,
            unidirectional,
        };
        let (token, tokens) = mpsc::channel(1);
        tokio::spawn(link.tasks().open(to_open, token.clone()));
        tokio::spawn(link.tasks().open_unidirectional(others));
        tokio::spawn(link.tasks().accept(token.clone()));
        tokio::spawn(link.tasks().accept_unidirectional(token.clone()));
        tokio::spawn(link.tasks().receive(token));
        tokio::spawn(link.tasks().closed(tokens));
        link
    }

    fn tasks(&self) -> Tasks {
        Tasks {
            number: self.number,
            connection: self.connection.clone(),
            tell: self.tell.clone(),
        }
    }

    /// Opens a stream as soon as the other side's limit permits.
    pub(super) fn open(&mut self, id: StreamId) {
        let (handle, waiting) = stream();
        self.streams.insert(id, handle);
        let opener = match id.is_bidirectional() {
            true => &self.opener,
            false => &self.unidirectional,
        };
        // The opener ends with the connection.
        let _ = opener.send(waiting(id));
    }

    /// Takes a stream that the other side opened.
    pub(super) fn take(
        &mut self,
        send: Option<SendStream>,
        receive: RecvStream,
        token: Token,
    ) -> StreamId {
        let id = StreamId(VarInt::from(receive.id()).into_inner());
        let (handle, waiting) = stream();
        self.streams.insert(id, handle);
        let waiting = waiting(id);
        tokio::spawn(self.tasks().read(id, receive, waiting.wish, token));
        if let Some(send) = send {
            tokio::spawn(self.tasks().write(id, send, waiting.orders));
        }
        id
    }

    pub(super) fn write(&self, id: StreamId, bytes: Vec<u8>) {
        self.order(id, Order::Write(bytes));
    }

    pub(super) fn fin(&self, id: StreamId) {
        self.order(id, Order::Fin);
    }

    pub(super) fn reset(&self, id: StreamId, code: u64) {
        self.order(id, Order::Reset(code));
    }

    /// Asks for no more bytes of a stream.
    pub(super) fn stop(&self, id: StreamId, code: u64) {
        if let Some(handle) = self.streams.get(&id) {
            handle.reading.send_replace(Reading::Stopped(code));
        }
    }

    /// Sends a datagram, if the other side takes any.
    pub(super) fn datagram(&self, bytes: Vec<u8>) {
        if let Err(error) = self.connection.send_datagram(bytes.into()) {
            tracing::debug!(connection = self.number.0, "a datagram: {error}");
        }
    }

    fn order(&self, id: StreamId, order: Order) {
        if let Some(handle) = self.streams.get(&id) {
            // The writer ends with the stream or the connection, which is told elsewhere.
            let _ = handle.orders.send(order);
        }
    }

    /// Lets each stream be read or not.
    pub(super) fn gate(&self, reads: impl Fn(StreamId) -> bool) {
        for (id, handle) in &self.streams {
            let wish = match reads(*id) {
                true => Reading::Wanted,
                false => Reading::Held,
            };
            handle.reading.send_if_modified(|now| {
                let is_new = !matches!(now, Reading::Stopped(_)) && *now != wish;
                if is_new {
                    *now = wish;
                }
                is_new
            });
        }
    }

    pub(super) fn close(self, code: u64, reason: &str) {
        self.connection.close(varint(code), reason.as_bytes());
    }
}

/// What a task needs.
#[derive(Debug)]
struct Tasks {
    number: ConnectionNumber,
    connection: Connection,
    tell: mpsc::Sender<Happening>,
}

impl Tasks {
    /// Whether the host still listens.
    async fn tell(&self, happening: Happening) -> bool {
        self.tell.send(happening).await.is_ok()
    }

    async fn on_stream(&self, id: StreamId, told: Told) -> bool {
        self.tell(Happening::Stream(self.number, id, told)).await
    }

    async fn open(self, mut to_open: mpsc::UnboundedReceiver<Waiting>, token: Token) {
        while let Some(waiting) = self.next_to_open(&mut to_open).await {
            let Ok((send, receive)) = self.connection.open_bi().await else {
                return;
            };
            let Waiting { id, orders, wish } = waiting;
            tokio::spawn(self.again().read(id, receive, wish, token.clone()));
            tokio::spawn(self.again().write(id, send, orders));
        }
    }

    async fn open_unidirectional(self, mut to_open: mpsc::UnboundedReceiver<Waiting>) {
        while let Some(waiting) = self.next_to_open(&mut to_open).await {
            let Ok(send) = self.connection.open_uni().await else {
                return;
            };
            tokio::spawn(self.again().write(waiting.id, send, waiting.orders));
        }
    }

    /// The next stream to open, as long as there is a connection.
    async fn next_to_open(
        &self,
        to_open: &mut mpsc::UnboundedReceiver<Waiting>,
    ) -> Option<Waiting> {
        tokio::select! {
            waiting = to_open.recv() => waiting,
            _ = self.connection.closed() => None,
        }
    }

    fn again(&self) -> Self {
        Self {
            number: self.number,
            connection: self.connection.clone(),
            tell: self.tell.clone(),
        }
    }

    async fn accept(self, token: Token) {
        while let Ok((send, receive)) = self.connection.accept_bi().await {
            let accepted = Happening::Accepted(self.number, Some(send), receive, token.clone());
            if !self.tell(accepted).await {
                return;
            }
        }
    }

    async fn accept_unidirectional(self, token: Token) {
        while let Ok(receive) = self.connection.accept_uni().await {
            let accepted = Happening::Accepted(self.number, None, receive, token.clone());
            if !self.tell(accepted).await {
                return;
            }
        }
    }

    async fn receive(self, _token: Token) {
        while let Ok(datagram) = self.connection.read_datagram().await {
            if !self.tell(Happening::Datagram(self.number, datagram)).await {
                return;
            }
        }
    }

    /// Tells the end of the connection, after everything that came before it was told.
    async fn closed(self, mut tokens: mpsc::Receiver<()>) {
        let why = self.connection.closed().await;
        // Nothing is ever sent: it ends with the last token.
        while tokens.recv().await.is_some() {}
        self.tell(Happening::Closed(self.number, why)).await;
    }

    async fn read(
        self,
        id: StreamId,
        mut receive: RecvStream,
        mut wish: watch::Receiver<Reading>,
        _token: Token,
    ) {
        loop {
            let now = *wish.borrow_and_update();
            let read = tokio::select! {
                biased;
                changed = wish.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                _ = self.connection.closed(), if now == Reading::Held => return,
                read = receive.read_chunk(CHUNK, true), if now == Reading::Wanted => read,
                () = std::future::ready(()), if matches!(now, Reading::Stopped(_)) => {
                    if let Reading::Stopped(code) = now {
                        // It fails only where the stream is over already.
                        let _ = receive.stop(varint(code));
                    }
                    return;
                }
            };
            let told = match read {
                Ok(Some(chunk)) => Told::Bytes(chunk.bytes),
                Ok(None) => Told::Fin,
                Err(ReadError::Reset(code)) => Told::Reset(code.into_inner()),
                Err(
                    ReadError::ConnectionLost(_)
                    | ReadError::ClosedStream
                    | ReadError::IllegalOrderedRead
                    | ReadError::ZeroRttRejected,
                ) => return,
            };
            let goes_on = matches!(told, Told::Bytes(_));
            if !self.on_stream(id, told).await || !goes_on {
                return;
            }
        }
    }

    async fn write(
        self,
        id: StreamId,
        mut send: SendStream,
        mut orders: mpsc::UnboundedReceiver<Order>,
    ) {
        let stopped = send.stopped();
        tokio::pin!(stopped);
        // What waits to be taken by the transport: the first of it from `taken` on.
        let mut waiting: VecDeque<Order> = VecDeque::new();
        let mut taken = 0;
        loop {
            let rest = match waiting.front() {
                Some(Order::Write(bytes)) => bytes.get(taken..),
                Some(Order::Fin) => {
                    waiting.pop_front();
                    // It fails only where the stream is over already.
                    let _ = send.finish();
                    continue;
                }
                Some(Order::Reset(_)) | None => None,
            };
            let told = tokio::select! {
                biased;
                order = orders.recv() => match order {
                    // It does not wait for what was to be written.
                    Some(Order::Reset(code)) => {
                        let _ = send.reset(varint(code));
                        return;
                    }
                    Some(order) => {
                        waiting.push_back(order);
                        continue;
                    }
                    None => return,
                },
                stopped = &mut stopped => match stopped {
                    Ok(Some(code)) => Told::Stopped(code.into_inner()),
                    Ok(None) | Err(_) => return,
                },
                written = send.write(rest.unwrap_or_default()), if rest.is_some() => match written {
                    Ok(written) => {
                        taken += written;
                        if rest.is_some_and(|rest| written < rest.len()) {
                            continue;
                        }
                        taken = 0;
                        waiting.pop_front();
                        Told::Written
                    }
                    Err(WriteError::Stopped(code)) => Told::Stopped(code.into_inner()),
                    Err(
                        WriteError::ConnectionLost(_)
                        | WriteError::ClosedStream
                        | WriteError::ZeroRttRejected,
                    ) => return,
                },
            };
            let goes_on = matches!(told, Told::Written);
            if !self.on_stream(id, told).await || !goes_on {
                return;
            }
        }
    }
}

/// A code as QUIC carries it; one that is too large is the largest.
pub(super) fn varint(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}
