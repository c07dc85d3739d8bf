//! Faulty twins of the reference: what each leaves out, and where.
//!
//! Most twins change outgoing or incoming datagrams, or a setting: the whole fault is in the row,
//! as a [`hook::Hook`]. For the others the machine asks, at the decision that they get wrong.

mod faults;
mod hook;
mod passing;
#[macro_use]
mod rows;
#[macro_use]
mod media;
#[macro_use]
mod start3;
mod table;
mod twin;

pub(super) use hook::{Repeated, Waits};
pub(super) use passing::{Known, Passing};
pub(in super::super) use table::TWINS;
pub(super) use table::{Deviation, Deviations};
