//! Which implementation runs which scenarios, and the plan that is printed before a run.

use clap::ValueEnum;
use shakedown_engine::event::{PlannedImplementation, RunPlan};
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::Loaded;
use shakedown_net::run::{Assignment, CaptureBy};
use shakedown_protocol::PROTOCOLS;
use shakedown_protocol::requirement::Role;

use super::{Args, Weakest};
use crate::exit::{Failure, usage};
use crate::profile;
use crate::vectors::{self, Selected};

impl Args {
    /// The implementations, each with the selected scenarios of its role; those that are described
    /// with the waivers of their project.
    pub(super) fn assignments(&self, selected: &Selected) -> Result<Vec<Assignment>, Failure> {
        let iuts: Vec<Iut> = match self.iut.is_empty() {
            true => PROTOCOLS
                .into_iter()
                .flat_map(|protocol| {
                    [Role::Responder, Role::Initiator].map(|role| (protocol, role))
                })
                .map(|(protocol, role)| vectors::reference(protocol, role))
                .collect::<Result<_, _>>()?,
            false => {
                let waivers = profile::waivers()?;
                let described = self.iut.iter().map(|path| {
                    let mut iut = vectors::description(path)?;
                    waivers.give(&mut iut);
                    Ok(iut)
                });
                described.collect::<Result<_, Failure>>()?
            }
        };
        for (n, iut) in iuts.iter().enumerate() {
            let same = |other: &Iut| other.role == iut.role && other.protocol == iut.protocol;
            if iuts[..n].iter().any(same) {
                let protocol = shakedown_protocol::protocol(&iut.protocol);
                let side = protocol.map_or(iut.role.name(), |known| known.side(iut.role));
                return Err(usage(format!(
                    "two implementations are described as {side} of {}; run them one after the other",
                    iut.protocol
                )));
            }
        }
        let descriptions = self.iut.clone();
        let assignments: Vec<Assignment> = iuts
            .into_iter()
            .map(|iut| self.assignment(iut, &selected.scenarios))
            .filter(|assignment| !assignment.scenarios.is_empty())
            .collect();
        if assignments.is_empty() {
            let count = selected.scenarios.len();
            let files: Vec<_> = descriptions
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            return Err(usage(format!(
                "none of the {count} selected scenarios is for the protocol and role that {} \
                 describes; `shakedown list scenarios` shows them all",
                files.join(" or ")
            )));
        }
        Ok(assignments)
    }

    fn assignment(&self, iut: Iut, selected: &[Loaded]) -> Assignment {
        let is_for = |loaded: &&Loaded| {
            let protocol = loaded.scenario.id.split('/').next();
            protocol == Some(iut.protocol.as_str()) && loaded.scenario.iut.role == iut.role
        };
        let scenarios = selected.iter().filter(is_for);
        let selection = &self.selection;
        let is_narrowed = !selection.scenarios.is_empty()
            || !selection.filter.is_empty()
            || selection.mode.is_some()
            || self.failed.is_some();
        Assignment {
            scenarios: scenarios.map(|loaded| loaded.scenario.clone()).collect(),
            is_full: !is_narrowed,
            iut,
        }
    }

    /// The plan that is reported before a run.
    pub(super) fn planned(
        &self,
        assignments: &[Assignment],
        selected: &Selected,
        jobs: usize,
    ) -> RunPlan {
        let implementation = |assignment: &Assignment| {
            let Assignment { iut, scenarios, .. } = assignment;
            let is_slow = self.slow || self.in_virtual_time || self.repeat.is_some();
            let (not_applicable, too_slow) = assignment.left_out(is_slow);
            // In virtual time nothing lives on, and a load is of one scenario.
            let is_live = !self.in_virtual_time && self.repeat.is_none();
            let in_turn = assignment.in_turn(is_slow).filter(|_| is_live);
            let protocol = shakedown_protocol::protocol(&iut.protocol);
            let side = protocol.map_or(iut.role.name(), |known| known.side(iut.role));
            PlannedImplementation {
                name: iut.name.clone(),
                protocol: iut.protocol.clone(),
                side: side.to_owned(),
                modes: iut.modes.clone(),
                scenarios: scenarios.len(),
                not_applicable,
                too_slow,
                in_turn: in_turn.map(|time| time.as_secs()),
            }
        };
        RunPlan {
            reference: self.iut.is_empty(),
            implementations: assignments.iter().map(implementation).collect(),
            of: selected.of,
            jobs,
            part: self.selection.shard.map(|shard| shard.to_string()),
            suite: selected.suite.clone(),
            selected: assignments
                .iter()
                .flat_map(|one| one.scenarios.iter().map(|scenario| scenario.id.clone()))
                .collect(),
            again: self.again(),
            files: selected
                .scenarios
                .iter()
                .filter(|loaded| self.selection.is_from_file(loaded))
                .map(|loaded| (loaded.scenario.id.clone(), loaded.file.clone()))
                .collect(),
        }
    }

    /// The flags that rerun a scenario in the same way.
    fn again(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut flag = |name: &str, value: String| words.extend([name.to_owned(), value]);
        for iut in &self.iut {
            flag("--iut", iut.display().to_string());
        }
        if let CaptureBy::Live(interface) = &self.capture {
            flag("--capture", format!("live:{interface}"));
        }
        if let Some(impair) = &self.impair {
            flag("--impair", impair.to_string());
        }
        if let Some(id) = &self.without {
            flag("--without", id.clone());
        }
        if self.level != Weakest::Must {
            let level = self.level.to_possible_value();
            let level = level.map_or(String::new(), |level| level.get_name().to_owned());
            flag("--level", level);
        }
        let switches = [(self.in_virtual_time, "--virtual"), (self.slow, "--slow")];
        let switches = switches.into_iter().filter(|(is_on, _)| *is_on);
        words.extend(switches.map(|(_, name)| name.to_owned()));
        words
    }
}
