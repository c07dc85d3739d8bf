use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use shakedown_protocol::requirement::Requirement;
use shakedown_protocol::{PROTOCOLS, Protocol};

use super::check::waiver;
use super::{Iut, Origin, Waiver};
use crate::document::{
    self, Defaults, Document, Node, Pointer, Problem, Problems, requirement_meant,
};

/// The waivers of a project: of its file, for all of its implementations or for one.
#[derive(Debug, Clone, Default)]
pub struct ProjectWaivers(Vec<Row>);

/// The file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Project {
    /// Flags of commands, which are not looked at here.
    #[serde(default)]
    profile: IndexMap<String, Value>,
    #[serde(default)]
    waive: Vec<Row>,
}

/// A waiver as descriptions have it, and for whom.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    requirement: String,
    #[serde(default)]
    scenario: Option<String>,
    because: String,
    until: String,
    /// The name of the implementation; left out, all.
    #[serde(default)]
    implementation: Option<String>,
}

impl Row {
    fn waiver(&self) -> Waiver {
        Waiver {
            requirement: self.requirement.clone(),
            scenario: self.scenario.clone(),
            because: self.because.clone(),
            until: self.until.clone(),
            origin: Origin::Project,
        }
    }

    /// Whether it counts for an implementation that the other counts for.
    fn meets(&self, other: &Self) -> bool {
        let (one, two) = (&self.implementation, &other.implementation);
        one.is_none() || two.is_none() || one == two
    }
}

impl ProjectWaivers {
    /// The file's name.
    pub const FILE: &str = "shakedown.toml";

    /// Reads them from the text of the file; the path is shown in errors.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with them.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let document = Document::toml(file, text)?;
        let nothing = Defaults {
            root: &[],
            inside: &[],
        };
        let decoded = document::decode::<Project>(&document, &nothing);
        let mut problems = decoded.problems;
        if let Some(project) = &decoded.value {
            problems.extend(wrong(&project.waive, &decoded.root));
        }
        match decoded.value {
            Some(project) if problems.is_empty() => Ok(Self(project.waive)),
            _ => Err(document.problems(problems)),
        }
    }

    /// Gives an implementation those that are for it, unless its description has one for the same.
    pub fn give(&self, iut: &mut Iut) {
        for row in &self.0 {
            let is_its = row
                .implementation
                .as_ref()
                .is_none_or(|name| *name == iut.name);
            let known = known(&row.requirement).filter(|(protocol, _)| protocol.id == iut.protocol);
            let binds = known.is_some_and(|(_, rule)| rule.roles.contains(&iut.role));
            let waiver = row.waiver();
            if is_its && binds && !iut.waive.iter().any(|own| own.overlaps(&waiver)) {
                iut.waive.push(waiver);
            }
        }
    }
}

/// The requirement with this id, and its protocol.
fn known(id: &str) -> Option<(&'static Protocol, &'static Requirement)> {
    let mut protocols = PROTOCOLS.into_iter();
    protocols.find_map(|protocol| Some((protocol, protocol.requirement(id)?)))
}

fn wrong(rows: &[Row], root: &Node) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let place = Pointer::root().key("waive").index(index);
        let id = &row.requirement;
        let Some((protocol, _)) = known(id) else {
            let all = PROTOCOLS
                .iter()
                .flat_map(|protocol| (protocol.requirements)());
            let help = requirement_meant(id, all.map(|known| known.id.as_str()));
            let place = root.place(&place.key("requirement"));
            let problem = Problem::new(place, format!("no protocol has a requirement `{id}`"));
            problems.push(problem.help(help));
            continue;
        };
        let before = rows[..index].iter().filter(|before| before.meets(row));
        let before: Vec<_> = before.map(Row::waiver).collect();
        let found = waiver::wrong(&row.waiver(), protocol.id, before.iter(), &place);
        problems.extend(found.into_iter().map(|(place, message, help)| {
            Problem::new(root.place(&place), message).help(help.map(str::to_owned))
        }));
    }
    problems
}
