use std::ffi::OsString;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;

use shakedown_carrier::Identity;
use shakedown_engine::iut::{Iut, Piece, pieces};
use shakedown_engine::scenario::Needs;
use tempfile::NamedTempFile;

/// What the placeholders of an IUT description stand for.
#[derive(Debug, Clone)]
pub struct Placeholders<'a> {
    /// The implementation's address (`{address}`, `{port}`).
    pub address: Option<SocketAddr>,
    /// Where the scripted peer listens (`{peer}`).
    pub peer: Option<SocketAddr>,
    /// What the scenario needs: the mode (`{mode}`), the options.
    pub needs: &'a Needs,
    /// The run's seed (`{seed}`).
    pub seed: u64,
    /// This program (`{shakedown}`).
    pub shakedown: &'a str,
    /// Where it is asked to leave what it counted (`{counters}`).
    pub counters: &'a Path,
    /// The scripted peer's certificate with its key (`{certificate_file}`), once it was asked for.
    pub certificate: &'a CertificateFile,
}

/// A PEM file of the scripted peer's certificate and its key. It is written when it is first asked for, and removed
/// with this.
#[derive(Debug, Default)]
pub struct CertificateFile(OnceLock<NamedTempFile>);

impl CertificateFile {
    /// # Errors
    /// It cannot be made.
    fn path(&self) -> Result<&Path, &'static str> {
        if let Some(file) = self.0.get() {
            return Ok(file.path());
        }
        let own = Identity::own().map_err(|_| NO_CERTIFICATE)?;
        let mut file = NamedTempFile::new().map_err(|_| NO_FILE)?;
        file.write_all(own.pem().as_bytes()).map_err(|_| NO_FILE)?;
        Ok(self.0.get_or_init(|| file).path())
    }
}

const NO_CERTIFICATE: &str = "the scripted peer can make no certificate";
const NO_FILE: &str = "no temporary file can be written";

/// A text of an IUT description that holds a placeholder which has no meaning there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceholderError {
    /// No placeholder has this name.
    #[error(
        "{{{name}}} in {text:?} is no placeholder; there are {{address}}, {{port}}, {{peer}}, \
             {{mode}}, {{number}}, {{seed}}, {{bits_per_second}}, {{frames_per_second}}, {{seconds}}, \
             {{shakedown}}, {{counters}}, {{certificate}} and {{certificate_file}}"
    )]
    Unknown {
        /// The name between the braces.
        name: String,
        /// The text that holds it.
        text: String,
    },
    /// The placeholder has no value here.
    #[error("{{{name}}} in {text:?} has no value: {why}")]
    NoValue {
        /// The name between the braces.
        name: String,
        /// The text that holds it.
        text: String,
        why: &'static str,
    },
    /// There is no program to start.
    #[error("the command is empty; it needs at least a program")]
    NoProgram,
}

/// The program and its arguments for what a scenario needs, as `iut` describes them.
///
/// # Errors
/// [`PlaceholderError`], a human-readable sentence.
pub fn command(iut: &Iut, values: &Placeholders<'_>) -> Result<Vec<OsString>, PlaceholderError> {
    let Some(start) = &iut.start else {
        return Err(PlaceholderError::NoProgram);
    };
    let program = match (&start.plain, values.needs.plain) {
        (Some(plain), true) => plain,
        (_, false) => &start.command,
        (None, true) => return Err(PlaceholderError::NoProgram),
    };
    let mut words = Vec::new();
    for word in program {
        words.push(OsString::from(expand(word, iut, values, None)?));
    }
    for option in &values.needs.options {
        let (name, number) = match option.split_once('=') {
            Some((name, number)) => (name, Some(number)),
            None => (option.as_str(), None),
        };
        for word in start.options.get(name).into_iter().flatten() {
            words.push(OsString::from(expand(word, iut, values, number)?));
        }
    }
    match words.first() {
        Some(program) if !program.is_empty() => Ok(words),
        _ => Err(PlaceholderError::NoProgram),
    }
}

/// Replaces the placeholders in one word.
pub(crate) fn expand(
    text: &str,
    iut: &Iut,
    values: &Placeholders<'_>,
    number: Option<&str>,
) -> Result<String, PlaceholderError> {
    let pieces = pieces(text).into_iter();
    pieces
        .map(|piece| match piece {
            Piece::Text(text) => Ok(text.to_owned()),
            Piece::Name(name) => value(name, text, iut, values, number),
        })
        .collect()
}

fn value(
    name: &str,
    text: &str,
    iut: &Iut,
    values: &Placeholders<'_>,
    number: Option<&str>,
) -> Result<String, PlaceholderError> {
    let no_value = |why| PlaceholderError::NoValue {
        name: name.to_owned(),
        text: text.to_owned(),
        why,
    };
    let no_address = "the description has no [reach] address";
    Ok(match name {
        "address" => values
            .address
            .ok_or_else(|| no_value(no_address))?
            .to_string(),
        "port" => values
            .address
            .ok_or_else(|| no_value(no_address))?
            .port()
            .to_string(),
        "peer" => values
            .peer
            .ok_or_else(|| no_value("only an initiator gets its peer's address"))?
            .to_string(),
        "mode" => values.needs.mode.clone(),
        "number" => number
            .ok_or_else(|| no_value("only an option that takes a number has one"))?
            .to_owned(),
        "seed" => values.seed.to_string(),
        "bits_per_second" => iut.stream_for(values.needs).bits_per_second.to_string(),
        "frames_per_second" => iut.stream_for(values.needs).frames_per_second.to_string(),
        "seconds" => iut.stream_for(values.needs).seconds.to_string(),
        "shakedown" => values.shakedown.to_owned(),
        "counters" => values.counters.display().to_string(),
        "certificate" => match Identity::own() {
            Ok(own) => own.fingerprint(),
            Err(_) => return Err(no_value(NO_CERTIFICATE)),
        },
        "certificate_file" => {
            let path = values.certificate.path().map_err(no_value)?;
            path.display().to_string()
        }
        unknown => {
            return Err(PlaceholderError::Unknown {
                name: unknown.to_owned(),
                text: text.to_owned(),
            });
        }
    })
}
