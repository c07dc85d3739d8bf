//! The directory of a run's reports: a new one each time, or the one that `--out` names.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anstream::eprintln;

use crate::exit::{Failure, usage, warning_label};
use crate::numbers::{AT_LEAST_1, whole};

/// Default parent directory of runs.
const REPORTS: &str = "reports";

/// The link to the last run, in [`REPORTS`].
const LATEST: &str = "latest";

/// The reports that a run writes into its directory.
const REPORT_FILES: [&str; 7] = [
    "events.jsonl",
    "junit.xml",
    "summary.md",
    "load.svg",
    "report.html",
    "interop.html",
    COMPARE,
];

/// The page of a comparison.
pub(crate) const COMPARE: &str = "compare.html";

/// The folder of its captures.
const CAPTURES: &str = "captures";

/// The folder of what fuzzing found.
pub(crate) const FINDINGS: &str = "findings";

/// Held while a run writes.
const LOCK: &str = ".lock";

/// Flags about the directory.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DirectoryArgs {
    /// Replace an existing run in the directory of --out
    #[arg(long, requires = "out")]
    force: bool,

    /// Runs to keep in reports/, including this one; older ones are removed
    #[arg(long, value_name = "N", default_value = "10", conflicts_with = "out", value_parser = whole::<NonZeroUsize>(AT_LEAST_1))]
    keep: NonZeroUsize,
}

/// A directory that only this run writes to.
#[derive(Debug)]
pub(crate) struct RunDirectory {
    path: PathBuf,
    /// Locked until the run is over.
    _lock: File,
}

impl RunDirectory {
    /// Makes `reports/<time>-<name>`, links `reports/latest` to it, and removes the oldest.
    pub(crate) fn new(name: &str, args: &DirectoryArgs) -> Result<Self, Failure> {
        let reports = Path::new(REPORTS);
        let failed = |error| cannot_use(reports, &error);
        fs::create_dir_all(reports).map_err(failed)?;
        let time = compact(SystemTime::now());
        let stem = format!("{time}-{}", slug(name));
        let path = (1..).map(|count| match count {
            1 => reports.join(&stem),
            count => reports.join(format!("{stem}-{count}")),
        });
        let made = path.map(|path| fs::create_dir(&path).map(|()| path)).find(
            |made| !matches!(made, Err(error) if error.kind() == io::ErrorKind::AlreadyExists),
        );
        let path = made
            .unwrap_or_else(|| Err(io::ErrorKind::AlreadyExists.into()))
            .map_err(failed)?;
        let directory = Self::lock(path)?;
        directory.link_latest(reports, &time).map_err(failed)?;
        remove_oldest(reports, args.keep.get()).map_err(failed)?;
        Ok(directory)
    }

    /// Takes the directory that `--out` names, which is made if need be.
    pub(crate) fn at(path: &Path, args: &DirectoryArgs) -> Result<Self, Failure> {
        fs::create_dir_all(path).map_err(|error| cannot_use(path, &error))?;
        let directory = Self::lock(path.to_owned())?;
        for file in &Self::replaced(path, args)? {
            let is_folder = file.symlink_metadata().is_ok_and(|found| found.is_dir());
            let removed = match is_folder {
                true => fs::remove_dir_all(file),
                false => fs::remove_file(file),
            };
            removed.map_err(|error| cannot_use(file, &error))?;
        }
        Ok(directory)
    }

    /// What a run in the directory that `--out` names replaces; it is refused without `--force`.
    fn replaced(path: &Path, args: &DirectoryArgs) -> Result<Vec<PathBuf>, Failure> {
        let files = REPORT_FILES.iter().chain([&CAPTURES, &FINDINGS]);
        let held = files.map(|name| path.join(name));
        let held: Vec<_> = held.filter(|file| is_kept(file)).collect();
        match held.first().filter(|_| !args.force) {
            None => Ok(held),
            Some(file) => Err(usage(format!(
                "{} holds another run ({}); give another directory with --out, or --force to \
                 replace it",
                path.display(),
                file.file_name().unwrap_or_default().display()
            ))),
        }
    }

    /// Whether a run could write there, as far as shows without making the directory.
    pub(crate) fn check(out: Option<&Path>, args: &DirectoryArgs) -> Result<(), Failure> {
        let path = out.unwrap_or(Path::new(REPORTS));
        // It, or the directory that it would be made in.
        let mut above = path
            .ancestors()
            .map(|path| match path.as_os_str().is_empty() {
                true => Path::new("."),
                false => path,
            });
        let made = above.find(|path| path.symlink_metadata().is_ok());
        let tried = tempfile::tempdir_in(made.unwrap_or(path));
        tried.map_err(|error| cannot_use(path, &error))?;
        out.map_or(Ok(()), |out| Self::replaced(out, args).map(drop))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the directory for this run alone.
    fn lock(path: PathBuf) -> Result<Self, Failure> {
        // It may be an unrelated file of this name, which must not be touched.
        let lock = File::options()
            .append(true)
            .create(true)
            .open(path.join(LOCK));
        let lock = lock.map_err(|error| cannot_use(&path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(usage(format!(
                "another run writes to {} right now; wait for its end, or give another directory with --out",
                path.display()
            ))),
            Err(fs::TryLockError::Error(error)) => Err(cannot_use(&path, &error)),
        }
    }

    /// Lets `latest` lead here. A directory of that name, which earlier versions made, is kept under
    /// another one.
    fn link_latest(&self, reports: &Path, time: &str) -> io::Result<()> {
        let latest = reports.join(LATEST);
        if latest.symlink_metadata().is_ok_and(|known| known.is_dir()) {
            fs::rename(&latest, reports.join(format!("{time}-before")))?;
        }
        let link = reports.join(format!(".{LATEST}-{}", std::process::id()));
        let Some(name) = self.path.file_name() else {
            return Ok(());
        };
        symlink(name, &link)?;
        fs::rename(&link, &latest)
    }
}

/// Removes all but the newest directories of runs. One that is being written to stays.
fn remove_oldest(reports: &Path, keep: usize) -> io::Result<()> {
    let mut runs: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(reports)? {
        let entry = entry?;
        let is_run = entry.file_name().to_str().is_some_and(begins_with_a_time);
        if is_run && entry.file_type()?.is_dir() {
            runs.push(entry.path());
        }
    }
    runs.sort();
    let older = runs.len().saturating_sub(keep);
    for run in &runs[..older] {
        let is_written = File::open(run.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
        if !is_written && let Err(error) = fs::remove_dir_all(run) {
            eprintln!(
                "{} {} cannot be removed: {error}",
                warning_label(),
                run.display()
            );
        }
    }
    Ok(())
}

/// Whether something is there that writing would overwrite. A link to a device (`/dev/null`)
/// discards the report.
fn is_kept(path: &Path) -> bool {
    match path.metadata() {
        Ok(target) => target.is_file() || target.is_dir(),
        Err(_) => path.symlink_metadata().is_ok(),
    }
}

/// `20261122T170321Z`.
fn compact(time: SystemTime) -> String {
    let time = humantime::format_rfc3339_seconds(time).to_string();
    time.replace(['-', ':'], "")
}

/// Whether a name begins as those that [`compact`] makes.
fn begins_with_a_time(name: &str) -> bool {
    let shape = name.bytes().take(17).map(|byte| match byte {
        b'0'..=b'9' => b'0',
        other => other,
    });
    shape.eq(*b"00000000T000000Z-")
}

/// The letters and digits of a name, with hyphens between, for a file's name; only those of ASCII.
fn slug(name: &str) -> String {
    let words = name.split(|char: char| !char.is_ascii_alphanumeric());
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("-").to_ascii_lowercase();
    slug.truncate(60);
    match slug.is_empty() {
        true => String::from("run"),
        false => slug,
    }
}

fn cannot_use(path: &Path, error: &io::Error) -> Failure {
    usage(format!(
        "cannot use {}: {error}; give another directory with --out",
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_and_a_name_are_a_file_name() {
        assert_eq!(compact(SystemTime::UNIX_EPOCH), "19700101T000000Z");
        assert_eq!(slug("acme media-server 2.1/β"), "acme-media-server-2-1");
        assert_eq!(slug("音声"), "run");
        assert!(begins_with_a_time("19700101T000000Z-acme"));
        assert!(!begins_with_a_time("19700101T000000Z"));
        assert!(!begins_with_a_time("interop"));
    }

    #[test]
    fn the_oldest_runs_go_and_nothing_else_does() {
        let reports = tempfile::tempdir().unwrap();
        let names = [
            "19700101T000000Z-a",
            "19700102T000000Z-b",
            "19700103T000000Z-c",
            "mine",
        ];
        for name in names {
            fs::create_dir(reports.path().join(name)).unwrap();
        }
        let lock = File::create(reports.path().join(names[0]).join(LOCK)).unwrap();
        lock.lock().unwrap();
        remove_oldest(reports.path(), 1).unwrap();
        let is_there = names.map(|name| reports.path().join(name).exists());
        assert_eq!(
            is_there,
            [true, false, true, true],
            "one is being written to"
        );
    }
}
