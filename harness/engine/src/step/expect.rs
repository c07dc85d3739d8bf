use indexmap::IndexMap;
use serde_json::{Map, Value};
use shakedown_protocol::vocabulary::Vocabulary;

use super::prelude::datagrams::*;
use super::prelude::*;
use crate::document::did_you_mean;
use crate::scenario::matcher;
use crate::script::FieldPlace;

within! {
    /// A frame to wait for.
    pub struct Expect {
        /// The frame's name.
        pub frame: String,
        /// What its fields must be. A value, `"$name"`, or a matcher: `{"not": v}`, `{"any_of": [..]}`,
        /// `{"at_least": n}`, `{"at_most": n}`, `{"empty": bool}`, `{"present": bool}`.
        #[serde(default, skip_serializing_if = "Map::is_empty")]
        pub fields: Map<String, Value>,
        /// Names under which fields are remembered: `{"id": "connection_id"}`.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        pub bind: IndexMap<String, String>,
        /// The datagram must be byte for byte the one that the step of this index (from 0) got.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub same_as: Option<usize>,
        /// The socket it must arrive at.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub at: Option<String>,
        /// Frames that this step lets pass besides the scenario's.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub ignore: Vec<String>,
    }
}

impl Expect {
    /// The frame in words, with when and where it must come.
    pub(super) fn frame_in_words(&self) -> String {
        let fields = words::with_fields(&self.fields);
        let same = self
            .same_as
            .map(|step| format!(", the same bytes as in step {step}"));
        let same = same.unwrap_or_default();
        let bound: Vec<_> = self
            .bind
            .iter()
            .map(|(name, field)| format!("remember {field} as ${name}"))
            .collect();
        let bound = match bound.join(", ") {
            text if text.is_empty() => text,
            text => format!("; {text}"),
        };
        let window = self.when();
        let ignore = words::passing(&self.ignore);
        let at = words::at(self.at.as_deref());
        let frame = &self.frame;
        format!("{frame}{fields}{at}{window}{same}{ignore}{bound}")
    }

    /// Makes failures by its own requirement.
    pub(super) fn judge<'a>(&'a self, judge: &Judge<'a>) -> Judge<'a> {
        let requirement = self.requirement.as_deref();
        Judge {
            requirement,
            ..*judge
        }
    }

    /// What it needs of the steps before.
    pub(super) fn looks_back(&self, check: &mut Checker<'_>, inside: &Pointer, state: &State) {
        check.uses_of(&self.fields, inside, state);
        check.same_as(self.same_as, inside, state);
    }
}

impl Verb for Expect {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.wanted(&self.frame, &self.fields, inside);
        check.is_sent(&self.frame, inside);
        check.frame_names(&self.ignore, &inside.key("ignore"));
        check.socket(self.at.as_deref(), &inside.key("at"), false);
        let vocabulary = check.protocol().map(|protocol| protocol.vocabulary);
        let known = vocabulary.and_then(|words| words.fields(&self.frame).ok());
        for (name, field) in &self.bind {
            let place = inside.key("bind").key(name);
            check.binding_name(name, &place);
            if let Some(known) = known.filter(|known| !known.contains(&field.as_str())) {
                let message = format!("{} has no field `{field}`", self.frame);
                let help = did_you_mean(field, known.iter().copied());
                check.at(&place, message, help);
            }
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        self.looks_back(check, inside, state);
        state.bound.extend(self.bind.keys().cloned());
        state.heard = true;
    }

    fn in_words(&self) -> String {
        format!("wait for {}", self.frame_in_words())
    }

    fn frames(&self) -> Vec<&str> {
        let let_pass = self.ignore.iter().map(String::as_str);
        let_pass.chain([self.frame.as_str()]).collect()
    }

    fn sockets(&self) -> Vec<&str> {
        self.at.as_deref().into_iter().collect()
    }

    fn binds(&self, inside: &Pointer) -> Vec<Bind<'_>> {
        let binds = self.bind.iter().map(|(name, field)| Bind {
            name,
            place: inside.key("bind").key(name),
            field: Some((&self.frame, field)),
        });
        binds.collect()
    }
}

impl Waits for Expect {
    fn wait(&self, start: Duration, context: &Context) -> Result<Box<dyn Awaited>, String> {
        Ok(Box::new(Frame::new(self, start, context)?))
    }
}

/// A frame that is waited for.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) expect: Expect,
    pub(super) window: Window,
    socket: [SocketId; 1],
}

/// What a datagram is to a frame that is waited for.
pub(super) enum Check {
    /// All of it: these values are to be remembered.
    Match(Vec<(String, Value)>),
    OtherFrame,
    /// The frame, and something about it is wrong.
    Wrong(Box<Failure>),
    /// The scenario is wrong.
    Broken(String),
}

impl Frame {
    pub(super) fn new(expect: &Expect, start: Duration, context: &Context) -> Result<Self, String> {
        Ok(Self {
            window: Window::of(expect.demand(), start, context)?,
            socket: [context.socket(expect.at.as_deref())?],
            expect: expect.clone(),
        })
    }

    pub(super) fn check(&self, judge: &Judge<'_>, arrival: &Arrival, decoded: &Decoded) -> Check {
        if decoded.frame != Some(self.expect.frame.as_str()) {
            return Check::OtherFrame;
        }
        match self.fault(judge, arrival, decoded) {
            Err(why) => Check::Broken(why),
            Ok(Some(wrong)) => Check::Wrong(wrong),
            Ok(None) => {
                let bound = self.expect.bind.iter().filter_map(|(name, field)| {
                    Some((name.clone(), decoded.fields.get(field)?.clone()))
                });
                Check::Match(bound.collect())
            }
        }
    }

    /// What is wrong about a frame of the right name, the first thing first.
    fn fault(
        &self,
        judge: &Judge<'_>,
        arrival: &Arrival,
        decoded: &Decoded,
    ) -> Result<Option<Box<Failure>>, String> {
        let (expect, context) = (&self.expect, judge.context);
        for (name, wanted) in &expect.fields {
            let wanted = context.bindings.resolve(wanted)?;
            let got = decoded.fields.get(name);
            let canonical =
                |value: &Value| canonical(context.vocabulary(), &expect.frame, name, value);
            if !matcher::matches(&wanted, got, &canonical) {
                return Ok(Some(self.wrong_field(judge, arrival, name, &wanted, got)));
            }
        }
        for field in expect.bind.values() {
            if !decoded.fields.contains_key(field) {
                let present = Value::from_iter([("present", true)]);
                return Ok(Some(
                    self.wrong_field(judge, arrival, field, &present, None),
                ));
            }
        }
        if let Some(step) = expect.same_as {
            let first = context.datagrams.get(&step);
            let first =
                first.ok_or_else(|| format!("step {step} has no datagram to compare with"))?;
            if *first != arrival.payload {
                return Ok(Some(self.other_bytes(judge, arrival, step, first)));
            }
        }
        Ok(self.window.is_early(arrival.at).then(|| {
            let window = &self.window;
            let early = human_time(window.lower.saturating_sub(window.start));
            let elapsed = human_time(arrival.at.saturating_sub(window.start));
            let frame = &expect.frame;
            let expected =
                format!("{frame} not before {early} (tolerance taken off) after the step before");
            let got = format!("{frame} after {elapsed}");
            let mut failure = judge.failure_by(arrival, expected, got);
            failure.early = window.lower.checked_sub(arrival.at);
            failure
        }))
    }

    fn wrong_field(
        &self,
        judge: &Judge<'_>,
        arrival: &Arrival,
        name: &str,
        wanted: &Value,
        got: Option<&Value>,
    ) -> Box<Failure> {
        let frame = &self.expect.frame;
        let expected = format!(
            "{frame} with {name} {}",
            matcher::phrase(wanted, &describe::value)
        );
        let got = got.map_or_else(|| "none".to_owned(), describe::value);
        let got = format!("{frame} with {name} {got}");
        let mut failure = judge.failure_by(arrival, expected, got);
        failure.field = judge.context.locate(frame, name, &arrival.payload);
        failure
    }

    fn other_bytes(
        &self,
        judge: &Judge<'_>,
        arrival: &Arrival,
        step: usize,
        first: &[u8],
    ) -> Box<Failure> {
        let (frame, got) = (&self.expect.frame, arrival.payload.as_slice());
        let offset = first.iter().zip(got).position(|(first, got)| first != got);
        let offset = offset.unwrap_or(first.len().min(got.len()));
        let byte = |bytes: &[u8]| match bytes.get(offset) {
            Some(byte) => format!("{byte:#04x} at offset {offset}"),
            None => format!("{} bytes", bytes.len()),
        };
        let expected = format!(
            "{frame} with the same bytes as in step {step}: {}",
            byte(first)
        );
        let differs = format!("{frame} with {}", byte(got));
        let mut failure = judge.failure_by(arrival, expected, differs);
        failure.field = (offset < got.len()).then(|| FieldPlace {
            name: "first difference".to_owned(),
            offset,
            length: 1,
        });
        failure
    }

    fn wanted(&self) -> String {
        format!("{} within {}", self.expect.frame, self.window.length())
    }

    /// It did not come in time. `late` is the next arrival, after it.
    pub(super) fn missed(&self, judge: &Judge<'_>, late: Option<&Arrival>) -> Box<Failure> {
        let (frame, context) = (&self.expect.frame, judge.context);
        let late = late.filter(|late| context.decode(&late.payload).frame == Some(frame));
        let got = match late {
            None => "nothing".to_owned(),
            Some(late) => {
                let elapsed = human_time(late.at.saturating_sub(self.window.start));
                format!("{frame} only after {elapsed}")
            }
        };
        judge.missed(&self.window, self.wanted(), got)
    }
}

impl Awaited for Frame {
    fn sockets(&self) -> &[SocketId] {
        &self.socket
    }

    fn due(&self) -> Duration {
        self.window.upper
    }

    fn offer(&mut self, judge: &Judge<'_>, arrival: &Arrival, decoded: &Decoded) -> Offer {
        let ignored = judge.context.ignores(decoded, &self.expect.ignore);
        match (self.check(judge, arrival, decoded), ignored) {
            (Check::Match(bound), _) => Offer::Taken { done: true, bound },
            (Check::Broken(why), _) => Offer::Broken(why),
            (_, Some(frame)) => Offer::Ignored(frame),
            (Check::Wrong(failure), None) => Offer::Failed(failure),
            (Check::OtherFrame, None) => Offer::Failed(judge.unexpected(arrival, self.wanted())),
        }
    }

    fn end(&self, judge: &Judge<'_>, late: Option<&Arrival>) -> End {
        End::Failed(self.missed(judge, late))
    }

    fn opens(&self) -> Option<Duration> {
        (!self.window.after.is_zero()).then_some(self.window.opens)
    }
}

/// A field's value as the vocabulary writes it back, if it can be sent at all.
fn canonical(
    vocabulary: &dyn Vocabulary,
    frame: &str,
    field: &str,
    value: &Value,
) -> Option<Value> {
    let fields = Map::from_iter([(field.to_owned(), value.clone())]);
    let datagram = vocabulary.encode(frame, &fields).ok()?;
    let described = vocabulary.decode(&datagram).ok()??;
    described.fields.get(field).cloned()
}
