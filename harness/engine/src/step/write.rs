use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::prelude::streams::*;
use super::prelude::*;

/// How long it waits for the transport to take it after its last piece.
const TAKING: Duration = Duration::from_millis(200);
/// Most bytes of one step, and most that may wait to be sent on a stream.
const MOST_WRITTEN: usize = 16 << 20;
/// Most pieces of one step.
const MOST_PIECES: u32 = 4_096;
/// Time from one piece to the next where the step gives none.
const APART: Duration = Duration::from_millis(50);

/// Bytes to send on a stream: `hex`, `u32` or a `frame`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The stream.
    pub stream: String,
    /// The bytes in hexadecimal; spaces are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// Numbers of four bytes each, little-endian: values, `"$name"` or `{"sum": [..]}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub u32: Option<Vec<Value>>,
    /// A frame by its name, with `fields`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    /// The fields of the frame.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
    /// Lengths in bytes of the pieces in which they leave, with `apart` between them; what the
    /// lengths leave over is the last piece. All at once if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pieces: Vec<usize>,
    /// Time from one piece to the next; 50 ms if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<Span>,
    /// How often they are sent in a row; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Whether the stream ends after them (FIN), in the same frame where QUIC can.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fin: bool,
}

impl Write {
    /// The pauses between its pieces: how many there are at least and at most, and how long each is.
    /// What the lengths of the pieces leave over may be a piece or nothing.
    fn pauses(&self) -> (u32, u32, Span) {
        let pieces = u32::try_from(self.pieces.len()).unwrap_or(u32::MAX);
        let times = self.times.unwrap_or(1);
        let (least, most) = match pieces {
            0 => (0, 0),
            _ => (
                pieces.saturating_mul(times).saturating_sub(1),
                pieces.saturating_add(1).saturating_mul(times),
            ),
        };
        (least, most, self.apart.unwrap_or(Span::fixed(APART)))
    }

    fn check_pieces(&self, length: usize, check: &mut Checker<'_>, inside: &Pointer) {
        let place = inside.key("pieces");
        for (index, piece) in self.pieces.iter().enumerate() {
            if *piece == 0 {
                let help = Some("remove it".to_owned());
                check.at(&place.index(index), "this piece is empty", help);
            }
        }
        let (_, pauses, _) = self.pauses();
        if pauses > MOST_PIECES {
            let message = format!("up to {pauses} pieces are too many for one step");
            let help = format!("at most {MOST_PIECES} pieces are written by one");
            check.at(&place, message, Some(help));
        }
        let whole = self.pieces.iter().copied().fold(0, usize::saturating_add);
        if whole > length {
            let message = format!("the pieces have {whole} bytes, and {length} are written");
            let help = "what the lengths leave over is the last piece".to_owned();
            check.at(&place, message, Some(help));
        }
        if self.pieces.is_empty() && self.apart.is_some() {
            let message = "there are no pieces between which time could go by";
            let help = "give their lengths in `pieces`, or remove this".to_owned();
            check.at_key(&inside.key("apart"), message, Some(help));
        }
    }
}

impl Verb for Write {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.not_zero(self.times.map(u64::from), &inside.key("times"));
        let length = match &self.frame {
            None => check.content(self.hex.as_deref(), self.u32.as_deref(), inside),
            Some(_) if self.hex.is_some() || self.u32.is_some() => {
                let help = Some("take two steps".to_owned());
                let message = "`frame` excludes `hex` and `u32`";
                return check.at_key(&inside.key("frame"), message, help);
            }
            Some(frame) => check
                .sent(frame, &self.fields, inside)
                .map(|bytes| bytes.len()),
        };
        for (index, value) in self.u32.iter().flatten().enumerate() {
            check.number(value, &inside.key("u32").index(index));
        }
        let Some(length) = length else {
            return;
        };
        if length == 0 {
            let help = match self.fin {
                true => "`fin` ends a stream without bytes",
                false => "remove the step",
            };
            return check.at_key(inside, "nothing is written", Some(help.to_owned()));
        }
        let times = usize::try_from(self.times.unwrap_or(1)).unwrap_or(usize::MAX);
        if length.saturating_mul(times) > MOST_WRITTEN {
            let message = format!("{length} bytes {times} times are too many for one step");
            let help = "at most 16 MiB are written at once".to_owned();
            check.at(&inside.key("times"), message, Some(help));
        }
        self.check_pieces(length, check, inside);
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_write(&self.stream, inside, self.fin, &mut state.names);
        check.uses_in(self.u32.as_deref(), &inside.key("u32"), state);
        check.uses_of(&self.fields, inside, state);
    }

    fn in_words(&self) -> String {
        let content = match &self.frame {
            Some(frame) => format!("{frame}{}", words::with_fields(&self.fields)),
            None => words::content(self.hex.as_deref(), self.u32.as_deref()),
        };
        let times = self.times.map(words::times).unwrap_or_default();
        let pieces: Vec<_> = self.pieces.iter().map(ToString::to_string).collect();
        let pieces = match pieces.as_slice() {
            [] => String::new(),
            pieces => format!(", in pieces of {} bytes and the rest", pieces.join(", ")),
        };
        let fin = if self.fin { ", and end it" } else { "" };
        let stream = &self.stream;
        format!("write {content} on `{stream}`{times}{pieces}{fin}")
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        let (_, most, each) = self.pauses();
        pace.stretched(&each).saturating_mul(most)
    }

    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        let (least, _, each) = self.pauses();
        pace.exactly(&each).saturating_mul(least)
    }
}

impl StreamAction for Write {
    fn subject(&self) -> Subject<'_> {
        Subject::Stream(&self.stream, Access::Acts)
    }

    fn sends(&self) -> bool {
        true
    }

    fn act(&self, start: &Start<'_>, _: &mut Connections) -> Result<ActionResult, String> {
        let (connection, stream) = start.target.stream()?;
        let mut numbers = Vec::new();
        let bytes = match (&self.hex, &self.u32) {
            (None, None) if self.frame.is_some() => {
                let frame = self.frame.as_deref().unwrap_or_default();
                send::typed(frame, &self.fields, start.context)?
            }
            (Some(hex), None) => send::hex(hex)?,
            (None, Some(values)) => {
                let mut bytes = Vec::new();
                for value in values {
                    let value = start.context.bindings.resolve(value)?;
                    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
                    let Some(number) = number else {
                        return Ok(ActionResult::Unfit(format!(
                            "{value} does not fit into 32 bits"
                        )));
                    };
                    numbers.push(number.to_string());
                    bytes.extend(number.to_le_bytes());
                }
                bytes
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err("a `write` needs `hex`, `u32` or `frame`".to_owned());
            }
        };
        let times = self.times.unwrap_or(1);
        let count = times as usize;
        if bytes.len().saturating_mul(count) > MOST_WRITTEN {
            return Err("more than 16 MiB are written at once".to_owned());
        }
        let pieces = match self.pieces.as_slice() {
            [] => VecDeque::from([bytes.repeat(count)]),
            lengths => {
                let once = split(&bytes, lengths);
                std::iter::repeat_n(once, count).flatten().collect()
            }
        };
        let shown = match numbers.as_slice() {
            [] if self.frame.is_some() => self.frame.clone().unwrap_or_default(),
            [] => describe::bytes(&bytes),
            numbers => format!("{} ({})", numbers.join(", "), describe::bytes(&bytes)),
        };
        let repeated = match times {
            1 => String::new(),
            times => words::times(times),
        };
        let end = if self.fin { ", and its end" } else { "" };
        let (_, _, apart) = self.pauses();
        Ok(ActionResult::Goes(Box::new(Writing {
            connection,
            stream,
            pieces,
            apart: resolve(&apart, &start.context.environment),
            ends: self.fin,
            due: start.at,
            text: format!("wrote {shown}{repeated} on `{}`{end}", self.stream),
        })))
    }
}

/// A write on its way.
#[derive(Debug)]
struct Writing {
    connection: ConnectionNumber,
    stream: StreamId,
    pieces: VecDeque<Vec<u8>>,
    apart: Duration,
    ends: bool,
    /// When the next piece leaves; after the last, until when it waits to be taken.
    due: Duration,
    text: String,
}

impl OngoingAction for Writing {
    fn due(&self) -> Duration {
        self.due
    }

    fn go_on(
        &mut self,
        now: Duration,
        mark: &mut Duration,
        connections: &mut Connections,
    ) -> Progress {
        let (number, id) = (self.connection, self.stream);
        let connection = connections.by_number.get(&number);
        let is_over = connection.is_none_or(|connection| connection.ended.is_some());
        if is_over && !self.pieces.is_empty() {
            return Progress::Ended;
        }
        while now >= self.due
            && let Some(piece) = self.pieces.pop_front()
        {
            *mark = now.max(*mark);
            let Some(stream) = connections.stream(number, id) else {
                return Progress::Broken("the stream is forgotten".to_owned());
            };
            let waits: usize = stream.unwritten.iter().sum();
            if waits + piece.len() > MOST_WRITTEN {
                return Progress::Unfit("16 MiB wait to be sent".to_owned());
            }
            if !piece.is_empty() {
                stream.unwritten.push_back(piece.len());
                connections.ask(Output::Write(number, id, piece));
            }
            let is_last = self.pieces.is_empty();
            if is_last && self.ends {
                connections.ask(Output::Fin(number, id));
            }
            let pause = if is_last { TAKING } else { self.apart };
            self.due = now.saturating_add(pause);
        }
        let stream = connections.stream(number, id);
        let is_taken = stream.is_none_or(|stream| stream.unwritten.is_empty());
        match self.pieces.is_empty() && (is_taken || is_over || now >= self.due) {
            true => Progress::Done(std::mem::take(&mut self.text)),
            false => Progress::On,
        }
    }
}

/// Bytes in pieces of these lengths, and the rest.
fn split(bytes: &[u8], lengths: &[usize]) -> Vec<Vec<u8>> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for length in lengths {
        let (piece, others) = rest.split_at(rest.len().min(*length));
        pieces.push(piece.to_vec());
        rest = others;
    }
    pieces.push(rest.to_vec());
    pieces.retain(|piece| !piece.is_empty());
    pieces
}
