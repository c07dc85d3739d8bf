//! Descriptions of implementations under test: how to start or reach one, and what it claims.

mod check;
mod model;
mod placeholder;
mod project;

use std::path::{Path, absolute};

use serde_json::json;
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;
use time::format_description::well_known::Iso8601;

pub use model::*;
pub use placeholder::{Piece, pieces};
pub use project::ProjectWaivers;
pub use time::Date;

use crate::document::{self, Defaults, Document, Pointer, Problems};

impl Iut {
    /// The mode in which it runs a scenario of `mode`: that one, the first for
    /// [`Protocol::ANY_MODE`], or one that has it among several, where the protocol says that these
    /// add up. `None` if it claims none.
    #[must_use]
    pub fn mode_for(&self, mode: &str) -> Option<&str> {
        let own = self.modes.iter().map(String::as_str);
        let is_any = mode == Protocol::ANY_MODE;
        let same = own.clone().find(|own| is_any || *own == mode);
        let protocol = shakedown_protocol::protocol(&self.protocol);
        let adds_up = protocol.is_some_and(|protocol| protocol.modes_add_up);
        let adds_up = adds_up && self.role == Role::Responder;
        let holds = |own: &str| {
            let mut parts = mode.split(',');
            parts.all(|part| own.split(',').any(|one| one == part))
        };
        same.or_else(|| own.filter(|_| adds_up).find(|own| holds(own)))
    }

    /// Reads and checks a description file. Its commands run in the folder that it is in; if it is
    /// a pipe, in the current directory.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let text = document::read(path)?;
        let file = absolute(path).ok().filter(|file| file.is_file());
        let folder = file.as_deref().and_then(Path::parent);
        Self::parse_in(folder, &path.display().to_string(), &text)
    }

    /// Checks the text of a description file; the path is shown in errors. Its commands run in the current
    /// directory.
    ///
    /// A responder whose command contains `{address}` or `{port}` and that says nothing about its
    /// address is reached at a free port of 127.0.0.1.
    ///
    /// # Errors
    /// [`Problems`]: everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        Self::parse_in(None, file, text)
    }

    fn parse_in(folder: Option<&Path>, file: &str, text: &str) -> Result<Self, Problems> {
        let document = Document::toml(file, text)?;
        let mut decoded = document::decode::<Self>(
            &document,
            &Defaults {
                root: &[
                    ("name", json!("")),
                    ("protocol", json!("")),
                    ("role", json!("responder")),
                    ("modes", json!([])),
                ],
                inside: &[],
            },
        );
        if let Some((iut, folder)) = decoded.value.as_mut().zip(folder) {
            folder.clone_into(&mut iut.folder);
        }
        let found = match &decoded.value {
            Some(iut) => {
                let has_stream = document.root.get(&Pointer::root().key("stream")).is_some();
                check::check(iut, &decoded, has_stream)
            }
            None => Vec::new(),
        };
        let mut problems = decoded.problems;
        let ready = document
            .root
            .get(&Pointer::root().key("start").key("ready"));
        if let Some(line) = ready.filter(|ready| ready.to_value().is_string()) {
            let wrong = problems.iter_mut().find(|wrong| wrong.range == line.range);
            let help = format!("write `{{ line = {} }}`", line.to_value());
            wrong
                .into_iter()
                .for_each(|wrong| wrong.help = Some(help.clone()));
        }
        problems.extend(found);
        match decoded.value {
            Some(iut) if problems.is_empty() => Ok(iut.with_address()),
            _ => Err(document.problems(problems)),
        }
    }

    fn with_address(mut self) -> Self {
        let words = self.start.iter().flat_map(Start::words);
        let is_told = placeholder::any(words, &["address", "port"]);
        if self.reach.is_none() && is_told {
            let address = "127.0.0.1:{port}".to_owned();
            self.reach = Some(Reach { address });
        }
        self
    }
}

impl Start {
    /// What a command says, and the values of the environment that it finds.
    pub(crate) fn words_of<'a>(&'a self, command: &'a [String]) -> impl Iterator<Item = &'a str> {
        let words = command.iter().chain(self.environment.values());
        words.map(String::as_str)
    }

    /// Every word of its commands and options, and the values of its environment.
    fn words(&self) -> impl Iterator<Item = &str> {
        let options = self.options.values().flatten();
        let plain = self.plain.iter().flatten();
        let words = self.command.iter().chain(plain).chain(options);
        words.chain(self.environment.values()).map(String::as_str)
    }
}

impl std::fmt::Display for Waiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.requirement)?;
        if let Some(scenario) = &self.scenario {
            write!(f, " in {scenario}")?;
        }
        match self.origin {
            Origin::Project => write!(f, " ({})", ProjectWaivers::FILE),
            Origin::Description | Origin::EarlierRun => Ok(()),
        }
    }
}

/// How the reason of a waiver begins that an earlier run makes.
const KNOWN: &str = "known failure of ";

impl Waiver {
    /// What an earlier run found in a scenario; `source` is that run.
    #[must_use]
    pub fn known(requirement: String, scenario: String, source: &str) -> Self {
        Self {
            requirement,
            scenario: Some(scenario),
            because: format!("{KNOWN}{source}"),
            until: String::new(),
            origin: Origin::EarlierRun,
        }
    }

    /// Whether this is the reason of a waiver that an earlier run made.
    #[must_use]
    pub fn is_known(because: &str) -> bool {
        because.starts_with(KNOWN)
    }

    /// Whether it comes from a baseline: it has no expiry date, and is noted when it is no longer
    /// needed.
    #[must_use]
    pub fn is_of_earlier_run(&self) -> bool {
        self.origin == Origin::EarlierRun
    }

    /// Whether both are for the same requirement in the same scenario.
    fn overlaps(&self, other: &Self) -> bool {
        let (one, two) = (&self.scenario, &other.scenario);
        let is_same = one.is_none() || two.is_none() || one == two;
        self.requirement == other.requirement && is_same
    }

    /// Whether it does not count any more on this day.
    #[must_use]
    pub fn is_past(&self, today: Date) -> bool {
        // A date that cannot be read was refused when the description was loaded.
        self.last_day().is_ok_and(|last| last < today)
    }

    fn last_day(&self) -> Result<Date, time::error::Parse> {
        Date::parse(&self.until, &Iso8601::DATE)
    }
}
