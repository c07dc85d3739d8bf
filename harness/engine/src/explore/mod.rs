//! Both reference machines at one table: what may go wrong between them, and what came of it.
//!
//! A [`Trace`] is one run of an initiator and a responder, in order; [`Trace::settle`] tells from what
//! was sent and what was delivered what the network did, [`Trace::ladder`] draws
//! it. [`exhaustive`] goes through every run within bounds, [`swarm`] plays many runs, each with other
//! mishaps.

mod counters;
pub mod exhaustive;
mod ladder;
mod last;
mod log;
mod replay;
mod side;
pub mod streams;
pub mod swarm;
mod trace;

pub use trace::{Event, Side, TRACE_VERSION, Trace, Violation, What, frame_text};
