use std::time::Duration;

/// How items of the Action stream come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// The server sends them on its own.
    #[default]
    Push,
    /// Each is asked for by a u32.
    Pull,
}

impl Profile {
    /// Both, in the specification's order.
    pub const ALL: [Self; 2] = [Self::Push, Self::Pull];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
        }
    }
}

impl std::str::FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|profile| profile.name() == text);
        found.ok_or_else(|| format!("{text:?} is neither push nor pull"))
    }
}

/// Settings of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerSettings {
    pub profile: Profile,
    /// Whether a second connection may reset the first (PR-R-01); else it is refused.
    pub resets: bool,
    /// How long it works on a StateCommit request.
    pub commit_delay: Duration,
    /// In push, the time from one item to the next.
    pub action_interval: Duration,
    /// The first item of a connection; each next one is one more.
    pub first_action: u32,
    /// How long after its start it refuses connections that do not reset: a server that was restarted waits
    /// [`super::super::STARTUP_DELAY`], so that its clients have lost the old connection.
    pub startup_delay: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            profile: Profile::Push,
            resets: true,
            commit_delay: Duration::ZERO,
            action_interval: Duration::from_secs(1),
            first_action: 123,
            startup_delay: Duration::ZERO,
        }
    }
}

/// Settings of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientSettings {
    pub profile: Profile,
    /// Its first event id, at least 1.
    pub first_event: u32,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            profile: Profile::Push,
            first_event: 1,
        }
    }
}
