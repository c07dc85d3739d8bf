use std::fmt;

use pcap_file::DataLink;

/// What a capture held, counted while it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Packets of the file.
    pub packets: u64,
    /// UDP datagrams that were delivered.
    pub datagrams: u64,
    /// Delivered datagrams of which only the beginning was captured.
    pub cut: u64,
    /// Packets cut before their UDP payload began: nothing was delivered.
    pub headers_cut: u64,
    /// Packets that are not IP.
    pub not_ip: u64,
    /// IP packets that are not UDP.
    pub not_udp: u64,
    /// Packets of a link type that is not known here.
    pub unsupported_link: u64,
    /// The first such link type.
    pub unsupported_link_type: Option<DataLink>,
    /// Packets with a link header that is too short.
    pub malformed_link: u64,
    /// Packets with IP headers that contradict themselves.
    pub malformed_ip: u64,
    /// Packets with a UDP header that contradicts itself or its IP header.
    pub malformed_udp: u64,
    /// Packets without a time of their own (simple packet blocks).
    pub untimed: u64,
    /// Key logs of TLS that were delivered.
    pub key_logs: u64,
    /// Key logs of TLS that were passed over: longer than 16 MiB, or damaged.
    pub unread_key_logs: u64,
    pub fragments: FragmentStatistics,
}

/// What became of IP fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FragmentStatistics {
    pub pieces: u64,
    /// IP packets put together.
    pub reassembled: u64,
    /// Pieces that were cut, so that their IP packet cannot be put together.
    pub cut_pieces: u64,
    /// Pieces that came again.
    pub repeated_pieces: u64,
    /// IP packets with pieces missing after 30 s, or at the end of the capture.
    pub incomplete: u64,
    /// IP packets dropped because two pieces overlap and differ.
    pub overlapping: u64,
    /// IP packets dropped because of impossible offsets or lengths.
    pub malformed: u64,
    /// IP packets dropped because too many were incomplete at once.
    pub over_limit: u64,
}

impl Statistics {
    /// Packets that may have been datagrams of interest, and could not be delivered.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.headers_cut
            + self.malformed_link
            + self.malformed_ip
            + self.malformed_udp
            + self.fragments.lost()
    }
}

impl FragmentStatistics {
    /// IP packets that were fragmented and could not be put together.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.incomplete + self.overlapping + self.malformed + self.over_limit
    }
}

/// Human-readable: what was read, then each cause for which something was not delivered.
impl fmt::Display for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} packets, {} UDP datagrams",
            self.packets, self.datagrams
        )?;
        let counts = [
            (self.fragments.reassembled, "put together from fragments"),
            (self.cut, "cut in their payload"),
            (self.headers_cut, "cut in their headers"),
            (self.not_ip, "not IP"),
            (self.not_udp, "not UDP"),
            (self.malformed_link, "with a malformed link header"),
            (self.malformed_ip, "with a malformed IP header"),
            (self.malformed_udp, "with a malformed UDP header"),
            (self.untimed, "without a time"),
            (self.fragments.incomplete, "with fragments missing"),
            (self.fragments.overlapping, "with fragments that overlap"),
            (self.fragments.malformed, "with impossible fragments"),
            (self.fragments.over_limit, "with too many fragments pending"),
        ];
        for (count, what) in counts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        if self.unread_key_logs > 0 {
            write!(f, ", {} key logs not read", self.unread_key_logs)?;
        }
        if let Some(link) = self.unsupported_link_type {
            write!(
                f,
                ", {} of a link type that is not supported (the first: {link:?})",
                self.unsupported_link
            )?;
        }
        Ok(())
    }
}
