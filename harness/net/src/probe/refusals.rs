use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc::sock_extended_err;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

use crate::socket::PeerSocket;

/// What came instead of an answer.
pub(super) const REFUSED: &str = "nothing listens there (ICMP: port unreachable)";

/// ICMP errors about what a socket sent: no other socket has the port where that went.
#[derive(Debug)]
pub(super) struct Refusals(Option<UdpSocket>);

impl Refusals {
    /// Those of this socket, where the system reports them.
    pub(super) fn of(socket: &PeerSocket) -> Self {
        let fd = socket.inner().as_fd();
        let heard = match socket.local().is_ipv4() {
            true => setsockopt(&fd, sockopt::Ipv4RecvErr, &true),
            false => setsockopt(&fd, sockopt::Ipv6RecvErr, &true),
        };
        let own = heard.ok().and_then(|()| fd.try_clone_to_owned().ok());
        Self(own.and_then(|own| UdpSocket::from_std(own.into()).ok()))
    }

    /// Waits for the next one; for ever where the system reports none.
    pub(super) async fn next(&self) {
        let Some(socket) = &self.0 else {
            return std::future::pending().await;
        };
        let refused = || match self.came() {
            true => Ok(()),
            false => Err(std::io::ErrorKind::WouldBlock.into()),
        };
        if socket.async_io(Interest::ERROR, refused).await.is_err() {
            std::future::pending().await
        }
    }

    /// Whether one came since the last look.
    pub(super) fn came(&self) -> bool {
        let Some(socket) = &self.0 else {
            return false;
        };
        let mut came = false;
        while let Some(error) = next_error(socket) {
            came |= error == Errno::ECONNREFUSED;
        }
        came
    }
}

/// The next error in a socket's queue.
fn next_error(socket: &UdpSocket) -> Option<Errno> {
    let mut control = nix::cmsg_space!(sock_extended_err, SockaddrStorage);
    let mut payload = [0; 1];
    let mut slices = [IoSliceMut::new(&mut payload)];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message =
        recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(&mut control), flags);
    let message = message.ok()?;
    let error = message.cmsgs().ok()?.find_map(|control| match control {
        ControlMessageOwned::Ipv4RecvErr(error, _) => Some(error.ee_errno),
        ControlMessageOwned::Ipv6RecvErr(error, _) => Some(error.ee_errno),
        _ => None,
    });
    let number = error.and_then(|error| i32::try_from(error).ok());
    Some(Errno::from_raw(number.unwrap_or_default()))
}
