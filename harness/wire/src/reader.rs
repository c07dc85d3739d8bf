use crate::DecodeError;

/// A position in a borrowed buffer. Each read moves it forward or fails and leaves it in place.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte of `bytes`.
    #[inline]
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Bytes read so far, which is the offset of the next field.
    #[inline]
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }

    /// Bytes not read yet.
    #[inline]
    #[must_use]
    pub const fn remaining(&self) -> usize {
        self.bytes.len() - self.offset
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError`] if none is left.
    #[inline]
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array::<1>(field).map(|b| b[0])
    }

    /// Two bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn u16_le(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(|b| u16::from_le_bytes(*b))
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn u32_le(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(|b| u32::from_le_bytes(*b))
    }

    /// Eight bytes, little-endian.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn u64_le(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(|b| u64::from_le_bytes(*b))
    }

    /// Two bytes, big-endian.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn u16_be(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(|b| u16::from_be_bytes(*b))
    }

    /// Four bytes, big-endian.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn u32_be(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(|b| u32::from_be_bytes(*b))
    }

    /// Eight bytes, big-endian.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn u64_be(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(|b| u64::from_be_bytes(*b))
    }

    /// A variable-length integer of QUIC, big-endian (RFC 9000, section 16): the two highest bits
    /// of the first byte say whether it has 1, 2, 4 or 8 bytes, the others are its value, at most
    /// 2^62 - 1. Longer forms than needed are taken.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer bytes are left than the first one announces.
    #[inline]
    pub fn quic_varint(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let Some(first) = self.bytes.get(self.offset) else {
            return Err(self.truncated(field, 1));
        };
        match first >> 6 {
            0 => self.array::<1>(field).map(|b| u64::from(b[0])),
            1 => self
                .array(field)
                .map(|b| u64::from(u16::from_be_bytes(*b) & 0x3fff)),
            2 => self
                .array(field)
                .map(|b| u64::from(u32::from_be_bytes(*b) & 0x3fff_ffff)),
            3.. => self
                .array(field)
                .map(|b| u64::from_be_bytes(*b) & 0x3fff_ffff_ffff_ffff),
        }
    }

    /// Exactly `N` bytes, borrowed.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<&'a [u8; N], DecodeError> {
        match self.bytes[self.offset..].first_chunk::<N>() {
            Some(chunk) => {
                self.offset += N;
                Ok(chunk)
            }
            None => Err(self.truncated(field, N)),
        }
    }

    /// Exactly `length` bytes, borrowed. Nothing is allocated, whatever `length` says.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn bytes(&mut self, field: &'static str, length: usize) -> Result<&'a [u8], DecodeError> {
        match self.bytes[self.offset..].get(..length) {
            Some(slice) => {
                self.offset += length;
                Ok(slice)
            }
            None => Err(self.truncated(field, length)),
        }
    }

    /// All bytes that are left, which may be none.
    #[inline]
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.offset..];
        self.offset = self.bytes.len();
        rest
    }

    /// All remaining bytes, of which there must be at least this many.
    ///
    /// # Errors
    /// [`DecodeError`] if fewer are left.
    #[inline]
    pub fn at_least(&mut self, field: &'static str, least: usize) -> Result<&'a [u8], DecodeError> {
        if self.remaining() < least {
            return Err(self.truncated(field, least));
        }
        Ok(self.rest())
    }

    #[cold]
    fn truncated(&self, field: &'static str, need: usize) -> DecodeError {
        DecodeError::truncated(field, self.offset, need, self.remaining())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_read_little_endian_in_the_order_they_stand() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(reader.u8("a"), Ok(1));
        assert_eq!(reader.u16_le("b"), Ok(0x0302));
        assert_eq!(reader.u32_le("c"), Ok(0x0706_0504));
        assert_eq!(reader.u64_le("d"), Ok(0x0f0e_0d0c_0b0a_0908));
        assert_eq!(reader.remaining(), 0);
    }

    #[test]
    fn integers_are_read_big_endian_where_the_name_says_so() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5, 6]);
        assert_eq!(reader.u16_be("a"), Ok(0x0102));
        assert_eq!(reader.u32_be("b"), Ok(0x0304_0506));
    }

    #[test]
    fn the_varints_of_rfc_9000_appendix_a_1_are_read() {
        let cases: [(&[u8], u64); 5] = [
            (
                &[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c],
                151_288_809_941_952_652,
            ),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ];
        for (bytes, value) in cases {
            let mut reader = Reader::new(bytes);
            assert_eq!(reader.quic_varint("a"), Ok(value));
            assert_eq!(reader.remaining(), 0);
            let short = &bytes[..bytes.len() - 1];
            assert_eq!(
                Reader::new(short).quic_varint("a"),
                Err(DecodeError::truncated("a", 0, bytes.len(), short.len()))
            );
        }
    }

    #[test]
    fn a_short_read_names_field_offset_need_and_have_and_moves_nothing() {
        let mut reader = Reader::new(&[1, 2, 3]);
        reader.u8("first").unwrap();
        let error = reader.u32_le("second").unwrap_err();
        assert_eq!(error, DecodeError::truncated("second", 1, 4, 2));
        assert_eq!(
            error.to_string(),
            "second at offset 1: needs 4 bytes, has 2"
        );
        assert_eq!(reader.offset(), 1);
        assert_eq!(reader.rest(), [2, 3]);
    }

    #[test]
    fn a_length_beyond_the_address_space_is_only_truncated() {
        let mut reader = Reader::new(&[0; 4]);
        reader.u8("type").unwrap();
        let error = reader.bytes("value", usize::MAX).unwrap_err();
        assert_eq!(error, DecodeError::truncated("value", 1, usize::MAX, 3));
    }
}
