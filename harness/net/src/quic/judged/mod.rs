//! Real QUIC connections of which one side does what it should not, or something rare that it may:
//! what is recorded of them is judged rightly, to the packet.
//!
//! Both ends are played by the tests themselves, in virtual time.

mod connections;
mod healthy;
mod keys;
mod partial;
mod streams;
mod table;
mod told;
mod tshark;
