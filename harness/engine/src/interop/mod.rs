//! The interoperability matrix: which pairs there are, what each shows on the wire, and whether
//! the specification demands that.
//!
//! [`pairs`] lists the pairs; [`EdgeTraffic`] follows the datagrams at one edge of a pair; [`PairEvidence::judge`]
//! says how it ended. Findings about either side are the monitor's.

mod cells;
mod event;
mod evidence;
#[cfg(test)]
mod tests;
mod traffic;

pub use cells::{MatrixError, Pair, Side, pairs};
pub use event::{
    Captures, InteropStarted, InteropSummary, PairEvent, PairOutcome, SideEvent, Sides, Standing,
};
pub use evidence::{PairEvidence, PairVerdict, ProcessEnd};
pub use traffic::EdgeTraffic;
