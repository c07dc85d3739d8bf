//! What steps over streams have in common, each by itself.

use serde_json::Value;

use super::Checker;
use super::fields::MATCHERS;
use crate::document::{Pointer, did_you_mean};
use crate::scenario::SUM;

/// The largest code that QUIC carries.
const LARGEST_CODE: u64 = (1 << 62) - 1;
/// Bytes of a number on a stream.
const WORD: usize = 4;

impl Checker<'_> {
    /// Whether streams carry the scenario's protocol.
    pub(crate) fn is_over_streams(&self) -> bool {
        let protocol = self.protocol;
        protocol.is_some_and(|protocol| protocol.transport.is_some())
    }

    /// Checks that there is one of `hex` and `u32`; gives the length in bytes.
    pub(crate) fn content(
        &mut self,
        hex: Option<&str>,
        numbers: Option<&[Value]>,
        inside: &Pointer,
    ) -> Option<usize> {
        match (hex, numbers) {
            (Some(hex), None) => self.hex(hex, &inside.key("hex")).map(|bytes| bytes.len()),
            (None, Some(numbers)) => Some(numbers.len().saturating_mul(WORD)),
            (Some(_), Some(_)) => {
                let help = "write the numbers as bytes in `hex`, or take two steps".to_owned();
                let message = "`hex` and `u32` exclude each other";
                self.at_key(&inside.key("u32"), message, Some(help));
                None
            }
            (None, None) => {
                if self.whole {
                    let help = "give bytes in `hex`, or numbers in `u32`".to_owned();
                    self.at_key(inside, "it does not say which bytes", Some(help));
                }
                None
            }
        }
    }

    pub(crate) fn number_wanted(&mut self, wanted: &Value, place: &Pointer) {
        let single = wanted.as_object().filter(|object| object.len() == 1);
        let Some((key, argument)) = single.and_then(|object| object.iter().next()) else {
            return self.number(wanted, place);
        };
        let inside = place.key(key);
        match (key.as_str(), argument) {
            (SUM, _) => self.number(wanted, place),
            ("not", argument) => self.number_wanted(argument, &inside),
            ("any_of", Value::Array(values)) if !values.is_empty() => {
                for (index, value) in values.iter().enumerate() {
                    self.number_wanted(value, &inside.index(index));
                }
            }
            ("any_of", _) => self.at(&inside, "`any_of` takes a list of values", None),
            ("at_least" | "at_most", argument) => self.number(argument, &inside),
            ("present", Value::Bool(true)) => {}
            ("present" | "empty", _) => {
                let message = format!("a number on a stream is never without a value: `{key}`");
                let help = "`{\"present\": true}` takes any number".to_owned();
                self.at(&inside, message, Some(help));
            }
            (key, _) => {
                let message = format!("no matcher is called `{key}`");
                let known = MATCHERS.into_iter().chain([SUM]);
                self.at_key(&inside, message, did_you_mean(key, known));
            }
        }
    }

    /// Checks a number of 32 bits, as far as it can be told.
    pub(crate) fn number(&mut self, value: &Value, place: &Pointer) {
        let Some(value) = self.filled(value) else {
            return;
        };
        if self.is_uncomputed(&value, place) {
            return;
        }
        let fits = value
            .as_u64()
            .is_some_and(|number| u32::try_from(number).is_ok());
        if !fits {
            let message = format!("{value} is no number that fits into four bytes");
            let help = format!("write a number from 0 to {}, or \"$name\"", u32::MAX);
            self.at(place, message, Some(help));
        }
    }

    pub(crate) fn code(&mut self, code: u64, place: &Pointer) {
        if code > LARGEST_CODE {
            let help = Some(format!("the largest is {LARGEST_CODE}"));
            self.at(place, "QUIC carries no such code", help);
        }
    }
}
