use std::io;

/// Why a capture could not be read, or could not be read further.
///
/// Every packet before the damage was delivered. Offsets count the bytes of the file from 0.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The file is something else.
    #[error(
        "this is not a capture: {looks_like}; expected a pcap or a pcapng file, which begins with \
         one of their magic numbers"
    )]
    NotACapture {
        /// What its first bytes look like, in words.
        looks_like: String,
    },
    /// The file ends in the middle of something.
    #[error(
        "the capture is cut off: {what} begins at byte {offset} and needs {need} bytes, but only \
         {have} are left; copy the file again, or stop the recording before copying"
    )]
    Truncated {
        /// What is incomplete: a header, a record, a block.
        what: &'static str,
        offset: u64,
        /// Its length in bytes, as far as it is known.
        need: u64,
        /// Bytes from `offset` to the end of the file.
        have: u64,
    },
    /// The file says something that cannot be.
    #[error("the capture is damaged at byte {offset}: {what}; {right}")]
    Damaged {
        /// Where the field or block is that is wrong.
        offset: u64,
        what: String,
        /// What would be right.
        right: String,
    },
    #[error("reading the capture failed at byte {offset}: {source}")]
    Io {
        /// How far the file was read.
        offset: u64,
        source: io::Error,
    },
}

impl CaptureError {
    /// The byte of the file where the trouble is; 0 for a file that is no capture.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        match self {
            Self::NotACapture { .. } => 0,
            Self::Truncated { offset, .. }
            | Self::Damaged { offset, .. }
            | Self::Io { offset, .. } => *offset,
        }
    }

    pub(crate) fn damaged(offset: u64, what: impl Into<String>, right: impl Into<String>) -> Self {
        Self::Damaged {
            offset,
            what: what.into(),
            right: right.into(),
        }
    }
}

/// An error with its causes, joined by colons.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
