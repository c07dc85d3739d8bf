//! `shakedown serve PROTOCOL`.

use std::net::SocketAddr;

use shakedown_net::host::StopCause;
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;

use crate::endpoint::{self, Endpoint};
use crate::exit::{Exit, Failure};
use crate::logging::Global;
use crate::numbers::{AT_LEAST_1, whole};
use crate::reference::{self, print_line};

#[derive(Debug, clap::Args)]
#[command(
    subcommand_value_name = "PROTOCOL",
    subcommand_help_heading = "Protocols",
    disable_help_subcommand = true,
    long_about = "\
Run the reference responder or server of a protocol.

Prints `listening on ADDRESS` when it is ready. Ends on SIGINT or SIGTERM with exit code 0, or \
with --exit-after after this many sessions: with 0 if all of them succeeded, else with 1. \
`shakedown serve PROTOCOL --help` lists the flags of each protocol.",
    after_help = "\
Examples:
  shakedown serve mediastream
  shakedown serve mediastream --mode 3way --optimistic-start --listen 0.0.0.0:4444 -v
  shakedown serve mediastream --mode 3way,start3
  shakedown serve mediastream --slots 64 --upload-slots 8
  shakedown serve mediastream --exit-after 50
  shakedown serve proton --commit-delay 4m --no-reset"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    server: Endpoint<Listen>,
}

/// Where a server listens, and how long.
#[derive(Debug, clap::Args)]
struct Listen {
    /// Address and port to listen on; port 0 for any free port
    #[arg(long, value_name = "ADDRESS")]
    listen: SocketAddr,

    /// Exit after this many sessions have ended, successfully or not
    #[arg(long, value_name = "SESSIONS", value_parser = whole::<u64>(AT_LEAST_1))]
    exit_after: Option<u64>,
}

impl endpoint::Address for Listen {
    const ROLE: Role = Role::Responder;

    fn example(protocol: &Protocol) -> String {
        let (id, port) = (protocol.id, protocol.port);
        format!("shakedown serve {id} --listen 0.0.0.0:{port} --stats json")
    }

    fn with_port(command: clap::Command, port: u16) -> clap::Command {
        let default = format!("127.0.0.1:{port}");
        command.mut_arg("listen", |arg| arg.required(false).default_value(default))
    }
}

impl Args {
    /// Serves until a signal comes.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        reference::block_on(self.serve())
    }

    async fn serve(self) -> Result<Exit, Failure> {
        let mut machine = self.server.machine(&self.server.settings(None)?)?;
        let (host, mut stop) = reference::open(self.server.address.listen, "--listen")?;
        if let Some(port) = self.server.offer_page(host.local())? {
            print_line(&format!("page at http://localhost:{port}/"))?;
        }
        let metrics = self.server.offer_metrics()?;
        print_line(&format!("listening on {}", host.local()))?;
        if let Some(address) = metrics {
            print_line(&format!("metrics at http://{address}/metrics"))?;
        }
        let host = host.with_exit_after(self.server.address.exit_after);
        let finished = self.server.run(machine.as_mut(), host, &mut stop).await?;
        match (finished.stopped, finished.first_failure) {
            (Some(StopCause::ExitAfter), Some(failure)) => Err(Failure {
                exit: Exit::Fail,
                message: format!(
                    "{} of {} sessions failed; the first: {failure}",
                    finished.failed, finished.ended
                ),
            }),
            (_, _) => Ok(Exit::Success),
        }
    }
}
