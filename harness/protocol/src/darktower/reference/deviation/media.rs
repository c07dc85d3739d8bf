//! What faulty twins make of media.

use std::borrow::Cow;

use shakedown_wire::{DecodeError, Fault, Rule};

use super::{Deviation, Deviations};
use crate::darktower::{FrameHeader, MAX_PAYLOAD, MediaItem, StreamCode, StreamHeader};

/// Where the StreamId and the Timestamp of a frame begin, and where its SequenceNumber is.
const ID: usize = 2;
const TIME: usize = 18;
const NUMBER: std::ops::Range<usize> = 26..34;
/// The lower byte of the Flags of a frame.
const FLAGS: usize = 39;
/// Where a stream header has its codec.
const CODEC: usize = 22;

/// What a twin passes over, by the field that is wrong.
const PASSED_OVER: [(Deviation, &str); 3] = [
    (Deviation::AnyStreamType, "StreamType"),
    (Deviation::AnyFrameType, "FrameType"),
    (Deviation::AnyStreamId, "StreamId"),
];

impl Deviations {
    /// A frame's header as a client sends it.
    pub(in super::super) fn sent(self, header: &mut FrameHeader<'_>) {
        let number = header.sequence_number;
        if self.has(Deviation::OtherId) {
            header.stream_id = &[0xff; 16];
        }
        if self.has(Deviation::NumbersStand) {
            header.sequence_number = 0;
        }
        if self.has(Deviation::NumbersJump) && number > 1 {
            header.sequence_number = number + 1;
        }
        if self.has(Deviation::NumbersBeginAtTwo) {
            header.sequence_number = number + 2;
        }
        if self.has(Deviation::TimeFalls) {
            header.timestamp = header.timestamp.saturating_sub(number * 1_000_000);
        }
        if self.has(Deviation::OtherType) {
            header.frame_type = u8::from(header.frame_type == 0);
        }
        if self.has(Deviation::DeltaFirst) && number == 0 && header.frame_type == 1 {
            header.frame_type = 2;
        }
    }

    /// A frame as who subscribes to it gets it, if it does.
    pub(in super::super) fn copied(self, frame: &[u8]) -> Option<Cow<'_, [u8]>> {
        let payload = frame.get(FrameHeader::LENGTH..).unwrap_or_default();
        let is_dropped = (self.has(Deviation::FrameLost) && number(frame) == Some(2))
            || (self.has(Deviation::EmptyDropped) && payload.is_empty())
            || (self.has(Deviation::RandomDropped) && payload.first() == Some(&0xff));
        if is_dropped {
            return None;
        }
        let mut copy = Cow::Borrowed(frame);
        let mut change = |fault, place, to: &dyn Fn(u8) -> u8| {
            if self.has(fault)
                && let Some(byte) = copy.to_mut().get_mut(place)
            {
                *byte = to(*byte);
            }
        };
        change(Deviation::OtherId, ID, &|byte| !byte);
        for place in NUMBER {
            change(Deviation::NumbersStand, place, &|_| 0);
        }
        let later = number(frame).is_some_and(|number| number > 0);
        if later {
            change(Deviation::TimeFalls, TIME + 1, &|_| 0);
        }
        change(Deviation::FlagsCleared, FLAGS, &|_| 0);
        change(Deviation::OtherType, 1, &|kind| u8::from(kind == 0));
        if !payload.is_empty() {
            change(Deviation::PayloadChanged, frame.len() - 1, &|byte| !byte);
        }
        Some(copy)
    }

    /// Whether a frame waits for the next one.
    pub(in super::super) fn holds(self, frame: &[u8]) -> bool {
        self.has(Deviation::FramesSwapped) && number(frame) == Some(1)
    }

    /// A stream header as it is sent.
    pub(in super::super) fn header(self, header: &[u8]) -> Cow<'_, [u8]> {
        if self.has(Deviation::NoHeader) {
            return Cow::Borrowed(&[]);
        }
        let mut header = Cow::Borrowed(header);
        if self.has(Deviation::HeaderChanged)
            && let Some(byte) = header.to_mut().get_mut(CODEC)
        {
            *byte = !*byte;
        }
        header
    }

    /// A frame as it is sent in a datagram.
    pub(in super::super) fn datagram(self, frame: &[u8]) -> &[u8] {
        match frame.split_last() {
            Some((_, rest)) if self.has(Deviation::CutDatagram) => rest,
            _ => frame,
        }
    }

    /// The code with which a stream is broken off on which this is wrong, if it is.
    pub(in super::super) fn code(self, wrong: &DecodeError) -> Option<StreamCode> {
        let is_header = wrong.offset < StreamHeader::LENGTH;
        let version = match is_header {
            true => Deviation::AnyStreamVersion,
            false => Deviation::AnyFrameVersion,
        };
        let cut = matches!(wrong.fault, Fault::Truncated { .. });
        let large = matches!(
            wrong.fault,
            Fault::Invalid {
                rule: Rule::Length,
                ..
            }
        );
        let mut passed_over = PASSED_OVER.into_iter();
        let is_passed_over = (cut && self.has(Deviation::CutFrame))
            || (large && self.has(Deviation::LargeTaken))
            || (wrong.field == "Version" && self.has(version))
            || passed_over.any(|(fault, field)| wrong.field == field && self.has(fault));
        match StreamCode::of(wrong) {
            _ if is_passed_over => None,
            StreamCode::QuotaExceeded if self.has(Deviation::LargeIsFormat) => {
                Some(StreamCode::InvalidFormat)
            }
            StreamCode::InvalidFormat if self.has(Deviation::FormatIsQuota) => {
                Some(StreamCode::QuotaExceeded)
            }
            code => Some(code),
        }
    }

    /// The code with which a stream is broken off for what is right.
    pub(in super::super) fn objects(self, item: &MediaItem<'_>) -> Option<StreamCode> {
        let reserved = match item {
            MediaItem::Header(header) => header.reserved,
            MediaItem::Frame(header, _) => header.reserved,
        };
        if self.has(Deviation::ReservedIsRead) && *reserved != [0; 6] {
            return Some(StreamCode::InvalidFormat);
        }
        let is_large =
            matches!(item, MediaItem::Frame(frame, _) if frame.payload_length == MAX_PAYLOAD);
        (is_large && self.has(Deviation::LargestRefused)).then_some(StreamCode::QuotaExceeded)
    }
}

/// The SequenceNumber of a frame.
fn number(frame: &[u8]) -> Option<u64> {
    let bytes = frame.get(NUMBER)?.first_chunk()?;
    Some(u64::from_be_bytes(*bytes))
}
