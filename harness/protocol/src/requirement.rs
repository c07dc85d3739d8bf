//! Numbered requirements: what they say, whom they bind and how they can be observed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shakedown_wire::quic;

/// How binding a requirement is (RFC 2119).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    Must,
    /// May be left undone for a good reason.
    Should,
    May,
}

impl Level {
    /// The level as the specification writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
        }
    }
}

/// How it can be seen whether a requirement holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// A capture alone shows it: the monitor judges it.
    Wire,
    /// It shows in the answer to a stimulus: a scenario provokes it.
    Peer,
    /// It shows only from inside the implementation.
    Inner,
}

impl Seen {
    /// As files write it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wire => "wire",
            Self::Peer => "peer",
            Self::Inner => "inner",
        }
    }
}

/// A side of a protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Speaks first: asks for a stream and receives it (`mediastream`), or connects and opens the
    /// streams (the client of `proton`). Files may say `client`.
    #[serde(alias = "client")]
    Initiator,
    /// The other one: supplies the stream (`mediastream`), or answers (the server of `proton`). Files
    /// may say `server`.
    #[serde(alias = "server")]
    Responder,
}

impl Role {
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    /// The role's name as files and flags spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initiator => "initiator",
            Self::Responder => "responder",
        }
    }
}

/// The client of a connection speaks first.
impl From<quic::Role> for Role {
    fn from(role: quic::Role) -> Self {
        match role {
            quic::Role::Client => Self::Initiator,
            quic::Role::Server => Self::Responder,
        }
    }
}

impl From<Role> for quic::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Initiator => Self::Client,
            Role::Responder => Self::Server,
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// One numbered rule of a protocol's specification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The id, which never changes: `MS-H-05`.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// Whom it binds, in the specification's word.
    pub binds: String,
    /// The roles that it binds.
    pub roles: Vec<Role>,
    /// The modes in which it applies.
    pub modes: Vec<String>,
    /// The modes of a role that it binds in some of them only: where uploads turn the stream round.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<Role, Vec<String>>,
    /// How it can be observed.
    pub seen: Vec<Seen>,
    /// The rule, in one or two sentences.
    pub text: String,
    /// What goes wrong where it is broken.
    pub why: String,
    /// Where it comes from: seed numbers, `F` seen in the field, `D` decided.
    pub source: String,
    pub section: String,
    /// Requirements whose breach is the cause where both are broken in one conversation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub follows_from: Vec<String>,
}

impl Requirement {
    /// All of a file that is built in.
    #[expect(
        clippy::panic,
        reason = "the file is built in: if it is wrong, the program is"
    )]
    pub(crate) fn built_in(json: &str) -> Vec<Self> {
        serde_json::from_str(json).unwrap_or_else(|error| {
            panic!("requirements.json is built in and must be well-formed: {error}")
        })
    }
}

impl Requirement {
    /// The modes in which it binds a role.
    #[must_use]
    pub fn modes_of(&self, role: Role) -> &[String] {
        match self.roles.contains(&role) {
            true => self.only.get(&role).unwrap_or(&self.modes),
            false => &[],
        }
    }
}
