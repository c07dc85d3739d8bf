//! What steps over streams have in common, each by itself.

use serde_json::{Value, json};

use super::Checker;
use crate::document::Pointer;
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

    /// Checks what a number of a stream must be.
    pub(crate) fn number_wanted(&mut self, wanted: &Value, place: &Pointer) {
        if *wanted != json!({ "present": true }) {
            let known = ["not", "any_of", "at_least", "at_most"];
            self.matcher(wanted, place, (&known, &[SUM]), &mut Self::number);
        }
    }

    /// Checks a number of 32 bits, as far as it is known.
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
