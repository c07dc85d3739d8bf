//! Sockets, processes and the system clock: the only crate besides the program that touches them.
//!
//! [`PeerSocket`] and [`process`] are the two ways to the implementation under
//! test.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this crate is where sockets, processes, threads and clocks belong"
)]

mod clock;
pub mod drive;
mod file;
pub mod fuzz;
pub mod host;
pub mod interop;
pub mod kernel;
mod key_log;
pub mod launch;
pub mod live;
pub mod load;
mod ports;
pub mod probe;
pub mod process;
pub mod relay;
pub mod run;
mod socket;
mod stop;

pub use clock::Clock;
pub use key_log::KeyLog;
pub use ports::FreePort;
pub use socket::{Arrival, PeerSocket};
