//! `shakedown init`.

use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::{Component, Path, PathBuf};

use anstream::println;
use clap::{CommandFactory, FromArgMatches, ValueEnum};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use serde_json::{Map, Value, json};
use shakedown_engine::iut::Iut;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{GivenValue, PROTOCOLS, Protocol};

use crate::Cli;
use crate::exit::{Exit, Failure, usage};
use crate::logging::Global;
use crate::reference::known_protocol;

/// The stream if the implementation has no setting for it: 50 frames of 1,000 bytes a second, for 2 s.
const STREAM: [(&str, u64); 3] = [
    ("bits_per_second", 400_000),
    ("frames_per_second", 50),
    ("seconds", 2),
];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  shakedown init
  shakedown init --protocol mediastream --role responder --modes 3way --ci github \\
    -- ./my-server --listen {address}
  shakedown init --protocol proton --role client --modes push -- ./my-client {peer}")]
pub(crate) struct Args {
    /// The protocol of the implementation
    #[arg(long)]
    protocol: Option<String>,

    /// Its role
    #[arg(long)]
    role: Option<String>,

    /// The modes that it supports, comma-separated
    #[arg(long)]
    modes: Option<String>,

    /// Its name in reports [default: the program's]
    #[arg(long)]
    name: Option<String>,

    /// Also write a job for this CI system
    #[arg(long, value_enum)]
    ci: Option<Ci>,

    /// Output file
    #[arg(long, value_name = "FILE", default_value = "iut.toml")]
    out: PathBuf,

    /// Skip the first run
    #[arg(long)]
    no_run: bool,

    /// The program and its arguments: `{address}` or `{port}` is where a server listens, `{peer}`
    /// the server of a client, `{mode}` the mode
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// A system that runs jobs.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Ci {
    /// GitHub Actions: .github/workflows/conformance.yml
    Github,
    /// GitLab CI: .gitlab-ci.yml
    Gitlab,
}

impl Ci {
    /// Where the job goes, and what it says; a description stands in it as `my-server.toml`.
    const fn job(self) -> (&'static str, &'static str) {
        match self {
            Self::Github => (
                ".github/workflows/conformance.yml",
                include_str!("../../../../docs/examples/ci/github.yml"),
            ),
            Self::Gitlab => (
                ".gitlab-ci.yml",
                include_str!("../../../../docs/examples/ci/gitlab.yml"),
            ),
        }
    }
}

impl Args {
    /// Prompts for missing flags, writes the description and the job, and does a first run.
    pub(crate) fn execute(mut self, _global: &Global) -> Result<Exit, Failure> {
        let files = [
            Some(self.out.as_path()),
            self.ci.map(|ci| Path::new(ci.job().0)),
        ];
        if let Some(there) = files.into_iter().flatten().find(|file| file.exists()) {
            let there = there.display();
            return Err(usage(format!(
                "{there} is there already, and is not replaced"
            )));
        }
        let protocol = self.ask_protocol()?;
        let role = self.ask_role(protocol)?;
        let modes = self.ask_modes(protocol)?;
        self.ask_command(role)?;
        let text = self.description(protocol, role, &modes)?;
        write(&self.out, &text)?;
        println!(
            "wrote {}; docs/iut.md describes all keys",
            self.out.display()
        );
        if protocol.media.is_some() && !self.is_told_the_stream() {
            println!("{}", stream_hint());
        }
        if let Some(ci) = self.ci {
            let (path, job) = ci.job();
            let job = job.replace("my-server.toml", &self.out.display().to_string());
            write(Path::new(path), &job)?;
            println!(
                "wrote {path}; say in it how the implementation is built, and where Shakedown is"
            );
        }
        let run = ["shakedown", "run", "--iut"].map(Into::into);
        let run = run.into_iter().chain([self.out.into_os_string()]);
        if self.no_run {
            let words: Vec<_> = run
                .map(|word| word.to_string_lossy().into_owned())
                .collect();
            println!("next: {}", words.join(" "));
            return Ok(Exit::Success);
        }
        let matches = Cli::command().get_matches_from(run);
        let cli = Cli::from_arg_matches(&matches).map_err(|error| usage(error.to_string()))?;
        cli.command.execute(&cli.global)
    }

    fn ask_protocol(&self) -> Result<&'static Protocol, Failure> {
        let known = PROTOCOLS.map(|protocol| protocol.id);
        let id = flag_or_default(
            self.protocol.clone(),
            "--protocol",
            &known.join(", "),
            known[0],
        )?;
        known_protocol(&id)
    }

    fn ask_role(&self, protocol: &Protocol) -> Result<Role, Failure> {
        let [first, other] = protocol.sides;
        let role = flag_or_default(
            self.role.clone(),
            "--role",
            &protocol.sides.join(", "),
            other,
        )?;
        let mut roles = Protocol::ROLES.into_iter();
        roles
            .find(|known| protocol.side(*known) == role)
            .ok_or_else(|| {
                let id = protocol.id;
                usage(format!(
                    "{id} has no role `{role}`: it is {first} or {other}"
                ))
            })
    }

    /// They are checked with the whole description.
    fn ask_modes(&self, protocol: &Protocol) -> Result<Vec<String>, Failure> {
        let known = protocol.modes.join(", ");
        let modes = flag_or_default(self.modes.clone(), "--modes", &known, protocol.modes[0])?;
        Ok(modes
            .split(',')
            .map(|mode| mode.trim().to_owned())
            .collect())
    }

    fn ask_command(&mut self, role: Role) -> Result<(), Failure> {
        if self.command.is_empty() {
            let usual = match role {
                Role::Responder => "./my-server --listen {address}",
                Role::Initiator => "./my-client {peer}",
            };
            let command =
                flag_or_default(None, "-- COMMAND", "the program and its arguments", usual)?;
            self.command = command.split_whitespace().map(str::to_owned).collect();
        }
        Ok(())
    }

    /// Whether the command has a placeholder for each part of the stream.
    fn is_told_the_stream(&self) -> bool {
        let is_told = |name| {
            let placeholder = format!("{{{name}}}");
            let mut words = self.command.iter();
            words.any(|word| word.contains(&placeholder))
        };
        STREAM.iter().all(|(name, _)| is_told(name))
    }

    /// The description as a file, which reads as one.
    fn description(
        &self,
        protocol: &Protocol,
        role: Role,
        modes: &[String],
    ) -> Result<String, Failure> {
        let program = self.command.first().map(Path::new);
        let program = program.and_then(Path::file_name).unwrap_or_default();
        let name = self.name.clone();
        let mut said = json!({
            "name": name.unwrap_or_else(|| program.to_string_lossy().into_owned()),
            "protocol": protocol.id,
            "role": protocol.side(role),
            "modes": modes,
        });
        if protocol.media.is_some() {
            said["stream"] =
                Map::from_iter(STREAM.map(|(key, value)| (key.to_owned(), value.into()))).into();
        }
        let needed = protocol.values.iter();
        let needed = needed.filter(|value| !value.reference.contains(GivenValue::ADDRESS));
        let values = needed.map(|value| {
            let reference = serde_json::from_str(value.reference).unwrap_or(Value::Null);
            (value.name.to_owned(), reference)
        });
        let values: Map<_, _> = values.collect();
        if !values.is_empty() {
            said["values"] = values.into();
        }
        said["start"] = json!({ "command": self.command });
        // The command is meant as it was typed: from here.
        if let Some(here) = from_folder_of(&self.out) {
            said["start"]["directory"] = here.into();
        }
        if role == Role::Responder {
            said["reach"] = json!({ "address": "127.0.0.1:{port}" });
        }
        let text = toml::to_string(&said).map_err(|error| usage(error.to_string()))?;
        Iut::parse(&self.out.display().to_string(), &text)
            .map_err(|problems| usage(problems.in_words()))?;
        Ok(text)
    }
}

/// What to do where the command is not told which stream is wanted.
fn stream_hint() -> String {
    let [bits, frames, seconds] = STREAM.map(|(name, value)| format!("{name} = {value}"));
    format!(
        "[stream] says {bits}, {frames}, {seconds}: write there what the implementation really streams, or \
         put {{bits_per_second}}, {{frames_per_second}} and {{seconds}} into its command, which scenarios with \
         a stream of their own need"
    )
}

/// The value of a flag, else the input at a terminal; empty for the default.
fn flag_or_default(
    flag: Option<String>,
    name: &str,
    known: &str,
    usual: &str,
) -> Result<String, Failure> {
    if let Some(said) = flag {
        return Ok(said);
    }
    let missing = || {
        usage(format!(
            "{name} is missing ({known}); there is no terminal to ask"
        ))
    };
    if !std::io::stdin().is_terminal() {
        return Err(missing());
    }
    let question = format!(
        "{} ({known}) [{usual}]: ",
        name.trim_start_matches('-').trim()
    );
    let mut editor = DefaultEditor::new().map_err(|_| missing())?;
    match editor.readline(&question) {
        Ok(line) if line.trim().is_empty() => Ok(usual.to_owned()),
        Ok(line) => Ok(line.trim().to_owned()),
        Err(ReadlineError::Interrupted | ReadlineError::Eof) => Err(Failure {
            exit: Exit::Interrupted,
            message: String::new(),
        }),
        Err(error) => Err(usage(format!("the terminal cannot be read: {error}"))),
    }
}

/// The current directory, relative to the folder of a file; `None` if it is that folder.
fn from_folder_of(file: &Path) -> Option<String> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""))?;
    let is_below = folder
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    match is_below {
        true => Some(vec![".."; folder.components().count()].join("/")),
        false => Some(std::env::current_dir().ok()?.display().to_string()),
    }
}

/// Writes a new file, and its folder if need be.
fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let written = || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())
    };
    written().map_err(|error| usage(format!("{}: {error}", path.display())))
}
