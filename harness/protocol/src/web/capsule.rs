//! Capsules (RFC 9297, section 3.2), which stand in the DATA frames of a session's stream.

use shakedown_wire::{DecodeError, Reader, Rule, planted};

use super::frame;

shakedown_wire::codes! {
    /// Types of capsules (RFC 9297, section 3.5; draft-ietf-webtrans-http3, section 6). Others are passed over.
    pub enum CapsuleType: u64 {
        Datagram = 0x00 "DATAGRAM",
        CloseSession = 0x2843 "CLOSE_WEBTRANSPORT_SESSION",
        DrainSession = 0x78ae "DRAIN_WEBTRANSPORT_SESSION",
    }
}

/// Most bytes of the reason.
const MAX_REASON: usize = 1_024;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionClose {
    pub code: u32,
    /// Why, in words; at most 1,024 bytes.
    pub reason: String,
}

impl SessionClose {
    /// The capsule CLOSE_WEBTRANSPORT_SESSION. A reason that is too long is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let reason = &self.reason[..self.reason.floor_char_boundary(MAX_REASON)];
        let value = [&self.code.to_be_bytes(), reason.as_bytes()].concat();
        // A capsule is built as a frame is.
        frame(CapsuleType::CloseSession.number(), &value)
    }

    fn decode(value: &[u8], offset: usize) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(value);
        let code = reader.u32_be("code");
        let code = code.map_err(|error| error.moved(offset))?;
        let reason = String::from_utf8(reader.rest().to_vec())
            .map_err(|_| DecodeError::invalid("reason", offset + 4, Rule::Utf8, "is not UTF-8"))?;
        Ok(Self { code, reason })
    }
}

/// Reads capsules however their bytes are cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CapsuleReader {
    pending: Vec<u8>,
    /// Bytes of a capsule that nobody reads that are still to come.
    skipped: u64,
    /// Bytes before what is pending.
    offset: usize,
}

impl CapsuleReader {
    /// Takes the next bytes; how the session is closed, if they say so. Other capsules are passed over.
    ///
    /// # Errors
    /// The capsule that closes is longer than it may be, too short, or its reason no text. Offsets count
    /// from the first capsule.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Option<SessionClose>, DecodeError> {
        let all = [std::mem::take(&mut self.pending).as_slice(), bytes].concat();
        let mut rest = all.as_slice();
        loop {
            let here =
                usize::try_from(self.skipped).map_or(rest.len(), |left| left.min(rest.len()));
            self.skipped -= here as u64;
            self.offset += here;
            rest = &rest[here..];
            let mut reader = Reader::new(rest);
            let (Ok(kind), Ok(length)) = (reader.quic_varint("type"), reader.quic_varint("length"))
            else {
                self.pending = rest.to_vec();
                return Ok(None);
            };
            if kind != CapsuleType::CloseSession.number() {
                planted::wastes("capsule-length", || length > 1 << 32);
                self.offset += reader.offset();
                rest = reader.rest();
                self.skipped = length;
                continue;
            }
            let place = self.offset + reader.offset();
            let most = MAX_REASON as u64 + 4;
            let length = usize::try_from(length)
                .ok()
                .filter(|length| *length as u64 <= most);
            let length = length.ok_or_else(|| {
                DecodeError::invalid("length", self.offset, Rule::Length, "is above 1,028")
            })?;
            let Ok(value) = reader.bytes("capsule", length) else {
                self.pending = rest.to_vec();
                return Ok(None);
            };
            return SessionClose::decode(value, place).map(Some);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(code: u32, reason: &str) -> SessionClose {
        let reason = reason.to_owned();
        SessionClose { code, reason }
    }

    #[test]
    fn a_close_is_found_behind_other_capsules_however_the_bytes_are_cut() {
        let other = [&[0x40, 0x41, 3][..], &[9, 9, 9]].concat();
        let bytes = [other, close(7, "done").encode()].concat();
        for size in 1..=bytes.len() {
            let mut reader = CapsuleReader::default();
            let mut pieces = bytes.chunks(size).map(|piece| reader.take(piece).unwrap());
            let found: Vec<_> = pieces.by_ref().flatten().collect();
            assert_eq!(found, [close(7, "done")], "pieces of {size}");
        }
    }

    #[test]
    fn a_reason_that_is_too_long_is_cut_at_a_character_and_refused_from_others() {
        let long = close(1, &"é".repeat(513));
        let read = CapsuleReader::default().take(&long.encode()).unwrap();
        assert_eq!(read.unwrap().reason, "é".repeat(512));
        let mut bytes = vec![0x68, 0x43, 0x44, 0x05];
        bytes.resize(2_000, b'a');
        assert!(CapsuleReader::default().take(&bytes).is_err());
    }

    #[test]
    fn a_close_without_a_code_or_with_a_reason_that_is_no_text_is_an_error() {
        assert!(
            CapsuleReader::default()
                .take(&[0x68, 0x43, 3, 0, 0, 0])
                .is_err()
        );
        let bytes = [0x68, 0x43, 5, 0, 0, 0, 0, 0xff];
        let error = CapsuleReader::default().take(&bytes).unwrap_err();
        assert_eq!(error.to_string(), "reason at offset 7: is not UTF-8");
    }

    #[test]
    fn an_announced_length_takes_no_memory() {
        let mut reader = CapsuleReader::default();
        let taken = allocation_counter::measure(|| {
            let huge = [0x21, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
            assert_eq!(reader.take(&huge), Ok(None));
        });
        assert!(taken.bytes_total < 100, "{taken:?}");
    }
}
