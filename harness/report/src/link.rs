use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf, absolute};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// What stands in a link's target as `%` and two digits.
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_');

/// A capture's path as the target of a link from a document in `directory`; both are seen from where the
/// program is.
pub(crate) fn target(capture: &str, directory: &Path) -> String {
    let path = Path::new(capture);
    let beside = match path.strip_prefix(directory) {
        Ok(beside) => beside.to_path_buf(),
        Err(_) => from(directory, path).unwrap_or_else(|| path.to_path_buf()),
    };
    percent_encode(beside.as_os_str().as_encoded_bytes(), IN_PATHS).to_string()
}

/// The way from a directory to a path.
fn from(directory: &Path, path: &Path) -> Option<PathBuf> {
    let (directory, path) = (whole(directory)?, whole(path)?);
    let common = directory.components().zip(path.components());
    let common = common.take_while(|(a, b)| a == b).count();
    let up = directory
        .components()
        .skip(common)
        .map(|_| OsStr::new(".."));
    let down = path.components().skip(common).map(Component::as_os_str);
    Some(up.chain(down).collect())
}

/// A path from the root, without `..`.
fn whole(path: &Path) -> Option<PathBuf> {
    let mut whole = PathBuf::new();
    // Of no path at all: where the program is.
    let path = absolute(Path::new(".").join(path)).ok()?;
    for part in path.components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            part => whole.push(part),
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::beside("out/all", "out/all/captures/a b.pcapng", "captures/a%20b.pcapng")]
    #[case::in_another_directory(
        "out/all",
        "out/part-1/captures/a.pcapng",
        "../part-1/captures/a.pcapng"
    )]
    #[case::above(
        "c/all",
        "../a/s1/captures/a.pcapng",
        "../../../a/s1/captures/a.pcapng"
    )]
    #[case::from_here("", "s1/captures/a.pcapng", "s1/captures/a.pcapng")]
    #[case::both_from_the_root("/x/y", "/x/z/a.pcapng", "../z/a.pcapng")]
    fn a_link_leads_from_where_the_document_is(
        #[case] directory: &str,
        #[case] capture: &str,
        #[case] link: &str,
    ) {
        assert_eq!(target(capture, Path::new(directory)), link);
    }
}
