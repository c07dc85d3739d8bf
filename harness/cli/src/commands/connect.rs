//! `shakedown connect PROTOCOL ADDRESS`.

use std::net::SocketAddr;
use std::rc::Rc;

use shakedown_net::probe::any_address_for;
use shakedown_protocol::Protocol;
use shakedown_protocol::machine::Outcome;
use shakedown_protocol::requirement::Role;
use tokio::task::{JoinSet, LocalSet};

use crate::endpoint::{self, Endpoint};
use crate::exit::{Exit, Failure, harness, usage};
use crate::logging::Global;
use crate::numbers::{AT_LEAST_1, whole};
use crate::reference::{self, print_line, resolve};

#[derive(Debug, clap::Args)]
#[command(
    override_usage = "shakedown connect <PROTOCOL> [OPTIONS] <ADDRESS>",
    subcommand_value_name = "PROTOCOL",
    subcommand_help_heading = "Protocols",
    disable_help_subcommand = true,
    long_about = "\
Run the reference initiator or client of a protocol.

Exits with 0 if everything was received on each connection, with 1 and a message if not, and \
with 130 on SIGINT or SIGTERM. `shakedown connect PROTOCOL --help` lists the flags of each \
protocol.",
    after_help = "\
Examples:
  shakedown connect mediastream 127.0.0.1:4444
  shakedown connect mediastream --mode 3way --fallback media.example.org --stats json
  shakedown connect mediastream --mode start3 --seconds 10 127.0.0.1
  shakedown connect mediastream --connections 50 --iterations 2 127.0.0.1
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

    /// Local address and port [default: any]
    #[arg(long, value_name = "ADDRESS")]
    local: Option<SocketAddr>,

    /// Concurrent connections, each from its own port
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(1..=10_000))]
    connections: u64,

    /// Consecutive repetitions of each connection
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(AT_LEAST_1))]
    iterations: u64,
}

impl endpoint::Address for Target {
    const ROLE: Role = Role::Initiator;

    fn example(protocol: &Protocol) -> String {
        let (id, port) = (protocol.id, protocol.port);
        format!("shakedown connect {id} 127.0.0.1:{port} --stats json")
    }

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
        let target = &self.client.address;
        let peer = resolve(&target.address, self.client.protocol.port).await?;
        let local = target.local.unwrap_or_else(|| any_address_for(peer));
        if target.connections > 1 && local.port() != 0 {
            return Err(usage(format!(
                "--local {local} has room for one connection at a time: write port 0 for --connections {}",
                target.connections
            )));
        }
        let client = Rc::new(self.client);
        let Target {
            connections,
            iterations,
            ..
        } = client.address;
        let all = LocalSet::new();
        let mut running = JoinSet::new();
        for connection in 0..connections {
            let client = Rc::clone(&client);
            let connection = async move {
                let mut ends = Vec::new();
                for iteration in 0..iterations {
                    let end =
                        connect(&client, peer, local, iteration * connections + connection).await;
                    let interrupted = end.as_ref().is_ok_and(|end| *end == End::Interrupted);
                    ends.push(end);
                    if interrupted {
                        break;
                    }
                }
                ends
            };
            running.spawn_local_on(connection, &all);
        }
        let ends = all.run_until(running.join_all()).await;
        summary(&client, peer, ends.into_iter().flatten().collect())
    }
}

/// How a connection ended that did not fail.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// What it has done (human-readable).
    Completed(String),
    Interrupted,
}

/// Makes one connection; `number` counts them and gives each its own seed.
async fn connect(
    client: &Endpoint<Target>,
    peer: SocketAddr,
    local: SocketAddr,
    number: u64,
) -> Result<End, Failure> {
    let mut settings = client.settings(Some(peer))?;
    settings.seed = settings.seed.wrapping_add(number);
    let mut machine = client.machine(&settings)?;
    let (host, mut stop) = reference::open(local, "--local")?;
    let finished = client.run(machine.as_mut(), host, &mut stop).await?;
    match finished.outcome {
        _ if finished.stopped.is_some() => Ok(End::Interrupted),
        Some(Outcome::Completed) => {
            let done = (client.protocol.completed)(&settings, &machine.counters());
            Ok(End::Completed(done))
        }
        // A twin that is to crash.
        Some(Outcome::Failed(failure)) if failure.status() > 1 => {
            std::process::exit(failure.status())
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

/// How the command ends, and what it says when all went well.
fn summary(
    client: &Endpoint<Target>,
    peer: SocketAddr,
    ends: Vec<Result<End, Failure>>,
) -> Result<Exit, Failure> {
    let all = ends.len();
    let (mut done, mut failures) = (None, Vec::new());
    for end in ends {
        match end {
            Ok(End::Interrupted) => return Ok(Exit::Interrupted),
            Ok(End::Completed(what)) => done = Some(what),
            Err(failure) => failures.push(failure),
        }
    }
    let failed = failures.len();
    match failures.into_iter().next() {
        Some(failure) if all == 1 => Err(failure),
        Some(first) => Err(Failure {
            exit: first.exit,
            message: format!(
                "{failed} of {all} connections failed; the first: {}",
                first.message
            ),
        }),
        None if client.prints_counters() => Ok(Exit::Success),
        None => {
            let done = done.filter(|_| all == 1);
            let done = done.unwrap_or_else(|| format!("{all} connections completed"));
            print_line(&format!("{peer}: {done}"))?;
            Ok(Exit::Success)
        }
    }
}
