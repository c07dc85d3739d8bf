use crate::{DecodeError, Form, Kind, Reader, Rule, Writer};

/// An extension: Type u16, Length u16, both little-endian, and a Value of Length bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Type. An unknown one is ignored.
    pub kind: u16,
    pub value: &'a [u8],
}

impl<'a> Tlv<'a> {
    /// Appends it to `buffer`. A value longer than a u16 can say is cut.
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        let length = u16::try_from(self.value.len()).unwrap_or(u16::MAX);
        let mut writer = Writer::new(buffer);
        writer.u16_le(self.kind);
        writer.u16_le(length);
        writer.bytes(&self.value[..usize::from(length)]);
    }

    /// The next one and the offset of its Value; `None` at the end.
    #[inline]
    fn next(reader: &mut Reader<'a>) -> Result<Option<(usize, Self)>, DecodeError> {
        if reader.remaining() == 0 {
            return Ok(None);
        }
        let kind = reader.u16_le("TLV Type")?;
        let length = usize::from(reader.u16_le("TLV Length")?);
        let offset = reader.offset();
        let value = reader.bytes("TLV Value", length)?;
        Ok(Some((offset, Self { kind, value })))
    }
}

/// The extensions of one frame, to the end of the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlvs<'a>(&'a [u8]);

impl<'a> Tlvs<'a> {
    pub const EMPTY: Self = Self(&[]);

    /// Takes `bytes` as they are; iteration stops where they stop making sense.
    #[must_use]
    pub const fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// The extensions in the order they stand.
    pub fn iter(&self) -> impl Iterator<Item = Tlv<'a>> + use<'a> {
        self.places().map(|(_, tlv)| tlv)
    }

    /// The same, each with the offset of its Value in the block, in bytes.
    pub fn places(&self) -> impl Iterator<Item = (usize, Tlv<'a>)> + use<'a> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || Tlv::next(&mut reader).ok().flatten())
    }

    /// The first extension of this type; later ones do not count.
    #[must_use]
    pub fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.iter()
            .find(|tlv| tlv.kind == kind)
            .map(|tlv| tlv.value)
    }

    /// The first extension of this type as a u16, if it is there and has 2 bytes.
    #[must_use]
    pub fn u16(&self, kind: u16) -> Option<u16> {
        self.get(kind)?.try_into().ok().map(u16::from_le_bytes)
    }

    /// The first extension of this type as a u32, if it is there and has 4 bytes.
    #[must_use]
    pub fn u32(&self, kind: u16) -> Option<u32> {
        self.get(kind)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// The first extension of this type as a u64, if it is there and has 8 bytes.
    #[must_use]
    pub fn u64(&self, kind: u16) -> Option<u64> {
        self.get(kind)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// Reads to the end of the datagram. Bounds, and the lengths of the types that the frame knows,
    /// are checked if the extensions `are_ours`: of a version whose layout is known.
    ///
    /// # Errors
    /// If that finds anything, or an extension is missing that the frame cannot be without.
    #[inline]
    pub fn decode(
        reader: &mut Reader<'a>,
        form: &Form,
        are_ours: bool,
    ) -> Result<Self, DecodeError> {
        let start = reader.offset();
        let tlvs = Self(reader.clone().rest());
        if are_ours {
            while let Some((offset, tlv)) = Tlv::next(reader)? {
                if let Some((field, rule, reason)) = form.fault(&tlv) {
                    return Err(DecodeError::invalid(field, offset, rule, reason));
                }
            }
        } else {
            reader.rest();
        }
        if let Some(needed) = form.needed.and_then(|kind| form.extension(kind)) {
            let (need, have) = (4 + needed.value.width().unwrap_or(0), tlvs.0.len());
            if have < need {
                return Err(DecodeError::truncated(needed.name, start, need, have));
            }
            if are_ours && tlvs.get(needed.kind).is_none() {
                return Err(DecodeError::invalid(
                    needed.name,
                    start,
                    Rule::Missing,
                    "is missing",
                ));
            }
        }
        Ok(tlvs)
    }
}

impl Form {
    /// What is wrong with the form of an extension that is known here, if anything.
    #[inline]
    fn fault(&self, tlv: &Tlv<'_>) -> Option<(&'static str, Rule, &'static str)> {
        let extension = self.extension(tlv.kind)?;
        if extension.known & self.family == 0 {
            return None;
        }
        let (lengths, reason) = match extension.value {
            Kind::Utf8(least, most, reason) => (least..=most, reason),
            Kind::U16Le => (2..=2, "is not 2 bytes long"),
            Kind::U32Le => (4..=4, "is not 4 bytes long"),
            Kind::U64Le => (8..=8, "is not 8 bytes long"),
            _ => return None,
        };
        if !lengths.contains(&tlv.value.len()) {
            return Some((extension.name, Rule::Length, reason));
        }
        let is_text = matches!(extension.value, Kind::Utf8(..));
        (is_text && str::from_utf8(tlv.value).is_err()).then_some((
            extension.name,
            Rule::Utf8,
            "is not UTF-8",
        ))
    }
}
