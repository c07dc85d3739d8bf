//! Reference machines brought together over a network: what may go wrong between them, and the outcome.
//!
//! A [`Trace`] is one run of an initiator and a responder, in order; [`Trace::settle`] derives the
//! network's faults from what was sent and delivered, [`Trace::ladder`] draws it. [`exhaustive`]
//! goes through every run within bounds, [`swarm`] plays many random runs.

pub mod exhaustive;
mod ladder;
mod last;
mod log;
mod replay;
mod side;
pub mod swarm;
mod trace;
mod trace_scenario;

pub use trace::{Event, EventKind, Side, TRACE_VERSION, Trace, Violation, frame_text};
