//! What frame vectors of streams have in common.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shakedown_protocol::hex;
use shakedown_protocol::vocabulary::Described;

use crate::outcome::portable;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Pieces {
    One(String),
    Many(Vec<String>),
}

#[derive(Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub(crate) frame: String,
    pub(crate) fields: Value,
}

impl Pieces {
    pub(crate) fn bytes(&self) -> Vec<Vec<u8>> {
        let pieces = match self {
            Self::One(digits) => std::slice::from_ref(digits),
            Self::Many(pieces) => pieces.as_slice(),
        };
        let pieces = pieces.iter().map(|piece| hex::parse(piece).unwrap());
        pieces.collect()
    }
}

impl From<Described> for Frame {
    fn from(Described { frame, fields }: Described) -> Self {
        Self {
            frame: frame.to_owned(),
            fields: portable(Value::Object(fields)),
        }
    }
}

/// Reads a file; its `id` says where it stands.
pub(crate) fn read<V: DeserializeOwned>(path: &Path, protocol: &str, id: fn(&V) -> &str) -> V {
    let text = std::fs::read_to_string(path).unwrap();
    let vector = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let folder = path.parent().and_then(Path::file_name).unwrap();
    let name = path.file_stem().unwrap();
    let place = format!("{protocol}/{}/{}", folder.display(), name.display());
    assert_eq!(id(&vector), place);
    vector
}
