//! What START asks for and START_ACK grants.

use crate::StreamParameters;
use crate::mediastream::frame::tlv::{Tlvs, kind};

/// The parameters of one frame; absent ones mean "as you like".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Parameters {
    frame_rate: Option<u32>,
    /// Bits per second.
    bit_rate: Option<u64>,
    stream_length: Option<u32>,
    /// Milliseconds.
    buffer_depth: Option<u32>,
    pub(super) max_datagram: Option<u32>,
}

/// Where it is known from what is streamed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Agreed {
    /// From the settings, if at all.
    #[default]
    Configured,
    /// Nothing is known: what was agreed did not show.
    Unknown,
    Here(StreamParameters),
}

impl Parameters {
    pub(super) fn new(tlvs: &Tlvs<'_>) -> Self {
        Self {
            frame_rate: tlvs.u32(kind::FRAME_RATE),
            bit_rate: tlvs.u64(kind::BIT_RATE),
            stream_length: tlvs.u32(kind::STREAM_LENGTH),
            buffer_depth: tlvs.u32(kind::BUFFER_DEPTH),
            max_datagram: tlvs.u32(kind::MAX_DATAGRAM),
        }
    }

    /// Turns round what makes sense big-endian only (MS-W-01); the name of the first such.
    pub(super) fn swap_back(&mut self) -> Option<&'static str> {
        let short = |value: &mut Option<u32>, most: u32| {
            let meant = value.filter(|value| *value >= 1 << 24).map(u32::swap_bytes);
            let meant = meant.filter(|meant| (1..=most).contains(meant));
            *value = meant.or(*value);
            meant.is_some()
        };
        let rate = short(&mut self.frame_rate, 1_000);
        let length = short(&mut self.stream_length, 0xffff);
        let bits = self.bit_rate.filter(|bits| *bits >= 1 << 40);
        let bits = bits.map(u64::swap_bytes);
        let bits = bits.filter(|bits| (1..1 << 40).contains(bits));
        self.bit_rate = bits.or(self.bit_rate);
        let swapped = [rate, bits.is_some(), length];
        let mut named = self.values().into_iter().zip(swapped);
        named.find_map(|((name, _), is_swapped)| is_swapped.then_some(name))
    }

    /// The first that grants more than `asked` did: its name, what was asked and what is granted.
    pub(super) fn above(&self, asked: &Self) -> Option<(&'static str, u64, u64)> {
        let mut pairs = self.values().into_iter().zip(asked.values());
        pairs.find_map(|((name, own), (_, asked))| {
            let (own, asked) = own.zip(asked)?;
            (own > asked).then_some((name, asked, own))
        })
    }

    /// The first of those that describe the stream which was asked and is not granted.
    pub(super) fn missing(&self, asked: &Self) -> Option<&'static str> {
        let pairs = self.values().into_iter().zip(asked.values());
        let mut of_the_stream = pairs.take(3);
        of_the_stream.find_map(|((name, own), (_, asked))| {
            (asked.is_some() && own.is_none()).then_some(name)
        })
    }

    /// What is streamed: as granted, else as asked, else as configured.
    pub(super) fn agreed(&self, asked: Option<&Self>, own: Option<StreamParameters>) -> Agreed {
        let rate = self.frame_rate.or_else(|| asked?.frame_rate);
        let bits = self.bit_rate.or_else(|| asked?.bit_rate);
        let length = self.stream_length.or_else(|| asked?.stream_length);
        let rate = rate.or_else(|| own.map(|own| own.frames_per_second));
        let bits = bits.or_else(|| own.map(|own| own.bits_per_second));
        let length = length.or_else(|| own.map(|own| own.seconds));
        match (rate.filter(|rate| *rate > 0), bits, length) {
            (Some(frames_per_second), Some(bits_per_second), Some(seconds)) => {
                Agreed::Here(StreamParameters {
                    bits_per_second,
                    frames_per_second,
                    seconds,
                })
            }
            _ => Agreed::Unknown,
        }
    }

    /// By their names; the first three describe the stream.
    fn values(&self) -> [(&'static str, Option<u64>); 5] {
        [
            ("FrameRate", self.frame_rate.map(u64::from)),
            ("BitRate", self.bit_rate),
            ("StreamLength", self.stream_length.map(u64::from)),
            ("BufferDepth", self.buffer_depth.map(u64::from)),
            ("MaxDatagram", self.max_datagram.map(u64::from)),
        ]
    }
}
