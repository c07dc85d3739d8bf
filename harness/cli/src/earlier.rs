//! What an earlier run found, for a run that knows it.

use std::collections::BTreeSet;
use std::path::Path;

use shakedown_engine::iut::Waiver;
use shakedown_engine::verdict::Verdict;
use shakedown_net::run::Assignment;
use shakedown_report::{Record, Replay};

use crate::exit::{Failure, usage};

/// The scenarios that failed, or could not be judged.
pub(crate) fn failed(path: &Path) -> Result<BTreeSet<String>, Failure> {
    let record = read(path)?;
    let failed = record.verdicts.values().filter(|one| {
        matches!(
            one.verdict,
            Verdict::Fail | Verdict::Error | Verdict::Inconclusive
        )
    });
    let failed = failed.map(|one| one.scenario.as_str());
    let failed: BTreeSet<_> = failed.chain(record.unjudged()).map(str::to_owned).collect();
    match failed.is_empty() {
        true => Err(usage(format!(
            "nothing failed in {}; leave out --failed to play everything",
            path.display()
        ))),
        false => Ok(failed),
    }
}

/// Waives what an earlier run found, each in its scenario, unless a description does so already.
pub(crate) fn know(path: &Path, assignments: &mut [Assignment]) -> Result<(), Failure> {
    let record = read(path)?;
    let source = path.display().to_string();
    for Assignment { iut, scenarios, .. } in assignments {
        for finding in &record.findings {
            let is_broken = finding.counts() || finding.is_known();
            let Some(id) = finding.scenario.as_ref().filter(|_| is_broken) else {
                continue;
            };
            let is_waived = iut.waive.iter().any(|waiver| {
                let is_here = waiver.scenario.as_ref().is_none_or(|of| of == id);
                is_here && waiver.requirement == finding.requirement
            });
            if !is_waived && scenarios.iter().any(|scenario| scenario.id == *id) {
                let known = Waiver::known(finding.requirement.clone(), id.clone(), &source);
                iut.waive.push(known);
            }
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Record, Failure> {
    let replay = Replay::read(path).map_err(|error| usage(error.to_string()))?;
    let mut record = Record::default();
    replay.events.iter().for_each(|event| record.add(event));
    Ok(record)
}
