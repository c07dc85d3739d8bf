use std::fmt;
use std::time::Duration;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shakedown_protocol::StreamParameters;

use crate::iut::Timing;

/// A length of time as scenarios and descriptions write it: a sum of terms joined by ` + `.
///
/// A term is a number with a unit (`20us`, `400ms`, `1.5s`, `2m`, and what else humantime reads) or
/// one of the lengths that depend on the implementation under test ([`Span::NAMES`]). So
/// `500ms + $frame_interval` is half a second more than the time from one frame to the next.
/// [`Span::resolve`] turns it into a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    fixed: Duration,
    counts: [u8; Self::NAMES.len()],
}

/// The lengths that a span can depend on, in the order of [`Span::NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Environment([Duration; Span::NAMES.len()]);

impl Span {
    /// The names that a span may use, without their `$`: what depends on the stream, then what a
    /// description says under `[timing]`.
    pub const NAMES: [&'static str; 8] = [
        "frame_interval",
        "stream",
        "buffer_period",
        "ack",
        "answer",
        "item",
        "request",
        "connect",
    ];

    /// A span that depends on nothing.
    #[must_use]
    pub const fn fixed(duration: Duration) -> Self {
        Self {
            fixed: duration,
            counts: [0; Self::NAMES.len()],
        }
    }

    /// Its length where it depends on nothing.
    #[must_use]
    pub fn as_fixed(&self) -> Option<Duration> {
        (self.counts == [0; Self::NAMES.len()]).then_some(self.fixed)
    }

    /// Its length in this environment; saturates.
    #[must_use]
    pub fn resolve(&self, environment: &Environment) -> Duration {
        let terms = environment.0.iter().zip(self.counts);
        terms.fold(self.fixed, |sum, (length, count)| {
            sum.saturating_add(length.saturating_mul(u32::from(count)))
        })
    }

    /// Whether it may be made of many intervals: it depends on the stream.
    pub(crate) const fn is_of_frames(&self) -> bool {
        let [interval, stream, ..] = self.counts;
        interval > 0 || stream > 0
    }

    /// Whether it is longer than `other` in every environment.
    #[must_use]
    pub fn exceeds(&self, other: &Self) -> bool {
        let mut counts = self.counts.iter().zip(&other.counts);
        self != other && self.fixed >= other.fixed && counts.all(|(own, other)| own >= other)
    }

    /// Whether it is 0 in every environment.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl Environment {
    /// The environment of an implementation that streams this, and is as punctual as `timing` says.
    #[must_use]
    pub fn new(stream: &StreamParameters, timing: &Timing) -> Self {
        let fixed = |span: Span| span.as_fixed().unwrap_or_default();
        Self([
            stream.interval(),
            Duration::from_secs(u64::from(stream.seconds)),
            fixed(timing.buffer_period),
            fixed(timing.ack),
            fixed(timing.answer),
            fixed(timing.item),
            fixed(timing.request),
            fixed(timing.connect),
        ])
    }
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut span = Self::default();
        for term in text.split('+').map(str::trim) {
            match term.strip_prefix('$') {
                Some(name) => span.add_variable(name)?,
                None => {
                    let length = literal(term).ok_or_else(|| no_span(text))?;
                    span.fixed = span
                        .fixed
                        .checked_add(length)
                        .ok_or_else(|| no_span(text))?;
                }
            }
        }
        Ok(span)
    }
}

impl Span {
    fn add_variable(&mut self, name: &str) -> Result<(), String> {
        let place = Self::NAMES.iter().position(|known| *known == name);
        let count = place.and_then(|place| self.counts.get_mut(place));
        let Some(count) = count else {
            let known = Self::NAMES.map(|name| format!("${name}")).join(", ");
            return Err(format!(
                "no length of time is called ${name}; there are {known}"
            ));
        };
        *count = count
            .checked_add(1)
            .ok_or_else(|| format!("${name} is added too often"))?;
        Ok(())
    }
}

impl std::fmt::Display for Span {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut terms = Vec::new();
        if !self.fixed.is_zero() {
            // The micro sign is on few keyboards.
            terms.push(format!("{:?}", self.fixed).replace('µ', "u"));
        }
        for (name, count) in Self::NAMES.iter().zip(self.counts) {
            terms.extend(std::iter::repeat_n(format!("${name}"), usize::from(count)));
        }
        match terms.is_empty() {
            true => f.write_str("0s"),
            false => f.write_str(&terms.join(" + ")),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length of time such as \"200ms\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names = Self::NAMES.join("|");
        let term = format!(r"({LENGTH}|\$({names}))");
        schemars::json_schema!({
            "type": "string",
            "description": "A length of time: terms joined by ` + `. A term is a number with a unit (us, ms, s, m, h), or what the description of the implementation says: $frame_interval, $stream, $buffer_period, $ack, $answer, $item, $request, $connect.",
            "pattern": format!(r"^{term}( *\+ *{term})*$"),
            "examples": ["400ms", "2s", "500ms + $frame_interval"]
        })
    }
}

/// What a schema takes for a fixed length: `400ms`, `1m 30s`.
pub(crate) const LENGTH: &str = r"[0-9]+(\.[0-9]+)? ?[a-z]+( [0-9]+ ?[a-z]+)*";

fn no_span(text: &str) -> String {
    format!("{text:?} is no length of time; write for example \"400ms\" or \"2s\"")
}

/// A number and its unit, as humantime reads them. The longest is a day: nothing here is meant to
/// take longer.
fn literal(term: &str) -> Option<Duration> {
    let length = humantime::parse_duration(term).ok()?;
    (length <= Duration::from_hours(24)).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(text: &str) -> Duration {
        let stream = StreamParameters {
            bits_per_second: 400_000,
            frames_per_second: 50,
            seconds: 2,
        };
        let environment = Environment::new(&stream, &Timing::default());
        text.parse::<Span>().unwrap().resolve(&environment)
    }

    #[test]
    fn a_span_is_the_sum_of_its_terms() {
        assert_eq!(resolve("400ms"), Duration::from_millis(400));
        assert_eq!(resolve("1.5s+20us"), Duration::from_micros(1_500_020));
        assert_eq!(resolve("1 second + 1m 30s"), Duration::from_secs(91));
        assert_eq!(
            resolve("500ms + $frame_interval"),
            Duration::from_millis(520)
        );
        assert_eq!(
            resolve("$stream + $stream + $buffer_period"),
            Duration::from_secs(9)
        );
    }

    #[test]
    fn a_span_is_written_as_it_is_read() {
        for text in [
            "0s",
            "400ms",
            "20us",
            "2s",
            "2.5s",
            "120s",
            "$stream",
            "500ms + $frame_interval",
        ] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_span_is_refused() {
        for text in [
            "",
            "5",
            "ms",
            "-1s",
            "1s +",
            "$frames",
            ".5s",
            "1.s",
            "2d",
            "1e3s",
            "99999999m",
            "NaNs",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_span_exceeds_another_only_if_it_does_so_everywhere() {
        let exceeds = |a: &str, b: &str| {
            let (a, b): (Span, Span) = (a.parse().unwrap(), b.parse().unwrap());
            a.exceeds(&b)
        };
        assert!(exceeds("2s", "1s"));
        assert!(exceeds("1s + $stream", "1s"));
        assert!(!exceeds("1s", "1s"));
        assert!(!exceeds("1s", "2s"));
        assert!(!exceeds("$stream", "1s"));
        assert!(!exceeds("2s", "1s + $stream"));
    }
}
