//! Another way to run machines of streams, for tests alone: over quinn, which drives QUIC by itself, on a
//! virtual network. What the monitor and the reference do does not depend on our own carrier.
//!
//! [`Host`] runs a [`StreamMachine`](shakedown_protocol::streams::StreamMachine) over a quinn
//! endpoint; [`transport`] makes the endpoint with the parameters of a protocol, [`tls`] its
//! certificates and the record of its secrets. An [`underlay`] is what endpoints send through, and a
//! [`Watch`] sees what they send and receive.

mod connection;
mod host;
mod judged;
mod recording;
pub mod tls;
pub mod transport;
pub mod underlay;
pub mod virtual_network;
mod watched;

pub use host::Host;
pub use recording::Recording;
pub use watched::{Freeze, PacketObserver, Watch};
