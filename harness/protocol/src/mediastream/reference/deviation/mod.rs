//! Faulty twins of the reference: what each leaves out, and where.
//!
//! Most twins are the reference whose datagrams are changed on their way out or in, or which was told
//! something else: their whole fault stands in the row, as a [`hook::Hook`]. The others are asked for by
//! the machine, at the decision that they get wrong.

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
