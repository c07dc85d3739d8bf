//! `shakedown explain ID`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use anstream::stdout;
use shakedown_engine::document::closest;
use shakedown_engine::iut::Iut;
use shakedown_engine::scenario::{Library, Loaded};
use shakedown_protocol::requirement::{Requirement, Seen};
use shakedown_protocol::{PROTOCOLS, Protocol, protocol};

use crate::coverage::{Coverage, CoverageIndex};
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;
use crate::vectors;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  shakedown explain MS-H-05
  shakedown explain a-lost-syn-ack-is-repeated-once
  shakedown explain my-server.toml")]
pub(crate) struct Args {
    /// The id of a requirement, twin or scenario, or the path of a scenario file or of a description
    id: String,
}

impl Args {
    /// Writes what is known about it.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let text = self.text()?;
        let mut out = stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()?;
        Ok(Exit::Success)
    }

    fn text(&self) -> Result<String, Failure> {
        let evidence = CoverageIndex::new()?;
        let library = &evidence.library;
        let wanted = self.id.to_uppercase();
        for protocol in PROTOCOLS {
            if let Some(found) = protocol.requirement(&wanted) {
                let coverage = evidence.of(protocol, found);
                return Ok(requirement(protocol, found, &coverage));
            }
        }
        let twins = PROTOCOLS.map(|protocol| protocol.twin(&self.id));
        if let Some(twin) = twins.into_iter().find_map(|twin| twin.ok().flatten()) {
            let (name, fault, of) = (twin.name, twin.fault, twin.requirement());
            return Ok(format!(
                "{name} (a twin, which violates {of})\n\n  {fault}\n\n`shakedown run --virtual --without {name}` \
                 shows which scenarios catch it.\n"
            ));
        }
        let path = Path::new(&self.id);
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            return vectors::description(path).map(|iut| description(&iut));
        }
        if path.is_file() {
            let selection = vectors::SelectionArgs {
                scenarios: vec![self.id.clone()],
                ..vectors::SelectionArgs::default()
            };
            return Ok(selection.select()?.scenarios.iter().map(scenario).collect());
        }
        let found = vectors::named(library, &self.id);
        match found[..] {
            [] => Err(self.unknown(library)),
            [loaded] => Ok(scenario(loaded)),
            _ => {
                let all: Vec<_> = found.into_iter().map(scenario).collect();
                Ok(all.join("\n"))
            }
        }
    }

    fn unknown(&self, library: &Library) -> Failure {
        let ids = library
            .scenarios()
            .iter()
            .map(|one| one.scenario.id.as_str());
        let names = ids.clone().filter_map(|id| id.rsplit('/').next());
        let requirements = PROTOCOLS.iter().flat_map(|one| (one.requirements)());
        let twins = PROTOCOLS.iter().flat_map(|one| one.twins);
        let twins = twins.map(|one| one.name);
        let requirements = requirements.map(|one| one.id.as_str()).chain(twins);
        let meant = closest(&self.id, requirements.chain(ids).chain(names));
        let hint = meant.map_or_else(
            || "`shakedown list` shows what there is".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        usage(format!(
            "no requirement, twin or scenario is called `{}`; {hint}",
            self.id
        ))
    }
}

fn requirement(protocol: &Protocol, one: &Requirement, coverage: &Coverage<'_>) -> String {
    let mut text = String::new();
    let level = one.level.name();
    let roles: Vec<_> = one.roles.iter().map(|role| protocol.side(*role)).collect();
    let _ = writeln!(text, "{} ({level})\n\n  {}\n", one.id, one.text);
    let _ = writeln!(text, "  why      {}", one.why);
    let roles = match roles.as_slice() {
        [role] if role.eq_ignore_ascii_case(&one.binds) => String::new(),
        roles => format!(" ({})", roles.join(", ")),
    };
    let _ = writeln!(text, "  binds    {}{roles}", one.binds);
    let _ = writeln!(text, "  modes    {}", one.modes.join(", "));
    for (role, modes) in &one.only {
        let _ = writeln!(
            text,
            "           of the {}: {} only",
            protocol.side(*role),
            modes.join(", ")
        );
    }
    for (index, seen) in one.seen.iter().enumerate() {
        let label = if index == 0 { "seen" } else { "" };
        let how = match seen {
            Seen::Wire => "wire: a packet capture alone shows whether it holds",
            Seen::Peer => "peer: it shows in the answer to a stimulus, which a scenario gives",
            Seen::Inner => "inner: it shows only from inside the implementation",
        };
        let _ = writeln!(text, "  {label:8} {how}");
    }
    let file = protocol.specification.map_or(protocol.id, |page| page.file);
    let _ = writeln!(text, "  section  {} of {file}", one.section);
    let _ = writeln!(text, "  source   {}", source(&one.source));
    for (index, place) in coverage.checks.iter().enumerate() {
        let label = if index == 0 { "checked" } else { "" };
        let _ = writeln!(text, "  {label:8} {place}");
    }
    let section = protocol.specification.map(|page| page.around(one));
    if let Some(section) = section.filter(|section| !section.is_empty()) {
        text.push_str("\nThe section of the specification, without its other requirements:\n");
        for line in section.lines() {
            let _ = writeln!(text, "{}", format!("  {line}").trim_end());
        }
    }
    if !coverage.twins.is_empty() {
        text.push_str("\nTwins that violate it:\n");
        for twin in &coverage.twins {
            let _ = writeln!(text, "  {:20} {}", twin.name, twin.fault);
        }
    }
    match coverage.scenarios[..] {
        [] => text.push_str("\nNo scenario lists it.\n"),
        _ => text.push_str("\nScenarios that list it:\n"),
    }
    for loaded in &coverage.scenarios {
        let scenario = &loaded.scenario;
        let _ = writeln!(text, "  {}\n      {}", scenario.id, scenario.title);
    }
    if !coverage.vectors.is_empty() {
        text.push_str("\nVectors:\n");
        for vector in coverage.vectors {
            let _ = writeln!(text, "  {vector}");
        }
    }
    text
}

fn source(source: &str) -> String {
    let meaning = |part: &str| match part {
        "F" => "F (seen in traffic of the deployed program)".to_owned(),
        "D" => "D (decided in the protocol)".to_owned(),
        document => format!("document {document}"),
    };
    source
        .split(", ")
        .map(meaning)
        .collect::<Vec<_>>()
        .join(", ")
}

fn scenario(loaded: &Loaded) -> String {
    let mut text = String::new();
    let scenario = &loaded.scenario;
    let _ = writeln!(text, "{}\n\n  {}", scenario.id, scenario.title);
    if let Some(comment) = &scenario.comment {
        let _ = writeln!(text, "  {comment}");
    }
    let needs = &scenario.iut;
    let _ = writeln!(text, "\n  tests    {}", scenario.requirements.join(", "));
    let protocol = scenario.id.split('/').next().and_then(protocol);
    let side = protocol.map_or(needs.role.name(), |protocol| protocol.side(needs.role));
    let _ = write!(text, "  needs    {side} in mode {}", needs.mode);
    if !needs.options.is_empty() {
        let _ = write!(text, " with {}", needs.options.join(", "));
    }
    if needs.plain {
        text.push_str(", started with no option at all");
    }
    text.push('\n');
    if !scenario.ignore.is_empty() {
        let _ = writeln!(text, "  ignores  {}", scenario.ignore.join(", "));
    }
    let _ = writeln!(
        text,
        "  file     {}\n\nThe scripted peer's steps:",
        loaded.file
    );
    for line in scenario.in_words() {
        let indent = "  ".repeat(line.depth);
        let _ = match line.path.as_str() {
            "" => writeln!(text, "  {indent}{}", line.text),
            path => writeln!(text, "  {indent}{path:<3} {}", line.text),
        };
    }
    text
}

fn description(iut: &Iut) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}\n", iut.name);
    let side = protocol(&iut.protocol).map_or(iut.role.name(), |known| known.side(iut.role));
    let _ = writeln!(text, "  plays    {side} of {}", iut.protocol);
    let _ = writeln!(text, "  modes    {}", iut.modes.join(", "));
    match &iut.start {
        None => text.push_str("  start    it runs already\n"),
        Some(start) => {
            let _ = writeln!(text, "  start    {}", start.command.join(" "));
            for (name, arguments) in &start.options {
                let _ = writeln!(text, "  option   {name}: {}", arguments.join(" "));
            }
        }
    }
    if let Some(reach) = &iut.reach {
        let _ = writeln!(text, "  reach    {}", reach.address);
    }
    let stream = &iut.stream;
    if stream.frames() > 0 {
        let _ = writeln!(
            text,
            "  stream   {} frames of {} bytes at {} a second",
            stream.frames(),
            stream.frame_bytes(),
            stream.frames_per_second
        );
    }
    for waiver in &iut.waive {
        let (id, because, until) = (&waiver.requirement, &waiver.because, &waiver.until);
        let _ = writeln!(text, "  waives   {id} until {until}: {because}");
    }
    text
}
