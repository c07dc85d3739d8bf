use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// A file that may hold secrets: nobody else can read it. A link in its place leads to a file of somebody
/// else and is an error.
pub(crate) fn options() -> OpenOptions {
    let mut options = File::options();
    options.mode(0o600).custom_flags(OFlag::O_NOFOLLOW.bits());
    options
}

/// Makes such a file, or empties it. A link to a device, by which somebody throws it away, is followed: nothing
/// is overwritten.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let is_device = path.metadata().is_ok_and(|found| !found.is_file());
    let mut options = match is_device {
        true => File::options(),
        false => options(),
    };
    options.write(true).create(true).truncate(true).open(path)
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
