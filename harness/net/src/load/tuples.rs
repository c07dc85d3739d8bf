use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Clock;
use crate::kernel;
use crate::probe;
use crate::socket::{LARGEST, enlarge, socket_address};

/// Sockets shared by runs that the source address distinguishes.
const SHARED: u64 = 8;

/// The first of the loopback addresses that plays speak from: 127.64.0.0/10, which every Linux has
/// without any setting.
const FIRST: u32 = u32::from_be_bytes([127, 64, 0, 0]);

/// How many plays have a tuple of their own on loopback.
pub const MOST_PLAYS: u64 = 1 << 22;

/// File descriptors that are left to the rest of the program.
const SPARE_FILES: u64 = 64;

/// Most sockets where each play needs one: about half of the ports that the system gives out.
const MOST_SOCKETS: u64 = 14_000;

/// How long the system may delay an outgoing datagram, in milliseconds.
const SEND_WITHIN: u16 = 1_000;

/// A play's own address and port.
pub(super) type Tuple = u64;

/// The tuples that plays speak from, on few sockets where that is possible.
///
/// An implementation on an IPv4 loopback address sees each play come from another address of
/// 127.64.0.0/10, and none twice. Another one sees each come from a port of its own; such a tuple
/// rests until whatever was begun there must be over, and is used again.
pub(super) struct Tuples {
    sockets: Vec<Socket>,
    epoll: Epoll,
    iut: SocketAddr,
    target: SockaddrStorage,
    source: TupleSource,
    control: Vec<u8>,
    buffer: Vec<u8>,
    ready: Vec<EpollEvent>,
}

enum TupleSource {
    /// The source address distinguishes runs.
    Addresses { next: u64 },
    /// The source port does.
    Ports {
        from: IpAddr,
        most: u64,
        resting: VecDeque<(Duration, Tuple)>,
        rest: Duration,
    },
}

/// A datagram that arrived; its payload is [`Tuples::payload`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Received {
    pub(super) tuple: Tuple,
    pub(super) from: SocketAddr,
    pub(super) at: Duration,
    length: usize,
}

impl Tuples {
    /// Tuples to speak with the implementation at `iut`; one that is used again rests for `rest`.
    pub(super) fn open(iut: SocketAddr, rest: Duration) -> io::Result<Self> {
        let by_address = matches!(iut.ip(), IpAddr::V4(ip) if ip.is_loopback());
        let source = match by_address {
            true => TupleSource::Addresses { next: 0 },
            false => TupleSource::Ports {
                from: probe::local_address_for(iut)?,
                most: most_sockets(),
                resting: VecDeque::new(),
                rest,
            },
        };
        let mut tuples = Self {
            sockets: Vec::new(),
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            iut,
            target: SockaddrStorage::from(iut),
            source,
            control: nix::cmsg_space!(nix::sys::time::TimeSpec, in_pktinfo),
            buffer: vec![0; LARGEST],
            ready: vec![EpollEvent::empty(); 256],
        };
        if by_address {
            for _ in 0..SHARED {
                let socket = tuples.add((Ipv4Addr::UNSPECIFIED, 0).into())?;
                setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?;
                // Only loopback traffic is wanted. An old kernel requires a privilege for it;
                // foreign datagrams are skipped anyway.
                let _ = setsockopt(socket, sockopt::BindToDevice, &OsString::from("lo"));
            }
        }
        Ok(tuples)
    }

    /// A free tuple, if there is one by now.
    pub(super) fn take(&mut self, now: Duration) -> io::Result<Option<Tuple>> {
        match &mut self.source {
            TupleSource::Addresses { next } if *next < MOST_PLAYS => {
                *next += 1;
                Ok(Some(*next - 1))
            }
            TupleSource::Addresses { .. } => Ok(None),
            TupleSource::Ports {
                from,
                most,
                resting,
                ..
            } => {
                if resting.front().is_some_and(|(until, _)| *until <= now) {
                    return Ok(resting.pop_front().map(|(_, tuple)| tuple));
                }
                let index = self.sockets.len() as u64;
                if index >= *most {
                    return Ok(None);
                }
                let from = SocketAddr::new(*from, 0);
                self.add(from)?;
                Ok(Some(index))
            }
        }
    }

    /// A play is over.
    pub(super) fn give_back(&mut self, tuple: Tuple, now: Duration) {
        match &mut self.source {
            TupleSource::Addresses { .. } => {}
            TupleSource::Ports { resting, rest, .. } => {
                resting.push_back((now.saturating_add(*rest), tuple));
            }
        }
    }

    /// Sends a datagram to the implementation.
    pub(super) fn send(&self, tuple: Tuple, payload: &[u8]) -> io::Result<()> {
        let (socket, source) = match &self.source {
            TupleSource::Addresses { .. } => {
                let address = Ipv4Addr::from(FIRST | u32::try_from(tuple).unwrap_or_default());
                let source = in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: in_addr {
                        s_addr: u32::from_ne_bytes(address.octets()),
                    },
                    ipi_addr: in_addr { s_addr: 0 },
                };
                (tuple % SHARED, Some(source))
            }
            TupleSource::Ports { .. } => (tuple, None),
        };
        let socket = usize::try_from(socket)
            .ok()
            .and_then(|index| self.sockets.get(index))
            .ok_or(io::ErrorKind::NotConnected)?;
        let control = source.as_ref().map(ControlMessage::Ipv4PacketInfo);
        let send = || {
            sendmsg(
                socket.as_raw_fd(),
                &[IoSlice::new(payload)],
                control.as_slice(),
                MsgFlags::MSG_DONTWAIT,
                Some(&self.target),
            )
        };
        match send() {
            Err(Errno::EAGAIN) => {
                let mut waiting = [PollFd::new(socket.as_fd(), PollFlags::POLLOUT)];
                poll(&mut waiting, PollTimeout::from(SEND_WITHIN))?;
                send()?;
            }
            // An earlier datagram's ICMP error is returned once, and the socket stays usable.
            Err(Errno::ECONNREFUSED) => {
                send()?;
            }
            sent => {
                sent?;
            }
        }
        Ok(())
    }

    /// The sockets that have something, after at most `within`.
    pub(super) fn wait(&mut self, within: Duration) -> io::Result<Vec<usize>> {
        let milliseconds = within.as_micros().div_ceil(1_000);
        let timeout = u16::try_from(milliseconds).unwrap_or(u16::MAX);
        let count = match self
            .epoll
            .wait(&mut self.ready, EpollTimeout::from(timeout))
        {
            Err(Errno::EINTR) => 0,
            waited => waited?,
        };
        let ready = self.ready[..count].iter();
        Ok(ready
            .filter_map(|event| usize::try_from(event.data()).ok())
            .collect())
    }

    /// The next datagram at a socket, if one is there.
    pub(super) fn receive(&mut self, index: usize, clock: &Clock) -> io::Result<Option<Received>> {
        let Some(socket) = self.sockets.get(index) else {
            return Ok(None);
        };
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let message = recvmsg::<SockaddrStorage>(
            socket.as_raw_fd(),
            &mut slices,
            Some(&mut self.control),
            MsgFlags::MSG_DONTWAIT,
        );
        let message = match message {
            Err(Errno::EAGAIN) => return Ok(None),
            message => message?,
        };
        let (mut stamp, mut local) = (None, None);
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::ScmTimestampns(time) => stamp = Some(Duration::from(time)),
                ControlMessageOwned::Ipv4PacketInfo(info) => {
                    local = Some(u32::from_be_bytes(info.ipi_addr.s_addr.to_ne_bytes()));
                }
                _ => {}
            }
        }
        let length = message.bytes;
        let from = message.address.as_ref().and_then(socket_address);
        let from = from.ok_or_else(|| io::Error::other("a datagram has no source"))?;
        let tuple = match (&self.source, local) {
            (TupleSource::Addresses { .. }, Some(local)) => Tuple::from(local ^ FIRST),
            (TupleSource::Addresses { .. }, None) => Tuple::MAX,
            (TupleSource::Ports { .. }, _) => index as Tuple,
        };
        Ok(Some(Received {
            tuple,
            from,
            at: stamp.map_or_else(|| clock.now(), |stamp| clock.of_stamp(stamp)),
            length,
        }))
    }

    /// The bytes of what was received last.
    pub(super) fn payload(&self, received: &Received) -> &[u8] {
        &self.buffer[..received.length]
    }

    /// When the next tuple has rested, where plays may wait for one.
    pub(super) fn next_free(&self) -> Option<Duration> {
        match &self.source {
            TupleSource::Addresses { .. } => None,
            TupleSource::Ports { resting, .. } => resting.front().map(|(until, _)| *until),
        }
    }

    /// Whether a datagram from there is the implementation's.
    pub(super) fn is_from_iut(&self, from: SocketAddr) -> bool {
        from.port() == self.iut.port() && from.ip() == self.iut.ip()
    }

    /// Datagrams that the system dropped because they were not read in time.
    pub(super) fn drops(&self) -> u64 {
        let locals = self.sockets.iter().filter_map(|socket| {
            let address = socket.local_addr().ok()?;
            address.as_socket()
        });
        kernel::drops(&locals.collect::<Vec<_>>())
    }

    fn add(&mut self, address: SocketAddr) -> io::Result<&Socket> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_nonblocking(true)?;
        enlarge(&socket)?;
        // Where it is not available, arrivals are stamped when they are read.
        let _ = setsockopt(&socket, sockopt::ReceiveTimestampns, &true);
        socket.bind(&address.into())?;
        let index = self.sockets.len();
        let event = EpollEvent::new(EpollFlags::EPOLLIN, index as u64);
        self.epoll.add(&socket, event)?;
        self.sockets.push(socket);
        Ok(&self.sockets[index])
    }
}

/// How many sockets the limits of the system allow.
fn most_sockets() -> u64 {
    let files = getrlimit(Resource::RLIMIT_NOFILE).map_or(1_024, |(soft, _)| soft);
    files.saturating_sub(SPARE_FILES).clamp(1, MOST_SOCKETS)
}
