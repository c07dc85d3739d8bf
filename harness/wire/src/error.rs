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

    /// A field that is there in full and has a value it must not have.
    #[must_use]
    pub const fn invalid(field: &'static str, offset: usize, reason: &'static str) -> Self {
        let fault = Fault::Invalid { reason };
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
        /// The rule, in a few words.
        reason: &'static str,
    },
}
