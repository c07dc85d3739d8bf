use std::net::SocketAddr;
use std::time::Duration;

/// One UDP datagram of a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Number of the packet in the capture, from 1; of the last piece if it was fragmented.
    pub number: u64,
    /// Time of that packet as the capture counts it, down to nanoseconds: that of a file since 1970.
    pub time: Duration,
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// The UDP payload, as far as it was captured.
    pub payload: &'a [u8],
    /// Length of the UDP payload on the wire, in bytes; more than `payload.len()` if it was cut.
    pub length: usize,
}
