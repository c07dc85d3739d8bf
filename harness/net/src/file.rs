use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// Makes or empties a file that may hold secrets: only the owner can read it. A link in its place
/// is an error, unless to a device (`/dev/null`).
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let is_device = path.metadata().is_ok_and(|found| !found.is_file());
    if !is_device {
        options.custom_flags(OFlag::O_NOFOLLOW.bits());
    }
    options.open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn nobody_else_reads_it_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("capture");
        let file = create(&path).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let other = folder.path().join("other");
        std::fs::write(&other, "mine").unwrap();
        let link = folder.path().join("link");
        symlink(&other, &link).unwrap();
        assert!(create(&link).is_err());
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "mine");
    }
}
