//! The check of a capture: the judge's results as events.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use indexmap::IndexMap;
use shakedown_capture::CaptureError;
use shakedown_protocol::monitor::{Finding, Observation, Session, UnjudgedConnection, Unread};
use shakedown_protocol::requirement::Level;
use shakedown_protocol::{MonitorSettings, PROTOCOLS, Protocol};

use crate::event::{CheckSummary, Event, FieldEvent, FindingEvent, SessionEvent, VERSION};
use crate::judge::{JudgedCapture, MonitorReport, judge};
use crate::verdict::Verdict;

/// Bytes of a payload that a finding shows, unless the field is further on.
const SHOWN: usize = 256;

/// The most that it shows.
const MOST_SHOWN: usize = 4_096;

/// Exit codes of a check (`exit` of [`CheckSummary`]).
mod exit {
    pub(super) const SUCCESS: u8 = 0;
    pub(super) const FAIL: u8 = 1;
    pub(super) const WRONG: u8 = 2;
}

/// How a check judges.
#[derive(Debug, Clone)]
pub struct CheckSettings {
    /// What the monitors may assume.
    pub monitor: MonitorSettings,
    /// The weakest level whose findings count; those below are advisory.
    pub level: Level,
    /// The protocols whose sessions are looked for.
    pub protocols: Vec<&'static Protocol>,
    /// Secrets of TLS sessions that are not in the capture, lines in the format of
    /// `SSLKEYLOGFILE`. Sessions over QUIC are looked for always.
    pub key_log: Vec<u8>,
}

/// Checks the capture called `name`. Sessions and findings go to `tell` as they are found, then
/// the summary, which is also given back.
///
/// # Errors
/// [`CaptureError`] if `source` is no capture, or its beginning cannot be read; nothing was
/// reported then. A capture that is damaged further on is judged up to there, and the summary notes it.
pub fn check<R: Read>(
    name: &str,
    source: R,
    settings: &CheckSettings,
    tell: &mut dyn FnMut(Event),
) -> Result<CheckSummary, CaptureError> {
    let mut check = Check {
        name,
        settings,
        sessions: 0,
        findings: 0,
        more_breaches: 0,
        doubts: BTreeMap::new(),
        verdicts: BTreeMap::new(),
    };
    let monitor = &settings.monitor;
    let (protocols, key_log) = (&settings.protocols, &settings.key_log);
    let judged = judge(source, protocols, monitor, key_log, &mut |report| {
        if let Some(event) = check.hear(report) {
            tell(event);
        }
    })?;
    let summary = check.summary(&judged);
    tell(Event::CheckFinished(summary.clone()));
    Ok(summary)
}

/// The summary of a capture of which nothing could be read, and why.
#[must_use]
pub fn unreadable(name: &str, why: String) -> CheckSummary {
    CheckSummary {
        version: VERSION,
        capture: name.to_owned(),
        packets: 0,
        datagrams: 0,
        sessions: 0,
        findings: 0,
        requirements: IndexMap::new(),
        notes: vec![why],
        exit: exit::WRONG,
    }
}

struct Check<'a> {
    name: &'a str,
    settings: &'a CheckSettings,
    sessions: usize,
    findings: usize,
    more_breaches: u64,
    /// The first doubt of each requirement, and how many there were.
    doubts: BTreeMap<&'static str, (String, u64)>,
    verdicts: BTreeMap<&'static str, Verdict>,
}

impl Check<'_> {
    /// A monitor's finding as an event; a doubt goes into the summary instead.
    fn hear(&mut self, report: MonitorReport<'_>) -> Option<Event> {
        match &report.observation {
            Observation::Session(session) => {
                self.sessions += 1;
                self.more_breaches += session.more_breaches;
                for id in session.judged.ids() {
                    self.worse(id, Verdict::Pass);
                }
                Some(Event::Session(self.session(session)))
            }
            Observation::Finding(finding) => {
                let event = self.finding(finding, &report);
                let verdict = if event.counts() {
                    self.findings += 1;
                    Verdict::Fail
                } else {
                    Verdict::Advice
                };
                self.worse(finding.requirement, verdict);
                Some(Event::Finding(event))
            }
            Observation::Inconclusive(finding) => {
                self.worse(finding.requirement, Verdict::Inconclusive);
                let doubt = self.doubts.entry(finding.requirement).or_insert_with(|| {
                    let place = place(finding, report.start);
                    let text = format!(
                        "expected {}, got {} ({place})",
                        finding.expected, finding.got
                    );
                    (text, 0)
                });
                doubt.1 += 1;
                None
            }
        }
    }

    fn worse(&mut self, id: &'static str, verdict: Verdict) {
        let known = self.verdicts.entry(id).or_insert(verdict);
        *known = verdict.max(*known);
    }

    fn session(&self, session: &Session) -> SessionEvent {
        SessionEvent {
            capture: self.name.to_owned(),
            protocol: session.protocol.to_owned(),
            mode: session.mode.to_owned(),
            initiator: session.initiator.to_string(),
            responder: session.responder.to_string(),
            connection_id: session.connection_id.clone(),
            frames: session.frames,
            datagrams: session.datagrams,
            missing: session.network.missing,
            reordered: session.network.reordered,
            repeated: session.network.repeated,
        }
    }

    fn finding(&self, finding: &Finding, report: &MonitorReport<'_>) -> FindingEvent {
        let level = report
            .protocol
            .requirement(finding.requirement)
            .map_or(Level::Must, |requirement| requirement.level);
        let side = report.protocol.side(finding.party);
        let party = format!("the {side} at {}", finding.address);
        FindingEvent {
            requirement: finding.requirement.to_owned(),
            level: level.name().to_owned(),
            scenario: None,
            capture: Some(self.name.to_owned()),
            packet: finding.packet,
            time: seconds(finding.time, report.start),
            message: format!(
                "{party}: expected {}, got {}",
                finding.expected, finding.got
            ),
            expected: finding.expected.clone(),
            got: finding.got.clone(),
            step: None,
            bytes: report.payload.map(|payload| shown(payload, finding)),
            field: finding.field.map(|field| FieldEvent {
                name: field.name.to_owned(),
                offset: field.offset,
                length: field.length,
            }),
            waived: None,
            advisory: level > self.settings.level,
            off: None,
        }
    }

    fn summary(&self, judged: &JudgedCapture) -> CheckSummary {
        let mut notes = Vec::new();
        if self.sessions == 0 {
            notes.push(self.no_session(judged));
        }
        for (unjudged, number) in &judged.unjudged {
            notes.push(self.unjudged(*unjudged, *number));
        }
        for (id, (text, number)) in &self.doubts {
            let more = match number {
                1 => String::new(),
                _ => format!("; {} more like it", number - 1),
            };
            notes.push(format!("{id} was not judged for sure: {text}{more}"));
        }
        if self.more_breaches > 0 {
            notes.push(format!(
                "{} further violations of requirements already violated in their session",
                self.more_breaches
            ));
        }
        if judged.statistics.lost() > 0 || judged.statistics.cut > 0 {
            notes.push(format!(
                "not everything could be read: {}",
                judged.statistics
            ));
        }
        if let Some(damage) = &judged.damage {
            notes.push(format!("{damage}; everything before was judged"));
        }
        CheckSummary {
            version: VERSION,
            capture: self.name.to_owned(),
            packets: judged.statistics.packets,
            datagrams: judged.statistics.datagrams,
            sessions: self.sessions,
            findings: self.findings,
            requirements: self.requirements(),
            notes,
            exit: self.exit(judged),
        }
    }

    /// Why connections were not judged, and what would help.
    fn unjudged(&self, unjudged: UnjudgedConnection, number: u64) -> String {
        let of = match unjudged.side {
            Some(side) => format!("of the {side}'s side "),
            None => String::new(),
        };
        let connections = match number {
            1 => "1 connection".to_owned(),
            _ => format!("{number} connections"),
        };
        let protocol = unjudged.protocol;
        let has_log = !self.settings.key_log.is_empty();
        let (what, help) = match unjudged.why {
            Unread::NoSecrets if has_log => (
                "the key log has no secrets",
                "it is of other connections, or not whole",
            ),
            Unread::NoSecrets => (
                "no secrets in the capture",
                "a key log file (--keylog) may have them",
            ),
            Unread::WrongKeys => (
                "wrong keys: packets do not decrypt with the secrets",
                "a key log of the same connections is needed",
            ),
            Unread::Form => (
                "packets cannot be read",
                "a capture of whole packets from the beginning is needed",
            ),
        };
        format!("inconclusive: {what} {of}for {connections} of {protocol}; {help}")
    }

    fn no_session(&self, judged: &JudgedCapture) -> String {
        let rules = PROTOCOLS.iter();
        let protocols: Vec<_> = rules.map(|rules| rules.id).collect();
        format!(
            "no session of {} was found in {}",
            protocols.join(" or "),
            judged.statistics
        )
    }

    /// The verdicts in the order of the specification.
    fn requirements(&self) -> IndexMap<String, Verdict> {
        let rules = PROTOCOLS.iter();
        rules
            .flat_map(|rules| (rules.requirements)())
            .filter_map(|requirement| {
                let verdict = self.verdicts.get(requirement.id.as_str())?;
                Some((requirement.id.clone(), *verdict))
            })
            .collect()
    }

    fn exit(&self, judged: &JudgedCapture) -> u8 {
        if self.sessions == 0 {
            exit::WRONG
        } else if self.findings > 0 {
            exit::FAIL
        } else if judged.damage.is_some() || !judged.unjudged.is_empty() {
            exit::WRONG
        } else {
            exit::SUCCESS
        }
    }
}

fn place(finding: &Finding, start: Duration) -> String {
    let time = seconds(finding.time, start);
    match finding.packet {
        Some(packet) => format!("packet {packet} at {time:.3} s"),
        None => format!("at {time:.3} s"),
    }
}

/// Seconds from `start`, which may be later if the capture's clock stepped back.
fn seconds(time: Duration, start: Duration) -> f64 {
    time.as_secs_f64() - start.as_secs_f64()
}

/// The beginning of a payload in hexadecimal, far enough to show the field.
fn shown(payload: &[u8], finding: &Finding) -> String {
    let end = finding
        .field
        .map_or(0, |field| field.offset + field.length + 16);
    let end = end.clamp(SHOWN, MOST_SHOWN).min(payload.len());
    hex::encode(&payload[..end])
}
