//! Unprocessed data of one stream.

use std::collections::VecDeque;

use shakedown_capture::quic;
use shakedown_protocol::stream_decoder::StreamDecoder;
use shakedown_protocol::vocabulary::Described;

use super::ended::{Moment, StreamEnd};

/// Bytes of a stream that wait unread before the stream is not read any more.
pub(crate) const MOST_UNREAD: usize = 256 * 1024;

#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// When the implementation opened it, if it did.
    pub(crate) opened: Option<Moment>,
    /// Whether a step gave it a name.
    pub(crate) is_named: bool,
    /// Offset of the first unread byte in the stream.
    pub(crate) taken: u64,
    pub(crate) unread: VecDeque<u8>,
    /// The frames in what is unread, if a reader knows the stream.
    pub(crate) frames: VecDeque<CameFrame>,
    reader: Option<Box<dyn StreamDecoder>>,
    /// Stream offsets at the end of each arrival, with the times.
    pieces: VecDeque<(u64, Moment)>,
    pub(crate) end: Option<(Moment, StreamEnd)>,
    /// The implementation wants no more bytes, with this code.
    pub(crate) stopped: Option<(Moment, u64)>,
    /// Whether `stop_reading` holds it.
    pub(crate) is_held: bool,
    /// Whether a step has looked at all that came and needs more.
    pub(crate) is_wanted: bool,
    /// Lengths of the writes that the transport has not taken yet.
    pub(crate) unwritten: VecDeque<usize>,
}

/// A frame on a stream.
#[derive(Debug)]
pub(crate) struct CameFrame {
    pub(crate) moment: Moment,
    /// Where it ends in the stream.
    pub(crate) end: u64,
    /// It, or why the bytes are none.
    pub(crate) said: Result<Described, String>,
}

impl Stream {
    /// One of which nothing came yet, and what reads its frames, if it carries any.
    pub(super) fn new(reader: Option<Box<dyn StreamDecoder>>) -> Self {
        Self {
            reader,
            ..Self::default()
        }
    }

    /// Takes the frames that `passes` lets pass, up to the first that it does not.
    pub(crate) fn let_pass(&mut self, passes: impl Fn(&str) -> bool) {
        while let Some(frame) = self.frames.front()
            && frame.said.as_ref().is_ok_and(|said| passes(said.frame))
        {
            let end = frame.end;
            self.take(end);
        }
    }

    /// Whether what is unread may become a frame.
    pub(crate) fn is_partial(&self) -> bool {
        self.reader.is_some() && self.frames.is_empty() && !self.unread.is_empty()
    }

    /// When the byte at an offset of the stream came, if it did and is unread.
    pub(crate) fn came(&self, offset: u64) -> Option<Moment> {
        let place = self.pieces.partition_point(|(end, _)| *end <= offset);
        self.pieces.get(place).map(|(_, moment)| *moment)
    }

    /// The unread byte at an offset of the stream.
    pub(crate) fn byte(&self, offset: u64) -> Option<u8> {
        let place = usize::try_from(offset.checked_sub(self.taken)?).ok()?;
        self.unread.get(place).copied()
    }

    /// Unread bytes from an offset of the stream on, up to a limit.
    pub(crate) fn from(&self, offset: u64, most: usize) -> Vec<u8> {
        let skipped = offset.saturating_sub(self.taken);
        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        let rest = self.unread.iter().skip(skipped).take(most);
        rest.copied().collect()
    }

    /// Takes what is unread before an offset of the stream.
    pub(crate) fn take(&mut self, offset: u64) {
        let count = usize::try_from(offset.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        let count = count.min(self.unread.len());
        self.unread.drain(..count);
        self.taken += count as u64;
        while self
            .frames
            .front()
            .is_some_and(|frame| frame.end <= self.taken)
        {
            self.frames.pop_front();
        }
        while self
            .pieces
            .front()
            .is_some_and(|(end, _)| *end <= self.taken)
        {
            self.pieces.pop_front();
        }
    }

    /// Takes bytes as they come, and what its reader makes of them.
    pub(super) fn arrive(&mut self, by: quic::Role, bytes: &[u8], moment: Moment) {
        if bytes.is_empty() {
            return;
        }
        let (offset, frames) = (self.taken + self.unread.len() as u64, &mut self.frames);
        if let Some(reader) = &mut self.reader {
            reader.take(by, offset, bytes, &mut |said| {
                frames.push_back(CameFrame {
                    moment,
                    end: said.end,
                    said: said.frame.map_err(|error| error.to_string()),
                });
            });
        }
        self.unread.extend(bytes);
        let end = self.taken + self.unread.len() as u64;
        match self.pieces.back_mut() {
            Some((last, at)) if *at == moment => *last = end,
            Some(_) | None => self.pieces.push_back((end, moment)),
        }
    }
}
