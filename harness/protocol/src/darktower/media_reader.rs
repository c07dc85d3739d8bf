use shakedown_wire::{DecodeError, Reader, Rule, planted};

use super::frame::{FRAME, FrameHeader, STREAM_HEADER, StreamHeader};
use super::items::Items;
use crate::vocabulary::{Described, describe};

/// Reads a source of media on its stream, however its bytes are cut: the stream header, then frames
/// without gaps (DT-M-04).
#[derive(Debug, Clone, Default)]
pub struct MediaReader {
    /// The stream header's, once it came.
    stream_id: Option<[u8; 16]>,
    items: Items,
}

/// What stands on a media stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaItem<'a> {
    Header(StreamHeader<'a>),
    /// A frame and its payload.
    Frame(FrameHeader<'a>, &'a [u8]),
}

impl MediaReader {
    /// Takes the next bytes and hands on each item that is complete with them, decoded and as it stands.
    ///
    /// # Errors
    /// What breaks a rule (DT-M-05, DT-M-09): see [`StreamCode::of`](super::StreamCode::of). Offsets count
    /// from the beginning of the stream.
    pub fn take(
        &mut self,
        bytes: &[u8],
        mut emit: impl FnMut(MediaItem<'_>, &[u8]),
    ) -> Result<(), DecodeError> {
        let stream_id = &mut self.stream_id;
        self.items.take(bytes, |rest, offset| {
            let item = decode(rest, *stream_id).map_err(|error| error.moved(offset))?;
            let Some((item, length)) = item else {
                return Ok(None);
            };
            if let MediaItem::Header(header) = item {
                *stream_id = Some(*header.stream_id);
            }
            emit(item, &rest[..length]);
            Ok(Some(length))
        })
    }

    /// The stream ends here (FIN).
    ///
    /// # Errors
    /// That is in the middle of an item, or before the stream header (DT-M-05).
    pub fn finish(&self) -> Result<(), DecodeError> {
        let (pending, offset) = (self.items.pending(), self.items.offset());
        let (name, need) = match (self.stream_id, pending.len()) {
            (Some(_), 0) => return Ok(()),
            (None, _) => ("stream header", StreamHeader::LENGTH),
            (Some(_), ..FrameHeader::LENGTH) => ("frame header", FrameHeader::LENGTH),
            (Some(_), have) => {
                let header = FrameHeader::decode(&mut Reader::new(pending), &FRAME);
                let need = header.map_err(|error| error.moved(offset))?.payload_length as usize;
                let (offset, have) = (offset + FrameHeader::LENGTH, have - FrameHeader::LENGTH);
                return Err(DecodeError::truncated("payload", offset, need, have));
            }
        };
        Err(DecodeError::truncated(name, offset, need, pending.len()))
    }
}

impl MediaItem<'_> {
    /// As scenarios and vectors write it; `bytes` are those of the item.
    #[must_use]
    pub fn describe(&self, bytes: &[u8]) -> Described {
        match self {
            Self::Header(_) => describe(&STREAM_HEADER, bytes),
            Self::Frame(..) => describe(&FRAME, bytes),
        }
    }
}

/// The next item and its length, if it is whole. What is wrong in its header is wrong before that.
fn decode(
    rest: &[u8],
    stream_id: Option<[u8; 16]>,
) -> Result<Option<(MediaItem<'_>, usize)>, DecodeError> {
    let mut reader = Reader::new(rest);
    let Some(stream_id) = stream_id else {
        let Some(magic) = rest.first_chunk::<4>() else {
            return Ok(None);
        };
        if !STREAM_HEADER.start.is(magic) {
            let reason = "must be DART";
            return Err(DecodeError::invalid("Magic", 0, Rule::Value, reason));
        }
        reader.bytes("Magic", magic.len())?;
        let header = whole(StreamHeader::decode(&mut reader, &STREAM_HEADER))?;
        return Ok(header.map(|header| (MediaItem::Header(header), StreamHeader::LENGTH)));
    };
    let Some(header) = whole(FrameHeader::decode(&mut reader, &FRAME))? else {
        return Ok(None);
    };
    planted::hangs("payload-empty", || header.payload_length == 0);
    if *header.stream_id != stream_id {
        let reason = "is not the stream header's";
        return Err(DecodeError::invalid("StreamId", 2, Rule::Value, reason));
    }
    let Ok(payload) = reader.bytes("payload", header.payload_length as usize) else {
        return Ok(None);
    };
    Ok(Some((MediaItem::Frame(header, payload), reader.offset())))
}

/// `None` where bytes are missing that may still come.
fn whole<T>(decoded: Result<T, DecodeError>) -> Result<Option<T>, DecodeError> {
    match decoded {
        Ok(value) => Ok(Some(value)),
        Err(DecodeError {
            fault: shakedown_wire::Fault::Truncated { .. },
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}
