//! Numbers on the command line.

use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// Reads a number that is not 0.
///
/// # Errors
/// A sentence for people.
pub(crate) fn at_least_1<N: FromStr<Err = ParseIntError>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: ParseIntError| {
        if *error.kind() == IntErrorKind::Zero {
            String::from("it has to be at least 1")
        } else {
            error.to_string()
        }
    })
}
