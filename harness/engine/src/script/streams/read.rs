//! Bytes of a stream that a step waits for.

use indexmap::IndexMap;
use serde_json::Value;
use shakedown_protocol::streams::{ConnectionNumber, StreamId};

use crate::scenario::streams::Read;
use crate::script::context::Context;
use crate::script::matcher;
use crate::script::window::Window;

use super::hex_bytes;
use super::judge::{Judge, Look};
use super::words;
use super::world::{Moment, Stream, World};

/// Length of a number on a stream.
const WORD: usize = 4;

/// Bytes of what came that are shown.
const SHOWN: usize = 33;

/// A step that reads, and how far it is.
#[derive(Debug)]
pub(super) struct Reading {
    connection: ConnectionNumber,
    stream: StreamId,
    content: Content,
    /// How often all of it must come yet, this time included.
    left: u32,
    times: u32,
    /// The number or byte of the content that comes next.
    place: usize,
    /// Offset of the next byte in the stream; `None` before the first look.
    offset: Option<u64>,
    /// Where it began.
    start: u64,
    bound: Vec<(String, Value)>,
}

#[derive(Debug)]
enum Content {
    Bytes(Vec<u8>),
    /// Numbers or matchers, without names.
    Numbers(Vec<Value>),
}

/// What came next of what is wanted.
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
            Self::Bytes(all) => format!("the bytes {}", words::bytes(all)),
            Self::Numbers(numbers) => {
                let numbers: Vec<_> = numbers.iter().map(wanted).collect();
                numbers.join(", ")
            }
        }
    }
}

impl Reading {
    /// # Errors
    /// The stream or a value has no name yet, or the bytes are none.
    pub(super) fn new(one: &Read, context: &Context, world: &World) -> Result<Self, String> {
        let (connection, stream) = world.stream_named(&one.stream)?;
        let content = match (&one.hex, &one.u32) {
            (Some(hex), None) => Content::Bytes(hex_bytes(hex)?),
            (None, Some(numbers)) => {
                let numbers = numbers.iter().map(|value| context.bindings.resolve(value));
                Content::Numbers(numbers.collect::<Result<_, _>>()?)
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err("a `read` needs either `hex` or `u32`".to_owned());
            }
        };
        if content.len() == 0 {
            return Err("a `read` of nothing".to_owned());
        }
        let times = one.times.unwrap_or(1);
        Ok(Self {
            connection,
            stream,
            content,
            left: times,
            times,
            place: 0,
            offset: None,
            start: 0,
            bound: Vec::new(),
        })
    }

    pub(super) fn look(
        &mut self,
        one: &Read,
        judge: &Judge<'_>,
        window: &Window,
        world: &mut World,
        is_alone: bool,
    ) -> Look {
        let Some(connection) = world.connections.get_mut(&self.connection) else {
            return Look::Unfair(format!("the connection of `{}` is forgotten", one.stream));
        };
        let how = connection.how();
        let ended = connection.ended.as_ref().map(|(moment, _)| *moment);
        let Some(stream) = connection.streams.get_mut(&self.stream) else {
            return Look::Unfair(format!("`{}` is forgotten", one.stream));
        };
        if self.offset.is_none() {
            self.start = stream.taken;
        }
        let mut offset = self.offset.unwrap_or(stream.taken);
        let times = match self.times {
            1 => String::new(),
            times => format!(", {times} times"),
        };
        let what = format!("{}{times} on `{}`", self.content.phrase(), one.stream);
        loop {
            match self.next(&one.bind, stream, offset) {
                Next::Missing => break,
                Next::AsWanted(moment) => {
                    self.place += 1;
                    offset += self.content.size() as u64;
                    self.offset = Some(offset);
                    if is_alone {
                        stream.take(offset);
                    }
                    if self.place == self.content.len() {
                        self.place = 0;
                        self.left = self.left.saturating_sub(1);
                    }
                    if self.left == 0 {
                        let text = self.told(format!("got {what}"));
                        let bound = std::mem::take(&mut self.bound);
                        return judge.came(window, moment, &what, text, bound);
                    }
                }
                Next::Other(moment, wanted, got) => {
                    let place = format!("at offset {offset} of `{}`", one.stream);
                    let (wanted, got) = (format!("{wanted} {place}"), format!("{got} {place}"));
                    return judge.instead(window, moment, &wanted, &got);
                }
            }
        }
        self.offset = Some(offset);
        stream.is_wanted = true;
        let got = self.part(stream, offset);
        match (stream.end, ended) {
            (Some((moment, end)), _) => {
                let got = format!("{got}, and `{}` {}", one.stream, words::stream_end(end));
                judge.instead(window, moment, &what, &got)
            }
            (None, Some(moment)) => {
                let how = how.unwrap_or_default();
                let got = format!("{got}, and the connection was {how}");
                judge.instead(window, moment, &what, &got).by_end()
            }
            (None, None) => judge.not_yet(window, &what, &got),
        }
    }

    /// What comes next of what is wanted. Numbers that have names are remembered.
    fn next(&mut self, names: &IndexMap<String, usize>, stream: &Stream, offset: u64) -> Next {
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
                        Next::Other(moment, words::bytes(rest), words::bytes(&got))
                    }
                }
            }
            Content::Numbers(numbers) => {
                let came = stream.from(offset, WORD);
                let number = came.first_chunk().copied().map(u32::from_le_bytes);
                let number = Value::from(number);
                let value = numbers.get(self.place).unwrap_or(&Value::Null);
                if !matcher::matches(value, Some(&number), &|_| None) {
                    let got = format!("{number} ({})", words::bytes(&came));
                    return Next::Other(moment, wanted(value), got);
                }
                for (name, place) in names {
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
            rest => format!(", the last of them {}", words::bytes(rest)),
        };
        format!(
            "only {count} of {whole} bytes from offset {} on{last}",
            self.start
        )
    }

    /// Takes what it has looked at.
    pub(super) fn take(&self, world: &mut World) {
        if let (Some(offset), Some(stream)) =
            (self.offset, world.stream(self.connection, self.stream))
        {
            stream.take(offset);
        }
        self.let_go(world);
    }

    pub(super) fn let_go(&self, world: &mut World) {
        if let Some(stream) = world.stream(self.connection, self.stream) {
            stream.is_wanted = false;
        }
    }

    /// What came, with the values that were remembered.
    fn told(&self, text: String) -> String {
        self.bound.iter().fold(text, |text, (name, value)| {
            format!("{text}; ${name} = {value}")
        })
    }
}

/// A number that is wanted, with its bytes.
fn wanted(value: &Value) -> String {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    match number {
        Some(number) => format!("{number} ({})", words::bytes(&number.to_le_bytes())),
        None => match value.get("present") == Some(&Value::Bool(true)) {
            true => "any number".to_owned(),
            false => matcher::phrase(value),
        },
    }
}
