use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use shakedown_engine::iut::Iut;
use tokio::process::Command;

use super::{PlaceholderError, Placeholders, StartError, expand};

/// Where a program runs, and what it finds there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ProcessEnvironment {
    /// An absolute path; empty: the current directory.
    pub directory: PathBuf,
    /// Variables besides those of this program.
    pub environment: Vec<(String, String)>,
}

impl ProcessEnvironment {
    /// Those of the commands of a description.
    ///
    /// # Errors
    /// [`PlaceholderError`], a human-readable sentence.
    pub fn of(iut: &Iut, values: &Placeholders<'_>) -> Result<Self, PlaceholderError> {
        let variables = iut.start.iter().flat_map(|start| &start.environment);
        let environment = variables
            .map(|(name, value)| Ok((name.clone(), expand(value, iut, values, None)?)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            directory: iut.directory(),
            environment,
        })
    }

    /// A call of a program there. A path that is relative begins there, too.
    ///
    /// # Errors
    /// [`StartError`]: the directory is not there.
    pub(super) fn call(&self, program: &OsStr) -> Result<Command, StartError> {
        let mut command = Command::new(located(program, &self.directory));
        if !self.directory.as_os_str().is_empty() {
            if !self.directory.is_dir() {
                return Err(StartError {
                    program: program.to_string_lossy().into_owned(),
                    why: format!("there is no directory {}", self.directory.display()),
                });
            }
            command.current_dir(&self.directory);
        }
        let variables = self.environment.iter().map(|(name, value)| (name, value));
        command.envs(variables);
        Ok(command)
    }
}

/// The path of a program that runs in a directory; a name without a `/` is looked for in `PATH`.
pub(crate) fn located(program: &OsStr, directory: &Path) -> PathBuf {
    match program.as_encoded_bytes().contains(&b'/') {
        true => directory.join(program),
        false => PathBuf::from(program),
    }
}
