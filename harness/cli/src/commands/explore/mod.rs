//! `shakedown explore PROTOCOL`.

mod args;
mod bounded;
mod memory;
mod streams;
mod swarm;
mod report;

use shakedown_protocol::Protocol;

pub(crate) use self::args::Args;
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;

impl Args {
    /// Explores and tells what was found.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let protocol = shakedown_protocol::protocol(&self.protocol);
        let protocol: &'static Protocol = protocol.ok_or_else(|| {
            let known = shakedown_protocol::PROTOCOLS.iter().map(|known| known.id);
            let known: Vec<_> = known.collect();
            usage(format!(
                "there is no protocol {:?}; there are {}",
                self.protocol,
                known.join(", ")
            ))
        })?;
        if protocol.forked.is_none() {
            return streams::run(protocol, &self);
        }
        match self.swarm {
            Some(_) => swarm::run(protocol, &self),
            None => bounded::run(protocol, &self),
        }
    }
}
