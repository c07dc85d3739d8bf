//! `shakedown connect PROTOCOL ADDRESS`.

mod mediastream;
mod proton;

use std::net::{IpAddr, SocketAddr};

use crate::Global;
use crate::exit::{Exit, Failure};
use crate::reference::wrong_call;

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(
    subcommand_value_name = "PROTOCOL",
    subcommand_help_heading = "Protocols",
    disable_help_subcommand = true,
    long_about = "\
Ask a server for what it serves and take it: the reference initiator or client of a protocol.

Exits with 0 when everything came, with 1 and a sentence when not, and with 130 on SIGINT or SIGTERM. \
`shakedown connect PROTOCOL --help` names the flags of each.",
    after_help = "\
Examples:
  shakedown connect mediastream 127.0.0.1:4444
  shakedown connect mediastream --mode 3way --fallback media.example.org --stats json
  shakedown connect mediastream --mode start3 --seconds 10 127.0.0.1
  shakedown connect proton 127.0.0.1:4433 --events 3 --commits 1"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    protocol: Asked,
}

/// Who is asked for what.
#[derive(Debug, clap::Subcommand)]
enum Asked {
    /// One stream over UDP, taken to its end; in start3 the server may grant less than is asked for, in
    /// the other modes bits, frames and seconds must be the server's
    Mediastream(mediastream::Args),
    /// Events, commits and actions over QUIC
    Proton(proton::Args),
}

impl Args {
    /// Asks, and waits for the end.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        match self.protocol {
            Asked::Mediastream(args) => args.execute(),
            Asked::Proton(args) => args.execute(),
        }
    }
}

/// The address that `text` names, with `port` where it names none: `host`, `host:port`, `[v6]:port` or a bare IP address.
pub(super) async fn resolve(text: &str, port: u16) -> Result<SocketAddr, Failure> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let has_port = text.contains(':');
    let target = if has_port {
        text.to_owned()
    } else {
        format!("{text}:{port}")
    };
    let problem = |why: &str| {
        wrong_call(format!(
            "no server is found at {text:?}: {why}; write for example 127.0.0.1:{port}"
        ))
    };
    let mut found = tokio::net::lookup_host(target)
        .await
        .map_err(|error| problem(&error.to_string()))?;
    found
        .next()
        .ok_or_else(|| problem("the name has no address"))
}

