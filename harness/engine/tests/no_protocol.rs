//! No crate but that of the protocols names a protocol, a frame or a requirement: what it needs to know of
//! one comes through `Protocol`.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, outside of test functions"
)]

use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;
use shakedown_protocol::PROTOCOLS;

/// A word of QUIC, a verdict, and a key of descriptions of implementations, too.
const COMMON: [&str; 4] = ["FIN", "ERROR", "FRAME", "max_datagram"];

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).unwrap();
    let mut entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap();
        match path.is_dir() {
            true if name != "tests" => files(&path, all),
            false if name.ends_with(".rs") => all.push(path),
            true | false => {}
        }
    }
}

/// Modules that only tests have.
fn is_of_tests(path: &Path) -> bool {
    let module = path.file_stem().unwrap().to_str().unwrap();
    let folder = path.parent().unwrap();
    let declaration = format!("#[cfg(test)]\nmod {module};");
    let parents = ["mod.rs", "lib.rs"].map(|name| folder.join(name));
    let parents = parents
        .iter()
        .filter_map(|parent| fs::read_to_string(parent).ok());
    parents
        .into_iter()
        .any(|parent| parent.contains(&declaration))
}

/// The lines of a file that are no comments and no tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().zip(1..);
    // Comments, and the examples of a help page.
    let is_code = |line: &str| !line.starts_with("//") && !line.starts_with("shakedown ");
    let code = lines.filter(move |(line, _)| is_code(line.trim_start()));
    code.map(|(line, number)| (number, line))
}

fn has_word(line: &str, word: &str) -> bool {
    let is_word = |char: char| char.is_alphanumeric() || char == '-' || char == '_';
    line.match_indices(word).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// What is inside of quotation marks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// The words of all protocols that a line has.
fn words_of_protocols(line: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    for protocol in PROTOCOLS {
        let requirements = (protocol.requirements)().iter().map(|one| one.id.as_str());
        let names = requirements.chain([protocol.id]);
        found.extend(names.filter(|name| has_word(line, name)));
        for frame in protocol.vocabulary.frames() {
            let is_loud = frame.len() > 2 && !frame.contains(char::is_lowercase);
            let is_named =
                quoted(line).any(|text| text == *frame || (is_loud && has_word(text, frame)));
            found.extend(Some(*frame).filter(|_| is_named));
            let fields = protocol.vocabulary.fields(frame).unwrap();
            let fields = fields.iter().filter(|field| field.contains('_'));
            found.extend(fields.filter(|field| quoted(line).any(|text| text == **field)));
        }
    }
    found.retain(|word| !COMMON.contains(word));
    found
}

/// Excepted is the REPL of `proton`.
#[rstest]
#[case("carrier", &[])]
#[case("capture", &[])]
#[case("engine", &[])]
#[case("net", &[])]
#[case("report", &[])]
#[case("cli", &["commands/repl"])]
fn a_crate_names_no_protocol_no_frame_and_no_requirement(
    #[case] name: &str,
    #[case] excepted: &[&str],
) {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let source = crates.join(name).join("src");
    let mut all = Vec::new();
    files(&source, &mut all);
    assert!(all.len() > 5, "{} files", all.len());
    let mut found = Vec::new();
    for path in all {
        let name = path.strip_prefix(&source).unwrap();
        let is_excepted = excepted.iter().any(|excepted| name.starts_with(excepted));
        if is_excepted || path.ends_with("tests.rs") || is_of_tests(&path) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for (number, line) in code(&text) {
            let words = words_of_protocols(line);
            if !words.is_empty() {
                found.push(format!("{}:{number}: {}", name.display(), words.join(", ")));
            }
        }
    }
    assert!(
        found.is_empty(),
        "words of protocols:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_word_of_a_protocol_is_found() {
    assert_eq!(
        words_of_protocols("use shakedown_protocol::proton;"),
        ["proton"]
    );
    assert_eq!(words_of_protocols(r#"judge("MS-H-12");"#), ["MS-H-12"]);
    assert_eq!(
        words_of_protocols(r#"("drop", "drop=SYN-ACK#2")"#),
        ["SYN-ACK"]
    );
    assert_eq!(words_of_protocols("let protons = 1; // MS-H-123"), [""; 0]);
}
