use shakedown_wire::{Form, Start, fields};

/// The 37 bytes that name a session: text, then at least one NUL.
///
/// Two ids are equal if their texts are: what follows the first NUL means nothing. The text need
/// not be a UUID (MS-W-06) nor UTF-8. 37 zero bytes are the empty id.
#[derive(Clone, Copy)]
pub struct ConnectionId([u8; Self::LENGTH]);

impl ConnectionId {
    /// Length of the field, in bytes.
    pub const LENGTH: usize = 37;
    /// Longest text, in bytes: the field less its NUL.
    pub const MAX_TEXT: usize = Self::LENGTH - 1;
    /// 37 zero bytes.
    pub const EMPTY: Self = Self([0; Self::LENGTH]);

    /// The field as it stands on the wire, NUL or not.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// `text` padded with NULs; `None` if it is longer than [`Self::MAX_TEXT`] or contains a NUL.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        if text.len() > Self::MAX_TEXT || text.contains(&0) {
            return None;
        }
        let mut bytes = [0; Self::LENGTH];
        bytes[..text.len()].copy_from_slice(text);
        Some(Self(bytes))
    }

    /// The field as it stands on the wire.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The bytes before the first NUL; all 37 if there is none.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or_default()
    }

    /// Whether the text is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0[0] == 0
    }

    /// Whether the field has the NUL that it must have (MS-W-05).
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.0.contains(&0)
    }
}

impl PartialEq for ConnectionId {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for ConnectionId {}

impl std::hash::Hash for ConnectionId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.text().hash(state);
    }
}

impl std::fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.text().escape_ascii())
    }
}

impl std::fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ConnectionId(\"{self}\")")
    }
}

fields! {
    /// Names the session of a tuple (flag `0x1000`).
    ///
    /// ```text
    ///  0        2                              39
    ///  +--------+------------------------------+---------
    ///  | 0x1000 | id text, NUL, ... (37 bytes) | ignored
    ///  +--------+------------------------------+---------
    /// ```
    ///
    /// At least 39 bytes (MS-W-03); what follows them is kept and ignored (MS-W-04).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct ConnectionIdFrame<'a> {
        connection_id: &'a [u8; ConnectionId::LENGTH] = text<37> "ConnectionId"
            [has_nul(connection_id), Terminator "has no NUL in its 37 bytes"],
        /// Bytes after the id, which a receiver ignores.
        pub trailing: &'a [u8] = trailing "trailing",
    }
}

pub(super) const CONNECTION_ID: Form = Form::new(
    "connection-id",
    Start::U16Le(0x1000),
    ConnectionIdFrame::FIELDS,
);

impl<'a> ConnectionIdFrame<'a> {
    /// Shortest datagram of this form, in bytes.
    pub const MIN_LENGTH: usize = 2 + Self::FIXED_LENGTH;

    /// A frame that carries `connection_id` as it is.
    #[must_use]
    pub const fn new(connection_id: &'a [u8; ConnectionId::LENGTH], trailing: &'a [u8]) -> Self {
        Self {
            connection_id,
            trailing,
        }
    }

    #[inline]
    #[must_use]
    pub const fn connection_id(&self) -> ConnectionId {
        ConnectionId::from_bytes(*self.connection_id)
    }
}

/// Whether an id field has the NUL that it must have (MS-W-05).
#[inline]
pub(super) fn has_nul(field: &[u8; ConnectionId::LENGTH]) -> bool {
    // Looking at all bytes, without a way out at the first, is what the compiler makes fastest.
    field.iter().fold(false, |found, byte| found | (*byte == 0))
}
