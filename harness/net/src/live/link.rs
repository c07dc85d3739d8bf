//! The packet socket of a live capture.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, IntoRawFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use pnet::datalink::{self, Channel, Config, DataLinkReceiver, NetworkInterface};
use socket2::{Domain, Protocol, Socket, Type};

use super::LiveError;
use super::filter::program;

/// Room for one frame: more than the largest that segmentation offload makes.
const FRAME: usize = 256 * 1024;
/// `/sys/class/net/*/type` of interfaces with Ethernet frames: Ethernet and loopback.
const ETHERNET_TYPES: [&str; 2] = ["1", "772"];

/// A packet socket that is bound to one interface.
pub(super) struct Link {
    /// Our own handle of pnet's socket, for what pnet does not expose.
    socket: Socket,
    receiver: Box<dyn DataLinkReceiver>,
    loopback: bool,
}

/// The filter of a packet socket.
pub(super) struct Filter {
    socket: Socket,
    loopback: bool,
    ports: Vec<u16>,
}

impl Filter {
    /// Lets packets of one more port through. Without ports all are let through already.
    pub(super) fn add(&mut self, port: u16) -> io::Result<()> {
        if self.ports.is_empty() || self.ports.contains(&port) {
            return Ok(());
        }
        self.ports.push(port);
        self.socket
            .attach_filter(&program(self.loopback, &self.ports))
    }
}

/// What the kernel says of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// When it passed, since 1970.
    pub(super) time: Duration,
    /// Packets that were dropped before it, since the beginning.
    pub(super) dropped: u64,
}

impl Link {
    pub(super) fn open(name: &str, ports: &[u16], buffer: usize) -> Result<Self, LiveError> {
        let failed = |error| refused(name, error);
        let interface = interface(name)?;
        let loopback = interface.is_loopback();
        // Protocol 0: no packet of another interface slips in before it is bound and filtered.
        let socket =
            Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0))).map_err(failed)?;
        // The first needs a privilege; without it the kernel grants what its limit allows.
        if setsockopt(&socket, sockopt::RcvBufForce, &buffer).is_err() {
            socket.set_recv_buffer_size(buffer).map_err(failed)?;
        }
        socket
            .attach_filter(&program(loopback, ports))
            .map_err(failed)?;
        let from_nix = |error: nix::Error| failed(error.into());
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).map_err(from_nix)?;
        setsockopt(&socket, sockopt::RxqOvfl, &1).map_err(from_nix)?;
        let config = Config {
            read_buffer_size: FRAME,
            // The packets that we look for come to this machine anyway.
            promiscuous: false,
            // pnet closes it, whatever happens.
            socket_fd: Some(socket.try_clone().map_err(failed)?.into_raw_fd()),
            ..Config::default()
        };
        match datalink::channel(&interface, config).map_err(failed)? {
            Channel::Ethernet(_, receiver) => Ok(Self {
                socket,
                receiver,
                loopback,
            }),
            _ => Err(LiveError::NotEthernet {
                interface: name.into(),
            }),
        }
    }

    /// A handle by which the filter can be changed while packets are received.
    pub(super) fn filter(&self, ports: &[u16]) -> io::Result<Filter> {
        Ok(Filter {
            socket: self.socket.try_clone()?,
            loopback: self.loopback,
            ports: ports.to_vec(),
        })
    }

    pub(super) const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// Waits until a packet is there; `false` if none is after `limit`.
    pub(super) fn wait(&self, limit: Duration) -> io::Result<bool> {
        let mut descriptors = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        match poll(&mut descriptors, limit) {
            Ok(ready) => Ok(ready > 0),
            Err(nix::Error::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Receives the packet that is there.
    pub(super) fn receive(&mut self) -> io::Result<(Stamp, &[u8])> {
        let stamp = self.peek()?;
        Ok((stamp, self.receiver.next()?))
    }

    /// What the kernel says of the packet that is received next.
    fn peek(&self) -> io::Result<Stamp> {
        let mut byte = [0];
        let mut slices = [IoSliceMut::new(&mut byte)];
        let mut control = nix::cmsg_space!(TimeSpec, u32);
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        let message = recvmsg::<()>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            flags,
        )?;
        let mut stamp = Stamp {
            time: Duration::ZERO,
            dropped: 0,
        };
        for control in message.cmsgs()? {
            match control {
                ControlMessageOwned::ScmTimestampns(time) => stamp.time = time.into(),
                ControlMessageOwned::RxqOvfl(dropped) => stamp.dropped = dropped.into(),
                _ => {}
            }
        }
        Ok(stamp)
    }
}

/// What a failure to open means.
pub(super) fn refused(interface: &str, source: io::Error) -> LiveError {
    let interface = interface.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied => LiveError::NotPermitted { interface },
        _ => LiveError::System { interface, source },
    }
}

fn interface(name: &str) -> Result<NetworkInterface, LiveError> {
    let interfaces = datalink::interfaces();
    let Some(interface) = interfaces.iter().find(|interface| interface.name == name) else {
        let mut known: Vec<&str> = interfaces.iter().map(|it| it.name.as_str()).collect();
        known.sort_unstable();
        return Err(LiveError::NoInterface {
            interface: name.into(),
            known: known.join(", "),
        });
    };
    // If unknown, Ethernet is assumed.
    let kind = std::fs::read_to_string(format!("/sys/class/net/{name}/type"));
    if kind.is_ok_and(|kind| !ETHERNET_TYPES.contains(&kind.trim())) {
        return Err(LiveError::NotEthernet {
            interface: name.into(),
        });
    }
    Ok(interface.clone())
}
