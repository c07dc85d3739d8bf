//! `shakedown connect proton`.

use std::path::PathBuf;

use shakedown_net::host::StopSignal;
use shakedown_net::quic::transport::{PROTON, client_config, client};
use shakedown_net::quic::Host;
use shakedown_protocol::proton::{ClientSettings, Errand, Profile, Runner};
use shakedown_protocol::streams::{Input, StreamMachine};

use crate::exit::{Exit, Failure, harness, usage};
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
        let secrets = reference::secrets_for(self.keylog.as_deref())?;
        let config = client_config(&PROTON, &secrets).map_err(usage)?;
        let mut stop = StopSignal::new().map_err(|error| harness(format!("cannot listen for signals: {error}")))?;
        let endpoint = client(config, server)
            .map_err(|error| usage(format!("cannot open a UDP socket: {error}")))?;
        let mut host = Host::new(endpoint, Some(server));
        let mut machine = Runner::new(self.errand());
        machine.handle(host.now(), Input::Tick);
        host.obey(&mut machine);
        let mut is_interrupted = false;
        while !machine.is_finished() {
            tokio::select! {
                biased;
                () = stop.wait() => {
                    is_interrupted = true;
                    machine.handle(host.now(), Input::Stop);
                    host.obey(&mut machine);
                }
                () = host.next(&mut machine) => {}
            }
        }
        host.flush().await;
        reference::check_keylog(self.keylog.as_deref(), &secrets)?;
        match self.stats {
            Some(reference::Stats::Json) => reference::print_line(&machine.counters().to_string())?,
            None => {}
        }
        if is_interrupted {
            return Ok(Exit::Interrupted);
        }
        if let Some(Err(message)) = machine.outcome() {
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
