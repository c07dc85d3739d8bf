//! `shakedown connect PROTOCOL ADDRESS`.

use std::net::SocketAddr;

use shakedown_net::probe::any_address_for;
use shakedown_protocol::machine::Outcome;
use shakedown_protocol::requirement::Role;

use crate::endpoint::{self, Endpoint};
use crate::exit::{Exit, Failure, harness};
use crate::logging::Global;
use crate::reference::{self, print_line, resolve};

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
  shakedown connect proton 127.0.0.1:4433 --events 3 --commits 1
  shakedown connect proton 127.0.0.1 --events 0 --commits 0 --actions 0 --stay --again"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    client: Endpoint<Target>,
}

/// Who is asked, and from where.
#[derive(Debug, clap::Args)]
struct Target {
    /// The server, with its port unless that is the protocol's
    address: String,

    /// Address and port to ask from [default: any]
    #[arg(long, value_name = "ADDRESS")]
    local: Option<SocketAddr>,
}

impl endpoint::Address for Target {
    const ROLE: Role = Role::Initiator;

    fn with_port(command: clap::Command, port: u16) -> clap::Command {
        let help = format!("The server, with its port unless that is {port}");
        command.mut_arg("address", |arg| arg.help(help))
    }
}

impl Args {
    /// Asks, and waits for the end.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        reference::block_on(self.connect())
    }

    async fn connect(self) -> Result<Exit, Failure> {
        let client = self.client;
        let peer = resolve(&client.address.address, client.protocol.port).await?;
        let settings = client.settings(Some(peer))?;
        let mut machine = client.machine(&settings)?;
        let local = client.address.local;
        let local = local.unwrap_or_else(|| any_address_for(peer));
        let (host, mut stop) = reference::open(local, "--local")?;
        let finished = client.run(machine.as_mut(), host, &mut stop).await?;
        match finished.outcome {
            _ if finished.interrupted => Ok(Exit::Interrupted),
            Some(Outcome::Completed) => {
                if !client.prints_counters() {
                    print_line(&format!(
                        "{peer}: {}",
                        (client.protocol.completed)(&settings)
                    ))?;
                }
                Ok(Exit::Success)
            }
            Some(Outcome::Failed(failure)) => Err(Failure {
                exit: Exit::Fail,
                message: match (client.protocol.advice)(&settings, &failure) {
                    Some(advice) => format!("{failure}; {advice}"),
                    None => failure.message,
                },
            }),
            None => Err(harness("the session ended without an outcome".to_owned())),
        }
    }
}
