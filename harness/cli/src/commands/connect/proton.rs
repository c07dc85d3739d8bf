//! `shakedown connect proton`.

use std::path::PathBuf;

use shakedown_net::host::StopSignal;
use shakedown_net::quic::tls::Secrets;
use shakedown_net::quic::transport::{PROTON, client_config, client};
use shakedown_net::quic::Host;
use shakedown_protocol::proton::{Client, ClientSettings, News, NotNow, Profile};
use shakedown_protocol::streams::{Input, StreamMachine};

use super::resolve;
use crate::exit::{Exit, Failure};
use crate::reference::{self, PROTON_PORT, wrong_call};

/// The command's arguments.
#[derive(Debug, clap::Args)]
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

    /// Write the TLS secrets to this file, for programs that read captures
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
        let secrets = Secrets::default();
        let config = client_config(&PROTON, &secrets).map_err(wrong_call)?;
        let mut stop = StopSignal::new().map_err(|error| Failure {
            exit: Exit::Harness,
            message: format!("cannot listen for signals: {error}"),
        })?;
        let endpoint = client(config, server)
            .map_err(|error| wrong_call(format!("cannot open a UDP socket: {error}")))?;
        let mut host = Host::new(endpoint, Some(server));
        let mut machine = Client::new(ClientSettings {
            profile: self.profile,
            first_event: self.first_event,
        });
        let done = tokio::select! {
            biased;
            () = stop.wait() => None,
            done = self.converse(&mut machine, &mut host) => Some(done),
        };
        machine.handle(host.now(), Input::Stop);
        host.obey(&mut machine);
        host.flush().await;
        if let Some(path) = &self.keylog {
            reference::write_keylog(path, &secrets)?;
        }
        match self.stats {
            Some(reference::Stats::Json) => reference::print_line(&machine.counters().to_string())?,
            None => {}
        }
        let Some(done) = done else {
            return Ok(Exit::Interrupted);
        };
        done.map_err(|message| Failure {
            exit: Exit::Fail,
            message: format!("{server}: {message}"),
        })?;
        if self.stats.is_none() {
            let (events, commits, actions) = (self.events, self.commits, self.actions);
            reference::print_line(&format!(
                "{server} acked {events} events, answered {commits} commits and sent {actions} items"
            ))?;
        }
        Ok(Exit::Success)
    }

    /// Asks for everything at once, and waits until it is there.
    async fn converse(&self, client: &mut Client, host: &mut Host) -> Result<(), String> {
        let refused = |error: NotNow| error.to_string();
        client.connect(self.reset).map_err(refused)?;
        host.obey(client);
        let mut left = self.events as u64 + self.commits as u64 + self.actions as u64;
        let mut is_asked = false;
        while left > 0 || !is_asked {
            match client.take_news() {
                Some(News::Connected) => {
                    let now = host.now();
                    for _ in 0..self.events {
                        client.send_event(now).map_err(refused)?;
                    }
                    for request in 1..=self.commits {
                        client.commit(now, request).map_err(refused)?;
                    }
                    for _ in 0..self.actions {
                        client.read_action(now).map_err(refused)?;
                    }
                    host.obey(client);
                    is_asked = true;
                }
                Some(News::Acked(_) | News::Committed { .. } | News::Item(_)) => left -= 1,
                Some(News::Closed { why, .. }) => return Err(why),
                None => host.next(client).await,
            }
        }
        Ok(())
    }
}
