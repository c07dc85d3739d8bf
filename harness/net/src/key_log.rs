use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// A file to which TLS secrets are appended as they come, a line for each, in the format of
/// `SSLKEYLOGFILE`.
#[derive(Debug, Clone)]
pub struct KeyLog(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    file: File,
    /// What went wrong at first; nothing is written after it.
    problem: Option<io::Error>,
}

impl KeyLog {
    /// Opens the file; a new one is readable by its owner only.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.create(true).append(true).mode(0o600);
        let file = options.open(path)?;
        let problem = None;
        Ok(Self(Arc::new(Mutex::new(Inner { file, problem }))))
    }

    /// Appends these lines, none or several.
    pub fn write(&self, lines: &str) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.problem.is_none() && !lines.is_empty() {
            inner.problem = inner.file.write_all(lines.as_bytes()).err();
        }
    }

    /// The error, reported once.
    #[must_use]
    pub fn take_problem(&self) -> Option<io::Error> {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.problem.take()
    }
}
