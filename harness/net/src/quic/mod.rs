//! QUIC: machines of stream protocols over a real endpoint, and the transport that they ask for.
//!
//! [`Host`] runs a [`StreamMachine`](shakedown_protocol::streams::StreamMachine) over a quinn
//! endpoint; [`transport`] makes the endpoint with the parameters of a protocol, [`tls`] its
//! certificates and the record of its secrets. An [`underlay`] is what endpoints send through, and a
//! [`Watch`] sees what they send and receive.

mod connection;
mod endpoints;
mod host;
#[cfg(test)]
mod judged;
mod recording;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod transport;
pub mod underlay;
pub mod virtual_network;
mod watched;

pub use endpoints::Endpoints;
pub use host::Host;
pub use recording::Recording;
pub use watched::{Freeze, PacketObserver, Watch};
