//! `shakedown serve PROTOCOL`.

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
Serve whoever asks: the reference responder or server of a protocol.

Prints `listening on ADDRESS` as soon as peers can come, and ends on SIGINT or SIGTERM with exit code \
0. `shakedown serve PROTOCOL --help` names the flags of each.",
    after_help = "\
Examples:
  shakedown serve mediastream
  shakedown serve mediastream --mode 3way --optimistic-start --listen 0.0.0.0:4444 -v
  shakedown serve mediastream --mode 3way,start3
  shakedown serve mediastream --slots 64 --upload-slots 8
  shakedown serve proton --commit-delay 4m --no-reset"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    protocol: ServeProtocol,
}

/// What is served.
#[derive(Debug, clap::Subcommand)]
enum ServeProtocol {
    /// Streams over UDP to any number of peers at a time
    Mediastream(mediastream::Args),
    /// Events, commits and actions over QUIC, to one client at a time
    Proton(proton::Args),
}

impl Args {
    /// Serves until a signal comes.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        match self.protocol {
            ServeProtocol::Mediastream(args) => args.execute(),
            ServeProtocol::Proton(args) => args.execute(),
        }
    }
}
