//! Faulty twins of a reference, played against scenarios in virtual time: proof that the scenarios and
//! the monitor find what they are there for.

use shakedown_protocol::requirement::{Level, Role};
use shakedown_protocol::{Protocol, Twin};

use crate::event::FindingEvent;
use crate::scenario::Scenario;
use crate::simulation::{Settings, SimulationError, simulate};
use crate::verdict::{Composed, Verdict};

/// A twin in one of the roles that its requirement binds.
#[derive(Debug, Clone, Copy)]
pub struct TwinInRole {
    pub protocol: &'static Protocol,
    pub twin: &'static Twin,
    pub role: Role,
}

/// How a twin fared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinResult<'s> {
    /// Whether it was caught: a finding names the requirement that it breaks.
    pub is_caught: bool,
    /// What caught it; if not caught, a failure under another requirement, if any.
    pub evidence: Option<TwinFailure<'s>>,
}

/// A scenario that a twin fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TwinFailure<'s> {
    pub scenario: &'s str,
    /// What is found to be broken, and how.
    pub requirement: String,
    pub message: String,
}

impl TwinInRole {
    /// All twins of a protocol, each in every role that it can have.
    pub fn all(protocol: &'static Protocol) -> impl Iterator<Item = Self> {
        protocol.twins.iter().flat_map(move |twin| {
            let requirement = protocol.requirement(twin.requirement());
            let roles = requirement.map_or(&[][..], |requirement| &requirement.roles);
            let roles = roles
                .iter()
                .filter(|role| twin.role.is_none_or(|one| one == **role));
            roles.map(move |role| Self {
                protocol,
                twin,
                role: *role,
            })
        })
    }

    /// Plays it until a scenario catches it: those that list its requirement are played first.
    ///
    /// # Errors
    /// [`SimulationError`], if the twin cannot be played.
    pub fn play<'s>(&self, scenarios: &[&'s Scenario]) -> Result<TwinResult<'s>, SimulationError> {
        let requirement = self.twin.requirement();
        let applies = self.protocol.requirement(requirement);
        let applies = applies.map_or(&[][..], |requirement| requirement.modes_of(self.role));
        let own = scenarios.iter().filter(|one| {
            let mut modes = one.iut.mode.split(',');
            let is_any = one.iut.mode == Protocol::ANY_MODE;
            one.id.split('/').next() == Some(self.protocol.id)
                && one.iut.role == self.role
                && (is_any || modes.any(|mode| applies.iter().any(|known| known == mode)))
        });
        let (about, others): (Vec<_>, Vec<_>) =
            own.partition(|one| one.requirements.iter().any(|id| id == requirement));
        let mut elsewhere = None;
        for scenario in about.into_iter().chain(others) {
            let Some(findings) = failure(self.protocol, scenario, Some(self.twin.name))? else {
                continue;
            };
            let mut findings = findings.into_iter();
            let first = findings.next();
            let is_caught = |finding: &FindingEvent| finding.requirement == requirement;
            let own = first.iter().cloned().chain(findings).find(is_caught);
            let caught = own.is_some();
            let evidence = own.or(first).map(|finding| TwinFailure {
                scenario: &scenario.id,
                requirement: finding.requirement,
                message: finding.message,
            });
            if caught {
                return Ok(TwinResult {
                    is_caught: true,
                    evidence,
                });
            }
            elsewhere = elsewhere.or(evidence);
        }
        Ok(TwinResult {
            is_caught: false,
            evidence: elsewhere,
        })
    }
}

/// What the reference fails by in a scenario, or the twin with this name; `None` if it passes.
///
/// # Errors
/// [`SimulationError`], if it cannot be played.
pub fn failure(
    protocol: &'static Protocol,
    scenario: &Scenario,
    without: Option<&'static str>,
) -> Result<Option<Vec<FindingEvent>>, SimulationError> {
    // What a twin breaks counts, be it a MAY.
    let settings = Settings {
        without,
        level: Level::May,
        ..Settings::default()
    };
    let Composed {
        verdict, findings, ..
    } = simulate(protocol, scenario, &settings)?.composed;
    // A reference that is right must pass; a twin is not caught by a verdict that says nothing.
    let has_failed = match without {
        Some(_) => verdict.verdict == Verdict::Fail,
        None => verdict.verdict != Verdict::Pass,
    };
    Ok(has_failed.then(|| findings.into_iter().filter(FindingEvent::counts).collect()))
}
