//! An endpoint whose process can seem to stand still.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, TokioRuntime, UdpPoller};

/// Stops an endpoint from sending and from hearing anything, as if its process were suspended, while
/// its timers go on.
#[derive(Debug, Clone, Default)]
pub struct Freeze(Arc<AtomicBool>);

impl Freeze {
    /// Lets nothing pass from now on, or everything again.
    pub fn set(&self, is_frozen: bool) {
        self.0.store(is_frozen, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An endpoint on `address` that is frozen when this says so.
    ///
    /// # Errors
    /// The system's, if the socket cannot be opened.
    pub fn endpoint(&self, address: SocketAddr) -> io::Result<Endpoint> {
        let runtime = TokioRuntime;
        let socket = runtime.wrap_udp_socket(UdpSocket::bind(address)?)?;
        let socket = Arc::new(Frozen {
            socket,
            freeze: self.clone(),
        });
        Endpoint::new_with_abstract_socket(
            EndpointConfig::default(),
            None,
            socket,
            Arc::new(runtime),
        )
    }
}

/// A socket that drops everything while it is frozen.
struct Frozen {
    socket: Arc<dyn AsyncUdpSocket>,
    freeze: Freeze,
}

impl fmt::Debug for Frozen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frozen")
            .field("freeze", &self.freeze)
            .finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for Frozen {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.socket).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        match self.freeze.is_set() {
            true => Ok(()),
            false => self.socket.try_send(transmit),
        }
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            let received = self.socket.poll_recv(context, buffers, meta);
            match received {
                Poll::Ready(Ok(_)) if self.freeze.is_set() => {}
                Poll::Ready(_) | Poll::Pending => return received,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.socket.may_fragment()
    }
}
