//! Impairment as scenario files write it.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shakedown_protocol::requirement::Role;

use super::{Delay, Fault, FaultKind};
use crate::scenario::{LENGTH, Span};

/// A length of time that depends on nothing.
///
/// # Errors
/// A human-readable error.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let span: Span = text.trim().parse()?;
    let depends = || {
        format!(
            "{text:?} depends on the implementation, the network does not; write for example \
             \"400ms\""
        )
    };
    span.as_fixed().ok_or_else(depends)
}

/// `20ms..80ms`, or one time alone.
///
/// # Errors
/// A human-readable error.
pub(super) fn parse_range(text: &str) -> Result<(Duration, Option<Duration>), String> {
    match text.split_once("..") {
        Some((begin, end)) => Ok((parse_time(begin)?, Some(parse_time(end)?))),
        None => Ok((parse_time(text)?, None)),
    }
}

pub(super) fn spell(time: Duration) -> String {
    Span::fixed(time).to_string()
}

pub(super) fn spell_range((begin, end): (Duration, Duration)) -> String {
    format!("{}..{}", spell(begin), spell(end))
}

pub(super) fn parse_outage(text: &str) -> Result<(Duration, Duration), String> {
    match parse_range(text)? {
        (begin, Some(end)) => Ok((begin, end)),
        (_, None) => Err(format!(
            "{text:?} is no time range; write for example \"1s..2.5s\""
        )),
    }
}

impl std::str::FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (least, most) = parse_range(text)?;
        let most = most.unwrap_or(least);
        Ok(Self { least, most })
    }
}

impl std::fmt::Display for Delay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.least == self.most {
            f.write_str(&spell(self.least))
        } else {
            f.write_str(&spell_range((self.least, self.most)))
        }
    }
}

impl Serialize for Delay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Delay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Delay {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Delay".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "How long a datagram takes: one time, or two with `..` between.",
            "pattern": format!(r"^{LENGTH}(\.\.{LENGTH})?$"),
            "examples": ["20ms", "20ms..80ms"]
        })
    }
}

/// An exact fault: an object with one key, what happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Fault")]
pub(super) enum FaultForm {
    /// It never arrives.
    Drop(Target),
    /// It arrives twice.
    Duplicate(Target),
    /// It arrives later, and others overtake it.
    Delay(DelayedTarget),
    /// It is held back until others have overtaken it.
    Reorder(ReorderedTarget),
    /// One of its bits is flipped.
    Corrupt(CorruptedTarget),
}

/// Makes the form of a fault: the frame that it befalls, and its own members.
macro_rules! target {
    ($(#[$about:meta])* $Form:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $Form {
            /// The frame's name.
            frame: String,
            /// Which of its kind, from 1, as they are sent; the first if not given.
            #[serde(default = "first")]
            #[schemars(range(min = 1))]
            nth: u32,
            /// Who sends it, where both sides may.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            #[schemars(schema_with = "role_schema")]
            from: Option<Role>,
            $($own)*
        }
    };
}

target! {
    /// The frame that is dropped or duplicated.
    Target {}
}

target! {
    /// The frame that is delayed.
    DelayedTarget {
        /// How much later it comes.
        #[serde(with = "time")]
        #[schemars(schema_with = "time_schema")]
        by: Duration,
    }
}

target! {
    /// The frame that others overtake.
    ReorderedTarget {
        /// How many later datagrams of its direction overtake it; 1 if not given. It is held for 10 s at
        /// most.
        #[serde(default = "first")]
        #[schemars(range(min = 1))]
        later: u32,
    }
}

target! {
    /// The frame of which a bit is flipped, under a checksum that is right.
    CorruptedTarget {
        /// The bit, counted from 0, the first byte's lowest: bit 208 is the lowest of the byte at
        /// offset 26.
        bit: u32,
    }
}

impl From<FaultForm> for Fault {
    fn from(form: FaultForm) -> Self {
        let (frame, nth, from, kind) = match form {
            FaultForm::Drop(it) => (it.frame, it.nth, it.from, FaultKind::Drop),
            FaultForm::Duplicate(it) => (it.frame, it.nth, it.from, FaultKind::Duplicate),
            FaultForm::Delay(it) => (it.frame, it.nth, it.from, FaultKind::Delay(it.by)),
            FaultForm::Reorder(it) => (it.frame, it.nth, it.from, FaultKind::Reorder(it.later)),
            FaultForm::Corrupt(it) => (it.frame, it.nth, it.from, FaultKind::Corrupt(it.bit)),
        };
        Self {
            frame,
            nth,
            from,
            kind,
        }
    }
}

impl From<Fault> for FaultForm {
    fn from(fault: Fault) -> Self {
        let Fault {
            frame,
            nth,
            from,
            kind,
        } = fault;
        match kind {
            FaultKind::Drop => Self::Drop(Target { frame, nth, from }),
            FaultKind::Duplicate => Self::Duplicate(Target { frame, nth, from }),
            FaultKind::Delay(by) => Self::Delay(DelayedTarget {
                frame,
                nth,
                from,
                by,
            }),
            FaultKind::Reorder(later) => Self::Reorder(ReorderedTarget {
                frame,
                nth,
                from,
                later,
            }),
            FaultKind::Corrupt(bit) => Self::Corrupt(CorruptedTarget {
                frame,
                nth,
                from,
                bit,
            }),
        }
    }
}

/// A time as text.
pub(super) mod time {
    use super::{Deserialize, Deserializer, Duration, Serializer, parse_time, spell};

    pub(in super::super) fn serialize<S: Serializer>(
        time: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&spell(*time))
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_time(&text).map_err(serde::de::Error::custom)
    }
}

/// Stretches of time as texts.
pub(super) mod outages {
    use super::{
        Deserialize, Deserializer, Duration, Serialize, Serializer, parse_outage, spell_range,
    };

    pub(in super::super) fn serialize<S: Serializer>(
        outages: &[(Duration, Duration)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let texts: Vec<_> = outages.iter().copied().map(spell_range).collect();
        texts.serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(Duration, Duration)>, D::Error> {
        let texts = Vec::<Outage>::deserialize(deserializer)?;
        Ok(texts.into_iter().map(|Outage(outage)| outage).collect())
    }

    /// One of them, so that an error has its own position.
    struct Outage((Duration, Duration));

    impl<'de> Deserialize<'de> for Outage {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let text = String::deserialize(deserializer)?;
            parse_outage(&text)
                .map(Self)
                .map_err(serde::de::Error::custom)
        }
    }
}

pub(super) fn time_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": format!("^{LENGTH}$"),
        "examples": ["300ms"]
    })
}

pub(super) fn outages_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": {
            "type": "string",
            "pattern": format!(r"^{LENGTH}\.\.{LENGTH}$"),
            "examples": ["1s..2.5s"]
        }
    })
}

pub(super) fn role_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": [Role::Initiator.name(), Role::Responder.name()] })
}

pub(super) fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn first() -> u32 {
    1
}
