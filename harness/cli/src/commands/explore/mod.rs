//! `shakedown explore PROTOCOL`.

mod bounded;
mod memory;
mod streams;
mod swarm;
mod tell;

use std::num::NonZeroU64;
use std::path::PathBuf;

use shakedown_protocol::Protocol;

use crate::Global;
use crate::exit::{Exit, Failure};
use crate::numbers::at_least_1;
use crate::reports::Format;

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Bring both reference machines together over an impaired network, in virtual time, and look for what \
must not happen.

Without --swarm this is bounded model checking: every run in which so many datagrams are lost, doubled or \
late is explored, with every order of what remains. Every state is checked, and the first that breaks a requirement is \
shown with the shortest run that leads to it. What --max-states or --timeout cut short proves nothing and \
ends with exit code 3.

With --swarm each seed is another pair, another profile of loss, duplication, reordering, corruption, \
delay, clock skew and change of address; then the network heals, and both sides must converge. What \
breaks a requirement is shown as a ladder diagram; with --out it is written as a trace and as a scenario \
that replays it against an implementation.

A protocol that streams carry (proton) is explored with --swarm alone: each seed is another server of the \
reference, one to three clients, commands to them and cables that are pulled, over a network of streams \
without QUIC. The same seed plays the same run again; a single run is told step by step.",
    after_help = "\
Examples:
  shakedown explore mediastream --mode 3way
  shakedown explore mediastream --mode 3way --optimistic --loss 3 --dup 2 --reorder 2
  shakedown explore mediastream --all --out found
  shakedown explore mediastream --mode 3way --without MS-H-18
  shakedown explore mediastream --swarm 10000
  shakedown explore mediastream --swarm 10000 --initiator 3way,fallback --responder 3way+start3
  shakedown explore mediastream --swarm 1 --seed 866 --initiator 3way --responder 3way
  shakedown explore mediastream --swarm 1000 --mode 3way --without MS-H-18 --out found
  shakedown explore proton --swarm 10000
  shakedown explore proton --swarm 1 --seed 302"
)]
pub(crate) struct Args {
    /// The protocol
    protocol: String,

    /// Play so many random runs, one for each seed; a single one is drawn as a ladder diagram
    #[arg(long, value_name = "N", conflicts_with_all = bounded::FLAGS, value_parser = at_least_1::<NonZeroU64>)]
    swarm: Option<NonZeroU64>,

    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The mode of both sides [default: the protocol's first, legacy; in a swarm a random one, with
    /// random options]
    #[arg(long, value_name = "MODE", conflicts_with_all = ["initiator", "responder"])]
    mode: Option<String>,

    /// The initiator: its mode, then its options
    #[arg(long, value_name = "MODE[,OPTION...]")]
    initiator: Option<String>,

    /// The responder: its modes with + between, then its options
    #[arg(long, value_name = "MODE[+MODE...][,OPTION...]")]
    responder: Option<String>,

    /// Make both sides faulty twins of the reference that leave out what this requirement demands
    #[arg(long, value_name = "ID")]
    without: Option<String>,

    /// Threads, or runs at the same time [default: one for each processor]
    #[arg(long, visible_alias = "threads", value_name = "N", value_parser = at_least_1::<std::num::NonZeroUsize>)]
    jobs: Option<std::num::NonZeroUsize>,

    /// Folder for a trace, a ladder diagram and a scenario of what breaks something, of a swarm with
    /// the captures and up to ten; it is made if need be
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// What standard output carries
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,

    #[command(flatten)]
    bounded: bounded::Flags,
}

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

fn usage(message: String) -> Failure {
    Failure {
        exit: Exit::Usage,
        message,
    }
}
