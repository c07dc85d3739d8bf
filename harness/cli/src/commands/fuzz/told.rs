//! What is told of fuzzing: to people, to programs, and in the directory of the run.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::{eprint, stdout};
use shakedown_net::fuzz::{FuzzCounts, FuzzEvent, FuzzFinding, FuzzSummary, Sign};
use shakedown_report::text::{clean_line, count};
use shakedown_report::{FuzzFound, FuzzPage};

use crate::exit::{Failure, usage};
use crate::logging::Global;

/// Steps of a conversation that are shown.
const MOST_STEPS: usize = 12;

pub(super) struct Told {
    iut: PathBuf,
    is_json: bool,
    /// Whether a line on the terminal says how far it is.
    is_live: bool,
    events: File,
    directory: PathBuf,
    findings: Vec<FuzzFinding>,
    begun: String,
}

impl Told {
    pub(super) fn begin(
        directory: &Path,
        iut: &Path,
        is_json: bool,
        global: &Global,
    ) -> Result<Self, Failure> {
        let path = directory.join("events.jsonl");
        let events = File::create(&path)
            .map_err(|error| usage(format!("{} cannot be written: {error}", path.display())))?;
        Ok(Self {
            iut: iut.to_owned(),
            is_json,
            is_live: !is_json && global.verbose == 0 && std::io::stderr().is_terminal(),
            events,
            directory: directory.to_owned(),
            findings: Vec::new(),
            begun: String::new(),
        })
    }

    pub(super) fn event(&mut self, event: &FuzzEvent) -> Result<(), Failure> {
        let line = serde_json::to_string(event).map_err(std::io::Error::from)?;
        writeln!(self.events, "{line}")?;
        if self.is_json {
            let mut out = stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        match event {
            FuzzEvent::FuzzStarted {
                iut,
                seed,
                jobs,
                scenarios,
                resumed,
                ..
            } => {
                let scenarios = count(*scenarios as u64, "scenario");
                let kept = match resumed {
                    0 => String::new(),
                    kept => format!(" and {} of the corpus", count(*kept as u64, "conversation")),
                };
                let at_once = count(*jobs as u64, "worker");
                self.begun = format!(
                    "fuzzing {}, grown from {scenarios}{kept}, {at_once}, seed {seed}",
                    clean_line(iut)
                );
                self.line(&self.begun)
            }
            FuzzEvent::FuzzProgress(counts) => {
                if self.is_live {
                    eprint!("\r\x1b[K{}", status(counts));
                }
                Ok(())
            }
            FuzzEvent::FuzzSuspicion { .. } => Ok(()),
            FuzzEvent::FuzzFinding(finding) => {
                self.line(&format!("\n{}", self.finding(finding)))?;
                self.findings.push(finding.as_ref().clone());
                Ok(())
            }
            FuzzEvent::FuzzFinished(summary) => self.finished(summary),
        }
    }

    /// A line for people.
    fn line(&self, text: &str) -> Result<(), Failure> {
        if self.is_live {
            eprint!("\r\x1b[K");
        }
        if !self.is_json {
            let mut out = stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()?;
        }
        Ok(())
    }

    fn finding(&self, finding: &FuzzFinding) -> String {
        let mut text = format!(
            "{}  {}",
            finding.sign.kind().to_uppercase(),
            clean_line(&finding.sign.to_string())
        );
        let _ = write!(
            text,
            "\n  after {} in {:.1} s",
            count(finding.when.inputs, "conversation"),
            finding.when.seconds
        );
        if !finding.confirmed {
            text += "; not reproduced with a fresh process: earlier inputs may matter";
        }
        for step in finding.steps.iter().take(MOST_STEPS) {
            let _ = write!(text, "\n    {}", clean_line(step));
        }
        if let Some(more) = finding
            .steps
            .len()
            .checked_sub(MOST_STEPS)
            .filter(|more| *more > 0)
        {
            let _ = write!(text, "\n    and {} more", count(more as u64, "step"));
        }
        if let Some(capture) = &finding.capture {
            let _ = write!(text, "\n  capture  {}", capture.display());
        }
        let _ = write!(text, "\n  again    {}", self.again(finding));
        text
    }

    /// The command that shows it again.
    fn again(&self, finding: &FuzzFinding) -> String {
        let mut command = format!("shakedown fuzz --iut {}", self.iut.display());
        for file in &finding.files {
            let _ = write!(command, " --replay {}", file.display());
        }
        if let Sign::Spoilt { scenario, .. } = &finding.sign {
            let _ = write!(command, " --then {scenario}");
        }
        command
    }

    fn finished(&self, summary: &FuzzSummary) -> Result<(), Failure> {
        let mut text = format!("\n{}\n{}", status(&summary.counts), summary.message);
        for note in &summary.notes {
            let _ = write!(text, "\nnote: {}", clean_line(note));
        }
        self.line(&text)?;
        let mut page = format!("# Fuzzing\n\n{}\n\n{}\n", self.begun, summary.message);
        let _ = write!(page, "\n{}\n", status(&summary.counts));
        for finding in &self.findings {
            let _ = write!(page, "\n```\n{}\n```\n", self.finding(finding));
        }
        for note in &summary.notes {
            let _ = write!(page, "\nNote: {}\n", clean_line(note));
        }
        fs::write(self.directory.join("summary.md"), page)?;
        let page = FuzzPage {
            told: vec![
                self.begun.clone(),
                summary.message.clone(),
                status(&summary.counts),
            ],
            findings: self.findings.iter().map(|one| self.found(one)).collect(),
            notes: summary.notes.clone(),
        };
        fs::write(
            self.directory.join("report.html"),
            page.render(&self.directory),
        )?;
        Ok(())
    }

    /// A finding, for the page.
    fn found(&self, finding: &FuzzFinding) -> FuzzFound {
        FuzzFound {
            kind: finding.sign.kind().to_owned(),
            sign: finding.sign.to_string(),
            text: self.finding(finding),
            files: finding.files.clone(),
            capture: finding.capture.clone(),
            again: self.again(finding),
        }
    }
}

/// How far it is.
fn status(counts: &FuzzCounts) -> String {
    format!(
        "{:.0} s, {}, {:.0} a second, {:.0} datagrams a second, {}, {} kept, {}, {}, {}",
        counts.seconds,
        count(counts.inputs, "conversation"),
        counts.inputs_per_second,
        counts.datagrams_per_second,
        count(counts.behaviours as u64, "behaviour"),
        counts.corpus,
        count(counts.starts, "start"),
        count(counts.checks, "check"),
        count(counts.findings as u64, "finding"),
    )
}
