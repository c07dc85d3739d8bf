//! Connections of `proton` between two endpoints of quinn, of which one does what it should not, or something rare that
//! it may: what is recorded of them is judged rightly, to the packet.
//!
//! Both ends are played by the tests themselves, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod connections;
mod healthy;
mod judged;
mod keys;
mod network;
mod partial;
mod setup;
mod streams;
mod tshark;
