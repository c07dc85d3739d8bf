//! `shakedown connect PROTOCOL ADDRESS`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use shakedown_net::host::Finished;
use shakedown_protocol::Protocol;
use shakedown_protocol::machine::Outcome;
use shakedown_protocol::requirement::Role;

use crate::Global;
use crate::exit::{Exit, Failure};
use crate::reference::{self, Chosen, Common, DEFAULT_PORT};

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(
    long_about = "\
Ask for one stream and take it: the reference initiator of a protocol.

Exits with 0 when every frame of the stream came (or, with --upload, was sent), with 1 and a sentence when not, and with 130 \
on SIGINT or SIGTERM. The stream's bits, frames and seconds must be those of the server.",
    after_help = "\
Examples:
  shakedown connect mediastream 127.0.0.1:4444
  shakedown connect mediastream --mode 3way --fallback media.example.org --stats json"
)]
pub(crate) struct Args {
    /// The protocol: mediastream
    #[arg(value_parser = reference::protocol)]
    protocol: &'static Protocol,

    /// The server, with its port unless that is 4444
    address: String,

    #[command(flatten)]
    common: Common,

    /// Fall back to START when no SYN is answered (3way)
    #[arg(long)]
    fallback: bool,

    /// Send the stream to a server with upload slots instead of taking it (legacy)
    #[arg(long)]
    upload: bool,

    /// How long to wait for something to come, such as 3s or 500ms [default: 3s]
    #[arg(long, value_name = "TIME")]
    buffer_period: Option<String>,

    /// Largest datagram to be sent here, in bytes; told in the SYN if it is given (3way)
    #[arg(long, value_name = "BYTES")]
    max_datagram: Option<usize>,

    /// Take payloads as they are, without comparing them with the counter pattern
    #[arg(long)]
    no_verify: bool,

    /// Address and port to ask from [default: any]
    #[arg(long, value_name = "ADDRESS")]
    local: Option<SocketAddr>,
}

impl Args {
    /// Asks for the stream and waits for its end.
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        reference::block_on(self.connect())
    }

    async fn connect(self) -> Result<Exit, Failure> {
        let peer = resolve(&self.address).await?;
        let chosen = self.chosen();
        let mut machine = self
            .common
            .machine(self.protocol, Role::Initiator, Some(peer), chosen)?;
        let local = self.local.unwrap_or_else(|| any_address_for(peer));
        let (mut host, mut stop) = reference::open(local, "--local")?;
        let finished = self
            .common
            .run(machine.as_mut(), &mut host, &mut stop)
            .await?;
        self.tell(peer, finished)
    }

    fn tell(&self, peer: SocketAddr, finished: Finished) -> Result<Exit, Failure> {
        match finished.outcome {
            _ if finished.interrupted => Ok(Exit::Interrupted),
            Some(Outcome::Completed) if self.common.is_for_machines() => Ok(Exit::Success),
            Some(Outcome::Completed) if self.upload => {
                reference::print_line(&format!("the stream was sent to {peer}"))?;
                Ok(Exit::Success)
            }
            Some(Outcome::Completed) => {
                reference::print_line(&format!("the stream of {peer} came in full"))?;
                Ok(Exit::Success)
            }
            Some(Outcome::Failed(failure)) => Err(Failure {
                exit: Exit::Fail,
                message: failure.message,
            }),
            None => Err(Failure {
                exit: Exit::Harness,
                message: "the session ended without an outcome".to_owned(),
            }),
        }
    }

    fn chosen(&self) -> Chosen {
        let mut chosen = Chosen::default();
        chosen.option("fallback", self.fallback);
        chosen.option("upload", self.upload);
        chosen.setting("buffer_period", self.buffer_period.as_deref());
        chosen.setting("max_datagram", self.max_datagram);
        chosen.setting("verify", self.no_verify.then_some(false));
        chosen
    }
}

/// The address that `text` names: `host`, `host:port`, `[v6]:port` or a bare IP address.
async fn resolve(text: &str) -> Result<SocketAddr, Failure> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, DEFAULT_PORT));
    }
    let has_port = text.contains(':');
    let target = if has_port {
        text.to_owned()
    } else {
        format!("{text}:{DEFAULT_PORT}")
    };
    let problem = |why: &str| {
        reference::wrong_call(format!(
            "no server is found at {text:?}: {why}; write for example 127.0.0.1:{DEFAULT_PORT}"
        ))
    };
    let mut found = tokio::net::lookup_host(target)
        .await
        .map_err(|error| problem(&error.to_string()))?;
    found
        .next()
        .ok_or_else(|| problem("the name has no address"))
}

/// Any port of the family in which `peer` is reached.
fn any_address_for(peer: SocketAddr) -> SocketAddr {
    let ip = match peer {
        SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}
