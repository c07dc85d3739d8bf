use serde_json::Map;
use shakedown_protocol::Protocol;
use shakedown_protocol::vocabulary::Vocabulary;

use super::bytes;
use crate::random::SeededRandom;

/// Datagrams of a conversation that are gone on from.
const MOST_LEARNED: usize = 24;
/// Most bytes of one of them.
const LONGEST: usize = 2_048;
/// Most bytes of a datagram of which nothing is known.
const LONGEST_RAW: u32 = 512;
/// Most bytes of the value of an extension that is put behind.
const MOST_VALUE: u32 = 12;

/// Datagrams that are damaged by their forms, many thousands a second: fields at their boundaries, extensions put
/// behind, bytes damaged. They are made of what was said in a conversation, with its ids, and of every frame
/// that the protocol has.
#[derive(Debug)]
pub struct Volley {
    protocol: &'static Protocol,
    random: SeededRandom,
    usual: Vec<Template>,
    learned: Vec<Template>,
    is_unstructured: bool,
}

/// A datagram, and where its fields stand: offset and length in bytes.
#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    fields: Vec<(usize, usize)>,
}

impl Volley {
    /// What the frames of a protocol are where nothing else is known of them.
    #[must_use]
    pub fn new(protocol: &'static Protocol, seed: u64) -> Self {
        let vocabulary = protocol.vocabulary;
        let plain = |frame: &&str| {
            let with = |name: &&str| {
                let fields = Map::from_iter([((*name).to_owned(), 1.into())]);
                vocabulary.encode(frame, &fields).ok()
            };
            // Some have a field without a usual value.
            let names = vocabulary.fields(frame).unwrap_or_default();
            let bytes = vocabulary.encode(frame, &Map::new()).ok();
            let mut bytes = bytes.or_else(|| names.iter().find_map(with))?;
            // Some are none without a payload.
            if vocabulary.decode(&bytes).is_err() {
                bytes.extend([0; 16]);
            }
            Some(bytes)
        };
        let frames = vocabulary.frames().iter().filter_map(plain);
        Self {
            protocol,
            random: SeededRandom::new(seed),
            usual: frames
                .map(|bytes| Template::of(vocabulary, bytes))
                .collect(),
            learned: Vec::new(),
            is_unstructured: false,
        }
    }

    /// Any bytes.
    #[must_use]
    pub fn unstructured(protocol: &'static Protocol, seed: u64) -> Self {
        Self {
            protocol,
            random: SeededRandom::new(seed),
            usual: Vec::new(),
            learned: Vec::new(),
            is_unstructured: true,
        }
    }

    /// Goes on from what was said in another conversation.
    pub fn learn<'a>(&mut self, said: impl Iterator<Item = &'a [u8]>) {
        let said = said.filter(|datagram| datagram.len() <= LONGEST);
        let said = said.take(MOST_LEARNED).map(<[u8]>::to_vec);
        self.learned = said
            .map(|bytes| Template::of(self.protocol.vocabulary, bytes))
            .collect();
    }

    /// The next datagram; never an empty one.
    pub fn datagram(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        if self.is_unstructured {
            return bytes::any(random, LONGEST_RAW);
        }
        let from = match self.learned.is_empty() || random.one_in(4) {
            true => &self.usual,
            false => &self.learned,
        };
        let Some(template) = from.get(random.below(from.len() as u32) as usize) else {
            return bytes::any(random, 64);
        };
        let mut datagram = template.bytes.clone();
        for _ in 0..=random.below(2) {
            match (random.below(8), template.fields.is_empty()) {
                (0, _) => bytes::damage(random, &mut datagram),
                (1, _) => extend(random, &mut datagram),
                (2..=6, false) => {
                    let place = random.below(template.fields.len() as u32) as usize;
                    let (offset, width) = template.fields[place];
                    let end = (offset + width).min(datagram.len());
                    if let Some(field) = datagram.get_mut(offset..end) {
                        let number = bytes::number(random, field.len());
                        field.copy_from_slice(&number);
                    }
                }
                _ => {}
            }
        }
        if datagram.is_empty() {
            return bytes::any(random, 64);
        }
        datagram
    }
}

impl Template {
    fn of(vocabulary: &dyn Vocabulary, bytes: Vec<u8>) -> Self {
        let described = vocabulary.decode(&bytes).ok().flatten();
        let fields = described.map_or(Vec::new(), |described| {
            let names = vocabulary.fields(described.frame).unwrap_or_default();
            let places = names.iter();
            places
                .filter_map(|name| vocabulary.locate(described.frame, name, &bytes))
                .filter(|(_, width)| *width > 0)
                .collect()
        });
        Self { bytes, fields }
    }
}

/// Puts an extension behind: type, length and value, or a length that is not its own.
fn extend(random: &mut SeededRandom, datagram: &mut Vec<u8>) {
    let value = match random.one_in(3) {
        true => Vec::new(),
        false => bytes::number(random, random.clone().below(MOST_VALUE) as usize),
    };
    let kind = match random.one_in(3) {
        true => bytes::number(random, 2),
        false => (random.below(16) as u16).to_le_bytes().to_vec(),
    };
    let length = match random.one_in(4) {
        true => bytes::number(random, 2),
        false => (value.len() as u16).to_le_bytes().to_vec(),
    };
    datagram.extend([kind, length, value].concat());
}
