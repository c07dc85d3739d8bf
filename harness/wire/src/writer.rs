/// Appends integers and bytes to a buffer that the caller owns and may use again.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    /// Writes after what `buffer` holds already.
    #[inline]
    pub const fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer }
    }

    #[inline]
    pub fn u8(&mut self, value: u8) {
        self.buffer.push(value);
    }

    /// Two bytes, little-endian.
    #[inline]
    pub fn u16_le(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    /// Four bytes, little-endian.
    #[inline]
    pub fn u32_le(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    #[inline]
    pub fn u64_le(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    /// Two bytes, big-endian.
    #[inline]
    pub fn u16_be(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    /// Four bytes, big-endian.
    #[inline]
    pub fn u32_be(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Eight bytes, big-endian.
    #[inline]
    pub fn u64_be(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// A variable-length integer of QUIC in its shortest form, big-endian (RFC 9000, section 16): at
    /// most 2^62 - 1, which also stands for what is larger.
    #[inline]
    pub fn quic_varint(&mut self, value: u64) {
        const MOST: u64 = (1 << 62) - 1;
        match value {
            0..0x40 => self.bytes(&[value as u8]),
            0x40..0x4000 => self.u16_be(value as u16 | 1 << 14),
            0x4000..0x4000_0000 => self.u32_be(value as u32 | 2 << 30),
            0x4000_0000.. => self.u64_be(value.min(MOST) | 3 << 62),
        }
    }

    /// The bytes as they are.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_appended_little_endian() {
        let mut buffer = vec![0xff];
        let mut writer = Writer::new(&mut buffer);
        writer.u8(1);
        writer.u16_le(0x0302);
        writer.u32_le(0x0706_0504);
        writer.u64_le(0x0f0e_0d0c_0b0a_0908);
        writer.bytes(&[0x10]);
        assert_eq!(
            buffer,
            [0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]
        );
    }

    #[test]
    fn a_varint_is_written_in_the_shortest_form_that_holds_it() {
        for (value, length) in [
            (0, 1),
            (63, 1),
            (64, 2),
            (16_383, 2),
            (16_384, 4),
            (1 << 30, 8),
            ((1 << 30) - 1, 4),
            ((1 << 62) - 1, 8),
        ] {
            let mut buffer = Vec::new();
            Writer::new(&mut buffer).quic_varint(value);
            assert_eq!(buffer.len(), length, "{value}");
            let read = crate::Reader::new(&buffer).quic_varint("value");
            assert_eq!(read, Ok(value));
        }
        let mut buffer = Vec::new();
        Writer::new(&mut buffer).quic_varint(u64::MAX);
        assert_eq!(buffer, [0xff; 8]);
    }
}
