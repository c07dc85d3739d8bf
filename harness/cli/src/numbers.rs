//! Numbers on the command line.

use std::num::{IntErrorKind, NonZeroUsize, ParseIntError};
use std::str::FromStr;

/// The most that is done at the same time.
const MOST_JOBS: usize = 1_024;

/// Reads how much is done at the same time.
///
/// # Errors
/// A sentence for people.
pub(crate) fn jobs(text: &str) -> Result<NonZeroUsize, String> {
    let jobs: NonZeroUsize = at_least_1(text)?;
    match jobs.get() {
        ..=MOST_JOBS => Ok(jobs),
        _ => Err(format!("it has to be at most {MOST_JOBS}")),
    }
}

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
