use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};
use shakedown_protocol::exploration::ReplayRules;
use shakedown_protocol::hex;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::{Described, Vocabulary};

use super::{Event, EventKind, Trace};
use crate::scenario::{Binding, SocketNeed, Span};
use crate::step::{Expect, Lose, Mutate, Patch, Send, SendRaw, Step, Wait};

/// Shorter waits are network delays: no timer depends on them.
const SHORTEST_WAIT: Duration = Duration::from_millis(2);
/// How much longer than in the trace an answer may take.
const EXPECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an initiator may take to begin.
const TO_BEGIN: Duration = Duration::from_secs(5);
/// The scripted peer's socket after its address has changed.
const MOVED: &str = "moved";

/// A scenario on its way.
pub(super) struct Replay {
    vocabulary: &'static dyn Vocabulary,
    pub(super) rules: &'static ReplayRules,
    pub(super) role: Role,
    pub(super) steps: Vec<Step>,
    pub(super) bindings: IndexMap<String, Binding>,
    pub(super) sockets: IndexMap<String, SocketNeed>,
    /// Values that names stand for, and the names.
    names: Vec<(Value, String)>,
    /// The step that got a datagram first, by its bytes.
    got: BTreeMap<String, usize>,
    /// The frames that the implementation sent, without its stream.
    pub(super) seen: Vec<&'static str>,
    /// When the last step was done.
    done: u64,
}

impl Replay {
    pub(super) fn new(
        vocabulary: &'static dyn Vocabulary,
        rules: &'static ReplayRules,
        role: Role,
    ) -> Self {
        Self {
            vocabulary,
            rules,
            role,
            steps: Vec::new(),
            bindings: IndexMap::new(),
            sockets: IndexMap::new(),
            names: Vec::new(),
            got: BTreeMap::new(),
            seen: Vec::new(),
            done: 0,
        }
    }

    /// What happened at the edge of the side until `end`.
    pub(super) fn play(&mut self, trace: &Trace, end: u64) {
        let arrives = trace.events.iter().filter_map(|event| match &event.what {
            EventKind::Delivered { datagram, .. } => Some(*datagram),
            _ => None,
        });
        let arrives: BTreeSet<u64> = arrives.collect();
        let mut sent: BTreeMap<u64, (&str, u8)> = BTreeMap::new();
        let until = trace.events.partition_point(|event| event.at <= end);
        let events = &trace.events[..until];
        let of_the_peer = |event: &Event| matches!(&event.what, EventKind::Sent { from, .. } if *from != self.role);
        // If no time passes, a later datagram of the peer shows that it was not the last.
        let answered = events.iter().rposition(of_the_peer).unwrap_or_default();
        for (n, event) in events.iter().enumerate() {
            match &event.what {
                EventKind::Sent {
                    datagram,
                    from,
                    address,
                    payload,
                    ..
                } => {
                    sent.insert(*datagram, (payload, *address));
                    if *from == self.role {
                        // What it does at the end is what is wrong.
                        if event.at < end || n < answered {
                            self.expect(event.at, payload, *address);
                        }
                    } else if !arrives.contains(datagram) {
                        self.lose(event.at, payload);
                    }
                }
                EventKind::Delivered {
                    datagram,
                    from,
                    payload,
                    ..
                } if *from != self.role => {
                    let (original, address) = sent.get(datagram).copied().unwrap_or((payload, 0));
                    self.send(event.at, original, payload, address);
                }
                EventKind::Delivered { .. }
                | EventKind::Lost { .. }
                | EventKind::Duplicated { .. }
                | EventKind::Overtaken { .. }
                | EventKind::Timer { .. }
                | EventKind::State { .. }
                | EventKind::Ended { .. }
                | EventKind::Moved { .. }
                | EventKind::Healed {} => {}
            }
        }
    }

    /// Lets the time go by until something happens at `at`.
    fn wait(&mut self, at: u64) {
        let span = Duration::from_nanos(at.saturating_sub(self.done));
        if span >= SHORTEST_WAIT && !self.steps.is_empty() {
            let span = Span::fixed(rounded(span));
            self.steps.push(Step::Wait(Wait { span }));
        }
        self.done = at;
    }

    fn lose(&mut self, at: u64, payload: &str) {
        let Some((bytes, described)) = self.described(payload) else {
            return;
        };
        if self.rules.stream.contains(&described.frame) {
            return;
        }
        if let Some(fields) = self.given(&bytes, &described) {
            self.wait(at);
            self.steps.push(Step::Lose(Lose(Send {
                frame: described.frame.to_owned(),
                fields,
                from: None,
                times: None,
            })));
        }
    }

    fn send(&mut self, at: u64, original: &str, payload: &str, address: u8) {
        self.wait(at);
        let from = (address > 0).then(|| MOVED.to_owned());
        if from.is_some() {
            let need = SocketNeed::OtherPort {};
            self.sockets.insert(MOVED.to_owned(), need);
        }
        let typed = self.described(payload).and_then(|(bytes, described)| {
            let fields = self.given(&bytes, &described)?;
            Some(Step::Send(Send {
                frame: described.frame.to_owned(),
                fields,
                from: from.clone(),
                times: None,
            }))
        });
        let step = typed.or_else(|| self.mutated(original, payload, from.clone()));
        self.steps.push(step.unwrap_or_else(|| {
            Step::SendRaw(SendRaw {
                hex: payload.to_owned(),
                pad_to: None,
                from,
                times: None,
            })
        }));
    }

    /// A datagram that is malformed because bytes of a good one were changed.
    fn mutated(&mut self, original: &str, payload: &str, from: Option<String>) -> Option<Step> {
        let (bytes, described) = self.described(original)?;
        let changed = hex::parse(payload).ok()?;
        if changed.len() != bytes.len() {
            return None;
        }
        let differing = bytes.iter().zip(&changed).enumerate();
        let patches = differing
            .filter(|(_, (before, after))| before != after)
            .map(|(offset, (_, after))| Patch::At {
                offset,
                hex: ::hex::encode([*after]),
            });
        let patches: Vec<_> = patches.collect();
        let fields = self.given(&bytes, &described)?;
        Some(Step::Mutate(Mutate {
            frame: described.frame.to_owned(),
            fields,
            patches,
            from,
        }))
    }

    fn expect(&mut self, at: u64, payload: &str, address: u8) {
        let Some((_, described)) = self.described(payload) else {
            return;
        };
        if self.role == Role::Responder && self.rules.stream.contains(&described.frame) {
            return;
        }
        let taken = Duration::from_nanos(at.saturating_sub(self.done));
        let timeout = if self.steps.is_empty() {
            TO_BEGIN
        } else {
            EXPECT_TIMEOUT
        };
        let mut expect = self.expectation(described.frame, taken + timeout);
        expect.at = (address > 0).then(|| MOVED.to_owned());
        if address > 0 {
            let need = SocketNeed::OtherPort {};
            self.sockets.insert(MOVED.to_owned(), need);
        }
        match self.got.get(payload) {
            Some(step) => expect.same_as = Some(*step),
            None => {
                self.got.insert(payload.to_owned(), self.steps.len());
                self.remember(&described, &mut expect);
            }
        }
        if !self.seen.contains(&described.frame) {
            self.seen.push(described.frame);
        }
        self.steps.push(Step::Expect(expect));
        self.done = at;
    }

    /// Waits for a frame and lets pass what the implementation may send besides.
    pub(super) fn expectation(&self, frame: &str, within: Duration) -> Expect {
        let stream = self
            .rules
            .stream
            .iter()
            .filter(|_| self.role == Role::Responder);
        let ignore = self
            .seen
            .iter()
            .chain(stream)
            .filter(|name| **name != frame);
        Expect {
            frame: frame.to_owned(),
            fields: Map::new(),
            after: None,
            within: Span::fixed(rounded(within)),
            bind: IndexMap::new(),
            same_as: None,
            at: None,
            ignore: ignore.map(|name| (*name).to_owned()).collect(),
            requirement: None,
        }
    }

    /// The last step that got this frame.
    pub(super) fn last(&self, frame: &str) -> Option<usize> {
        self.steps
            .iter()
            .rposition(|step| matches!(step, Step::Expect(expect) if expect.frame == frame))
    }

    /// The step whose datagram the one of this step repeats.
    pub(super) fn original(&self, step: usize) -> usize {
        match self.steps.get(step) {
            Some(Step::Expect(expect)) => expect.same_as.unwrap_or(step),
            _ => step,
        }
    }

    /// The last frame of this name that the scripted peer had to send, whatever became of it.
    pub(super) fn last_sent(&self, frame: &str) -> Option<&Send> {
        self.steps.iter().rev().find_map(|step| match step {
            Step::Send(send) | Step::Lose(Lose(send)) if send.frame == frame => Some(send),
            _ => None,
        })
    }

    /// What of a frame of the implementation is known already, and what is to be remembered.
    fn remember(&mut self, described: &Described, expect: &mut Expect) {
        for (field, value) in &described.fields {
            let is_copied = self
                .rules
                .copied
                .contains(&(described.frame, field.as_str()));
            if self.rules.decisions.contains(&field.as_str()) {
                expect.fields.insert(field.clone(), value.clone());
            } else if self.names(field, value) || is_copied {
                match self.name_of(value) {
                    Some(name) => {
                        expect
                            .fields
                            .insert(field.clone(), json!(format!("${name}")));
                    }
                    None => {
                        let name = self.new_name(field);
                        expect.bind.insert(name.clone(), field.clone());
                        self.names.push((value.clone(), name));
                    }
                }
            }
        }
    }

    /// Whether a field names a session: an empty id and 0 name none.
    fn names(&self, field: &str, value: &Value) -> bool {
        let is_something = match value {
            Value::String(text) => !text.is_empty(),
            Value::Number(number) => number.as_u64() != Some(0),
            Value::Object(_) => true,
            Value::Null | Value::Bool(_) | Value::Array(_) => false,
        };
        is_something && self.rules.names.contains(&field)
    }

    fn name_of(&self, value: &Value) -> Option<&str> {
        let known = self.names.iter().find(|(known, _)| known == value);
        known.map(|(_, name)| name.as_str())
    }

    fn new_name(&self, field: &str) -> String {
        let taken = |name: &String| self.names.iter().any(|(_, known)| known == name);
        let plain = field.to_owned();
        let numbered = (2..).map(|number| format!("{field}_{number}"));
        let mut names = std::iter::once(plain).chain(numbered);
        names.find(|name| !taken(name)).unwrap_or_default()
    }

    fn described(&self, payload: &str) -> Option<(Vec<u8>, Described)> {
        let bytes = hex::parse(payload).ok()?;
        let described = self.vocabulary.decode(&bytes).ok()??;
        Some((bytes, described))
    }

    /// The fields that must be given for a frame to have these bytes, with names for values that
    /// another implementation would choose otherwise; `None` if fields cannot say it.
    fn given(&mut self, bytes: &[u8], described: &Described) -> Option<Map<String, Value>> {
        let frame = described.frame;
        let mut given = Map::new();
        // Bits before the flags that they are in, the list of extensions before each of them.
        let rules = self.rules;
        let mut fields: Vec<_> = described.fields.iter().collect();
        fields.sort_by_key(|(field, _)| (*field != rules.extensions, *field == rules.flags));
        for (field, value) in fields {
            let now = self.vocabulary.encode(frame, &given).ok();
            if now.as_deref() == Some(bytes) {
                break;
            }
            let shown = now.and_then(|bytes| self.vocabulary.decode(&bytes).ok().flatten());
            let is_said = shown.is_some_and(|shown| shown.fields.get(field) == Some(value));
            let is_in_tlvs =
                given.contains_key(rules.extensions) && (self.rules.is_extension)(field);
            if !is_said && !is_in_tlvs {
                given.insert(field.clone(), value.clone());
            }
        }
        let whole = self.vocabulary.encode(frame, &given).ok()?;
        if whole != bytes {
            return None;
        }
        for (field, value) in &mut given {
            let is_tlvs = field == rules.extensions && self.name_of(value).is_some();
            if self.names(field, value) || is_tlvs {
                *value = json!(format!("${}", self.bound(field, value)));
            }
        }
        Some(given)
    }

    /// The name of a value that the scripted peer chooses, or has got.
    fn bound(&mut self, field: &str, value: &Value) -> String {
        if let Some(name) = self.name_of(value) {
            return name.to_owned();
        }
        let name = self.new_name(field);
        let is_uuid = value
            .as_str()
            .is_some_and(|text| uuid::Uuid::parse_str(text).is_ok());
        let binding = match is_uuid {
            true => Binding::Uuid {},
            false => Binding::Value(value.clone()),
        };
        self.bindings.insert(name.clone(), binding);
        self.names.push((value.clone(), name.clone()));
        name
    }
}

/// A span that files can write exactly.
fn rounded(span: Duration) -> Duration {
    Duration::from_millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
