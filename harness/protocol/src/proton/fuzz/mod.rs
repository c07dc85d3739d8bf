//! Bodies of the fuzz targets of proton: each takes any bytes as a [`Plan`] and panics if what must
//! hold does not.

mod client;
mod monitor;
mod plan;
mod rig;
mod server;

pub use monitor::Audit;
pub use plan::{Plan, Step, What};

/// The reference server, whatever its clients do.
pub fn server(bytes: &[u8]) {
    server::run(bytes);
}

/// The reference client, whatever its server does and its owner asks for.
pub fn client(bytes: &[u8]) {
    client::run(bytes);
}

/// The monitor, whatever a capture shows.
pub fn monitor(bytes: &[u8]) {
    monitor::run(bytes);
}
