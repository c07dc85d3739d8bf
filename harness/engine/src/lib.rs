//! Scenarios, the script that plays them, and the judge of captures.
//!
//! [`document`] parses files and keeps the position of every token; [`scenario`] checks
//! scenario files, [`iut`] the descriptions of implementations; [`schema`] describes both to
//! editors; [`script`] runs a scenario as a sans-I/O machine; [`judge`] feeds a capture to the
//! protocols' monitors, [`check`] reports their findings in one; [`verdict`] brings both together;
//! [`simulation`] runs a scenario against a reference machine in virtual time, by the one
//! [`event_loop`](shakedown_protocol::event_loop); [`explore`] runs both reference machines against
//! each other;  [`shrink`] reduces a failing scenario; [`twins`] runs mutants of the references;
//! [`interop`] runs implementations against each other; [`event`] is the event stream of a run;
//! [`fuzzing`] derives inputs from scenarios.
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
