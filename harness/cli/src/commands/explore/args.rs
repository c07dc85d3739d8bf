use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use crate::numbers::{ANY, ANY_U8, AT_LEAST_1, JOBS, whole};
use crate::reports::Format;

#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Run both reference machines against each other over an impaired network, in virtual time, and \
look for violations.

Without --swarm this is bounded model checking: every run within the given numbers of lost, \
duplicated and reordered datagrams is explored, with every order of the remaining events. Every \
state is checked; the first violation is shown with the shortest run that leads to it. A search \
that --max-states or --timeout ended proves nothing and exits with 3.

With --swarm each seed is another pair and another profile of loss, duplication, reordering, \
corruption, delay, clock skew and change of address; then the network heals, and both sides must \
converge. A violation is shown as a sequence diagram; with --out it is written as a trace and as \
a scenario that replays it against an implementation.

A protocol over QUIC is explored with --swarm only, since a QUIC connection cannot be forked: each \
seed is another reference server, clients with random requests, misbehaving peers, an impaired \
network and links that go down, over real QUIC packets. The same seed gives the same run; a single \
run is drawn as a sequence diagram, and --out writes failing runs step by step.",
    after_help = "\
Examples:
  shakedown explore mediastream --mode 3way
  shakedown explore mediastream --initiator 3way --responder 3way,optimistic_start --loss 3
  shakedown explore mediastream --all --out found
  shakedown explore mediastream --mode 3way --without MS-H-18
  shakedown explore mediastream --swarm 10000
  shakedown explore mediastream --swarm 10000 --initiator 3way,fallback --responder 3way+start3
  shakedown explore mediastream --swarm 1 --seed 866 --initiator 3way --responder 3way
  shakedown explore mediastream --swarm 1000 --mode 3way --without MS-H-18 --out found
  shakedown explore proton --swarm 10000
  shakedown explore proton --swarm 1 --seed 302
  shakedown explore proton --swarm 500 --without PR-R-02 --out found"
)]
pub(crate) struct Args {
    /// The protocol
    pub(super) protocol: String,

    /// Do this many random runs, one for each seed; a single one is drawn as a sequence diagram
    #[arg(long, value_name = "N", conflicts_with_all = FLAGS, value_parser = whole::<NonZeroU64>(AT_LEAST_1))]
    pub(super) swarm: Option<NonZeroU64>,

    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(ANY))]
    pub(super) seed: u64,

    /// The mode of both sides [default: the protocol's first; in a swarm a random one, with random
    /// options]
    #[arg(long, value_name = "MODE", conflicts_with_all = ["initiator", "responder"])]
    pub(super) mode: Option<String>,

    /// The initiator: its mode, then its options
    #[arg(long, value_name = "MODE[,OPTION...]")]
    pub(super) initiator: Option<String>,

    /// The responder: its modes with + between, then its options
    #[arg(long, value_name = "MODE[+MODE...][,OPTION...]")]
    pub(super) responder: Option<String>,

    /// Make both sides mutants of the reference that violate this requirement
    #[arg(long, value_name = "ID")]
    pub(super) without: Option<String>,

    /// Threads, or parallel runs [default: one for each processor]
    #[arg(long, visible_alias = "threads", value_name = "N", value_parser = whole::<NonZeroUsize>(JOBS))]
    pub(super) jobs: Option<NonZeroUsize>,

    /// Folder for violations, created if missing: traces, diagrams, scenarios where possible; of a
    /// swarm also captures, and up to ten
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,

    /// Format of standard output
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) bounded: Flags,
}

/// The flags of an exploration within bounds, which mean nothing to a swarm.
const FLAGS: [&str; 7] = [
    "all",
    "loss",
    "dup",
    "reorder",
    "slow",
    "max_states",
    "timeout",
];

/// What is explored, and how far.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Without --swarm")]
pub(super) struct Flags {
    /// Every pair of the interoperability table, one after the other
    #[arg(long, conflicts_with_all = ["mode", "initiator", "responder"])]
    pub(super) all: bool,

    /// Datagrams that may be lost, both directions together
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole::<u8>(ANY_U8))]
    pub(super) loss: u8,

    /// Datagrams that may be duplicated; the copy arrives at any later time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole::<u8>(ANY_U8))]
    pub(super) dup: u8,

    /// Datagrams that may be overtaken by others; they arrive at any later time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole::<u8>(ANY_U8))]
    pub(super) reorder: u8,

    /// Timers that may fire while datagrams are in flight
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<u8>(ANY_U8))]
    pub(super) slow: u8,

    /// Stop a pair after this many distinct states
    #[arg(long, value_name = "N", default_value = "50000000", value_parser = whole::<NonZeroUsize>(AT_LEAST_1))]
    pub(super) max_states: NonZeroUsize,

    /// Stop a pair after this many seconds [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = whole::<NonZeroU64>(AT_LEAST_1))]
    pub(super) timeout: Option<NonZeroU64>,
}
