//! `shakedown connect PROTOCOL ADDRESS`.

mod mediastream;
mod proton;

use crate::exit::{Exit, Failure};
use crate::logging::Global;

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
    protocol: ConnectProtocol,
}

/// Who is asked for what.
#[derive(Debug, clap::Subcommand)]
enum ConnectProtocol {
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
            ConnectProtocol::Mediastream(args) => args.execute(),
            ConnectProtocol::Proton(args) => args.execute(),
        }
    }
}
