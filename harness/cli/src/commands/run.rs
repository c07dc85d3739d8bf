//! `shakedown run [SCENARIO...]`.

mod assign;
mod dry;

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use shakedown_engine::event::RunPlan;
use shakedown_engine::network::Impairment;
use shakedown_engine::scenario::Loaded;
use shakedown_net::load::{self, MOST_PLAYS, load};
use shakedown_net::run::{Assignment, CaptureBy, Plan, run, run_in_virtual_time};
use shakedown_protocol::requirement::Level;

use dry::{check_judged, show_plan};

use crate::conduct::conduct;
use crate::earlier;
use crate::exit::{Exit, Failure, usage};
use crate::guard::Guard;
use crate::logging::Global;
use crate::numbers::{ANY, ANY_U32, AT_LEAST_1, JOBS, whole};
use crate::reference::{any_seed, check_twin, twin};
use crate::reports::ReportArgs;
use crate::vectors::{self, SelectionArgs};

#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Run scenarios against an implementation, capture the traffic, and judge it.

Without --iut the implementation is the built-in reference, in both roles, as separate \
processes.",
    after_help = "\
Examples:
  shakedown run
  shakedown run --virtual --seed 7
  shakedown run --virtual --seed 7 --impair loss=0.2,reorder=0.1
  shakedown run found/ms-h-18.json --virtual --without MS-H-18
  shakedown run --iut my-server.toml --mode 3way
  shakedown run --iut my-server.toml --dry-run
  shakedown run --iut my-server.toml --fail-fast --timeout 10m
  shakedown run --iut my-server.toml --failed
  shakedown run --iut my-server.toml --baseline reports/known
  shakedown run --protocol proton --role server --slow
  shakedown run mediastream/legacy/responder --filter stream -v
  shakedown run --mode 3way --impair loss=0.1,delay=20ms..80ms,reorder=0.05,seed=7
  shakedown run --iut my-server.toml --impair loss=10% --retries 20
  shakedown run --mode 3way --impair drop=SYN-ACK#2,duplicate=ACK#1
  shakedown run mediastream/3way/responder/a-handshake-leads-to-two-frames \\
    --repeat 10000 --concurrency 1000"
)]
pub(crate) struct Args {
    #[command(flatten)]
    selection: SelectionArgs,

    /// Description of the implementation under test; twice if it plays both roles
    #[arg(long, value_name = "FILE")]
    iut: Vec<PathBuf>,

    /// Scenarios to run in parallel; they mostly wait for timers, so more than there are
    /// processors
    #[arg(long, value_name = "N", default_value_t = default_jobs(), value_parser = whole::<NonZeroUsize>(JOBS))]
    jobs: NonZeroUsize,

    /// Random seed [default: a new one, which is printed]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(ANY))]
    seed: Option<u64>,

    /// How packets are captured: `live:INTERFACE` by the kernel, `tap` at Shakedown's sockets,
    /// `auto` live on loopback if permitted, else tap
    #[arg(long, value_name = "HOW", default_value = "auto")]
    capture: CaptureBy,

    /// Run against the reference in this process and in virtual time: no sockets, no waiting, and
    /// the same seed gives the same reports and captures, byte for byte
    #[arg(long = "virtual")]
    in_virtual_time: bool,

    /// Impair the network: a list of loss=0.1, duplicate=0.1, reorder=0.1,
    /// corrupt=0.1, delay=20ms..80ms, jitter=5ms, rate=64000 (bytes a second), outage=1s..2s,
    /// from=responder, seed=7, and of exact faults: drop=SYN-ACK#2, duplicate=ACK#1,
    /// delay=SYN#1+300ms, reorder=SYN#1+2, corrupt=SYN#1@208 (the bit); over QUIC, drop=DATAGRAM#3.
    /// A failing step is then inconclusive; findings in the capture, taken at the implementation's
    /// side, count
    #[arg(long, value_name = "LIST")]
    impair: Option<Impairment>,

    /// With --virtual: run a mutant of the reference that violates this requirement, such as
    /// MS-H-18 or PR-S-08/fin, to see which scenarios catch it
    #[arg(long, value_name = "ID", hide_short_help = true)]
    without: Option<String>,

    /// Include scenarios that wait for more than a minute; --virtual always does
    #[arg(long)]
    slow: bool,

    /// The weakest requirement level that fails a scenario; findings below it are advice
    #[arg(long, value_enum, default_value_t = Weakest::Must, overrides_with = "level")]
    level: Weakest,

    /// Retries of a failure that a busy machine may explain; if one passes, the scenario passes
    /// instead of being flaky. With --impair: retries, with other random impairment, of a scenario
    /// that the network spoiled
    #[arg(
        long,
        value_name = "N",
        default_value_t = 0,
        value_parser = whole::<u32>(ANY_U32),
        overrides_with = "retries"
    )]
    retries: u32,

    /// Load test: run the one selected scenario this many times against one process; no capture,
    /// only the steps judge
    #[arg(
        long,
        value_name = "N",
        conflicts_with_all = ["capture", "jobs"],
        value_parser = whole::<u64>(1..=MOST_PLAYS),
    )]
    repeat: Option<u64>,

    /// Concurrent runs of --repeat, each from its own address [default: 50, or 1 if a server
    /// serves one peer at a time]
    #[arg(long, value_name = "N", requires = "repeat", value_parser = whole::<NonZeroU64>(AT_LEAST_1))]
    concurrency: Option<NonZeroU64>,

    /// Print the plan (with -v each scenario), check what needs no traffic (programs, interfaces,
    /// expired waivers), and stop
    #[arg(long, visible_alias = "no-run")]
    dry_run: bool,

    /// Only scenarios that failed or could not be judged in an earlier run [default: reports/latest]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "reports/latest"
    )]
    failed: Option<PathBuf>,

    /// An earlier run (directory or events) whose findings are waived as known
    #[arg(long, value_name = "DIR")]
    baseline: Option<PathBuf>,

    /// The profile in ./shakedown.toml that supplies flags; `none` for none [default: `default`,
    /// if it exists]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,

    /// Stop at the first scenario that fails
    #[arg(long, conflicts_with = "repeat")]
    fail_fast: bool,

    /// Stop after this time; scenarios that have not run by then fail the run
    #[arg(
        long,
        value_name = "TIME",
        value_parser = humantime::parse_duration,
        conflicts_with_all = ["repeat", "in_virtual_time"],
    )]
    timeout: Option<Duration>,

    #[command(flatten)]
    reports: ReportArgs,
}

/// How binding a requirement must be to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Weakest {
    /// Only absolute requirements
    Must,
    /// Recommendations too
    Should,
    /// Everything
    May,
}

impl From<Weakest> for Level {
    fn from(weakest: Weakest) -> Self {
        match weakest {
            Weakest::Must => Self::Must,
            Weakest::Should => Self::Should,
            Weakest::May => Self::May,
        }
    }
}

fn default_jobs() -> NonZeroUsize {
    NonZeroUsize::new(24).unwrap_or(NonZeroUsize::MIN)
}

impl Args {
    /// Runs the scenarios and reports the results.
    pub(crate) fn execute(self, global: &Global) -> Result<Exit, Failure> {
        if self.in_virtual_time {
            self.check_virtual()?;
        } else if let Some(id) = &self.without {
            return Err(usage(format!(
                "--without {id} makes a twin of the reference in virtual time; add --virtual, or \
                 describe a twin for --iut whose command has `serve ... --without {id}`"
            )));
        }
        if let Some(repeat) = self.repeat {
            return self.execute_load(global, repeat);
        }
        let mut selected = self.selection.select()?;
        if let Some(earlier) = &self.failed {
            let failed = earlier::failed(earlier)?;
            let is_one = |loaded: &Loaded| failed.contains(&loaded.scenario.id);
            selected.scenarios.retain(is_one);
        }
        let mut assignments = self.assignments(&selected)?;
        if let Some(earlier) = &self.baseline {
            earlier::know(earlier, &mut assignments)?;
        }
        self.check_impair(&assignments)?;
        let without = self.twin(&mut assignments)?;
        let seed = self.seed.unwrap_or_else(any_seed);
        let told = self.planned(&assignments, &selected, self.jobs.get());
        if self.dry_run {
            show_plan(&told, &assignments, seed)?;
            if global.verbose > 0 {
                self.list(&assignments)?;
            }
            check_judged(&told)?;
            return self.preflight(&assignments);
        }
        let guard = match self.in_virtual_time {
            true => Guard::of_nothing()?,
            false => Guard::begin()?,
        };
        let directory = self.reports.directory_for(&name(&told))?;
        let plan = Plan {
            assignments,
            told,
            jobs: self.jobs.get(),
            seed,
            captures: directory.path().join("captures"),
            capture: self.capture.clone(),
            impair: self.impair,
            without,
            slow: self.slow,
            level: self.level.into(),
            retries: self.retries,
            fail_fast: self.fail_fast,
            timeout: self.timeout,
            verbose: global.verbose > 0,
            shakedown: guard.program(),
        };
        let (reports, directory) = (&self.reports, &directory);
        match self.in_virtual_time {
            true => conduct(reports, directory, global, |events, stop| {
                run_in_virtual_time(plan, events, stop)
            }),
            false => conduct(reports, directory, global, |events, stop| {
                run(plan, events, stop)
            }),
        }
    }

    /// What there is not in virtual time: other implementations than the reference, interfaces, load.
    fn check_virtual(&self) -> Result<(), Failure> {
        if self.repeat.is_some() {
            return Err(usage(String::from(
                "--virtual and --repeat exclude each other: a load measures a process under real \
                 time; leave out one of them",
            )));
        }
        if let CaptureBy::Live(interface) = &self.capture {
            return Err(usage(format!(
                "--virtual and --capture live:{interface} exclude each other: in virtual time no \
                 packet passes an interface; leave out --capture"
            )));
        }
        for path in &self.iut {
            let iut = vectors::description(path)?;
            if !vectors::is_reference(&iut)? {
                return Err(usage(format!(
                    "--virtual plays the reference alone, and {} describes another implementation: \
                     {}; leave out --virtual to test it, or --iut",
                    path.display(),
                    iut.name
                )));
            }
        }
        Ok(())
    }

    /// Whether one of the protocols has the frames that the impairment names.
    fn check_impair(&self, assignments: &[Assignment]) -> Result<(), Failure> {
        let Some(impair) = &self.impair else {
            return Ok(());
        };
        let protocols = assignments.iter().map(|it| it.iut.protocol.as_str());
        let checked = protocols
            .filter_map(shakedown_protocol::protocol)
            .map(|protocol| impair.check(protocol.on_the_wire()));
        // A name that one of them has is right, and means nothing to the others.
        let problem = checked.reduce(Result::or).and_then(Result::err);
        problem.map_or(Ok(()), |error| Err(usage(format!("--impair: {error}"))))
    }

    /// The name of the twin; the reference of each protocol that is left can be it.
    fn twin(&self, assignments: &mut Vec<Assignment>) -> Result<Option<&'static str>, Failure> {
        let Some(id) = &self.without else {
            return Ok(None);
        };
        let protocol =
            |assignment: &Assignment| shakedown_protocol::protocol(&assignment.iut.protocol);
        let knows = |assignment: &Assignment| {
            let known = protocol(assignment);
            known.is_some_and(|protocol| !matches!(protocol.twin(id), Ok(None)))
        };
        if assignments.iter().any(knows) {
            assignments.retain(knows);
        }
        let mut found = None;
        for protocol in assignments.iter().filter_map(protocol) {
            found = Some(twin(protocol, id)?);
        }
        let check = |one: &Assignment| {
            protocol(one).map_or(Ok(()), |protocol| check_twin(protocol, id, one.iut.role))
        };
        let wrong = assignments.iter().find_map(|one| check(one).err());
        // Where both sides are selected, the one that can be it is meant.
        assignments.retain(|one| check(one).is_ok());
        match wrong {
            Some(wrong) if assignments.is_empty() => Err(wrong),
            Some(_) | None => Ok(found),
        }
    }

    /// Repeats one scenario as load and reports what was measured.
    fn execute_load(self, global: &Global, repeat: u64) -> Result<Exit, Failure> {
        if self.impair.is_some() {
            return Err(usage(String::from(
                "--impair cannot be used with --repeat: a load measures the implementation, not a \
                 relay in front of it; leave out one of them",
            )));
        }
        let selected = self.selection.select()?;
        let mut assignments = self.assignments(&selected)?;
        let concurrency = self.concurrency.map(NonZeroU64::get);
        let jobs = concurrency.and_then(|plays| usize::try_from(plays).ok());
        let told = self.planned(&assignments, &selected, jobs.unwrap_or(1));
        let count: usize = assignments.iter().map(|one| one.scenarios.len()).sum();
        let (
            Some(Assignment {
                iut, mut scenarios, ..
            }),
            1,
        ) = (assignments.pop(), count)
        else {
            return Err(usage(format!(
                "--repeat plays one scenario and {count} are selected; name one of those \
                 that `shakedown list scenarios` has"
            )));
        };
        let Some(scenario) = scenarios.pop() else {
            return Err(usage(String::from("--repeat needs a scenario")));
        };
        let protocol = shakedown_protocol::protocol(&iut.protocol);
        let why_not =
            protocol.and_then(|protocol| load::why_not(protocol, &iut, &scenario, concurrency));
        if let Some(why_not) = why_not {
            return Err(usage(why_not));
        }
        let seed = self.seed.unwrap_or_else(any_seed);
        if self.dry_run {
            let only = [Assignment {
                iut,
                scenarios: vec![scenario],
                is_full: false,
            }];
            show_plan(&told, &only, seed)?;
            return self.preflight(&only);
        }
        let guard = Guard::begin()?;
        let directory = self.reports.directory_for(&name(&told))?;
        let plan = load::LoadSettings {
            told,
            iut,
            scenario,
            repeat,
            concurrency,
            seed,
            shakedown: guard.program(),
        };
        conduct(&self.reports, &directory, global, |events, stop| {
            load(plan, events, stop)
        })
    }
}

/// The name of a run's directory: of what is tested.
fn name(told: &RunPlan) -> String {
    match told.reference {
        true => String::from("reference"),
        false => {
            let names = told.implementations.iter();
            let names: Vec<_> = names.map(|one| one.name.as_str()).collect();
            names.join(" ")
        }
    }
}
