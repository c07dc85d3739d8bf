use std::io::{ErrorKind, Read};
use std::ops::Range;

use crate::CaptureError;

/// Bytes of the buffer at the start; it grows only for a larger block.
const CAPACITY: usize = 256 * 1024;

/// A window that moves over a stream: the bytes that were read and not yet consumed.
///
/// Callers bound what they ask for, so the window never grows beyond the largest block that they
/// accept, whatever a length field in the file says.
#[derive(Debug)]
pub(crate) struct Window<R> {
    source: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the stream of the byte at `start`.
    offset: u64,
}

impl<R: Read> Window<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            buffer: vec![0; CAPACITY],
            start: 0,
            end: 0,
            offset: 0,
        }
    }

    /// The bytes that are there, from the offset on.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Where in the stream [`Self::bytes`] begins.
    #[inline]
    pub(crate) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that were consumed before this call can still be had by the range that
    /// [`Self::consume`] gave, until the next call of [`Self::fill`].
    #[inline]
    pub(crate) fn at(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Makes at least `need` bytes available. `false` if the stream ends before.
    #[inline]
    pub(crate) fn fill(&mut self, need: usize) -> Result<bool, CaptureError> {
        if self.end - self.start >= need {
            return Ok(true);
        }
        self.read_more(need)
    }

    /// Moves on by `count` bytes that are available, and says where they are.
    #[inline]
    pub(crate) fn consume(&mut self, count: usize) -> Range<usize> {
        let from = self.start;
        self.start += count;
        self.offset += count as u64;
        from..self.start
    }

    /// Moves on by `count` bytes that need not fit into the buffer. `false` if the stream ends
    /// before.
    pub(crate) fn skip(&mut self, mut count: u64) -> Result<bool, CaptureError> {
        loop {
            let here = usize::try_from(count)
                .map_or(self.bytes().len(), |count| count.min(self.bytes().len()));
            self.consume(here);
            count -= here as u64;
            if count == 0 {
                return Ok(true);
            }
            if !self.fill(1)? {
                return Ok(false);
            }
        }
    }

    fn read_more(&mut self, need: usize) -> Result<bool, CaptureError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < need {
            self.buffer.resize(need.next_power_of_two(), 0);
        }
        while self.end < need {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => return Ok(false),
                Ok(count) => self.end += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(CaptureError::Io {
                        offset: self.offset + self.end as u64,
                        source,
                    });
                }
            }
        }
        Ok(true)
    }
}
