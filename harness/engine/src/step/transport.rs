//! Transport parameters of QUIC, as steps over streams name them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shakedown_carrier as carrier;
use shakedown_protocol::streams::Faults;

use super::prelude::*;

/// Transport parameters by their names in RFC 9000, section 18.2, and RFC 9221; times in
/// milliseconds.
pub(crate) type Parameters = BTreeMap<Parameter, u64>;

/// A transport parameter whose value is an integer.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Parameter {
    MaxIdleTimeout,
    InitialMaxData,
    InitialMaxStreamDataBidiLocal,
    InitialMaxStreamDataBidiRemote,
    InitialMaxStreamDataUni,
    InitialMaxStreamsBidi,
    InitialMaxStreamsUni,
    MaxDatagramFrameSize,
}

impl Parameter {
    const fn id(self) -> u64 {
        match self {
            Self::MaxIdleTimeout => 0x01,
            Self::InitialMaxData => 0x04,
            Self::InitialMaxStreamDataBidiLocal => 0x05,
            Self::InitialMaxStreamDataBidiRemote => 0x06,
            Self::InitialMaxStreamDataUni => 0x07,
            Self::InitialMaxStreamsBidi => 0x08,
            Self::InitialMaxStreamsUni => 0x09,
            Self::MaxDatagramFrameSize => 0x20,
        }
    }
}

/// How a connection misbehaves from its beginning.
pub(super) fn faults(announces: &Parameters, believes: &Parameters) -> Faults {
    let by_id = |values: &Parameters| {
        values
            .iter()
            .map(|(one, value)| (one.id(), *value))
            .collect()
    };
    Faults {
        announced: by_id(announces),
        believed: by_id(believes),
    }
}

pub(super) fn check(
    check: &mut Checker<'_>,
    announces: &Parameters,
    believes: &Parameters,
    inside: &Pointer,
) {
    let none = Parameters::new();
    for (key, faults) in [
        ("announces", faults(announces, &none)),
        ("believes", faults(&none, believes)),
    ] {
        if let Err(error) = carrier::check(&faults) {
            check.at(&inside.key(key), error.to_string(), None);
        }
    }
}

/// What there is besides an ordinary handshake: `, announcing max_idle_timeout 0`.
pub(super) fn in_words(announces: &Parameters, believes: &Parameters) -> String {
    let mut words = String::new();
    for (does, values) in [("announcing", announces), ("believing in", believes)] {
        let values = values.iter().map(|(parameter, value)| {
            let name = serde_json::to_value(parameter).unwrap_or_default();
            format!("{} {value}", name.as_str().unwrap_or_default())
        });
        let values: Vec<_> = values.collect();
        if !values.is_empty() {
            words += &format!(", {does} {}", values.join(" and "));
        }
    }
    words
}
