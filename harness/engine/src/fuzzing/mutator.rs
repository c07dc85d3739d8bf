use serde_json::{Map, Value, json};
use shakedown_protocol::Protocol;

use super::{Conversation, bytes, http3, json_values};
use crate::random::SeededRandom;
use crate::shrink::tree::step_lists;
use crate::step::{Play, Step, Write};

/// Attempts to make a valid scenario.
const TRIES: u32 = 24;
/// Most steps of one list, and most bytes of a file.
const MAX_STEPS: usize = 80;
const MAX_BYTES: usize = 128 * 1024;
/// Longest inserted delay, in milliseconds.
const MAX_DELAY: u32 = 5;

#[derive(Debug)]
pub struct Mutator {
    protocol: &'static Protocol,
    random: SeededRandom,
    is_unstructured: bool,
}

impl Mutator {
    #[must_use]
    pub fn new(protocol: &'static Protocol, seed: u64) -> Self {
        Self {
            protocol,
            random: SeededRandom::new(seed),
            is_unstructured: false,
        }
    }

    /// A mutator that only replaces content by random bytes, as a baseline.
    #[must_use]
    pub fn unstructured(protocol: &'static Protocol, seed: u64) -> Self {
        Self {
            is_unstructured: true,
            ..Self::new(protocol, seed)
        }
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.random.below(u32::try_from(end).unwrap_or(u32::MAX)) as usize
    }

    /// Applies one to three mutations to `from`; spliced steps come from `other`. `None` if no attempt made a valid
    /// scenario.
    pub fn mutate(&mut self, from: &Conversation, other: &Conversation) -> Option<Conversation> {
        for _ in 0..TRIES {
            let mut value = from.value.clone();
            for _ in 0..=self.random.below(3) {
                self.mutate_once(&mut value, &other.value);
            }
            let mutated = Conversation::of(value).ok();
            let fits = |mutated: &Conversation| {
                mutated.value != from.value && mutated.text().len() <= MAX_BYTES
            };
            if let Some(mutated) = mutated.filter(fits) {
                return Some(mutated);
            }
        }
        None
    }

    fn mutate_once(&mut self, value: &mut Value, other: &Value) {
        let mut lists = step_lists(value);
        let at = self.below(lists.len());
        let list = lists.swap_remove(at);
        match self.random.below(8) {
            _ if self.is_unstructured => self.randomize(value, &list),
            0 | 1 => self.reorder(value, &list),
            2 => self.insert(value, &list, other),
            _ => self.mutate_stimulus(value, &list),
        }
    }

    /// Drops, repeats or swaps steps, or truncates the list.
    fn reorder(&mut self, value: &mut Value, list: &str) {
        let Some(steps) = steps(value, list) else {
            return;
        };
        if self.random.one_in(5) {
            steps.truncate(1 + self.random.below(steps.len() as u32) as usize);
        } else if steps.len() < MAX_STEPS {
            json_values::reorder(&mut self.random, steps);
        }
    }

    /// Inserts steps: a delay, steps of another conversation, HTTP/3 frames, or a stray action.
    fn insert(&mut self, value: &mut Value, list: &str, other: &Value) {
        let streams = names_of(value, &["stream", "session", "request"]);
        let sessions = names_of(value, &["session"]);
        let is_web = self
            .protocol
            .transport
            .is_some_and(|transport| transport.web);
        let Some(steps) = steps(value, list) else {
            return;
        };
        if steps.len() >= MAX_STEPS {
            return;
        }
        let at = self.below(steps.len() + 1);
        let new = match self.random.below(24) {
            0 => {
                let delay = 1 + self.random.below(MAX_DELAY);
                vec![json!({ "wait": { "for": format!("{delay}ms") } })]
            }
            1..8 => self.splice(other),
            8..16 if is_web => {
                let name = format!("web{}", self.below(1_000));
                http3::steps(&mut self.random, &sessions, &name)
            }
            _ => {
                // The stream of the step before is more likely to be in an interesting state.
                let near = steps[..at].last().and_then(|step| name_in(step, "stream"));
                let near = near.filter(|_| self.random.one_in(2));
                let streams = near.map_or(streams, |name| vec![name]);
                vec![self.stray_action(&streams)]
            }
        };
        let count = new.len();
        steps.splice(at..at, new);
        drop_writes_after_end(steps, at + count);
    }

    /// One to four consecutive steps of `other`.
    fn splice(&mut self, other: &Value) -> Vec<Value> {
        let steps = other.get("steps").and_then(Value::as_array);
        let steps = steps.map_or(&[][..], Vec::as_slice);
        let begin = self.below(steps.len().max(1));
        let end = begin + 1 + self.below(4);
        let chosen = steps.get(begin..end.min(steps.len()));
        chosen.unwrap_or_default().to_vec()
    }

    /// A frame, bytes, or an end of a stream or connection, at any place.
    fn stray_action(&mut self, streams: &[String]) -> Value {
        let content = match self.random.one_in(8) {
            true => String::new(),
            false => hex::encode(bytes::random(&mut self.random, 64)),
        };
        if self.protocol.transport.is_none() {
            let frames = self.protocol.vocabulary.frames();
            let frame = frames[self.below(frames.len())];
            return match self.random.one_in(2) {
                true => json!({ "send": { "frame": frame } }),
                false => json!({ "send_raw": { "hex": content } }),
            };
        }
        let code = http3::varint(&mut self.random);
        let name = match streams.len() {
            0 => "main".to_owned(),
            some => streams[self.below(some)].clone(),
        };
        match self.random.below(8) {
            0 => json!({ "fin": { "stream": name } }),
            1 => json!({ "reset": { "stream": name, "code": code } }),
            2 => json!({ "stop_sending": { "stream": name, "code": code } }),
            3 | 4 => json!({ "write": { "stream": name, "hex": content } }),
            5 => json!({ "send_datagram": { "hex": content } }),
            6 => json!({ "replace_frames": { "hex": self.quic_frame() } }),
            _ => json!({ "close": { "code": code } }),
        }
    }

    /// A QUIC frame of any type (RFC 9000, section 19; RFC 9221) followed by boundary integers, in hex.
    fn quic_frame(&mut self) -> String {
        let kind = self.random.below(0x32) as u8;
        let numbers = (0..self.random.below(4))
            .map(|_| http3::varint(&mut self.random))
            .collect::<Vec<_>>();
        let numbers = numbers.chunks(2).flat_map(|two| {
            shakedown_protocol::web::prefix(two[0], two.get(1).copied().unwrap_or(0))
        });
        hex::encode(std::iter::once(kind).chain(numbers).collect::<Vec<_>>())
    }

    /// Mutates what one of the steps sends.
    fn mutate_stimulus(&mut self, value: &mut Value, list: &str) {
        let protocol = self.protocol;
        let Some(steps) = steps(value, list) else {
            return;
        };
        let stimuli: Vec<_> = (0..steps.len())
            .filter(|n| is_stimulus(&steps[*n]))
            .collect();
        if stimuli.is_empty() {
            return;
        }
        let at = self.random.below(stimuli.len() as u32) as usize;
        let Some(step) = steps.get_mut(stimuli[at]) else {
            return;
        };
        let Some((verb, own)) = step.as_object_mut().and_then(|step| step.iter_mut().next()) else {
            return;
        };
        let frame = own.get("frame").and_then(Value::as_str).map(str::to_owned);
        match (frame, self.random.below(3)) {
            (Some(frame), 0) => self.set_field(own, &frame),
            (Some(frame), 1) if protocol.transport.is_none() => {
                if let Some(patched) = self.patched(own, &frame) {
                    *step = json!({ "mutate": patched });
                }
            }
            (Some(frame), 1) if verb == "write" => self.as_bytes(own, &frame),
            (_, 2) if verb == "write" && self.random.one_in(8) => {
                let end = json!({ "fin": { "stream": own.get("stream") } });
                *step = end;
            }
            (_, 2) if verb == "write" && self.random.one_in(2) => self.truncate(own),
            _ => json_values::mutate(&mut self.random, own),
        }
        drop_writes_after_end(steps, stimuli[at] + 1);
    }

    /// Replaces what one of the steps sends by random bytes.
    fn randomize(&mut self, value: &mut Value, list: &str) {
        let Some(steps) = steps(value, list) else {
            return;
        };
        let content = hex::encode(bytes::random(&mut self.random, 512));
        let at = self.below(steps.len());
        let is_datagram = self.protocol.transport.is_none();
        if is_datagram && is_stimulus(&steps[at]) {
            steps[at] = json!({ "send_raw": { "hex": content } });
        } else if let Some(own) = steps[at].get_mut("write").and_then(Value::as_object_mut) {
            own.shift_remove("frame");
            own.shift_remove("fields");
            own.insert("hex".to_owned(), content.into());
        }
    }

    /// Sets a field of a frame to a boundary value.
    fn set_field(&mut self, own: &mut Value, frame: &str) {
        let vocabulary = self.protocol.vocabulary;
        let known = vocabulary.fields(frame).unwrap_or_default();
        if known.is_empty() {
            return;
        }
        let name = known[self.below(known.len())];
        let number = bytes::boundary(&mut self.random, 1);
        let text = "a".repeat(self.below(300));
        let message = hex::encode(bytes::protobuf_field(&mut self.random));
        let mut candidates = [
            json!(number),
            json!(number & 0xffff_ffff),
            json!(number & 0xffff),
            json!(number & 0xff),
            json!(number & 1 == 1),
            json!({ "fill": "00", "length": number & 0xfff }),
            json!({ "hex": message }),
            json!(text),
        ];
        // The first value that can be encoded is used.
        let first = self.below(candidates.len());
        candidates.rotate_left(first);
        let fits = |value: &&Value| {
            let fields = Map::from_iter([(name.to_owned(), (*value).clone())]);
            vocabulary.encode(frame, &fields).is_ok()
        };
        let Some(value) = candidates.iter().find(fits) else {
            return;
        };
        let Some(own) = own.as_object_mut() else {
            return;
        };
        let fields = own.entry("fields").or_insert_with(|| json!({}));
        if let Some(fields) = fields.as_object_mut() {
            fields.insert(name.to_owned(), value.clone());
        }
    }

    /// The frame as the arguments of a `mutate` step, with one patch more.
    fn patched(&mut self, own: &Value, frame: &str) -> Option<Value> {
        let vocabulary = self.protocol.vocabulary;
        let encoded = self.encoded(own, frame)?;
        let names = vocabulary.fields(frame).unwrap_or_default();
        let place = names.get(self.below(names.len().max(1)));
        let place = place.and_then(|name| Some((*name, vocabulary.locate(frame, name, &encoded)?)));
        let random = &mut self.random;
        let length = encoded.len();
        let patch = match (place, random.below(5)) {
            (Some((name, (_, width))), 0 | 1) if width > 0 => {
                let number = bytes::number(random, width);
                json!({ "field": { "name": name, "hex": hex::encode(number) } })
            }
            (_, 2) if length > 1 => json!({ "truncate": random.below(length as u32) }),
            (_, 3) => json!({ "append": hex::encode(bytes::random(random, 1_500)) }),
            _ => {
                let offset = random.below(length.max(1) as u32) as usize;
                let width =
                    (1 + random.below(8) as usize).min(length.saturating_sub(offset).max(1));
                let number = bytes::number(random, width);
                json!({ "at": { "offset": offset, "hex": hex::encode(number) } })
            }
        };
        let mut patched = Map::new();
        for member in ["frame", "fields", "from"] {
            if let Some(value) = own.get(member) {
                patched.insert(member.to_owned(), value.clone());
            }
        }
        let patches = own.get("patches").and_then(Value::as_array);
        let mut patches = patches.cloned().unwrap_or_default();
        patches.push(patch);
        patched.insert("patches".to_owned(), patches.into());
        Some(patched.into())
    }

    /// Replaces a frame by its mutated bytes.
    fn as_bytes(&mut self, own: &mut Value, frame: &str) {
        let Some(mut encoded) = self.encoded(own, frame) else {
            return;
        };
        bytes::mutate(&mut self.random, &mut encoded);
        if let Some(own) = own.as_object_mut() {
            own.shift_remove("frame");
            own.shift_remove("fields");
            own.insert("hex".to_owned(), hex::encode(encoded).into());
        }
    }

    /// Truncates what is written, perhaps with FIN, or writes it byte by byte.
    fn truncate(&mut self, own: &mut Value) {
        let Ok(write) = serde_json::from_value::<Write>(own.clone()) else {
            return;
        };
        let numbers = write.u32.iter().flatten();
        let numbers = numbers.map(|number| number.as_u64().unwrap_or(1) as u32);
        let content = match (&write.hex, &write.frame) {
            (Some(hex), _) => shakedown_protocol::hex::parse(hex).ok(),
            (None, Some(frame)) => self.encoded(own, frame),
            (None, None) => Some(numbers.flat_map(u32::to_le_bytes).collect()),
        };
        let Some(mut content) = content.filter(|content| !content.is_empty()) else {
            return;
        };
        let keeps = self.below(content.len());
        let Some(own) = own.as_object_mut() else {
            return;
        };
        if self.random.one_in(4) {
            let pieces = vec![1; content.len().saturating_sub(1).min(16)];
            own.insert("pieces".to_owned(), pieces.into());
            return;
        }
        content.truncate(keeps.max(1));
        for member in ["frame", "fields", "u32", "pieces", "apart"] {
            own.shift_remove(member);
        }
        own.insert("hex".to_owned(), hex::encode(content).into());
        own.insert("fin".to_owned(), self.random.one_in(2).into());
    }

    /// The encoded frame, with defaults in place of values that are known only at run time.
    fn encoded(&self, own: &Value, frame: &str) -> Option<Vec<u8>> {
        let given = own.get("fields").and_then(Value::as_object).cloned();
        let mut fields = given.unwrap_or_default();
        fields.retain(|_, value| !value.to_string().contains("\"$"));
        self.protocol.vocabulary.encode(frame, &fields).ok()
    }
}

/// The steps of a list, if there are any.
fn steps<'a>(value: &'a mut Value, list: &str) -> Option<&'a mut Vec<Value>> {
    let steps = value.pointer_mut(list).and_then(Value::as_array_mut);
    steps.filter(|steps| !steps.is_empty())
}

/// Drops writes on a stream after the step `after - 1` that ends it.
fn drop_writes_after_end(steps: &mut Vec<Value>, after: usize) {
    let own = |step: &Value| {
        let (verb, own) = step.as_object()?.iter().next()?;
        Some((verb.clone(), own.clone()))
    };
    let last = after.checked_sub(1).and_then(|last| own(steps.get(last)?));
    let Some((verb, ending)) = last else {
        return;
    };
    let ends = matches!(verb.as_str(), "fin" | "reset") || ending.get("fin") == Some(&true.into());
    let stream = ending.get("stream");
    if !ends || stream.is_none() {
        return;
    }
    let mut place = 0;
    steps.retain(|step| {
        place += 1;
        let is_kept = own(step).is_none_or(|(verb, own)| {
            !matches!(verb.as_str(), "write" | "fin" | "reset") || own.get("stream") != stream
        });
        place <= after || is_kept
    });
}

/// Whether a step sends something, or acts on a stream or a connection.
fn is_stimulus(step: &Value) -> bool {
    let step = serde_json::from_value::<Step>(step.clone());
    step.is_ok_and(|step| matches!(step.play(), Play::Sends(..) | Play::StreamAction(_)))
}

/// The names in these members of all steps, sorted.
fn names_of(value: &Value, members: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for list in step_lists(value) {
        let steps = value.pointer(&list).and_then(Value::as_array);
        for step in steps.into_iter().flatten() {
            names.extend(members.iter().filter_map(|member| name_in(step, member)));
        }
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn name_in(step: &Value, member: &str) -> Option<String> {
    let mut own = step.as_object()?.values();
    own.find_map(|own| own.get(member)?.as_str().map(str::to_owned))
}
