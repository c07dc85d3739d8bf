//! What is built into the program besides its code: the vectors, and the places in the monitors where a
//! requirement is checked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;

const PROTOCOLS: &str = "../protocol/src";
const VECTORS: &str = "../../vectors";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={VECTORS}");
    println!("cargo::rerun-if-changed={PROTOCOLS}");
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(folder.join("checks.rs"), checks()?)?;
    fs::write(folder.join("vectors.json.gz"), vectors()?)
}

/// All vectors but the schemas, which are generated: one JSON object of their texts by path, compressed, since
/// they are a sixth of the program else.
fn vectors() -> io::Result<Vec<u8>> {
    let mut texts = BTreeMap::new();
    pack(Path::new(VECTORS), &mut texts)?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    serde_json::to_writer(&mut packed, &texts)?;
    packed.finish()
}

fn pack(folder: &Path, texts: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            let name = path.strip_prefix(VECTORS).unwrap_or(&path);
            texts.insert(name.display().to_string(), fs::read_to_string(&path)?);
        } else if !path.ends_with("schema") {
            pack(&path, texts)?;
        }
    }
    Ok(())
}

/// The places in the monitors where each requirement is named, as an array of Rust.
fn checks() -> io::Result<String> {
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
    Ok(places)
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
