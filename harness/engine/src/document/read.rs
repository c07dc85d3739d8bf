use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Problem, Problems};

/// Largest file that is read, in bytes: a scenario or description is written by hand.
pub const MAX_BYTES: usize = 1 << 20;

/// Deepest nesting of objects and arrays that is read.
pub(super) const MAX_DEPTH: usize = 64;

/// Reads a whole file of at most `most` bytes: one that never ends (`/dev/zero`) is not read until memory
/// does. Every file that is read whole is read by this.
///
/// # Errors
/// The system's, or how much may be read.
pub fn read_file(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        let why = format!("the file is larger than {} KiB", most / 1024);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Reads a text file of at most [`MAX_BYTES`].
///
/// # Errors
/// [`Problems`] if it cannot be read, is too large or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Problems> {
    let file = path.display().to_string();
    let fail = |message: String| Problems::new(&file, "", vec![Problem::new(0..0, message)]);
    let bytes = read_file(path, MAX_BYTES).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => fail(format!("{error}, which no file written by hand is")),
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => {
            fail(format!("cannot be opened: {error}"))
        }
        _ => fail(format!("cannot be read: {error}")),
    })?;
    check_text(&file, bytes)
}

/// Takes bytes as text.
///
/// # Errors
/// [`Problems`] if they are not UTF-8, or begin with a byte order mark.
pub fn check_text(file: &str, bytes: Vec<u8>) -> Result<String, Problems> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            let byte = error.as_bytes().get(offset).copied().unwrap_or_default();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let range = offset..offset + char::REPLACEMENT_CHARACTER.len_utf8();
            let help = match error.as_bytes().contains(&0) {
                true => "it is no text; `shakedown check` takes captures",
                false => "save it as UTF-8 without a byte order mark",
            };
            let problem = Problem::new(range, "the file is not UTF-8")
                .label(format!("byte {byte:#04x} at offset {offset}"))
                .help(help.to_owned());
            return Err(Problems::new(file, &text, vec![problem]));
        }
    };
    match text.strip_prefix('\u{feff}') {
        None => Ok(text),
        Some(rest) => {
            let problem = Problem::new(0..0, "the file begins with a byte order mark")
                .help("save it as UTF-8 without a byte order mark".to_owned());
            Err(Problems::new(file, rest, vec![problem]))
        }
    }
}

/// Finds the `.json` files within a folder and the folders in it, except reports of runs, in sorted order.
///
/// # Errors
/// A human-readable error if a folder cannot be read, or if folders are nested without end.
pub fn json_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    json_files_at(folder, files, 0)
}

fn json_files_at(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<(), String> {
    let shown = folder.display();
    if depth > MAX_DEPTH {
        return Err(format!(
            "{shown}: folders are nested deeper than {MAX_DEPTH} levels"
        ));
    }
    let entries = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| format!("{shown}: cannot be read: {error}"))?;
    let mut paths: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            // The reports of a run: what it found are no scenarios of this folder.
            if path.join("events.jsonl").is_file() {
                continue;
            }
            json_files_at(&path, files, depth + 1)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            files.push(path);
        }
    }
    Ok(())
}
