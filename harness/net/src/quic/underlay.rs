//! What endpoints send and receive through.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{AsyncUdpSocket, EndpointConfig, Runtime, TokioRuntime};

/// Where the sockets of QUIC endpoints come from, and what their time is.
pub trait Underlay: Debug + Send + Sync {
    /// Runs the tasks and timers of endpoints.
    fn runtime(&self) -> Arc<dyn Runtime>;

    /// A socket that is bound to `address`; port 0 is for any.
    ///
    /// # Errors
    /// The system's, if it cannot be opened; [`io::ErrorKind::AddrInUse`] for one that is taken.
    fn socket(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>>;

    /// What the next endpoint is like; it is asked for before its socket.
    fn endpoint_config(&self) -> EndpointConfig {
        EndpointConfig::default()
    }
}

/// UDP sockets of the system, and its time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Real;

impl Underlay for Real {
    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(TokioRuntime)
    }

    fn socket(&self, address: SocketAddr) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(UdpSocket::bind(address)?)
    }
}
