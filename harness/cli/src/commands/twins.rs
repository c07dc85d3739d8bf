//! `shakedown twins`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use anstream::stdout;
use serde_json::{Value, json};
use shakedown_engine::document::did_you_mean;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::simulation::SimulationError;
use shakedown_engine::twins::{TwinFailure, TwinInRole, failure};
use shakedown_protocol::{PROTOCOLS, Protocol, protocol};

use crate::exit::{Exit, Failure, harness, usage};
use crate::logging::Global;
use crate::numbers::{JOBS, whole};
use crate::reports::Format;
use crate::vectors::SelectionArgs;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A twin is the reference with one injected fault. A scenario catches it by failing under the requirement that \
the twin breaks. Everything is played in virtual time: the scenarios that list the requirement first, \
until one catches. The reference itself is played in every scenario.

Examples:
  shakedown twins
  shakedown twins MS-H-18 --format json
  shakedown list twins --protocol proton")]
pub(crate) struct Args {
    /// Names of twins, or requirements for all of theirs [default: all twins, and the reference]
    #[arg(value_name = "TWIN")]
    names: Vec<String>,

    /// Only twins of this protocol
    #[arg(long)]
    protocol: Option<String>,

    /// Twins to run in parallel [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = whole::<NonZeroUsize>(JOBS))]
    jobs: Option<NonZeroUsize>,

    /// Format of standard output
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

enum Candidate<'s> {
    Twin(TwinInRole),
    Reference(&'static Protocol, &'s Scenario),
}

struct TwinLine {
    is_right: bool,
    text: String,
    json: Value,
}

impl Args {
    /// Plays the twins and writes a line for each.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let library = SelectionArgs {
            protocol: self.protocol.clone(),
            ..SelectionArgs::default()
        };
        let library = library.select()?.scenarios;
        let scenarios: Vec<_> = library.iter().map(|one| &one.scenario).collect();
        let twins: Vec<_> = self.meant()?.into_iter().map(Candidate::Twin).collect();
        let count = twins.len();
        let itself = scenarios.iter().filter(|_| self.names.is_empty());
        let itself = itself.filter_map(|scenario| {
            let own = protocol(scenario.id.split('/').next()?)?;
            Some(Candidate::Reference(own, scenario))
        });
        let all: Vec<_> = twins.into_iter().chain(itself).collect();
        let (mut caught, mut passed) = (0, 0);
        self.play(&all, &scenarios, |candidate, told| {
            match candidate {
                Candidate::Twin(_) => caught += usize::from(told.is_right),
                Candidate::Reference(..) => passed += usize::from(told.is_right),
            }
            let is_said = matches!(candidate, Candidate::Twin(_)) || !told.is_right;
            let mut out = stdout().lock();
            match self.format {
                Format::Terminal if is_said => writeln!(out, "{}", told.text),
                Format::Json if is_said => writeln!(out, "{}", told.json),
                Format::Terminal | Format::Json => Ok(()),
            }?;
            out.flush()?;
            Ok(())
        })?;
        let played = all.len() - count;
        let end = match self.format {
            Format::Terminal if played == 0 => format!("{caught} of {count} twins are caught"),
            Format::Terminal => format!(
                "{caught} of {count} twins are caught; the reference passes {passed} of {played} scenarios"
            ),
            Format::Json => json!({
                "type": "twins-finished",
                "twins": count,
                "caught": caught,
                "scenarios": played,
                "passed": passed,
            })
            .to_string(),
        };
        writeln!(stdout().lock(), "{end}")?;
        Ok(match caught == count && passed == played {
            true => Exit::Success,
            false => Exit::Fail,
        })
    }

    /// The twins that are meant, each in every role that it can have.
    fn meant(&self) -> Result<Vec<TwinInRole>, Failure> {
        let all = PROTOCOLS.into_iter().flat_map(TwinInRole::all);
        let of_protocol: Vec<_> = all
            .filter(|one| {
                self.protocol
                    .as_ref()
                    .is_none_or(|id| *id == one.protocol.id)
            })
            .collect();
        let is_meant =
            |name: &str, one: &TwinInRole| one.twin.name == name || one.twin.requirement() == name;
        for name in &self.names {
            if !of_protocol.iter().any(|one| is_meant(name, one)) {
                let help = did_you_mean(name, of_protocol.iter().map(|one| one.twin.name));
                let help = help.unwrap_or_default();
                return Err(usage(format!("no twin is called `{name}`; {help}")));
            }
        }
        let mut meant = of_protocol;
        meant.retain(|one| {
            self.names.is_empty() || self.names.iter().any(|name| is_meant(name, one))
        });
        Ok(meant)
    }

    /// Runs all, several in parallel, and reports each in their order.
    fn play<'s>(
        &self,
        all: &[Candidate<'s>],
        scenarios: &[&'s Scenario],
        mut tell: impl FnMut(&Candidate<'s>, TwinLine) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let jobs = match self.jobs {
            Some(jobs) => jobs,
            None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        };
        let next = AtomicUsize::new(0);
        let (sender, ended) = mpsc::channel();
        std::thread::scope(|scope| {
            for _ in 0..jobs.get() {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(candidate) = all.get(index) else {
                            break;
                        };
                        // The receiver is gone if sending failed.
                        if sender.send((index, candidate.play(scenarios))).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(sender);
            let mut early = BTreeMap::new();
            let mut rest = all.iter().enumerate().peekable();
            for (index, told) in ended {
                early.insert(index, told);
                while let Some((index, candidate)) = rest.peek()
                    && let Some(told) = early.remove(index)
                {
                    let told = told.map_err(|error| harness(error.to_string()))?;
                    tell(candidate, told)?;
                    rest.next();
                }
            }
            Ok(())
        })
    }
}

impl Candidate<'_> {
    fn play(&self, scenarios: &[&Scenario]) -> Result<TwinLine, SimulationError> {
        match self {
            Self::Twin(played) => {
                let result = played.play(scenarios)?;
                Ok(of_twin(played, result.is_caught, result.evidence.as_ref()))
            }
            Self::Reference(protocol, scenario) => {
                let failure = failure(protocol, scenario, None)?;
                Ok(TwinLine {
                    is_right: failure.is_none(),
                    text: format!("FAILS    the reference  {}", scenario.id),
                    json: json!({
                        "type": "reference",
                        "scenario": scenario.id,
                        "found": failure.iter().flatten().map(|one| &one.message).collect::<Vec<_>>(),
                    }),
                })
            }
        }
    }
}

fn of_twin(played: &TwinInRole, is_caught: bool, evidence: Option<&TwinFailure<'_>>) -> TwinLine {
    let (twin, side) = (played.twin, played.protocol.side(played.role));
    let said = match (is_caught, evidence) {
        (true, Some(catch)) => catch.scenario.to_owned(),
        (_, None) => twin.fault.to_owned(),
        (false, Some(other)) => format!(
            "{}; fails {} under {}",
            twin.fault, other.scenario, other.requirement
        ),
    };
    let word = if is_caught { "caught" } else { "ESCAPES" };
    TwinLine {
        is_right: is_caught,
        text: format!("{word:8} {:20} {side:9}  {said}", twin.name),
        json: json!({
            "type": "twin",
            "name": twin.name,
            "protocol": played.protocol.id,
            "requirement": twin.requirement(),
            "role": side,
            "fault": twin.fault,
            "caught": is_caught,
            "scenario": evidence.map(|it| it.scenario),
            "under": evidence.map(|it| &it.requirement),
            "message": evidence.map(|it| &it.message),
        }),
    }
}
