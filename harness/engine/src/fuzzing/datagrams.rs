use serde_json::Map;
use shakedown_protocol::Protocol;
use shakedown_protocol::vocabulary::Vocabulary;

use super::bytes;
use crate::random::SeededRandom;

/// Most datagrams of a conversation that become templates.
const MAX_TEMPLATES: usize = 24;
/// Largest datagram that becomes a template, in bytes.
const MAX_TEMPLATE_BYTES: usize = 2_048;
/// Largest unstructured datagram, in bytes.
const MAX_RANDOM_BYTES: u32 = 512;
/// Largest value of an appended TLV, in bytes.
const MAX_TLV_VALUE: u32 = 12;

/// Mutates single datagrams: fields at their boundaries, TLVs appended, bytes changed. Templates are the datagrams
/// of a conversation, with its ids, and every frame of the protocol.
#[derive(Debug)]
pub struct DatagramMutator {
    protocol: &'static Protocol,
    random: SeededRandom,
    frames: Vec<Template>,
    sent: Vec<Template>,
    is_unstructured: bool,
}

/// A datagram with the offset and length of its fields, in bytes.
#[derive(Debug)]
struct Template {
    bytes: Vec<u8>,
    fields: Vec<(usize, usize)>,
}

impl DatagramMutator {
    /// A mutator with the frames of the protocol as templates.
    #[must_use]
    pub fn new(protocol: &'static Protocol, seed: u64) -> Self {
        let vocabulary = protocol.vocabulary;
        let plain = |frame: &&str| {
            let with = |name: &&str| {
                let fields = Map::from_iter([((*name).to_owned(), 1.into())]);
                vocabulary.encode(frame, &fields).ok()
            };
            // Some frames have a field without a default.
            let names = vocabulary.fields(frame).unwrap_or_default();
            let bytes = vocabulary.encode(frame, &Map::new()).ok();
            let mut bytes = bytes.or_else(|| names.iter().find_map(with))?;
            // Some frames need a payload.
            if vocabulary.decode(&bytes).is_err() {
                bytes.extend([0; 16]);
            }
            Some(bytes)
        };
        let frames = vocabulary.frames().iter().filter_map(plain);
        Self {
            protocol,
            random: SeededRandom::new(seed),
            frames: frames
                .map(|bytes| Template::of(vocabulary, bytes))
                .collect(),
            sent: Vec::new(),
            is_unstructured: false,
        }
    }

    /// A mutator that makes random bytes, as a baseline.
    #[must_use]
    pub fn unstructured(protocol: &'static Protocol, seed: u64) -> Self {
        Self {
            protocol,
            random: SeededRandom::new(seed),
            frames: Vec::new(),
            sent: Vec::new(),
            is_unstructured: true,
        }
    }

    /// Replaces the templates that are from a conversation.
    pub fn set_sent<'a>(&mut self, datagrams: impl Iterator<Item = &'a [u8]>) {
        let small = datagrams.filter(|datagram| datagram.len() <= MAX_TEMPLATE_BYTES);
        let bytes = small.take(MAX_TEMPLATES).map(<[u8]>::to_vec);
        self.sent = bytes
            .map(|bytes| Template::of(self.protocol.vocabulary, bytes))
            .collect();
    }

    /// The next datagram, at least one byte.
    pub fn next_datagram(&mut self) -> Vec<u8> {
        let random = &mut self.random;
        if self.is_unstructured {
            return bytes::random(random, MAX_RANDOM_BYTES);
        }
        let from = match self.sent.is_empty() || random.one_in(4) {
            true => &self.frames,
            false => &self.sent,
        };
        let Some(template) = from.get(random.below(from.len() as u32) as usize) else {
            return bytes::random(random, 64);
        };
        let mut datagram = template.bytes.clone();
        for _ in 0..=random.below(2) {
            match (random.below(8), template.fields.is_empty()) {
                (0, _) => bytes::mutate(random, &mut datagram),
                (1, _) => append_tlv(random, &mut datagram),
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
            return bytes::random(random, 64);
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

/// Appends a TLV, with its length or a wrong one.
fn append_tlv(random: &mut SeededRandom, datagram: &mut Vec<u8>) {
    let value = match random.one_in(3) {
        true => Vec::new(),
        false => bytes::number(random, random.clone().below(MAX_TLV_VALUE) as usize),
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
