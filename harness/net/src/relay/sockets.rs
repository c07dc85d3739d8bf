use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use shakedown_protocol::requirement::Role;
use socket2::Socket;

use crate::clock::Clock;
use crate::kernel;
use crate::ports::bind_peer;
use crate::socket::{LARGEST, bind, read};

/// Datagrams that are taken from one socket before another gets its turn.
const SHARE: usize = 64;

/// Sockets that are looked at in one turn.
const READY: usize = 64;

/// How long the system may delay an outgoing datagram, in milliseconds. Buffers are
/// larger than whatever waits in them on loopback.
const SEND_WITHIN: u8 = 50;

/// The sockets of a relay at both edges. One descriptor signals all of them, however many there
/// are.
#[derive(Debug)]
pub(super) struct Sockets {
    initiators: Vec<Bound>,
    responders: Vec<Bound>,
    epoll: Epoll,
    bell: Arc<EventFd>,
    ready: Vec<EpollEvent>,
    buffer: Vec<u8>,
}

/// Sockets that are not used any more. What is still sent to them must not reach the next owner of
/// the ports: keep them until both sides are stopped.
#[derive(Debug)]
pub struct HeldSockets {
    _sockets: Vec<Socket>,
}

/// A datagram that came.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) edge: Role,
    pub(super) socket: usize,
    pub(super) from: SocketAddr,
    pub(super) at: Duration,
    pub(super) payload: Vec<u8>,
}

#[derive(Debug)]
struct Bound {
    socket: Socket,
    local: SocketAddr,
}

impl Sockets {
    pub(super) fn new() -> io::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self {
            initiators: Vec::new(),
            responders: Vec::new(),
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            bell: Arc::new(bell),
            ready: vec![EpollEvent::empty(); READY],
            buffer: vec![0; LARGEST],
        })
    }

    /// Opens the next socket of an edge; port 0 for one that this program has not used lately.
    pub(super) fn open(&mut self, edge: Role, address: SocketAddr) -> io::Result<SocketAddr> {
        let socket = match address.port() {
            0 => bind_peer(|port| bind(SocketAddr::new(address.ip(), port)))?,
            _ => bind(address)?,
        };
        // Where it is not available, arrivals are stamped when they are read.
        let _ = setsockopt(&socket, sockopt::ReceiveTimestampns, &true);
        let local = socket
            .local_addr()?
            .as_socket()
            .ok_or(io::ErrorKind::AddrNotAvailable)?;
        let data = pack(edge, self.of(edge).len());
        let event = EpollEvent::new(EpollFlags::EPOLLIN, data);
        self.epoll.add(&socket, event)?;
        match edge {
            Role::Initiator => self.initiators.push(Bound { socket, local }),
            Role::Responder => self.responders.push(Bound { socket, local }),
        }
        Ok(local)
    }

    /// The address of a socket.
    pub(super) fn local(&self, edge: Role, socket: usize) -> Option<SocketAddr> {
        self.of(edge).get(socket).map(|bound| bound.local)
    }

    /// Ends a wait when it is rung.
    pub(super) fn bell(&self) -> Arc<EventFd> {
        Arc::clone(&self.bell)
    }

    /// Waits until a datagram is there, the bell rings, or the time is over.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut waiting = [
            PollFd::new(self.epoll.0.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.bell.as_fd(), PollFlags::POLLIN),
        ];
        match ppoll(&mut waiting, timeout.map(TimeSpec::from), None) {
            // A signal ends a wait early.
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        if waiting[1].any() == Some(true) {
            // It is silenced before it is known why it rang, so that no ringing is missed.
            let _ = self.bell.read();
        }
        Ok(())
    }

    /// What has come, in the order in which it did. Also returns whether there may be more.
    pub(super) fn take(&mut self, clock: &Clock, received: &mut Vec<Received>) -> bool {
        let ready = match self.epoll.wait(&mut self.ready, EpollTimeout::ZERO) {
            Ok(count) => count,
            Err(error) => {
                tracing::debug!("the sockets of a relay cannot be looked at: {error}");
                0
            }
        };
        let first = received.len();
        for event in &self.ready[..ready] {
            let (edge, index) = unpack(event.data());
            let sockets = match edge {
                Role::Initiator => &self.initiators,
                Role::Responder => &self.responders,
            };
            let Some(bound) = sockets.get(index) else {
                continue;
            };
            let mut latest = Duration::ZERO;
            for _ in 0..SHARE {
                match read(bound.socket.as_raw_fd(), &mut self.buffer, clock) {
                    Ok(arrival) => {
                        // Placing a stamp is not exact; the order of one socket is.
                        latest = latest.max(arrival.at);
                        received.push(Received {
                            edge,
                            socket: index,
                            from: arrival.from,
                            at: latest,
                            payload: arrival.payload,
                        });
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An ICMP error about something that was sent earlier; the socket goes on.
                    Err(error) => tracing::debug!("{}: {error}", bound.local),
                }
            }
        }
        received[first..].sort_by_key(|received| received.at);
        ready > 0
    }

    pub(super) fn send(
        &self,
        (edge, socket): (Role, usize),
        payload: &[u8],
        to: SocketAddr,
    ) -> io::Result<()> {
        let bound = self.of(edge).get(socket);
        let socket = &bound.ok_or(io::ErrorKind::NotConnected)?.socket;
        let to = to.into();
        let sent = match socket.send_to(payload, &to) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let mut waiting = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
                poll(&mut waiting, PollTimeout::from(SEND_WITHIN))?;
                socket.send_to(payload, &to)
            }
            // An earlier datagram's ICMP error is returned once, and the socket stays usable.
            Err(error) if error.raw_os_error() == Some(Errno::ECONNREFUSED as i32) => {
                socket.send_to(payload, &to)
            }
            sent => sent,
        };
        sent.map(drop)
    }

    /// Datagrams that the kernel dropped because they were not read fast enough.
    pub(super) fn drops(&self) -> u64 {
        let all = self.initiators.iter().chain(&self.responders);
        let addresses: Vec<_> = all.map(|bound| bound.local).collect();
        kernel::drops(&addresses)
    }

    /// The sockets as they are kept after the relay has ended.
    pub(super) fn keep(self) -> HeldSockets {
        let all = self.initiators.into_iter().chain(self.responders);
        HeldSockets {
            _sockets: all.map(|bound| bound.socket).collect(),
        }
    }

    const fn of(&self, edge: Role) -> &Vec<Bound> {
        match edge {
            Role::Initiator => &self.initiators,
            Role::Responder => &self.responders,
        }
    }
}

/// The address of ours that stands for `party` where `own` is the usual one: on loopback his own,
/// so that another address stays another address.
pub(super) const fn stand_in(own: IpAddr, party: IpAddr) -> IpAddr {
    match (own, party) {
        (IpAddr::V4(ours), IpAddr::V4(his)) if ours.is_loopback() && his.is_loopback() => party,
        _ => own,
    }
}

/// A socket as a number that the kernel keeps for us.
fn pack(edge: Role, socket: usize) -> u64 {
    let edge = match edge {
        Role::Initiator => 0,
        Role::Responder => 1,
    };
    (socket as u64) << 1 | edge
}

fn unpack(data: u64) -> (Role, usize) {
    let edge = match data & 1 {
        0 => Role::Initiator,
        _ => Role::Responder,
    };
    // It was a `usize` when it was packed.
    (edge, usize::try_from(data >> 1).unwrap_or(usize::MAX))
}
