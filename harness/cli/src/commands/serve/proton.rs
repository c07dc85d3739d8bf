//! `shakedown serve proton`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use shakedown_carrier::{Carrier, Identity, Security, Settings};
use shakedown_protocol::machine::Machine;
use shakedown_protocol::proton::{Profile, Server, ServerSettings, TRANSPORT};

use crate::exit::{Exit, Failure, usage};
use crate::reference::{self, PROTON_PORT, span};

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub(super) struct Args {
    /// Address and port to listen on; port 0 for any that is free
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value_t = SocketAddr::from((Ipv4Addr::LOCALHOST, PROTON_PORT)),
    )]
    listen: SocketAddr,

    /// How items of the Action stream go: on their own (push), or each when it is asked for (pull)
    #[arg(long, value_name = "PROFILE", default_value = "push")]
    profile: Profile,

    /// Look whether a second connection resets the first; this is so unless --no-reset is said
    #[arg(long, overrides_with = "no_reset")]
    reset: bool,

    /// Refuse every second connection, instead of looking whether it resets the first
    #[arg(long, overrides_with = "reset")]
    no_reset: bool,

    /// How long a StateCommit request is worked on
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = span)]
    commit_delay: Duration,

    /// Time from one item to the next (push)
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = span)]
    action_interval: Duration,

    /// The first item of a connection; each next one is one more
    #[arg(long, value_name = "N", default_value_t = 123)]
    first_action: u32,

    /// How long connections are refused after the start: 10s where a server is started again
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = span)]
    startup_delay: Duration,

    /// The certificate chain, a PEM file [default: one for localhost that signs itself]
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The certificate's key, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,

    /// Append the TLS secrets to this file as they come, for programs that read captures
    #[arg(long, value_name = "FILE")]
    keylog: Option<PathBuf>,

    /// Print the counters at the end, as one line of JSON on standard output
    #[arg(long, value_name = "FORMAT")]
    stats: Option<reference::Stats>,
}

impl Args {
    pub(super) fn execute(self) -> Result<Exit, Failure> {
        reference::block_on(self.serve())
    }

    async fn serve(self) -> Result<Exit, Failure> {
        let key_log = reference::key_log(self.keylog.as_deref())?;
        let machine = Server::new(ServerSettings {
            profile: self.profile,
            resets: self.reset || !self.no_reset,
            commit_delay: self.commit_delay,
            action_interval: self.action_interval,
            first_action: self.first_action,
            startup_delay: self.startup_delay,
        });
        let settings = Settings {
            identity: self.identity()?,
            ..Settings::new(TRANSPORT, Security::Tls)
        };
        let carrier = Carrier::server(machine, &settings);
        let mut carrier = carrier.map_err(|error| usage(error.to_string()))?;
        let (host, mut stop) = reference::open(self.listen, "--listen")?;
        let mut host = host.with_key_log(key_log.clone());
        reference::print_line(&format!("listening on {}", host.local()))?;
        host.run(&mut carrier, &mut stop).await;
        reference::check_key_log(self.keylog.as_deref(), key_log.as_ref())?;
        match self.stats {
            Some(reference::Stats::Json) => reference::print_line(&carrier.counters().to_string())?,
            None => {}
        }
        Ok(Exit::Success)
    }

    /// The certificate that was given.
    fn identity(&self) -> Result<Option<Identity>, Failure> {
        let given = self.cert.as_ref().zip(self.key.as_ref());
        let read = given.map(|(cert, key)| Identity::read(cert, key));
        read.transpose().map_err(|error| usage(error.to_string()))
    }
}
