//! `shakedown explore PROTOCOL`.

mod args;
mod bounded;
mod report;
mod swarm;

pub(crate) use self::args::Args;
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;
use crate::reference::{known_protocol, twin};

impl Args {
    /// Explores and reports the findings.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let protocol = known_protocol(&self.protocol)?;
        if let Some(name) = &self.without {
            twin(protocol, name)?;
        }
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
