//! What is built into the program besides its code: the vectors, and the places in the monitors where a
//! requirement is checked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const PROTOCOLS: &str = "../protocol/src";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../../vectors");
    println!("cargo::rerun-if-changed={PROTOCOLS}");
    let mut files = Vec::new();
    for protocol in fs::read_dir(PROTOCOLS)? {
        let monitor = protocol?.path().join("monitor");
        if monitor.is_dir() {
            collect(&monitor, &mut files)?;
        }
    }
    files.sort();
    let mut places = String::from("&[\n");
    for file in files {
        let shown =
            Path::new("harness/protocol/src").join(file.strip_prefix(PROTOCOLS).unwrap_or(&file));
        for (index, line) in fs::read_to_string(&file)?.lines().enumerate() {
            let is_doc = line.trim_start().starts_with("///") || line.starts_with("//!");
            for id in ids(line).filter(|_| !is_doc) {
                let line = index + 1;
                let _ = writeln!(
                    places,
                    "    ({id:?}, {:?}),",
                    format!("{}:{line}", shown.display())
                );
            }
        }
    }
    places.push(']');
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(folder.join("checks.rs"), places)
}

/// The code of a monitor, without its tests and without the table that only names its rules.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if path.is_dir() && name != "tests" {
            collect(&path, files)?;
        } else if path.is_file() && name != "rule.rs" {
            files.push(path);
        }
    }
    Ok(())
}

/// The ids of requirements in a line, such as `MS-H-05`.
fn ids(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.filter(|word| match word.as_bytes() {
        [a, b, b'-', section, b'-', tens, ones] => {
            [a, b, section].iter().all(|byte| byte.is_ascii_uppercase())
                && tens.is_ascii_digit()
                && ones.is_ascii_digit()
        }
        _ => false,
    })
}
