//! What is known to be lacking, and why: `vectors/exceptions.json`.

use serde::Deserialize;
use shakedown_protocol::requirement::Role;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exception {
    /// The requirement, the twin or the scenario.
    pub(crate) of: String,
    pub(crate) lacks: String,
    /// The role in which it is lacking, where it is not in the other.
    #[allow(dead_code, reason = "only twins are of a role")]
    pub(crate) role: Option<Role>,
    pub(crate) because: String,
}

/// The exceptions from what one test asks for.
pub(crate) fn exceptions(is_asked: impl Fn(&str) -> bool) -> Vec<Exception> {
    let text = include_str!("../../../../vectors/exceptions.json");
    let mut all: Vec<Exception> = serde_json::from_str(text).unwrap();
    assert!(all.iter().all(|one| !one.because.is_empty()));
    all.retain(|one| is_asked(&one.lacks));
    all
}
