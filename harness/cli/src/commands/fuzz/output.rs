//! Output of `shakedown fuzz`: terminal, events, and the files of the run's directory.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use anstream::{eprint, stdout};
use shakedown_net::fuzz::{Fault, FuzzCounts, FuzzEvent, FuzzFinding, FuzzSummary};
use shakedown_report::text::{clean_line, count};
use shakedown_report::{FuzzPage, ReportedFault};

use crate::exit::{Failure, usage};
use crate::logging::Global;

/// Most steps of a conversation that are shown.
const MAX_STEPS: usize = 12;

/// Writes the events of a run.
pub(super) struct FuzzOutput {
    iut: PathBuf,
    is_json: bool,
    /// Whether a status line is shown.
    is_live: bool,
    events: File,
    directory: PathBuf,
    findings: Vec<FuzzFinding>,
    header: String,
}

impl FuzzOutput {
    pub(super) fn new(
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
            header: String::new(),
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
                let corpus = match resumed {
                    0 => String::new(),
                    resumed => format!(
                        " and {} of the corpus",
                        count(*resumed as u64, "conversation")
                    ),
                };
                let workers = count(*jobs as u64, "worker");
                self.header = format!(
                    "fuzzing {}, mutating {scenarios}{corpus}, {workers}, seed {seed}",
                    clean_line(iut)
                );
                self.line(&self.header)
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

    /// Prints a line, unless the format is JSON.
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
            finding.fault.kind().to_uppercase(),
            clean_line(&finding.fault.to_string())
        );
        let _ = write!(
            text,
            "\n  after {} in {:.1} s",
            count(finding.position.inputs, "conversation"),
            finding.position.seconds
        );
        if !finding.confirmed {
            text += "; not reproduced with a fresh process: earlier inputs may matter";
        }
        for step in finding.steps.iter().take(MAX_STEPS) {
            let _ = write!(text, "\n    {}", clean_line(step));
        }
        if let Some(more) = finding
            .steps
            .len()
            .checked_sub(MAX_STEPS)
            .filter(|more| *more > 0)
        {
            let _ = write!(text, "\n    and {} more", count(more as u64, "step"));
        }
        if let Some(capture) = &finding.capture {
            let _ = write!(text, "\n  capture  {}", capture.display());
        }
        let _ = write!(text, "\n  replay   {}", self.replay_command(finding));
        text
    }

    /// The command that reproduces it.
    fn replay_command(&self, finding: &FuzzFinding) -> String {
        let mut command = format!("shakedown fuzz --iut {}", self.iut.display());
        for file in &finding.files {
            let _ = write!(command, " --replay {}", file.display());
        }
        if let Fault::Degraded { scenario, .. } = &finding.fault {
            let _ = write!(command, " --then {scenario}");
        }
        command
    }

    fn finished(&self, summary: &FuzzSummary) -> Result<(), Failure> {
        let mut text = format!("\n{}", status(&summary.counts));
        // The caller says errors.
        if summary.exit < 2 || summary.interrupted {
            let _ = write!(text, "\n{}", summary.message);
        }
        for note in &summary.notes {
            let _ = write!(text, "\nnote: {}", clean_line(note));
        }
        self.line(&text)?;
        let mut page = format!("# Fuzzing\n\n{}\n\n{}\n", self.header, summary.message);
        let _ = write!(page, "\n{}\n", status(&summary.counts));
        for finding in &self.findings {
            let _ = write!(page, "\n```\n{}\n```\n", self.finding(finding));
        }
        for note in &summary.notes {
            let _ = write!(page, "\nNote: {}\n", clean_line(note));
        }
        fs::write(self.directory.join("summary.md"), page)?;
        let page = FuzzPage {
            paragraphs: vec![
                self.header.clone(),
                summary.message.clone(),
                status(&summary.counts),
            ],
            findings: self.findings.iter().map(|one| self.reported(one)).collect(),
            notes: summary.notes.clone(),
        };
        fs::write(
            self.directory.join("report.html"),
            page.render(&self.directory),
        )?;
        Ok(())
    }

    /// A finding for `report.html`.
    fn reported(&self, finding: &FuzzFinding) -> ReportedFault {
        ReportedFault {
            kind: finding.fault.kind().to_owned(),
            fault: finding.fault.to_string(),
            text: self.finding(finding),
            files: finding.files.clone(),
            capture: finding.capture.clone(),
            replay: self.replay_command(finding),
        }
    }
}

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
