use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::ports::bind_peer;

/// What a socket's buffer should hold, in bytes: a second of a stream at 60 Mbit/s and more.
const RECEIVE_BUFFER: usize = 8 << 20;

/// How long the system may delay an outgoing datagram.
const SEND_WITHIN: Duration = Duration::from_secs(1);

/// No UDP datagram is longer, in bytes.
pub(crate) const LARGEST: usize = 65_536;

/// A UDP socket that knows when each datagram arrived: by the kernel's stamp, not by the moment at
/// which this program got to read it.
#[derive(Debug)]
pub struct PeerSocket {
    socket: tokio::net::UdpSocket,
    local: SocketAddr,
}

/// A datagram that arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    pub from: SocketAddr,
    /// When, by the scenario's clock.
    pub at: Duration,
    pub payload: Vec<u8>,
}

impl PeerSocket {
    /// Opens a socket at `address`; port 0 for one that this program has not used lately.
    ///
    /// # Errors
    /// The system's.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = match address.port() {
            0 => bind_peer(|port| open(SocketAddr::new(address.ip(), port)))?,
            _ => open(address)?,
        };
        // Where it is not available, arrivals are stamped when they are read.
        let _ = setsockopt(&socket, sockopt::ReceiveTimestampns, &true);
        let local = socket.local_addr()?;
        Ok(Self { socket, local })
    }

    /// The address that it is bound to.
    #[must_use]
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    pub(crate) const fn inner(&self) -> &tokio::net::UdpSocket {
        &self.socket
    }

    /// Sends one datagram, within a second.
    ///
    /// # Errors
    /// The system's; a datagram that is too long for UDP is one.
    pub async fn send(&self, payload: &[u8], to: SocketAddr) -> io::Result<()> {
        let sent = match self.socket.try_send_to(payload, to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                timeout(SEND_WITHIN, self.socket.send_to(payload, to))
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            }
            sent => sent,
        };
        sent.map(drop)
    }

    /// Ready when [`PeerSocket::receive`] may have something.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<()> {
        self.socket.poll_recv_ready(context).map(drop)
    }

    /// The next datagram, if one is there at this moment.
    ///
    /// # Errors
    /// The system's, other than that none is there.
    pub fn receive(&self, clock: &Clock) -> io::Result<Option<Arrival>> {
        // The runtime may not know yet that data is available; the kernel does.
        match self.receive_if_ready(clock)? {
            None => self.read(clock).or_else(nothing),
            some => Ok(some),
        }
    }

    /// The next datagram, if the runtime knows that one is there. Costs nothing if not.
    ///
    /// # Errors
    /// The system's, other than that none is there.
    pub fn receive_if_ready(&self, clock: &Clock) -> io::Result<Option<Arrival>> {
        self.socket
            .try_io(Interest::READABLE, || self.read(clock))
            .or_else(nothing)
    }

    fn read(&self, clock: &Clock) -> io::Result<Option<Arrival>> {
        read(self.socket.as_raw_fd(), &mut [0; LARGEST], clock).map(Some)
    }
}

/// Takes a datagram from a socket, if one is there; `buffer` has room for the largest.
pub(crate) fn read(socket: RawFd, buffer: &mut [u8], clock: &Clock) -> io::Result<Arrival> {
    let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket,
        &mut slices,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let stamp = message.cmsgs()?.find_map(|control| match control {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
        _ => None,
    });
    let from = message
        .address
        .as_ref()
        .and_then(socket_address)
        .ok_or_else(|| io::Error::other("a datagram has no source address"))?;
    let length = message.bytes;
    Ok(Arrival {
        from,
        at: stamp.map_or_else(|| clock.now(), |stamp| clock.of_stamp(stamp)),
        payload: buffer[..length].to_vec(),
    })
}

/// That nothing is there is no error.
fn nothing(error: io::Error) -> io::Result<Option<Arrival>> {
    match error.kind() {
        io::ErrorKind::WouldBlock => Ok(None),
        _ => Err(error),
    }
}

/// A UDP socket with a large receive buffer, for this crate's runtime.
pub(crate) fn open(address: SocketAddr) -> io::Result<tokio::net::UdpSocket> {
    tokio::net::UdpSocket::from_std(bind(address)?.into())
}

/// A UDP socket with a large receive buffer that never blocks.
pub(crate) fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    enlarge(&socket)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Gives a socket a large receive buffer.
pub(crate) fn enlarge(socket: &Socket) -> io::Result<()> {
    // The first needs a privilege; without it the kernel grants what its limit allows.
    match setsockopt(socket, sockopt::RcvBufForce, &RECEIVE_BUFFER) {
        Ok(()) => Ok(()),
        Err(_) => socket.set_recv_buffer_size(RECEIVE_BUFFER),
    }
}

pub(crate) fn socket_address(storage: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(address) = storage.as_sockaddr_in() {
        return Some(SocketAddr::from((address.ip(), address.port())));
    }
    let address = storage.as_sockaddr_in6()?;
    Some(SocketAddr::from((address.ip(), address.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn next(socket: &PeerSocket, clock: &Clock) -> Arrival {
        let wait = async {
            loop {
                std::future::poll_fn(|context| socket.poll_readable(context)).await;
                if let Some(arrival) = socket.receive(clock).unwrap() {
                    return arrival;
                }
            }
        };
        timeout(Duration::from_secs(5), wait).await.unwrap()
    }

    /// The kernel begins to stamp a moment after the first socket asked for it.
    #[tokio::test]
    async fn a_datagram_keeps_the_moment_of_its_arrival_however_late_it_is_read() {
        let clock = Clock::start();
        let receiver = PeerSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let sender = PeerSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut late_by = Vec::new();
        for _ in 0..5 {
            sender.send(b"now", receiver.local()).await.unwrap();
            let sent = clock.now();
            tokio::time::sleep(Duration::from_millis(120)).await;
            let arrival = next(&receiver, &clock).await;
            assert_eq!(
                (arrival.payload.as_slice(), arrival.from),
                (&b"now"[..], sender.local())
            );
            late_by.push(arrival.at.saturating_sub(sent));
        }
        assert!(
            late_by[1..]
                .iter()
                .any(|late| *late < Duration::from_millis(60)),
            "{late_by:?}"
        );
    }

    #[tokio::test]
    async fn datagrams_of_no_byte_and_of_the_largest_size_arrive() {
        let clock = Clock::start();
        let receiver = PeerSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let sender = PeerSocket::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        sender.send(&[], receiver.local()).await.unwrap();
        sender.send(&[7; 65_507], receiver.local()).await.unwrap();
        assert_eq!(next(&receiver, &clock).await.payload, b"");
        assert_eq!(next(&receiver, &clock).await.payload.len(), 65_507);
    }

    #[tokio::test]
    async fn ipv6_works_where_the_machine_has_it() {
        let clock = Clock::start();
        let Ok(receiver) = PeerSocket::bind("[::1]:0".parse().unwrap()) else {
            return;
        };
        let sender = PeerSocket::bind("[::1]:0".parse().unwrap()).unwrap();
        sender.send(b"six", receiver.local()).await.unwrap();
        assert_eq!(next(&receiver, &clock).await.from, sender.local());
    }
}
