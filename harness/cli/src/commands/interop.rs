//! `shakedown interop A.toml B.toml [C.toml ...]`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::ValueEnum;
use shakedown_engine::interop::{Pair, pairs};
use shakedown_engine::iut::Iut;
use shakedown_engine::network::Impairment;
use shakedown_net::interop::{MatrixSettings, interop};
use shakedown_protocol::Protocol;

use super::run::Weakest;
use crate::conduct::conduct;
use crate::exit::{Exit, Failure, usage};
use crate::guard::Guard;
use crate::logging::Global;
use crate::numbers::{ANY, JOBS, whole};
use crate::reference::any_seed;
use crate::reports::ReportArgs;
use crate::vectors;

/// Default directory of reports.
const REPORTS: &str = "interop";

#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Test implementations with each other: every initiator with every responder, in every mode that \
they claim and with every option that affects interoperability (allow_legacy_start, fallback and \
so on).

A relay between the two records the traffic at both sides, one capture each. Each side is judged \
by the requirements, and the pair by what the specification demands of it: to stream, to fall \
back or to time out. The result is the interoperability matrix, on the terminal and in \
interop.html.",
    after_help = "\
Examples:
  shakedown interop my-server.toml my-player.toml
  shakedown interop my-server.toml their-server.toml my-player.toml --filter 3way
  shakedown interop my-server.toml my-player.toml --filter 3way/player/3way --expect streams
  shakedown interop my-server.toml my-player.toml --impair loss=0.1,delay=20ms..80ms,seed=7"
)]
pub(crate) struct Args {
    /// Descriptions of the implementations, of at least one responder and one initiator
    #[arg(required = true, value_name = "FILE")]
    iuts: Vec<PathBuf>,

    /// Only pairs whose id contains this
    #[arg(long, value_name = "TEXT")]
    filter: Vec<String>,

    /// Impair the network: loss=0.1,delay=20ms..80ms,reorder=0.05,seed=7, or exact faults such as
    /// drop=SYN-ACK#2; outcomes that this explains are excused
    #[arg(long, value_name = "LIST")]
    impair: Option<String>,

    /// Pairs to run in parallel
    #[arg(long, value_name = "N", default_value_t = default_jobs(), value_parser = whole::<NonZeroUsize>(JOBS))]
    jobs: NonZeroUsize,

    /// Random seed [default: a new one, which is printed]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(ANY))]
    seed: Option<u64>,

    /// The weakest requirement level that counts; findings below it are advice
    #[arg(long, value_enum, default_value_t = Weakest::Must, overrides_with = "level")]
    level: Weakest,

    /// Acceptable outcomes: what the specification demands of each pair, or only streams
    #[arg(long, value_enum, default_value_t = Expected::Demanded)]
    expect: Expected,

    #[command(flatten)]
    reports: ReportArgs,
}

/// What a pair must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expected {
    /// What the specification demands: to stream, to fall back, to time out
    Demanded,
    /// The initiator receives its whole stream, by its own handshake or a fallback
    Streams,
}

fn default_jobs() -> NonZeroUsize {
    NonZeroUsize::new(12).unwrap_or(NonZeroUsize::MIN)
}

impl Args {
    /// Judges every pair and reports the results.
    pub(crate) fn execute(self, global: &Global) -> Result<Exit, Failure> {
        let iuts: Vec<Iut> = self
            .iuts
            .iter()
            .map(|path| vectors::description(path))
            .collect::<Result<_, _>>()?;
        let (protocol, pairs) = self.pairs(&iuts)?;
        let impair = self.impairment(protocol)?;
        let guard = Guard::begin()?;
        let directory = self.reports.directory_for(REPORTS)?;
        let plan = MatrixSettings {
            iuts,
            protocol,
            pairs,
            impair,
            impair_text: self.impair.clone(),
            jobs: self.jobs.get(),
            seed: self.seed.unwrap_or_else(any_seed),
            captures: directory.path().join("captures"),
            level: self.level.into(),
            must_stream: self.expect == Expected::Streams,
            shakedown: guard.program(),
        };
        conduct(&self.reports, &directory, global, |events, stop| {
            interop(plan, events, stop)
        })
    }

    fn pairs(&self, iuts: &[Iut]) -> Result<(&'static Protocol, Vec<Pair>), Failure> {
        let (protocol, mut pairs) = pairs(iuts).map_err(|error| usage(error.to_string()))?;
        let all = pairs.len();
        if !self.filter.is_empty() {
            let first = pairs
                .first()
                .map(|pair| pair.id.clone())
                .unwrap_or_default();
            pairs.retain(|pair| self.filter.iter().any(|text| pair.id.contains(text)));
            if pairs.is_empty() {
                let filter = self.filter.join("` and `");
                return Err(usage(format!(
                    "none of the {all} pairs has `{filter}` in its id; the first id is {first}"
                )));
            }
        }
        Ok((protocol, pairs))
    }

    fn impairment(&self, protocol: &'static Protocol) -> Result<Impairment, Failure> {
        let Some(text) = &self.impair else {
            return Ok(Impairment::default());
        };
        let wrong = |error: shakedown_engine::network::ImpairmentError| {
            usage(format!("--impair {text:?} {error}"))
        };
        let impair: Impairment = text.parse().map_err(wrong)?;
        impair.check(protocol.vocabulary).map_err(wrong)?;
        Ok(impair)
    }
}
