//! Frames as tables.
//!
//! A [`Form`] is a frame: its first bytes and its [`Field`]s. [`fields!`](crate::fields) makes a
//! struct, its decoder and its encoder of the same rows, so that the table is the single
//! description of a field, also for names, output, error positions and fuzzing.

use crate::Writer;

#[derive(Debug, Clone, Copy)]
pub struct Form {
    /// Its name in scenarios, vectors and reports: `SYN-ACK`.
    pub name: &'static str,
    /// What it begins with.
    pub start: Start,
    /// What follows, in the order in which it stands.
    pub fields: &'static [Field],
    /// The version of which the whole layout is known, where the frame has a `version`. Of another
    /// one a decoder checks no more than the lengths of the fixed fields.
    pub version: Option<u8>,
    /// The values of fields that are not given; all others are 0 or empty.
    pub usual: &'static [(&'static str, DefaultValue)],
    /// Bits of `flags` that have a name of their own.
    pub bits: &'static [(&'static str, u16)],
    /// The extensions that have a name.
    pub extensions: &'static [Extension],
    /// The bit of the forms that know the same [`extensions`](Self::extensions).
    pub family: u8,
    /// The type of the extension that it cannot be without.
    pub needed: Option<u16>,
}

/// What a frame begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// These bytes.
    Bytes(&'static [u8]),
    /// Two bytes, little-endian.
    U16Le(u16),
}

/// A field of a frame.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in the specification, and in decode errors: `SequenceNumber`.
    pub name: &'static str,
    /// Its name in JSON: `sequence_number`.
    pub key: &'static str,
    /// How it stands on the wire.
    pub kind: Kind,
}

/// How a value stands on the wire.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    U8,
    /// One byte, of which some values have names.
    Named(&'static [(&'static str, u8)]),
    /// Two bytes, little-endian.
    U16Le,
    /// Four bytes, little-endian.
    U32Le,
    /// Eight bytes, little-endian.
    U64Le,
    /// Two bytes, big-endian.
    U16Be,
    /// Four bytes, big-endian.
    U32Be,
    /// Eight bytes, big-endian.
    U64Be,
    /// A UUID, 16 bytes in the order of its digits.
    Uuid,
    /// A fixed number of bytes, which may be text.
    Bytes(usize),
    /// Text and at least one NUL, in a fixed number of bytes.
    Text(usize),
    /// UTF-8 of an extension, with minimum and maximum length in bytes, and the error otherwise.
    Utf8(usize, usize, &'static str),
    /// Media, to the end of the datagram; at least one byte.
    Payload,
    /// Whatever follows, to the end of the datagram.
    Trailing,
    /// Extensions, to the end of the datagram: see [`Tlvs`](crate::Tlvs).
    Tlvs,
    /// Fields that several frames share.
    Group(&'static [Field]),
}

/// A value that was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultValue {
    Number(u64),
    /// The length of the payload, in bytes.
    PayloadLength,
    /// There is none. What is given may look like this.
    Needed(&'static str),
}

/// A type of extension (TLV).
#[derive(Debug, Clone, Copy)]
pub struct Extension {
    pub kind: u16,
    /// Its name in the specification, in decode errors and in lists of extensions: `FrameRate`.
    pub name: &'static str,
    /// Its name as a field of a frame: `frame_rate`.
    pub key: &'static str,
    pub value: Kind,
    /// The families that know it: a value of another length is malformed. For all others it is an
    /// unknown type.
    pub known: u8,
    /// The families of which it is a field.
    pub field: u8,
}

impl Form {
    /// A frame with these fields, which are all 0 or empty where nothing is given.
    #[must_use]
    pub const fn new(name: &'static str, start: Start, fields: &'static [Field]) -> Self {
        Self {
            name,
            start,
            fields,
            version: None,
            usual: &[],
            bits: &[],
            extensions: &[],
            family: 0,
            needed: None,
        }
    }

    /// The two bytes that it begins with; 0 where these are no integer.
    #[must_use]
    pub const fn flag(&self) -> u16 {
        match self.start {
            Start::U16Le(flag) => flag,
            Start::Bytes(_) => 0,
        }
    }

    /// The fields with the offset of each in a datagram, in bytes, groups taken apart.
    pub fn places(&self) -> impl Iterator<Item = (&'static Field, usize)> {
        let mut offset = self.start.length();
        let fields = self.fields.iter().flat_map(|field| match field.kind {
            Kind::Group(fields) => fields,
            _ => std::slice::from_ref(field),
        });
        fields.map(move |field| {
            let place = offset;
            offset += field.kind.width().unwrap_or(0);
            (field, place)
        })
    }

    /// The extensions that are fields of it too.
    pub fn extension_fields(&self) -> impl Iterator<Item = &'static Extension> {
        let family = self.family;
        let all = self.extensions.iter();
        all.filter(move |extension| extension.field & family != 0)
    }

    /// The extension of this type, if it has a name.
    #[inline]
    #[must_use]
    pub fn extension(&self, kind: u16) -> Option<&'static Extension> {
        // Types count from 1, so that most stand at their own number.
        let near = self.extensions.get(usize::from(kind).wrapping_sub(1));
        let near = near.filter(|it| it.kind == kind);
        near.or_else(|| self.extensions.iter().find(|it| it.kind == kind))
    }

    /// The names by which JSON gives its fields, in the order in which they stand: a bit of `flags`
    /// that has a name follows `flags`, and what extensions say follows them.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.places().flat_map(|(field, _)| {
            let bits = self.bits.iter().map(|(name, _)| *name);
            let extensions = self.extension_fields().map(|extension| extension.key);
            let bits = bits.filter(|_| field.key == "flags");
            let extensions = extensions.filter(|_| matches!(field.kind, Kind::Tlvs));
            std::iter::once(field.key).chain(bits).chain(extensions)
        })
    }
}

impl Start {
    /// Its length in bytes.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::U16Le(_) => 2,
        }
    }

    /// Whether these bytes are it and nothing else.
    #[inline]
    #[must_use]
    pub fn is(self, bytes: &[u8]) -> bool {
        match self {
            Self::Bytes(start) => bytes == start,
            Self::U16Le(flag) => bytes == flag.to_le_bytes(),
        }
    }

    pub fn write(self, writer: &mut Writer<'_>) {
        match self {
            Self::Bytes(bytes) => writer.bytes(bytes),
            Self::U16Le(flag) => writer.u16_le(flag),
        }
    }
}

impl Kind {
    /// Its length in bytes; `None` if it reaches to the end, or is as long as something else says.
    #[must_use]
    pub const fn width(&self) -> Option<usize> {
        match self {
            Self::U8 | Self::Named(_) => Some(1),
            Self::U16Le | Self::U16Be => Some(2),
            Self::U32Le | Self::U32Be => Some(4),
            Self::U64Le | Self::U64Be => Some(8),
            Self::Uuid => Some(16),
            Self::Text(length) | Self::Bytes(length) => Some(*length),
            Self::Group(fields) => Some(Field::length(fields)),
            Self::Utf8(..) | Self::Payload | Self::Trailing | Self::Tlvs => None,
        }
    }
}

impl Field {
    /// The length of all fields that have one, in bytes.
    #[must_use]
    pub const fn length(fields: &[Self]) -> usize {
        let mut length = 0;
        let mut rest = fields;
        while let [field, others @ ..] = rest {
            if let Some(width) = field.kind.width() {
                length += width;
            }
            rest = others;
        }
        length
    }
}
