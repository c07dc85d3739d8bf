use shakedown_wire::{DecodeError, Reader, Rule};

use crate::darktower::frame::{FRAME, STREAM_HEADER};
use crate::darktower::{FrameHeader, StreamHeader};
use crate::requirement::Role;

/// FrameType of a key frame.
const KEY: u8 = 1;

/// Judges a media stream. It keeps no payload.
#[derive(Debug)]
pub(super) struct MediaStream {
    by: Role,
    /// StreamType and StreamId, once they came.
    header: Option<(u8, [u8; 16])>,
    /// SequenceNumber and Timestamp of the last frame.
    last: Option<(u64, u64)>,
    /// Bytes of an incomplete header.
    pending: Vec<u8>,
    /// Bytes of a payload that are still to come.
    payload: u64,
    /// A rule was violated; what follows is not judged.
    is_void: bool,
}

/// An observation on a media stream.
#[derive(Debug)]
pub(super) enum MediaObservation {
    /// A frame with a valid header.
    Frame,
    Satisfied(&'static str),
    Violated {
        requirement: &'static str,
        expected: String,
        got: String,
    },
}

impl MediaStream {
    /// What this side sends.
    pub(super) const fn new(by: Role) -> Self {
        Self {
            by,
            header: None,
            last: None,
            pending: Vec::new(),
            payload: 0,
            is_void: false,
        }
    }

    pub(super) fn take(&mut self, mut bytes: &[u8], show: &mut dyn FnMut(MediaObservation)) {
        while !bytes.is_empty() && !self.is_void {
            let here = usize::try_from(self.payload).unwrap_or(usize::MAX);
            if let here @ 1.. = here.min(bytes.len()) {
                self.payload -= here as u64;
                bytes = &bytes[here..];
                continue;
            }
            let need = match self.header {
                None => StreamHeader::LENGTH,
                Some(_) => FrameHeader::LENGTH,
            };
            let here = need.saturating_sub(self.pending.len()).min(bytes.len());
            self.pending.extend_from_slice(&bytes[..here]);
            bytes = &bytes[here..];
            if self.pending.len() == need {
                let whole = std::mem::take(&mut self.pending);
                match self.header {
                    None => self.begins(&whole, show),
                    Some(header) => self.frame(&whole, header, show),
                }
            }
        }
    }

    /// The stream ends here (FIN): DT-M-04.
    pub(super) fn end(&self, show: &mut dyn FnMut(MediaObservation)) {
        if self.header.is_none() && !self.is_void {
            let (need, have) = (StreamHeader::LENGTH, self.pending.len());
            let error = DecodeError::truncated("stream header", 0, need, have);
            show(broken("DT-M-04", "a stream header", error));
        }
    }

    /// DT-M-04
    fn begins(&mut self, bytes: &[u8], show: &mut dyn FnMut(MediaObservation)) {
        let mut reader = Reader::new(bytes);
        let magic = reader.bytes("Magic", STREAM_HEADER.start.length());
        let header = match magic {
            Ok(magic) if !STREAM_HEADER.start.is(magic) => Err(not_media()),
            Ok(_) => StreamHeader::decode(&mut reader, &STREAM_HEADER),
            Err(error) => Err(error),
        };
        match header {
            Ok(header) => self.header = Some((header.stream_type, *header.stream_id)),
            Err(error) => {
                self.is_void = true;
                show(broken("DT-M-04", "a stream header", error));
            }
        }
    }

    fn frame(
        &mut self,
        bytes: &[u8],
        header: (u8, [u8; 16]),
        show: &mut dyn FnMut(MediaObservation),
    ) {
        let (stream_type, stream_id) = header;
        let frame = match FrameHeader::decode(&mut Reader::new(bytes), &FRAME) {
            Ok(frame) => frame,
            Err(error) => {
                self.is_void = true;
                // That the others are right asks no rule of a sender that a capture shows.
                if error.field == "FrameType" {
                    show(broken("DT-M-08", "a FrameType of 0, 1 or 2", error));
                }
                return;
            }
        };
        self.payload = frame.payload_length.into();
        show(MediaObservation::Frame);
        // DT-M-04
        if *frame.stream_id != stream_id {
            self.is_void = true;
            let (expected, got) = (hex::encode(stream_id), hex::encode(frame.stream_id));
            let expected = format!("the stream header's StreamId {expected}");
            return show(broken("DT-M-04", expected, got));
        }
        show(MediaObservation::Satisfied("DT-M-04"));
        show(of_type(stream_type, frame.frame_type, self.last.is_none()));
        let (number, timestamp) = (frame.sequence_number, frame.timestamp);
        let last = self.last.replace((number, timestamp));
        show(self.in_order(last, number, timestamp));
    }

    /// DT-M-07. What a Media Handler forwards may begin later, and leave out what its receiver did not
    /// take in time (DT-M-11).
    fn in_order(&self, last: Option<(u64, u64)>, number: u64, timestamp: u64) -> MediaObservation {
        let is_source = self.by == Role::Initiator;
        let Some((last, last_timestamp)) = last else {
            return match is_source && number > 1 {
                true => broken("DT-M-07", "a first SequenceNumber of 0 or 1", number),
                false => MediaObservation::Satisfied("DT-M-07"),
            };
        };
        let follows = match is_source {
            true => last.checked_add(1) == Some(number),
            false => number > last,
        };
        if !follows {
            let by_one = if is_source { "one above" } else { "above" };
            return broken(
                "DT-M-07",
                format!("a SequenceNumber {by_one} {last}"),
                number,
            );
        }
        if timestamp < last_timestamp {
            let expected = format!("a Timestamp of {last_timestamp} or later");
            return broken("DT-M-07", expected, timestamp);
        }
        MediaObservation::Satisfied("DT-M-07")
    }
}

/// DT-M-08
fn of_type(stream_type: u8, frame_type: u8, is_first: bool) -> MediaObservation {
    let expected = match stream_type {
        0 if frame_type != 0 => "FrameType 0 on an audio stream",
        1.. if frame_type == 0 => "FrameType 1 or 2 on a video stream",
        1.. if is_first && frame_type != KEY => "a key frame first on a video stream",
        _ => return MediaObservation::Satisfied("DT-M-08"),
    };
    broken("DT-M-08", expected, frame_type)
}

/// DT-M-14: what a datagram shows that begins as a frame does, without the session's id.
pub(super) fn datagram(bytes: &[u8]) -> MediaObservation {
    let expected = "one whole frame of audio";
    let mut reader = Reader::new(bytes);
    let frame = match FrameHeader::decode(&mut reader, &FRAME) {
        Ok(frame) => frame,
        Err(error) => return broken("DT-M-14", expected, error),
    };
    let (need, have) = (frame.payload_length as usize, reader.remaining());
    match frame.frame_type {
        0 if need == have => MediaObservation::Satisfied("DT-M-14"),
        0 => {
            let got = format!("a payload of {have} bytes, of which the header has {need}");
            broken("DT-M-14", expected, got)
        }
        other => broken("DT-M-14", expected, format!("FrameType {other}")),
    }
}

/// A stream that begins neither as media nor as a message.
pub(super) const fn not_media() -> DecodeError {
    DecodeError::invalid("Magic", 0, Rule::Value, "must be DART")
}

fn broken(
    requirement: &'static str,
    expected: impl Into<String>,
    got: impl std::fmt::Display,
) -> MediaObservation {
    MediaObservation::Violated {
        requirement,
        expected: expected.into(),
        got: got.to_string(),
    }
}
