use shakedown_wire::{DecodeError, Reader, Rule, planted};

use super::items::Items;
use super::message::Envelope;
use crate::vocabulary::Described;

/// Most bytes of a message (DT-S-11).
pub const MAX_MESSAGE: u32 = 65_536;

/// Bytes of the length before each message.
const LENGTH: usize = 4;

/// Reads messages on a stream, each behind its length (u32, big-endian), however its bytes are cut (DT-S-02).
#[derive(Debug, Clone)]
pub struct MessageReader {
    envelope: Envelope,
    items: Items,
}

impl MessageReader {
    /// Messages of this kind.
    #[must_use]
    pub fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            items: Items::default(),
        }
    }

    /// A reader of the same messages to which nothing came.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.envelope)
    }

    /// Takes the next bytes and hands on every message that is complete with them.
    ///
    /// # Errors
    /// A length of 0 or above [`MAX_MESSAGE`], bytes that are no such message, or one that says nothing
    /// (DT-S-11). Offsets count from the beginning of the stream.
    pub fn take(
        &mut self,
        bytes: &[u8],
        mut emit: impl FnMut(Described),
    ) -> Result<(), DecodeError> {
        self.take_placed(bytes, |message, _| emit(message))
    }

    /// The same; hands on where each message ends, too.
    pub(super) fn take_placed(
        &mut self,
        bytes: &[u8],
        mut emit: impl FnMut(Described, usize),
    ) -> Result<(), DecodeError> {
        let envelope = self.envelope;
        self.items.take(bytes, |rest, offset| {
            let Some(length) = announced(rest, offset)? else {
                return Ok(None);
            };
            let Some(body) = rest.get(LENGTH..LENGTH + length) else {
                return Ok(None);
            };
            let message = envelope.decode(body, offset + LENGTH)?;
            emit(message, offset + LENGTH + length);
            Ok(Some(LENGTH + length))
        })
    }

    /// The stream ends here (FIN).
    ///
    /// # Errors
    /// That is in the middle of a message.
    pub fn finish(&self) -> Result<(), DecodeError> {
        let (pending, offset) = (self.items.pending(), self.items.offset());
        match announced(pending, offset)? {
            _ if pending.is_empty() => Ok(()),
            None => Err(DecodeError::truncated(
                "length",
                offset,
                LENGTH,
                pending.len(),
            )),
            Some(length) => {
                let (offset, have) = (offset + LENGTH, pending.len() - LENGTH);
                Err(DecodeError::truncated("message", offset, length, have))
            }
        }
    }
}

/// The length that is announced, if it is there.
fn announced(rest: &[u8], offset: usize) -> Result<Option<usize>, DecodeError> {
    let Ok(length) = Reader::new(rest).u32_be("length") else {
        return Ok(None);
    };
    let invalid = |reason| DecodeError::invalid("length", offset, Rule::Length, reason);
    match length {
        0 => Err(invalid("is 0")),
        1..=MAX_MESSAGE => {
            planted::panics("message-largest", || length == MAX_MESSAGE);
            Ok(usize::try_from(length).ok())
        }
        _ => Err(invalid("is above 65,536")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announced_length_takes_no_memory_before_its_bytes_come() {
        let mut reader = MessageReader::new(Envelope::Client);
        let taken = allocation_counter::measure(|| {
            reader.take(&MAX_MESSAGE.to_be_bytes(), |_| ()).unwrap();
        });
        assert!(taken.bytes_total < 100, "{taken:?}");
        assert!(reader.finish().is_err());
    }
}
