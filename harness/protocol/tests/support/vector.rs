//! A frame vector: one datagram, and what becomes of it.

#[path = "outcome.rs"]
pub(crate) mod outcome;
#[path = "pieces.rs"]
mod pieces;

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use shakedown_protocol::mediastream::{Grammar, Mode, Modes, Rejection};

use outcome::Malformed;
use pieces::Pieces;

/// One file of `vectors/mediastream/frames/<form>/`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vector {
    /// `mediastream/<form>/<name>`, the same as the file's place. It never changes.
    pub(crate) id: String,
    /// What is special about the datagram.
    pub(crate) comment: String,
    /// The requirement that it is about.
    pub(crate) requirement: String,
    /// Whether the outcome follows from what the specification decided where the documents behind
    /// it say nothing: an implementation of the documents alone may differ.
    #[serde(default)]
    pub(crate) decision: bool,
    /// The datagram: one piece, or several in a row.
    pub(crate) hex: Pieces,
    /// The grammars under which the outcome is `decoded` or `error`.
    pub(crate) modes: Vec<Dialect>,
    /// What the datagram says, if it is good.
    pub(crate) decoded: Option<Decoded>,
    /// What is wrong with it, if it is bad.
    pub(crate) error: Option<Outcome>,
    /// Why it is dropped under the grammars that `modes` does not name.
    pub(crate) elsewhere: Option<Outcome>,
}

/// What an endpoint knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum Dialect {
    #[serde(rename = "legacy")]
    Legacy,
    #[serde(rename = "legacy+upload_slots")]
    LegacyWithUploads,
    #[serde(rename = "3way")]
    ThreeWay,
    #[serde(rename = "3way+allow_legacy_start")]
    ThreeWayWithStart,
    #[serde(rename = "start3")]
    Start3,
    #[serde(rename = "start3+allow_legacy_start")]
    Start3WithStart,
    #[serde(rename = "3way,start3")]
    ThreeWayAndStart3,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Decoded {
    pub(crate) frame: String,
    pub(crate) fields: Map<String, Value>,
}

/// Why a datagram is dropped.
#[derive(Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Outcome {
    Empty,
    Oversized { length: usize },
    UnknownFlag { flag: String },
    StartNotAllowed,
    Malformed(Malformed),
}

impl Vector {
    /// Reads a file, and checks that its id says where it stands.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let vector: Self =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let form = path.parent().and_then(Path::file_name).unwrap();
        let name = path.file_stem().unwrap();
        let place = format!("mediastream/{}/{}", form.display(), name.display());
        assert_eq!(vector.id, place);
        vector
    }

    pub(crate) fn datagram(&self) -> Vec<u8> {
        self.hex.bytes()
    }
}

impl Dialect {
    pub(crate) const ALL: [Self; 7] = [
        Self::Legacy,
        Self::LegacyWithUploads,
        Self::ThreeWay,
        Self::ThreeWayWithStart,
        Self::Start3,
        Self::Start3WithStart,
        Self::ThreeWayAndStart3,
    ];

    pub(crate) fn grammar(self) -> Grammar {
        match self {
            Self::Legacy => Grammar::new(Mode::Legacy, false),
            Self::LegacyWithUploads => Grammar::new(Mode::Legacy, false).with_uploads(),
            Self::ThreeWay => Grammar::new(Mode::ThreeWay, false),
            Self::ThreeWayWithStart => Grammar::new(Mode::ThreeWay, true),
            Self::Start3 => Grammar::new(Mode::Start3, false),
            Self::Start3WithStart => Grammar::new(Mode::Start3, true),
            Self::ThreeWayAndStart3 => {
                let modes = "3way,start3".parse::<Modes>();
                Grammar::new(modes.unwrap(), false)
            }
        }
    }
}

impl From<Rejection> for Outcome {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Empty => Self::Empty,
            Rejection::Oversized { length } => Self::Oversized { length },
            Rejection::UnknownFlag { flag } => Self::UnknownFlag {
                flag: format!("{flag:#06x}"),
            },
            Rejection::StartNotAllowed => Self::StartNotAllowed,
            Rejection::Malformed(error) => Self::Malformed(error.into()),
        }
    }
}
