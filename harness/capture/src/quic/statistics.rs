use std::fmt;

use shakedown_wire::quic::UnreadableReason;

/// What was read of QUIC, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QuicStatistics {
    /// Datagrams given to the decoder.
    pub datagrams: u64,
    /// QUIC packets in them, as far as they can be separated.
    pub packets: u64,
    /// Packets that were read.
    pub read: u64,
    /// Duplicate packets, or too old to know.
    pub repeated: u64,
    pub connections: u64,
    /// Packets of connections without secrets.
    pub no_secrets: u64,
    /// Packets of connections whose handshake is there only in part.
    pub no_handshake: u64,
    /// Packets of connections with a cipher suite that is not read.
    pub unsupported_suite: u64,
    /// Packets of no known connection.
    pub unknown_connection: u64,
    /// Packets that do not decrypt.
    pub cannot_decrypt: u64,
    /// Packets that were cut in the capture.
    pub cut: u64,
    /// Packets of other versions of QUIC.
    pub other_version: u64,
    /// Packets that have not the form of QUIC.
    pub not_quic: u64,
    /// Packets of early data that the server does not take. They are not unreadable.
    pub early_data_rejected: u64,
    /// Packets that were read and break the rules.
    pub malformed: u64,
    /// Bytes after the last packet of a datagram.
    pub trailing_bytes: u64,
    /// Connections that were forgotten while open, because there were too many.
    pub forgotten: u64,
}

impl QuicStatistics {
    pub(super) const fn count(&mut self, why: UnreadableReason) {
        let count = match why {
            UnreadableReason::NoSecrets => &mut self.no_secrets,
            UnreadableReason::NoHandshake => &mut self.no_handshake,
            UnreadableReason::UnsupportedSuite(_) => &mut self.unsupported_suite,
            UnreadableReason::UnknownConnection => &mut self.unknown_connection,
            UnreadableReason::CannotDecrypt => &mut self.cannot_decrypt,
            UnreadableReason::Cut => &mut self.cut,
            UnreadableReason::OtherVersion(_) => &mut self.other_version,
            UnreadableReason::NotQuic => &mut self.not_quic,
            UnreadableReason::EarlyDataRejected => &mut self.early_data_rejected,
        };
        *count += 1;
    }

    /// Packets that could not be read, for any reason.
    #[must_use]
    pub const fn unreadable(&self) -> u64 {
        self.no_secrets
            + self.no_handshake
            + self.unsupported_suite
            + self.unknown_connection
            + self.cannot_decrypt
            + self.cut
            + self.other_version
            + self.not_quic
    }
}

/// Human-readable: what was read, then each cause for which something was not.
impl fmt::Display for QuicStatistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} QUIC packets read of {} connections",
            self.read, self.connections
        )?;
        let counts = [
            (self.repeated, "repeated"),
            (self.no_secrets, "without secrets"),
            (self.no_handshake, "without the whole handshake"),
            (self.unsupported_suite, "with an unsupported cipher suite"),
            (self.unknown_connection, "of no known connection"),
            (self.cannot_decrypt, "that do not decrypt"),
            (self.cut, "cut in the capture"),
            (self.other_version, "of another version"),
            (self.not_quic, "that are not QUIC"),
            (self.early_data_rejected, "with rejected early data"),
            (self.malformed, "that break the rules"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        Ok(())
    }
}
