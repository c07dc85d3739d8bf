//! A simulated scenario as text that reads well in a review.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::Value;
use shakedown_capture::Capture;
use shakedown_engine::event::FindingEvent;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::describe;
use shakedown_engine::simulation::Simulated;
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;

/// Steps or packets of one kind in a row that are shown before the rest is only counted.
const SHOWN: usize = 3;

/// Verdict, findings, verdicts on requirements, what the script did, and the datagrams of a protocol of datagrams as
/// decoded lines. Those of QUIC say nothing by themselves: `pcaps/golden/` has them.
pub(crate) fn transcript(
    protocol: &Protocol,
    scenario: &Scenario,
    simulated: &Simulated,
) -> String {
    let mut text = String::new();
    let verdict = &simulated.composed.verdict;
    line(&mut text, format_args!("verdict: {}", verdict.verdict));
    if let Some(reason) = &verdict.reason {
        line(&mut text, format_args!("reason: {reason}"));
    }
    for finding in &simulated.composed.findings {
        line(&mut text, format_args!("finding: {}", told(finding)));
    }
    line(&mut text, format_args!("requirements:"));
    for (id, verdict) in &verdict.requirements {
        line(&mut text, format_args!("  {id} {verdict}"));
    }
    line(&mut text, format_args!("steps:"));
    for step in collapse(steps(simulated)) {
        line(&mut text, format_args!("  {step}"));
    }
    for (frame, count) in &simulated.ignored {
        line(&mut text, format_args!("  ignored: {count} {frame}"));
    }
    if protocol.transport.is_none() {
        line(&mut text, format_args!("packets:"));
        for packet in collapse(packets(protocol, scenario, simulated)) {
            line(&mut text, format_args!("  {packet}"));
        }
    }
    Names::new(simulated).apply(&text)
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").unwrap();
}

fn told(finding: &FindingEvent) -> String {
    let packet = finding
        .packet
        .map_or("no packet".to_owned(), |packet| format!("packet {packet}"));
    let (id, time) = (&finding.requirement, finding.time);
    format!("{id} at {time:.4}, {packet}: {}", finding.message)
}

/// A step or a packet.
struct Shown {
    /// Everything by which steps or packets are of one kind.
    kind: String,
    line: String,
}

fn steps(simulated: &Simulated) -> Vec<Shown> {
    let events = simulated.events.iter().map(|event| {
        let seconds = event.time.as_secs_f64();
        let kind = format!("{} {}", event.step, event.verb);
        let line = format!("{seconds:.4} {kind}: {}", event.text);
        Shown { kind, line }
    });
    events.collect()
}

fn packets(protocol: &Protocol, scenario: &Scenario, simulated: &Simulated) -> Vec<Shown> {
    let mut shown = Vec::new();
    let mut capture = Capture::open(&*simulated.capture).unwrap();
    while let Some(datagram) = capture.next_datagram().unwrap() {
        let from = place(datagram.source, scenario);
        let to = place(datagram.destination, scenario);
        let what = describe(protocol.vocabulary, datagram.payload);
        let frame = what.split(' ').next().unwrap_or_default();
        let (number, time) = (datagram.number, datagram.time.as_secs_f64());
        shown.push(Shown {
            kind: format!("{from} {to} {frame} {}", datagram.length),
            line: format!("{number} {time:.4} {from} -> {to} {what}"),
        });
    }
    shown
}

/// The names of addresses: sockets are at their ports in the order in which they were opened.
fn place(address: SocketAddr, scenario: &Scenario) -> String {
    let socket = usize::from(address.port()).checked_sub(10_000);
    match socket.filter(|socket| *socket < 40_000) {
        Some(0) => "main".to_owned(),
        Some(n) => match scenario.sockets.get_index(n - 1) {
            Some((name, _)) => name.clone(),
            None => "fresh".to_owned(),
        },
        None => match scenario.iut.role {
            Role::Initiator => "initiator".to_owned(),
            Role::Responder => "responder".to_owned(),
        },
    }
}

/// Counts the rest of long runs of one kind, and shows the last of each.
fn collapse(all: Vec<Shown>) -> Vec<String> {
    let mut lines = Vec::new();
    for run in all.chunk_by(|a, b| a.kind == b.kind) {
        if run.len() <= SHOWN + 2 {
            lines.extend(run.iter().map(|shown| shown.line.clone()));
            continue;
        }
        lines.extend(run[..SHOWN].iter().map(|shown| shown.line.clone()));
        lines.push(format!("... {} more like these", run.len() - SHOWN - 1));
        lines.extend(run.last().map(|shown| shown.line.clone()));
    }
    lines
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Id,
    Token,
}

/// Ids as the scenario names them, others and signed tokens by numbers in the order in which they appear.
struct Names {
    known: BTreeMap<String, String>,
    numbered: [usize; 2],
}

impl Names {
    fn new(simulated: &Simulated) -> Self {
        let mut known = BTreeMap::new();
        for (name, value) in &simulated.bindings {
            if let Value::String(id) = value {
                known
                    .entry(id.clone())
                    .or_insert_with(|| format!("${name}"));
            }
        }
        Self {
            known,
            numbered: [0; 2],
        }
    }

    fn apply(mut self, text: &str) -> String {
        let mut named = String::new();
        let mut rest = text;
        while let Some((start, kind, length)) = rest.char_indices().find_map(|(start, _)| {
            let (kind, length) = id_at(rest, start)?;
            Some((start, kind, length))
        }) {
            let (before, from) = rest.split_at(start);
            let (id, after) = from.split_at(length);
            named.push_str(before);
            named.push_str(&self.name(kind, id));
            rest = after;
        }
        named + rest
    }

    fn name(&mut self, kind: Kind, id: &str) -> String {
        if let Some(name) = self.known.get(id) {
            return name.clone();
        }
        let number = &mut self.numbered[kind as usize];
        *number += 1;
        let name = match kind {
            Kind::Id => format!("id-{number}"),
            Kind::Token => format!("token-{number}"),
        };
        self.known.insert(id.to_owned(), name.clone());
        name
    }
}

/// What an id or a token is called, and its length, if one is here.
fn id_at(text: &str, start: usize) -> Option<(Kind, usize)> {
    let id = is_uuid_at(text, start).then_some((Kind::Id, 36));
    id.or_else(|| Some((Kind::Token, token_at(text, start)?)))
}

/// The length of the JWT here, if one is.
fn token_at(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..)?.strip_prefix("eyJ")?;
    let is_of_it = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let length = rest.find(|c| !is_of_it(c)).unwrap_or(rest.len());
    let is_one = rest[..length].matches('.').count() == 2;
    is_one.then_some("eyJ".len() + length)
}

fn is_uuid_at(text: &str, start: usize) -> bool {
    let Some(candidate) = text.get(start..start + 36) else {
        return false;
    };
    candidate.char_indices().all(|(at, c)| match at {
        8 | 13 | 18 | 23 => c == '-',
        _ => c.is_ascii_hexdigit(),
    })
}
