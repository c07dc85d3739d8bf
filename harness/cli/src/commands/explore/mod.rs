//! `shakedown explore PROTOCOL`.

mod args;
mod bounded;
mod report;
mod swarm;

use shakedown_protocol::Protocol;

pub(crate) use self::args::Args;
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;

impl Args {
    /// Explores and reports the findings.
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
        match self.swarm {
            Some(runs) => swarm::run(protocol, &self, runs.get()),
            None if protocol.forked.is_none() => Err(usage(format!(
                "{} is explored by random runs only: its machines stand on QUIC, whose connections cannot be \
                 forked at each choice of the network; say how many, for example `--swarm 1000`",
                protocol.id
            ))),
            None => bounded::run(protocol, &self),
        }
    }
}
