/// Why bytes could not be decoded: the field, where it begins, and what is wrong with it.
///
/// Offsets count bytes from the start of the buffer that the [`Reader`](crate::Reader) was
/// opened on, which for a datagram is the start of the UDP payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{field} at offset {offset}: {fault}")]
pub struct DecodeError {
    /// The field's name as the specification writes it.
    pub field: &'static str,
    /// Byte offset of the field's first byte.
    pub offset: usize,
    /// What is wrong there.
    pub fault: Fault,
}

impl DecodeError {
    /// A field of `need` bytes of which only `have` are there.
    #[must_use]
    pub const fn truncated(field: &'static str, offset: usize, need: usize, have: usize) -> Self {
        let fault = Fault::Truncated { need, have };
        Self {
            field,
            offset,
            fault,
        }
    }

    /// The same of bytes that begin at this offset.
    #[must_use]
    pub const fn moved(self, by: usize) -> Self {
        Self {
            offset: self.offset.saturating_add(by),
            ..self
        }
    }

    /// A field that is there in full and has a value it must not have.
    #[must_use]
    pub const fn invalid(
        field: &'static str,
        offset: usize,
        rule: Rule,
        reason: &'static str,
    ) -> Self {
        let fault = Fault::Invalid { rule, reason };
        Self {
            field,
            offset,
            fault,
        }
    }
}

/// The two ways in which a field can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Fault {
    /// The buffer ends inside the field.
    #[error("needs {need} bytes, has {have}")]
    Truncated {
        /// Bytes that the field takes.
        need: usize,
        /// Bytes from the field's offset to the end of the buffer.
        have: usize,
    },
    /// The bytes are there and break a rule.
    #[error("{reason}")]
    Invalid {
        /// What the rule is about.
        rule: Rule,
        /// The rule, in a few words for people.
        reason: &'static str,
    },
}

/// What a rule is about that bytes break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The value is shorter or longer than the field allows.
    Length,
    /// The value is none of those that are allowed.
    Value,
    /// The text has no NUL.
    Terminator,
    /// The text is not UTF-8.
    Utf8,
    /// The field is not there.
    Missing,
    /// The field is there once more.
    Repeated,
    /// Nothing may stand here, or nothing from this side.
    Unexpected,
}

impl Rule {
    /// Its code, which never changes: `length`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Value => "value",
            Self::Terminator => "terminator",
            Self::Utf8 => "utf8",
            Self::Missing => "missing",
            Self::Repeated => "repeated",
            Self::Unexpected => "unexpected",
        }
    }
}
