//! `shakedown connect mediastream ADDRESS`.

use std::net::SocketAddr;

use shakedown_net::host::Finished;
use shakedown_net::probe::any_address_for;
use shakedown_protocol::mediastream;
use shakedown_protocol::machine::{self, Outcome};
use shakedown_protocol::requirement::Role;

use crate::exit::{Exit, Failure, harness};
use crate::reference::{self, Chosen, Common, DEFAULT_PORT, resolve};

/// The command's arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server, with its port unless that is 4444
    address: String,

    #[command(flatten)]
    common: Common,

    /// Fall back to the START token when no SYN (3way) or START (start3) is answered
    #[arg(long)]
    fallback: bool,

    /// Send the stream to a server with upload slots instead of taking it (legacy)
    #[arg(long)]
    upload: bool,

    /// How long to wait for something to come, such as 3s or 500ms [default: 3s]
    #[arg(long, value_name = "TIME")]
    buffer_period: Option<String>,

    /// Largest datagram to be sent here, in bytes; told in the SYN (3way) or START (start3) if it is
    /// given
    #[arg(long, value_name = "BYTES")]
    max_datagram: Option<usize>,

    /// Buffer to ask for, in milliseconds (start3)
    #[arg(long, value_name = "MILLISECONDS")]
    buffer_depth: Option<u32>,

    /// Codec to ask for, 1 to 64 bytes (start3)
    #[arg(long, value_name = "TEXT")]
    codec_hint: Option<String>,

    /// Take payloads as they are, without comparing them with the counter pattern
    #[arg(long)]
    no_verify: bool,

    /// Address and port to ask from [default: any]
    #[arg(long, value_name = "ADDRESS")]
    local: Option<SocketAddr>,
}

impl Args {
    /// Asks for the stream and waits for its end.
    pub(super) fn execute(self) -> Result<Exit, Failure> {
        reference::block_on(self.connect())
    }

    async fn connect(self) -> Result<Exit, Failure> {
        let peer = resolve(&self.address, DEFAULT_PORT).await?;
        let chosen = self.chosen();
        let mut machine = self
            .common
            .machine(&mediastream::PROTOCOL, Role::Initiator, Some(peer), chosen)?;
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
                message: self.with_advice(failure),
            }),
            None => Err(harness("the session ended without an outcome".to_owned())),
        }
    }

    /// The sentence, and what to try where the mode may be the wrong one.
    fn with_advice(&self, failure: machine::Failure) -> String {
        let says_nothing = failure.cause == "timeout" && !self.fallback;
        match self.common.mode() {
            Some("3way" | "start3") if says_nothing => format!(
                "{}; it may speak legacy: try --mode legacy or --fallback",
                failure.message
            ),
            Some(_) | None => failure.message,
        }
    }

    fn chosen(&self) -> Chosen {
        let mut chosen = Chosen::default();
        chosen.option("fallback", self.fallback);
        chosen.option("upload", self.upload);
        chosen.setting("buffer_period", self.buffer_period.as_deref());
        chosen.setting("max_datagram", self.max_datagram);
        chosen.setting("buffer_depth", self.buffer_depth);
        chosen.setting("codec_hint", self.codec_hint.as_deref());
        chosen.setting("verify", self.no_verify.then_some(false));
        chosen
    }
}
