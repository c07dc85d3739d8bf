//! Files that are complete at every moment.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces the file at `path` by `text`: a reader gets the old or the new one, whole. What
/// is no regular file (a link, a pipe, a device) cannot be replaced and is written to.
pub(crate) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let is_special = fs::symlink_metadata(path).is_ok_and(|found| !found.is_file());
    if is_special {
        return File::create(path)?.write_all(text.as_bytes());
    }
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
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
