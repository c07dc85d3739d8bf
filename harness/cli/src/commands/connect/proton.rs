//! `shakedown connect proton`.

use std::path::PathBuf;

use shakedown_carrier::{Carrier, Security, Settings};
use shakedown_net::probe::any_address_for;
use shakedown_protocol::machine::Machine;
use shakedown_protocol::proton::{ClientSettings, Errand, Profile, Runner, TRANSPORT};

use crate::exit::{Exit, Failure, usage};
use crate::reference::{self, PROTON_PORT, resolve};

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(
    args_override_self = true,
    long_about = "\
Events, commits and actions over QUIC: connect, ask for everything at once, and close when it is there.

Without a flag it sends one event and one request, and reads one item. A flag that stands twice counts \
as it stands last. With --again it connects again when the connection is lost, 10 s later, and does all \
of it again; event ids go on.",
    after_help = "\
Examples:
  shakedown connect proton 127.0.0.1:4433 --events 3 --commits 1
  shakedown connect proton 127.0.0.1:4433 --events 0 --commits 0 --actions 0 --stay --again"
)]
pub(super) struct Args {
    /// The server, with its port unless that is 4433
    address: String,

    /// Events to send
    #[arg(long, value_name = "N", default_value_t = 1)]
    events: u32,

    /// StateCommit requests to send: the numbers 1, 2 and so on
    #[arg(long, value_name = "N", default_value_t = 1)]
    commits: u32,

    /// Items of the Action stream to read
    #[arg(long, value_name = "N", default_value_t = 1)]
    actions: u32,

    /// How items of the Action stream come: the server sends them on its own (push), or each is
    /// asked for (pull)
    #[arg(long, value_name = "PROFILE", default_value = "push")]
    profile: Profile,

    /// Reset an older connection by the first byte of this one
    #[arg(long)]
    reset: bool,

    /// The id of the first event
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    first_event: u32,

    /// Stay connected when everything is there, until the server ends it
    #[arg(long)]
    stay: bool,

    /// Connect again when the connection is lost, after 10 s, or at once with --reset
    #[arg(long)]
    again: bool,

    /// Append the TLS secrets to this file as they come, for programs that read captures
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,

    /// Print the counters at the end, as one line of JSON on standard output
    #[arg(long, value_name = "FORMAT")]
    stats: Option<reference::Stats>,
}

impl Args {
    pub(super) fn execute(self) -> Result<Exit, Failure> {
        reference::block_on(self.connect())
    }

    async fn connect(self) -> Result<Exit, Failure> {
        let server = resolve(&self.address, PROTON_PORT).await?;
        let key_log = reference::key_log(self.keylog.as_deref())?;
        let settings = Settings::new(TRANSPORT, Security::Tls);
        let carrier = Carrier::client(Runner::new(self.errand()), server, &settings);
        let mut carrier = carrier.map_err(|error| usage(error.to_string()))?;
        let (host, mut stop) = reference::open(any_address_for(server), "its own port")?;
        let mut host = host.with_key_log(key_log.clone());
        let finished = host.run(&mut carrier, &mut stop).await;
        reference::check_key_log(self.keylog.as_deref(), key_log.as_ref())?;
        match self.stats {
            Some(reference::Stats::Json) => reference::print_line(&carrier.counters().to_string())?,
            None => {}
        }
        if finished.interrupted {
            return Ok(Exit::Interrupted);
        }
        if let Some(Err(message)) = carrier.machine().outcome() {
            return Err(Failure {
                exit: Exit::Fail,
                message: format!("{server}: {message}"),
            });
        }
        if self.stats.is_none() {
            let (events, commits, actions) = (self.events, self.commits, self.actions);
            reference::print_line(&format!(
                "{server} acked {events} events, answered {commits} commits and sent {actions} items"
            ))?;
        }
        Ok(Exit::Success)
    }

    const fn errand(&self) -> Errand {
        Errand {
            client: ClientSettings {
                profile: self.profile,
                first_event: self.first_event,
            },
            events: self.events,
            commits: self.commits,
            actions: self.actions,
            stays: self.stay,
            again: self.again,
            resets: self.reset,
        }
    }
}
