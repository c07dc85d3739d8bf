//! `shakedown list [WHAT]`.

use std::collections::BTreeMap;
use std::io::Write;

use anstream::stdout;
use clap::ValueEnum;
use serde_json::{Value, json};
use shakedown_engine::scenario::{Library, Loaded};
use shakedown_engine::twins::TwinInRole;
use shakedown_protocol::requirement::{Requirement, Seen};
use shakedown_protocol::{PROTOCOLS, Protocol, ProtocolOption};
use shakedown_report::text::count;

use crate::coverage::{Coverage, CoverageIndex};
use crate::exit::{Exit, Failure};
use crate::logging::Global;
use crate::reference::known_protocol;
use crate::reports::Format;
use crate::vectors::{self, SelectionArgs};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  shakedown list scenarios --mode 3way --role responder
  shakedown list requirements --untested
  shakedown list twins --protocol proton")]
pub(crate) struct Args {
    /// What is listed
    #[arg(value_enum, default_value_t = ListKind::Scenarios)]
    what: ListKind,

    /// Only observable requirements that no scenario lists
    #[arg(long)]
    untested: bool,

    #[command(flatten)]
    selection: SelectionArgs,

    /// Format of standard output
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListKind {
    /// Scenarios with their titles
    Scenarios,
    /// Requirements, and how many scenarios list each
    Requirements,
    /// Protocols with their modes, roles and options
    Protocols,
    /// Mutants of the references
    Twins,
    /// Frames and their fields
    Frames,
    /// Built-in descriptions of the reference
    Descriptions,
}

/// One thing that is listed: as a human-readable line, and as JSON.
struct Item {
    text: String,
    json: Value,
}

impl Args {
    /// Writes one line for each thing.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let selection = &self.selection;
        if let Some(id) = &selection.protocol
            && self.what != ListKind::Scenarios
        {
            known_protocol(id)?;
        }
        let of = |one: &Protocol| {
            let wanted = selection.protocol.as_ref();
            wanted.is_none_or(|id| id == one.id)
        };
        let protocols = PROTOCOLS.into_iter().filter(|one| of(one));
        let items = match self.what {
            ListKind::Scenarios => scenarios(&self.selection.select()?.scenarios),
            ListKind::Requirements => self.requirements()?,
            ListKind::Protocols => protocols.map(protocol).collect(),
            ListKind::Twins => self.twins(),
            ListKind::Frames => protocols.flat_map(frames).collect(),
            ListKind::Descriptions => descriptions(protocols)?,
        };
        let mut out = stdout().lock();
        for item in items {
            match self.format {
                Format::Terminal => writeln!(out, "{}", item.text)?,
                Format::Json => writeln!(out, "{}", item.json)?,
            }
        }
        out.flush()?;
        Ok(Exit::Success)
    }

    fn requirements(&self) -> Result<Vec<Item>, Failure> {
        let evidence = CoverageIndex::new()?;
        let selection = &self.selection;
        let wanted = |known: &Protocol, one: &Requirement| {
            let protocol = selection.protocol.as_deref();
            let mode = selection.mode.as_ref();
            protocol.is_none_or(|id| id == known.id)
                && mode.is_none_or(|mode| one.modes.contains(mode))
                && selection.role.is_none_or(|role| one.roles.contains(&role))
                && (!self.untested || is_untested(one, &evidence.library))
        };
        let all = PROTOCOLS.iter().flat_map(|known| {
            let requirements = (known.requirements)().iter();
            let wanted = requirements.filter(|one| wanted(known, one));
            let items = wanted.map(|one| requirement(one, &evidence.of(known, one)));
            items.collect::<Vec<_>>()
        });
        Ok(all.collect())
    }

    fn twins(&self) -> Vec<Item> {
        let selection = &self.selection;
        let is_wanted = |one: &TwinInRole| {
            selection
                .protocol
                .as_ref()
                .is_none_or(|id| *id == one.protocol.id)
                && selection.role.is_none_or(|role| role == one.role)
        };
        let twins = PROTOCOLS.into_iter().flat_map(TwinInRole::all);
        twins.filter(is_wanted).map(twin).collect()
    }
}

fn scenarios(selected: &[Loaded]) -> Vec<Item> {
    let width = selected.iter().map(|one| one.scenario.id.len()).max();
    let width = width.unwrap_or_default();
    let item = |loaded: &Loaded| {
        let scenario = &loaded.scenario;
        Item {
            text: format!("{:width$}  {}", scenario.id, scenario.title),
            json: json!({
                "id": scenario.id,
                "title": scenario.title,
                "requirements": scenario.requirements,
                "role": scenario.iut.role,
                "mode": scenario.iut.mode,
                "options": scenario.iut.options,
                "file": loaded.file,
            }),
        }
    };
    selected.iter().map(item).collect()
}

fn twin(one: TwinInRole) -> Item {
    let (twin, side) = (one.twin, one.protocol.side(one.role));
    Item {
        text: format!("{:20}  {side:9}  {}", twin.name, twin.fault),
        json: json!({
            "name": twin.name,
            "protocol": one.protocol.id,
            "requirement": twin.requirement(),
            "role": side,
            "fault": twin.fault,
        }),
    }
}

fn requirement(one: &Requirement, coverage: &Coverage<'_>) -> Item {
    let ids = coverage
        .scenarios
        .iter()
        .map(|one| one.scenario.id.as_str());
    let scenarios: Vec<_> = ids.collect();
    let seen = one.seen.iter().map(|seen| seen.name());
    let seen = seen.collect::<Vec<_>>().join("+");
    let rule = if coverage.checks.is_empty() {
        ""
    } else {
        "rule"
    };
    Item {
        text: format!(
            "{:8} {:6} {:9} {seen:10} {rule:4} {:>13} {:>9} {:>11}  {}",
            one.id,
            one.level.name(),
            one.binds,
            count(scenarios.len() as u64, "scenario"),
            count(coverage.twins.len() as u64, "twin"),
            count(coverage.vectors.len() as u64, "vector"),
            one.text
        ),
        json: json!({
            "id": one.id,
            "level": one.level,
            "binds": one.binds,
            "roles": one.roles,
            "modes": one.modes,
            "seen": one.seen,
            "text": one.text,
            "source": one.source,
            "section": one.section,
            "scenarios": scenarios,
            "twins": coverage.twins.iter().map(|twin| twin.name).collect::<Vec<_>>(),
            "vectors": coverage.vectors,
            "checks": coverage.checks,
        }),
    }
}

fn is_untested(one: &Requirement, library: &Library) -> bool {
    one.seen != [Seen::Inner] && !library.by_requirement().contains_key(one.id.as_str())
}

fn protocol(one: &Protocol) -> Item {
    let roles = one.sides;
    let options: Vec<_> = one
        .options()
        .map(|option| (shown(option), option.summary.unwrap_or_default()))
        .collect();
    let values: Vec<_> = one
        .values
        .iter()
        .map(|value| (value.name.to_owned(), value.summary))
        .collect();
    Item {
        text: format!(
            "{}: {}\n  modes    {}\n  roles    {}{}{}",
            one.id,
            one.summary,
            one.modes.join(", "),
            roles.join(", "),
            explained("options", &options),
            explained("values", &values),
        ),
        json: json!({
            "id": one.id,
            "summary": one.summary,
            "modes": one.modes,
            "roles": roles,
            "options": options.into_iter().collect::<BTreeMap<_, _>>(),
            "values": values.into_iter().collect::<BTreeMap<_, _>>(),
        }),
    }
}

/// Words with what they mean, under a heading; nothing if there are none.
fn explained(heading: &str, words: &[(String, &str)]) -> String {
    let lines = words
        .iter()
        .map(|(word, meaning)| format!("\n    {word:20} {meaning}"));
    match words.is_empty() {
        true => String::new(),
        false => format!("\n  {heading}{}", lines.collect::<String>()),
    }
}

/// As scenarios write it.
fn shown(option: &ProtocolOption) -> String {
    let number = if option.takes_number() { "=N" } else { "" };
    format!("{}{number}", option.name)
}

fn frames(protocol: &Protocol) -> Vec<Item> {
    let item = |frame: &&'static str| {
        let fields = protocol.vocabulary.fields(frame).unwrap_or_default();
        let list = if fields.is_empty() {
            "(no fields)".to_owned()
        } else {
            fields.join(", ")
        };
        Item {
            text: format!("{:13}  {list}", frame),
            json: json!({ "protocol": protocol.id, "frame": frame, "fields": fields }),
        }
    };
    protocol.vocabulary.frames().iter().map(item).collect()
}

fn descriptions(protocols: impl Iterator<Item = &'static Protocol>) -> Result<Vec<Item>, Failure> {
    let mut items = Vec::new();
    let each = |protocol| Protocol::ROLES.map(|role| (protocol, role));
    for (protocol, role) in protocols.flat_map(each) {
        let iut = vectors::reference(protocol, role)?;
        items.push(Item {
            text: format!("{:32}  {} {}", iut.name, iut.protocol, iut.modes.join(", ")),
            json: json!({
                "name": iut.name,
                "protocol": iut.protocol,
                "role": iut.role,
                "modes": iut.modes,
            }),
        });
    }
    Ok(items)
}
