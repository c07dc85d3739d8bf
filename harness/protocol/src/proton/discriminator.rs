/// The first byte of the first stream of a connection that resets an older one (PR-R-01).
pub const RESET: u8 = 0xFF;

/// What a stream is for; the client says it by one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 1: rising ids, each acked.
    Event,
    /// 2: a request, an answer.
    StateCommit,
    /// 3: items of the server.
    Action,
}

impl Kind {
    /// All three, in the order of their bytes.
    pub const ALL: [Self; 3] = [Self::Event, Self::StateCommit, Self::Action];

    /// The byte that says it.
    #[must_use]
    pub const fn discriminator(self) -> u8 {
        match self {
            Self::Event => 1,
            Self::StateCommit => 2,
            Self::Action => 3,
        }
    }

    /// What this byte says; `None` for [`RESET`] and for what is a violation (PR-S-03).
    #[must_use]
    pub const fn from_discriminator(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Event),
            2 => Some(Self::StateCommit),
            3 => Some(Self::Action),
            0 | 4..=u8::MAX => None,
        }
    }

    /// The specification's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Event => "Event",
            Self::StateCommit => "StateCommit",
            Self::Action => "Action",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bytes_of_256_name_a_stream() {
        let named: Vec<_> = (0..=u8::MAX)
            .filter_map(|byte| Kind::from_discriminator(byte).map(|kind| (byte, kind)))
            .collect();
        assert_eq!(
            named,
            [(1, Kind::Event), (2, Kind::StateCommit), (3, Kind::Action)]
        );
        for (byte, kind) in named {
            assert_eq!(kind.discriminator(), byte);
        }
    }
}
