//! Files that are complete at every moment.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Replaces the file at `path` by `text`: whoever reads it gets the old or the new one, whole. What
/// is no regular file (a link, a pipe, a device) cannot be replaced and is written to.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let is_special = fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
    if is_special {
        return File::create(path)?.write_all(text.as_bytes());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = write_whole(&new, text).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // The rest of a file is of no use; the error that is told is the one of the writing.
        let _ = fs::remove_file(&new);
    }
    written
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        replace(&path, "old, and longer").unwrap();
        replace(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let error = replace(&path, "text").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    }
}
