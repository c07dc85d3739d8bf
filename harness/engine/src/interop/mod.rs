//! Foreign implementations at one table: which pairs there are, what each of them shows on the
//! wire, and whether that is what the specification demands.
//!
//! [`pairs`] sets the table; [`Witness`] follows the datagrams at one edge of a pair; [`Facts::judge`]
//! says how it ended. Findings about either side are the monitor's.

mod cells;
mod event;
mod facts;
#[cfg(test)]
mod tests;
mod witness;

pub use cells::{Pair, Side, TableError, pairs};
pub use event::{
    Captures, InteropStarted, InteropSummary, PairEvent, PairOutcome, SideEvent, Sides, Standing,
};
pub use facts::{Facts, Fate, Judged};
pub use witness::Witness;
