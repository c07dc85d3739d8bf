use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::{Group, ProcessEnvironment, reason};

/// Most bytes that are read of what another program gives.
const MOST: u64 = 1 << 20;

/// What a program prints on standard output until it ends with 0. It has so much time; after that it is killed,
/// with all that it started.
///
/// # Errors
/// A human-readable error.
pub(crate) async fn printed(
    words: &[String],
    surroundings: &ProcessEnvironment,
    within: Duration,
) -> Result<Vec<u8>, String> {
    let (program, arguments) = words.split_first().ok_or("no program is named")?;
    let mut child = surroundings
        .call(program.as_ref())
        .map_err(|error| error.to_string())?
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it cannot be started: {}", reason(&error)))?;
    let group = Group::of(&child);
    let work = async {
        let text = match child.stdout.take() {
            Some(output) => bounded(output).await?,
            None => Vec::new(),
        };
        let status = child.wait().await.map_err(|error| error.to_string())?;
        match status.success() {
            true => Ok(text),
            false => Err(format!("{status}; it is to end with 0")),
        }
    };
    let done = timeout(within, work).await;
    group.end();
    done.unwrap_or_else(|_| Err(format!("it did not end within {within:?}; raise `within`")))
}

/// Everything that a source gives, unless that is far too much.
///
/// # Errors
/// A human-readable error.
pub(crate) async fn bounded(source: impl AsyncRead + Unpin) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    let read = source.take(MOST + 1).read_to_end(&mut text).await;
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    match text.len() as u64 > MOST {
        true => Err(format!("it gives more than {MOST} bytes")),
        false => Ok(text),
    }
}
