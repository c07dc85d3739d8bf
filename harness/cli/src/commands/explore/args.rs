use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use crate::numbers::{ANY, ANY_U8, AT_LEAST_1, JOBS, whole};
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

A protocol over QUIC is explored with --swarm alone, since a connection of QUIC cannot be forked: each seed is \
another server of the reference, clients, commands to them, peers that do something wrong, an impaired network and \
cables that are pulled, over real packets of QUIC. The same seed plays the same run again; a single run is drawn as a \
ladder, and --out tells those that break something step by step.",
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
  shakedown explore proton --swarm 1 --seed 302
  shakedown explore proton --swarm 500 --without PR-R-02 --out found"
)]
pub(crate) struct Args {
    /// The protocol
    pub(super) protocol: String,

    /// Play so many random runs, one for each seed; a single one is drawn as a ladder diagram
    #[arg(long, value_name = "N", conflicts_with_all = FLAGS, value_parser = whole::<NonZeroU64>(AT_LEAST_1))]
    pub(super) swarm: Option<NonZeroU64>,

    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(ANY))]
    pub(super) seed: u64,

    /// The mode of both sides [default: the protocol's first, legacy; in a swarm a random one, with
    /// random options]
    #[arg(long, value_name = "MODE", conflicts_with_all = ["initiator", "responder"])]
    pub(super) mode: Option<String>,

    /// The initiator: its mode, then its options
    #[arg(long, value_name = "MODE[,OPTION...]")]
    pub(super) initiator: Option<String>,

    /// The responder: its modes with + between, then its options
    #[arg(long, value_name = "MODE[+MODE...][,OPTION...]")]
    pub(super) responder: Option<String>,

    /// Make both sides faulty twins of the reference that leave out what this requirement demands
    #[arg(long, value_name = "ID")]
    pub(super) without: Option<String>,

    /// Threads, or runs at the same time [default: one for each processor]
    #[arg(long, visible_alias = "threads", value_name = "N", value_parser = whole::<NonZeroUsize>(JOBS))]
    pub(super) jobs: Option<NonZeroUsize>,

    /// Folder for what breaks something: a trace, a ladder diagram or a story, a scenario where there can be
    /// one, of a swarm with the captures and up to ten; it is made if need be
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,

    /// What standard output carries
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub(super) format: Format,

    #[command(flatten)]
    pub(super) bounded: Flags,
}

/// The flags of an exploration within bounds, which mean nothing to a swarm.
const FLAGS: [&str; 11] = [
    "all",
    "optimistic_start",
    "begin_immediately",
    "allow_legacy_start",
    "fallback",
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
    /// Every pair of the table of pairs, one after the other
    #[arg(long, conflicts_with_all = ["mode", "initiator", "responder"])]
    pub(super) all: bool,

    /// The responder streams before the ACK (3way)
    #[arg(long, visible_alias = "optimistic", conflicts_with_all = ["initiator", "responder", "all"])]
    pub(super) optimistic_start: bool,

    /// The responder streams before the START_CONFIRM (start3)
    #[arg(long, conflicts_with_all = ["initiator", "responder", "all"])]
    pub(super) begin_immediately: bool,

    /// The responder serves the START token too (3way, start3)
    #[arg(long, conflicts_with_all = ["initiator", "responder", "all"])]
    pub(super) allow_legacy_start: bool,

    /// The initiator sends the START token where nobody answers (3way, start3)
    #[arg(long, conflicts_with_all = ["initiator", "responder", "all"])]
    pub(super) fallback: bool,

    /// Datagrams that may be lost, of both directions together
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole::<u8>(ANY_U8))]
    pub(super) loss: u8,

    /// Datagrams that may be doubled; the copy arrives at any later time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole::<u8>(ANY_U8))]
    pub(super) dup: u8,

    /// Datagrams that may be overtaken by others; they arrive at any later time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = whole::<u8>(ANY_U8))]
    pub(super) reorder: u8,

    /// Timers that may be due while other datagrams are on their way; 0: they arrive before
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<u8>(ANY_U8))]
    pub(super) slow: u8,

    /// Give a pair up after so many different states
    #[arg(long, value_name = "N", default_value = "50000000", value_parser = whole::<NonZeroUsize>(AT_LEAST_1))]
    pub(super) max_states: NonZeroUsize,

    /// Give a pair up after so many seconds [default: never]
    #[arg(long, value_name = "SECONDS", value_parser = whole::<NonZeroU64>(AT_LEAST_1))]
    pub(super) timeout: Option<NonZeroU64>,
}
