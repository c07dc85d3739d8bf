use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::task::Poll;
use std::time::Duration;

use shakedown_engine::script::SocketId;

use crate::clock::Clock;
use crate::kernel;
use crate::relay::HeldSockets;
use crate::socket::{Arrival, PeerSocket};

/// How many datagrams are taken from the sockets before anything else gets its turn. Tests come to
/// the end of a batch with fewer than a small receive buffer holds.
const BATCH: usize = if cfg!(test) { 16 } else { 2048 };

/// How many bytes are taken in such a batch; the datagram that exceeds it still is.
const BATCH_BYTES: usize = 1 << 20;

/// How many are taken from each socket at least, however many are open.
const SHARE: usize = 8;

/// How many sockets are kept after the script closed them.
const MOST_KEPT: usize = 8192;

/// The second address of this machine that every Linux has without any setting.
pub(crate) const OTHER_LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// The scripted peer's sockets.
#[derive(Debug)]
pub struct Sockets {
    open: Vec<(SocketId, PeerSocket)>,
    /// Sockets that the script closed. The ports stay reserved, so that late datagrams reach no
    /// other socket.
    kept: Vec<PeerSocket>,
    /// Those of the relay in between, if there was one.
    relay: Option<HeldSockets>,
    /// Every address that was ours.
    own: BTreeSet<SocketAddr>,
    /// Sockets up to this one have a name; those after it are `fresh`.
    last_named: SocketId,
}

/// A datagram that arrived at one of them.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) socket: SocketId,
    pub(super) local: SocketAddr,
    pub(super) arrival: Arrival,
}

impl Received {
    /// What it holds of the budget.
    pub(super) const fn cost(&self) -> usize {
        self.arrival.payload.len() + size_of::<Self>()
    }
}

impl Sockets {
    /// Only `main`; as many as `named` others will have a name.
    pub(super) fn new(main: PeerSocket, named: usize) -> Self {
        Self {
            own: BTreeSet::from([main.local()]),
            open: vec![(SocketId::MAIN, main)],
            kept: Vec::new(),
            relay: None,
            last_named: SocketId(named),
        }
    }

    pub(super) fn get(&self, id: SocketId) -> Option<&PeerSocket> {
        // The newest are the likeliest: a flood opens thousands.
        let mut newest_first = self.open.iter().rev();
        newest_first
            .find(|(open, _)| *open == id)
            .map(|(_, socket)| socket)
    }

    /// Opens a socket beside `main` and says its port.
    pub(super) fn open(&mut self, id: SocketId, other_address: bool) -> Result<u16, String> {
        let main = self.main_address();
        let ip = match main.ip() {
            ip if !other_address => ip,
            IpAddr::V4(ip) if ip.is_loopback() && IpAddr::V4(ip) != OTHER_LOOPBACK => {
                OTHER_LOOPBACK
            }
            ip => {
                return Err(format!(
                    "the scripted peer has no other address than {ip} to send from; on loopback \
                     over IPv4 it has 127.0.0.2"
                ));
            }
        };
        let socket = PeerSocket::bind(SocketAddr::new(ip, 0))
            .map_err(|error| format!("no UDP socket can be opened at {ip}: {error}"))?;
        let port = socket.local().port();
        self.own.insert(socket.local());
        self.open.push((id, socket));
        Ok(port)
    }

    pub(super) fn close(&mut self, id: SocketId) {
        let Some(at) = self.open.iter().position(|(open, _)| *open == id) else {
            return;
        };
        let (_, socket) = self.open.remove(at);
        self.keep(socket);
    }

    /// All of them, for an owner that keeps them open longer.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            open: std::mem::take(&mut self.open),
            kept: std::mem::take(&mut self.kept),
            relay: self.relay.take(),
            own: std::mem::take(&mut self.own),
            last_named: self.last_named,
        }
    }

    /// Keeps a socket open that is not used any more.
    pub(crate) fn keep(&mut self, socket: PeerSocket) {
        if self.kept.len() < MOST_KEPT {
            self.kept.push(socket);
        }
    }

    /// Keeps those of a relay open that has ended, and counts its addresses among ours.
    pub(super) fn keep_relay(&mut self, kept: Option<HeldSockets>, own: BTreeSet<SocketAddr>) {
        self.relay = kept;
        self.own.extend(own);
    }

    /// Ready when a datagram may be there.
    pub(super) async fn readable(&self) {
        std::future::poll_fn(|context| {
            let mut any = Poll::Pending;
            for (_, socket) in &self.open {
                // Each must be polled, else it would not wake the task.
                if socket.poll_readable(context).is_ready() {
                    any = Poll::Ready(());
                }
            }
            any
        })
        .await;
    }

    /// What has arrived, in the order in which it did. Also returns whether there may be more.
    ///
    /// Each socket has its share, so that a flood at one does not hide the others.
    pub(super) fn drain(&self, clock: &Clock) -> (Vec<Received>, bool) {
        let share = (BATCH / self.open.len().max(1)).max(SHARE);
        let bytes = BATCH_BYTES / self.open.len().max(1);
        let mut received = Vec::new();
        let mut more = false;
        for (id, socket) in &self.open {
            let (mut left, mut bytes) = (share, bytes);
            let mut latest = Duration::ZERO;
            while left > 0 {
                left -= 1;
                let next = if *id <= self.last_named {
                    socket.receive(clock)
                } else {
                    socket.receive_if_ready(clock)
                };
                match next {
                    Ok(Some(mut arrival)) => {
                        // Placing a stamp is not exact; the order of one socket is.
                        latest = latest.max(arrival.at);
                        arrival.at = latest;
                        bytes = bytes.saturating_sub(arrival.payload.len());
                        if bytes == 0 {
                            left = 0;
                        }
                        received.push(Received {
                            socket: *id,
                            local: socket.local(),
                            arrival,
                        });
                    }
                    Ok(None) => break,
                    // An ICMP error about something that was sent earlier; the socket goes on.
                    Err(error) => tracing::debug!("{}: {error}", socket.local()),
                }
                more |= left == 0;
            }
        }
        received.sort_by_key(|received| received.arrival.at);
        (received, more)
    }

    /// Datagrams that the kernel dropped because we did not read fast enough.
    pub(super) fn drops(&self) -> u64 {
        let addresses: Vec<SocketAddr> =
            self.open.iter().map(|(_, socket)| socket.local()).collect();
        kernel::drops(&addresses)
    }

    /// Every address that was ours.
    pub(super) fn own(&self) -> BTreeSet<SocketAddr> {
        self.own.clone()
    }

    fn main_address(&self) -> SocketAddr {
        self.open[0].1.local()
    }
}

/// How late `received` is read, at worst.
pub(super) fn delay(received: &[Received], now: Duration) -> Duration {
    let oldest = received.first().map_or(now, |first| first.arrival.at);
    now.saturating_sub(oldest)
}
