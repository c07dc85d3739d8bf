use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

use crate::launch::Launcher;

/// Bytes that are read of one key log.
const MOST_BYTES: u64 = 1 << 20;

/// The files to which the processes of a pair write the secrets of their TLS sessions, if they do.
#[derive(Debug, Default)]
pub(super) struct KeyLogs {
    files: Vec<PathBuf>,
}

impl KeyLogs {
    /// The launcher of processes that are asked to write to a file of this name in a folder.
    ///
    /// # Errors
    /// The system's: there is no such folder, or an older file stays there.
    pub(super) fn wanted(
        &mut self,
        launcher: Launcher,
        folder: &std::path::Path,
        name: &str,
    ) -> io::Result<Launcher> {
        let file = folder.join(format!("{name}.keys"));
        fs::create_dir_all(folder)?;
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        crate::file::create(&file)?;
        self.files.push(file.clone());
        Ok(launcher.with_key_log(file))
    }

    /// The secrets that were written, a line for each. The files are gone then: the secrets go into the
    /// captures.
    pub(super) fn take(self) -> String {
        let mut secrets = String::new();
        for file in self.files {
            let mut bytes = Vec::new();
            let read = File::open(&file).and_then(|opened| {
                { opened.take(MOST_BYTES) }.read_to_end(&mut bytes)?;
                fs::remove_file(&file)
            });
            match read {
                // A program that writes none has none.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => tracing::debug!("{}: {error}", file.display()),
                Ok(()) => {}
            }
            secrets.push_str(&String::from_utf8_lossy(&bytes));
            if !secrets.is_empty() && !secrets.ends_with('\n') {
                secrets.push('\n');
            }
        }
        secrets
    }
}
