//! Bytes of a stream that a step waits for.

use serde_json::Value;
use shakedown_protocol::streams::{ConnectionNumber, StreamId};

use crate::scenario::streams::Read;
use crate::script::context::Context;
use crate::script::matcher;
use crate::script::window::Window;

use super::hex_bytes;
use super::wait::{Judge, Look};
use super::words;
use super::world::World;

/// Length of a number on a stream.
const WORD: usize = 4;

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
        let now = world.moment(window.start);
        let Some(connection) = world.connections.get_mut(&self.connection) else {
            return Look::Unfair(format!("the connection of `{}` is forgotten", one.stream));
        };
        let how = connection.how();
        let ended = connection.ended.as_ref().map(|(moment, _)| *moment);
        let Some(stream) = connection.streams.get_mut(&self.stream) else {
            return Look::Pending;
        };
        let mut offset = *self.offset.get_or_insert(stream.taken);
        if self.left == self.times && self.place == 0 {
            self.start = offset;
        }
        let times = match self.times {
            1 => String::new(),
            times => format!(", {times} times"),
        };
        let expected = format!("{}{times} on `{}`", self.content.phrase(), one.stream);
        while self.left > 0 {
            if self.place == self.content.len() {
                self.place = 0;
                self.left -= 1;
                continue;
            }
            let size = self.content.size();
            let came: Vec<u8> = (offset..offset + size as u64)
                .map_while(|offset| stream.byte(offset))
                .collect();
            if came.len() < size {
                break;
            }
            let moment = stream.came(offset + size as u64 - 1).unwrap_or(now);
            let (is_it, wanted, got) = match &self.content {
                Content::Bytes(bytes) => {
                    let wanted = bytes.get(self.place).copied().unwrap_or_default();
                    let got: Vec<u8> = (offset..offset + 32)
                        .map_while(|offset| stream.byte(offset))
                        .collect();
                    let rest = bytes.get(self.place..).unwrap_or_default();
                    (came == [wanted], words::bytes(rest), words::bytes(&got))
                }
                Content::Numbers(numbers) => {
                    let number = came.first_chunk().copied().map(u32::from_le_bytes);
                    let number = Value::from(number.unwrap_or_default());
                    let value = numbers.get(self.place).unwrap_or(&Value::Null);
                    for (name, place) in &one.bind {
                        if *place == self.place {
                            self.bound.retain(|(bound, _)| bound != name);
                            self.bound.push((name.clone(), number.clone()));
                        }
                    }
                    (
                        matcher::matches(value, Some(&number), &|_| None),
                        self::wanted(value),
                        format!("{number} ({})", words::bytes(&came)),
                    )
                }
            };
            if !is_it {
                let place = format!("at offset {offset} of `{}`", one.stream);
                let (expected, got) = (format!("{wanted} {place}"), format!("{got} {place}"));
                return judge.instead(window, moment, &expected, &got);
            }
            self.place += 1;
            offset += size as u64;
            self.offset = Some(offset);
            if is_alone {
                stream.take(offset);
            }
            if self.left == 1 && self.place == self.content.len() {
                let text = format!("got {}{times} on `{}`", self.content.phrase(), one.stream);
                let text = self.told(text);
                let bound = std::mem::take(&mut self.bound);
                return judge.came(window, moment, &expected, text, bound);
            }
        }
        stream.is_wanted = true;
        let rest: Vec<u8> = (offset..offset + 64)
            .map_while(|offset| stream.byte(offset))
            .collect();
        let whole = self.content.len() * self.content.size() * self.times as usize;
        let count = offset + rest.len() as u64 - self.start;
        let got = match (count, rest.as_slice()) {
            (0, _) => "nothing".to_owned(),
            (count, []) => format!("only {count} of {whole} bytes"),
            (count, rest) => {
                let rest = words::bytes(rest);
                format!("only {count} of {whole} bytes, the last of them {rest}")
            }
        };
        let got = match count {
            0 => got,
            _ => format!("{got}, from offset {} on", self.start),
        };
        match (stream.end, ended) {
            (Some((moment, end)), _) => {
                let got = format!("{got}, and `{}` {}", one.stream, words::stream_end(end));
                judge.instead(window, moment, &expected, &got)
            }
            (None, Some(moment)) => {
                let how = how.unwrap_or_default();
                let got = format!("{got}, and the connection was {how}");
                judge.instead(window, moment, &expected, &got).by_end()
            }
            (None, None) => judge.not_yet(window, &expected, &got),
        }
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
