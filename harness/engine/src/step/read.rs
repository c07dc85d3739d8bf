use indexmap::IndexMap;
use serde_json::Value;

use super::prelude::streams::*;
use super::prelude::*;
use crate::scenario::matcher;

/// Bytes of a number on a stream.
const WORD: usize = 4;
/// Received bytes that are shown.
const SHOWN: usize = 33;

within! {
    /// Bytes of a stream to wait for: `hex` or `u32`. Bytes after them are kept for other steps.
    pub struct Read {
        /// The stream.
        pub stream: String,
        /// The bytes in hexadecimal; spaces are allowed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub hex: Option<String>,
        /// Numbers of four bytes each, little-endian: values, `"$name"`, `{"sum": [..]}`, or matchers as
        /// `expect` has them; `{"present": true}` takes any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub u32: Option<Vec<Value>>,
        /// Names under which numbers are remembered, by their place from 0: `{"id": 0}`.
        #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
        pub bind: IndexMap<String, usize>,
        /// How often all of it must come in a row; 1 if not given. Names keep the last value.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub times: Option<u32>,
    }
}

impl Verb for Read {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.not_zero(self.times.map(u64::from), &inside.key("times"));
        let length = check.content(self.hex.as_deref(), self.u32.as_deref(), inside);
        if length == Some(0) {
            let help = "`expect_quiet` waits for silence, `expect_alive` lets time go by";
            check.at_key(inside, "nothing is waited for", Some(help.to_owned()));
        }
        for (index, wanted) in self.u32.iter().flatten().enumerate() {
            check.number_wanted(wanted, &inside.key("u32").index(index));
        }
        let count = self.u32.as_ref().map_or(0, Vec::len);
        for (name, place) in &self.bind {
            let at = inside.key("bind").key(name);
            check.binding_name(name, &at);
            if *place >= count {
                let (message, help) = match count {
                    0 => (
                        "only numbers are remembered".to_owned(),
                        "read them with `u32`".to_owned(),
                    ),
                    count => (
                        format!("there is no number {place}: {count} are read"),
                        "places are counted from 0".to_owned(),
                    ),
                };
                check.at(&at, message, Some(help));
            }
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_read(&self.stream, inside, &state.names);
        check.uses_in(self.u32.as_deref(), &inside.key("u32"), state);
        state.bound.extend(self.bind.keys().cloned());
    }

    fn in_words(&self) -> String {
        let content = words::content(self.hex.as_deref(), self.u32.as_deref());
        let times = self.times.map(words::times).unwrap_or_default();
        let window = self.when();
        let bound = self.bind.iter();
        let bound = bound.map(|(name, place)| format!("; remember number {place} as ${name}"));
        let bound = bound.collect::<String>();
        let stream = &self.stream;
        format!("wait for {content} on `{stream}`{times}{window}{bound}")
    }

    fn binds(&self, inside: &Pointer) -> Vec<Bind<'_>> {
        let binds = self.bind.keys().map(|name| Bind {
            name,
            place: inside.key("bind").key(name),
            field: None,
        });
        binds.collect()
    }
}

impl StreamWait for Read {
    fn subject(&self) -> Subject<'_> {
        Subject::Stream(&self.stream, Access::Waits)
    }

    fn begin(&self, start: &Start<'_>) -> Result<Box<dyn Expectation>, String> {
        let content = match (&self.hex, &self.u32) {
            (Some(hex), None) => Content::Bytes(send::hex(hex)?),
            (None, Some(numbers)) => {
                let numbers = numbers
                    .iter()
                    .map(|value| start.context.bindings.resolve(value));
                Content::Numbers(numbers.collect::<Result<_, _>>()?)
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err("a `read` needs either `hex` or `u32`".to_owned());
            }
        };
        if content.len() == 0 {
            return Err("a `read` of nothing".to_owned());
        }
        let times = self.times.unwrap_or(1);
        Ok(Box::new(Reading {
            bind: self.bind.clone(),
            name: self.stream.clone(),
            content,
            left: times,
            times,
            place: 0,
            offset: None,
            start: 0,
            bound: Vec::new(),
        }))
    }
}

/// A step that reads, and how far it is.
#[derive(Debug)]
struct Reading {
    bind: IndexMap<String, usize>,
    name: String,
    content: Content,
    /// How often all of it must come yet, this time included.
    left: u32,
    times: u32,
    /// The number or byte of the content that comes next.
    place: usize,
    /// Offset of the next byte in the stream; `None` before the first look.
    offset: Option<u64>,
    start: u64,
    bound: Vec<(String, Value)>,
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    /// Numbers or matchers, without names.
    Numbers(Vec<Value>),
}

/// The next expected value received.
enum Next {
    /// Not all of it is there.
    Missing,
    AsWanted(Moment),
    /// Something else: what was wanted, and what it is.
    Other(Moment, String, String),
}

impl Content {
    const fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Numbers(numbers) => numbers.len(),
        }
    }

    const fn size(&self) -> usize {
        match self {
            Self::Bytes(_) => 1,
            Self::Numbers(_) => WORD,
        }
    }

    fn phrase(&self) -> String {
        match self {
            Self::Bytes(all) => format!("the bytes {}", describe::bytes(all)),
            Self::Numbers(numbers) => {
                let numbers: Vec<_> = numbers.iter().map(wanted).collect();
                numbers.join(", ")
            }
        }
    }
}

impl Reading {
    /// What comes next of what is wanted. Numbers that have names are remembered.
    fn next(&mut self, stream: &Stream, offset: u64) -> Next {
        let last = offset + self.content.size() as u64 - 1;
        let Some(moment) = stream.came(last) else {
            return Next::Missing;
        };
        match &self.content {
            Content::Bytes(bytes) => {
                let rest = bytes.get(self.place..).unwrap_or_default();
                match stream.byte(offset) == rest.first().copied() {
                    true => Next::AsWanted(moment),
                    false => {
                        let got = stream.from(offset, SHOWN);
                        Next::Other(moment, describe::bytes(rest), describe::bytes(&got))
                    }
                }
            }
            Content::Numbers(numbers) => {
                let came = stream.from(offset, WORD);
                let number = came.first_chunk().copied().map(u32::from_le_bytes);
                let number = Value::from(number);
                let value = numbers.get(self.place).unwrap_or(&Value::Null);
                if !matcher::matches(value, Some(&number), &|_| None) {
                    let got = format!("{number} ({})", describe::bytes(&came));
                    return Next::Other(moment, wanted(value), got);
                }
                for (name, place) in &self.bind {
                    if *place == self.place {
                        self.bound.retain(|(bound, _)| bound != name);
                        self.bound.push((name.clone(), number.clone()));
                    }
                }
                Next::AsWanted(moment)
            }
        }
    }

    /// How much has come of what is wanted.
    fn part(&self, stream: &Stream, offset: u64) -> String {
        let rest = stream.from(offset, SHOWN);
        let count = offset - self.start + rest.len() as u64;
        if count == 0 {
            return "nothing".to_owned();
        }
        let times = usize::try_from(self.times).unwrap_or(usize::MAX);
        let whole = self.content.len() * self.content.size();
        let whole = whole.saturating_mul(times);
        let last = match rest.as_slice() {
            [] => String::new(),
            rest => format!(", the last of them {}", describe::bytes(rest)),
        };
        format!(
            "only {count} of {whole} bytes from offset {} on{last}",
            self.start
        )
    }

    /// What came, with the values that were remembered.
    fn with_bound(&self, text: String) -> String {
        self.bound.iter().fold(text, |text, (name, value)| {
            format!("{text}; ${name} = {value}")
        })
    }
}

impl Expectation for Reading {
    fn poll(
        &mut self,
        view: &View<'_>,
        connections: &mut Connections,
    ) -> Result<WaitState, String> {
        let name = self.name.clone();
        let stream = view.stream(connections)?;
        if self.offset.is_none() {
            self.start = stream.taken;
        }
        let mut offset = self.offset.unwrap_or(stream.taken);
        let times = match self.times {
            1 => String::new(),
            times => format!(", {times} times"),
        };
        let what = format!("{}{times} on `{name}`", self.content.phrase());
        loop {
            match self.next(stream, offset) {
                Next::Missing => break,
                Next::AsWanted(moment) => {
                    self.place += 1;
                    offset += self.content.size() as u64;
                    self.offset = Some(offset);
                    if view.is_alone {
                        stream.take(offset);
                    }
                    if self.place == self.content.len() {
                        self.place = 0;
                        self.left = self.left.saturating_sub(1);
                    }
                    if self.left == 0 {
                        let text = self.with_bound(format!("got {what}"));
                        let bound = std::mem::take(&mut self.bound);
                        return Ok(view.came_with(moment, &what, text, bound));
                    }
                }
                Next::Other(moment, wanted, got) => {
                    let place = format!("at offset {offset} of `{name}`");
                    let (wanted, got) = (format!("{wanted} {place}"), format!("{got} {place}"));
                    return Ok(view.instead(moment, &wanted, &got));
                }
            }
        }
        self.offset = Some(offset);
        stream.is_wanted = true;
        let got = self.part(stream, offset);
        Ok(match stream.end {
            Some((moment, end)) => {
                let got = format!("{got}, and `{name}` {}", end.in_words());
                view.instead(moment, &what, &got)
            }
            None => view.not_yet_on(connections, &what, &got),
        })
    }

    /// Takes what it has looked at.
    fn take(&self, on: Target, connections: &mut Connections) {
        if let (Some(offset), Some(stream)) = (self.offset, connections.stream_of(on)) {
            stream.take(offset);
        }
        self.let_go(on, connections);
    }

    fn let_go(&self, on: Target, connections: &mut Connections) {
        if let Some(stream) = connections.stream_of(on) {
            stream.is_wanted = false;
        }
    }
}

/// A number that is wanted, with its bytes.
fn wanted(value: &Value) -> String {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number {
        Some(number) => format!("{number} ({})", describe::bytes(&number.to_le_bytes())),
        None => match value.get("present") == Some(&Value::Bool(true)) {
            true => "any number".to_owned(),
            false => matcher::phrase(value, &describe::value),
        },
    }
}
