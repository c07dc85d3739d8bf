use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stands in a link's target as `%` and two digits.
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// A capture's path as the target of a link from a document in `directory`.
pub(crate) fn target(capture: &str, directory: &Path) -> String {
    let path = Path::new(capture);
    let beside = path.strip_prefix(directory).unwrap_or(path);
    percent_encode(beside.as_os_str().as_encoded_bytes(), IN_PATHS).to_string()
}
