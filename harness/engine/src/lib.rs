//! Scenarios, the script that plays them, and the judge of captures.
//!
//! [`document`] reads what people write and keeps the place of every word; [`scenario`] checks
//! scenario files, [`iut`] the descriptions of implementations; [`schema`] describes both to editors;
//! [`script`] plays a scenario as a machine without I/O; [`judge`] sends a capture through a
//! protocols' monitors, [`check`] tells what they found in one; [`verdict`] brings both together; [`simulation`] runs a scenario against a
//! reference machine in virtual time, by the one [`event_loop`](shakedown_protocol::event_loop); [`explore`] is about both reference machines at one table; [`shrink`]
//! makes a failing scenario small; [`twins`] plays faulty references; [`interop`] sets implementations against each other; [`event`] is
//! what a run tells the world; [`fuzzing`] grows conversations that nobody would have written.
//!
//! This crate depends on `shakedown-protocol` and `shakedown-capture` and must not touch sockets,
//! processes, threads or clocks.

pub mod check;
pub mod document;
pub mod event;
pub mod explore;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod fuzzing;
pub mod interop;
pub mod iut;
pub mod judge;
pub mod network;
pub mod quic;
mod random;
pub mod reference;
pub mod scenario;
pub mod schema;
pub mod script;
pub mod shrink;
pub mod simulation;
pub mod step;
pub mod twins;
pub mod verdict;
