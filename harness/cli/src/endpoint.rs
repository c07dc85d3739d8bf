//! The reference machine that `serve` and `connect` run: a subcommand for each protocol, with the flags
//! of its table of settings.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Subcommand, ValueEnum};
use shakedown_carrier::{Identity, Security};
use shakedown_engine::document::{MAX_BYTES, read_file};
use shakedown_engine::reference::reference;
use shakedown_net::Clock;
use shakedown_net::host::{Host, HostResult, StopSignal};
use shakedown_protocol::machine::Machine;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{
    PROTOCOLS, Protocol, ProtocolOption, ReferenceSettings, StreamParameters,
};

use crate::exit::{Failure, harness, usage};
use crate::numbers::{ANY, whole};
use crate::reference::{any_seed, check_key_log, check_twin, key_log, print_line, twin};

/// The flags for a machine's address, or its peer's.
pub(crate) trait Address: Args {
    /// The role of the machine.
    const ROLE: Role;

    /// A call of the command for a protocol.
    fn example(protocol: &Protocol) -> String;

    /// The same flags, with the protocol's port as the default.
    fn with_port(command: Command, port: u16) -> Command;
}

/// A protocol's reference machine, as the command line describes it.
#[derive(Debug)]
pub(crate) struct Endpoint<A> {
    pub(crate) protocol: &'static Protocol,
    pub(crate) address: A,
    mode: String,
    common: Common,
    secrets: Option<Secrets>,
    certificate: Option<Certificate>,
    /// The port of localhost at which its page is offered.
    page: Option<u16>,
    /// Where metrics are served.
    metrics: Option<SocketAddr>,
    /// Names and values of the protocol's own flags that were given or have a default.
    flags: Vec<(String, String)>,
}

/// Flags of every protocol.
#[derive(Debug, Args)]
struct Common {
    /// Random seed [default: a new one, printed by -v]
    #[arg(long, value_name = "N", value_parser = whole::<u64>(ANY))]
    seed: Option<u64>,

    /// Run a mutant that violates this requirement, such as MS-H-18, to see what catches it
    #[arg(long, value_name = "ID", hide_short_help = true)]
    without: Vec<String>,

    /// Print the counters on exit, as one line of JSON on standard output
    #[arg(long, value_name = "FORMAT")]
    stats: Option<Stats>,

    /// Write the counters to this file on exit, as JSON
    #[arg(long, value_name = "FILE")]
    stats_file: Option<PathBuf>,
}

/// Flags of either side of a protocol over TLS.
#[derive(Debug, Args)]
struct Secrets {
    /// Append TLS secrets to this file, to decrypt captures
    #[arg(long, value_name = "FILE", env = "SSLKEYLOGFILE")]
    keylog: Option<PathBuf>,
}

/// Flags of a server of a protocol over TLS.
#[derive(Debug, Args)]
struct Certificate {
    /// The certificate chain, a PEM file [default: self-signed, for localhost]
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,

    /// The certificate's key, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

/// How counters are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Stats {
    /// One JSON object.
    Json,
}

impl<A: Address> Endpoint<A> {
    /// The machine's settings; an initiator needs its peer.
    pub(crate) fn settings(&self, peer: Option<SocketAddr>) -> Result<ReferenceSettings, Failure> {
        let (protocol, mode) = (self.protocol, &self.mode);
        let mut modes = mode.split(',');
        if let Some(mode) = modes.find(|one| !protocol.modes.contains(one)) {
            let (id, name, known) = (protocol.id, protocol.mode_name, protocol.modes.join(", "));
            return Err(usage(format!(
                "{id} has no {name} {mode:?}; there are {known}"
            )));
        }
        for name in &self.common.without {
            check_twin(protocol, twin(protocol, name)?, A::ROLE)?;
        }
        let without = self.common.without.iter();
        let without = without.map(|requirement| ("without".to_owned(), requirement.clone()));
        Ok(ReferenceSettings {
            role: A::ROLE,
            mode: mode.clone(),
            options: Vec::new(),
            stream: StreamParameters::default(),
            peer,
            seed: self.common.seed.unwrap_or_else(any_seed),
            epoch: Clock::start().wall(Duration::ZERO),
            extra: self.flags.iter().cloned().chain(without).collect(),
        })
    }

    pub(crate) fn machine(
        &self,
        settings: &ReferenceSettings,
    ) -> Result<Box<dyn Machine>, Failure> {
        let (mode, seed) = (&settings.mode, settings.seed);
        tracing::info!(protocol = self.protocol.id, mode, role = %A::ROLE, seed, "starting");
        let certificate = self.certificate.as_ref();
        let identity = certificate.and_then(Certificate::identity).transpose()?;
        reference(self.protocol, settings, Security::Tls, identity).map_err(usage)
    }

    /// Offers the protocol's page, if that was asked for: the port.
    ///
    /// # Errors
    /// The port is taken, or no certificate can be made.
    pub(crate) fn offer_page(&self, local: SocketAddr) -> Result<Option<u16>, Failure> {
        let Some((port, page)) = self.page.zip(self.protocol.page) else {
            return Ok(None);
        };
        let own = self.certificate.as_ref().is_none_or(|it| it.cert.is_none());
        let mut settings: serde_json::Map<_, _> = self
            .flags
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().into()))
            .collect();
        let at = match local.ip().is_unspecified() {
            true => SocketAddr::from((Ipv4Addr::LOCALHOST, local.port())),
            false => local,
        };
        settings.insert("server".to_owned(), at.to_string().into());
        if own {
            let own = Identity::own().map_err(|error| harness(error.to_string()))?;
            settings.insert("certificate".to_owned(), own.fingerprint().into());
        }
        crate::page::offer(page, settings, port).map(Some)
    }

    /// Serves metrics over HTTP, if requested; returns the address.
    ///
    /// # Errors
    /// The address is taken.
    pub(crate) fn offer_metrics(&self) -> Result<Option<SocketAddr>, Failure> {
        let asked = self.metrics.zip(self.protocol.measures);
        let offered = asked.map(|(address, describe)| crate::metrics::offer(address, describe));
        offered.transpose()
    }

    /// Drives the machine to its end, and prints its counters if they were asked for.
    pub(crate) async fn run(
        &self,
        machine: &mut dyn Machine,
        host: Host,
        stop: &mut StopSignal,
    ) -> Result<HostResult, Failure> {
        let secrets = self.secrets.as_ref();
        let path = secrets.and_then(|secrets| secrets.keylog.as_deref());
        let key_log = key_log(path)?;
        let mut host = host.with_key_log(key_log.clone());
        let finished = host.run(machine, stop).await;
        check_key_log(path, key_log.as_ref())?;
        let mut counters = machine.counters();
        if let (Some(all), serde_json::Value::Object(system)) =
            (counters.as_object_mut(), host.counters())
        {
            all.extend(system);
        }
        if let Some(Stats::Json) = self.common.stats {
            print_line(&counters.to_string())?;
        }
        if let Some(path) = &self.common.stats_file {
            let written = std::fs::write(path, counters.to_string());
            written.map_err(|error| usage(format!("--stats-file {}: {error}", path.display())))?;
        }
        Ok(finished)
    }

    /// Whether standard output is kept for the counters.
    pub(crate) const fn prints_counters(&self) -> bool {
        self.common.stats.is_some()
    }
}

impl Certificate {
    /// The certificate that was given.
    fn identity(&self) -> Option<Result<Identity, Failure>> {
        let (cert, key) = self.cert.as_ref().zip(self.key.as_ref())?;
        let read = |path: &Path| {
            read_file(path, MAX_BYTES)
                .map_err(|error| usage(format!("{}: {error}", path.display())))
        };
        let identity = read(cert).and_then(|chain| {
            Identity::from_pem((cert, &chain), (key, &read(key)?))
                .map_err(|error| usage(error.to_string()))
        });
        Some(identity)
    }
}

impl<A: Address> Subcommand for Endpoint<A> {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(PROTOCOLS.map(subcommand::<A>))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        PROTOCOLS.iter().any(|protocol| protocol.id == name)
    }
}

impl<A: Address> FromArgMatches for Endpoint<A> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let chosen = matches.subcommand().and_then(|(name, matches)| {
            let protocol = PROTOCOLS.into_iter().find(|protocol| protocol.id == name)?;
            Some((protocol, matches))
        });
        let (protocol, matches) =
            chosen.ok_or_else(|| clap::Error::new(clap::error::ErrorKind::MissingSubcommand))?;
        let secrets = has_secrets(protocol).then(|| Secrets::from_arg_matches(matches));
        let certificate = has_certificate(protocol, A::ROLE);
        let certificate = certificate.then(|| Certificate::from_arg_matches(matches));
        let flags = flags(protocol, A::ROLE)
            .filter_map(|(option, _)| Some((option.name.to_owned(), value(matches, option)?)));
        Ok(Self {
            protocol,
            address: A::from_arg_matches(matches)?,
            mode: matches.get_one("mode").cloned().unwrap_or_default(),
            common: Common::from_arg_matches(matches)?,
            secrets: secrets.transpose()?,
            certificate: certificate.transpose()?,
            page: has_page(protocol, A::ROLE)
                .then(|| matches.get_one("page").copied())
                .flatten(),
            metrics: has_metrics(protocol, A::ROLE)
                .then(|| matches.get_one("metrics").copied())
                .flatten(),
            flags: flags.collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

fn subcommand<A: Address>(protocol: &'static Protocol) -> Command {
    let command = A::with_port(A::augment_args(Command::new(protocol.id)), protocol.port);
    let name = protocol.mode_name;
    let mode = Arg::new("mode")
        .long(name)
        .value_name(name.to_uppercase())
        .help(protocol.mode_help)
        .default_value(protocol.default_mode);
    let own = flags(protocol, A::ROLE).flat_map(|(option, help)| args(option, help));
    let mut command = command.arg(mode).args(own);
    if has_certificate(protocol, A::ROLE) {
        command = Certificate::augment_args(command);
    }
    if has_page(protocol, A::ROLE) {
        let help = "Serve a browser client on this port of localhost; 0 for any free port";
        let page = Arg::new("page").long("page").value_name("PORT").help(help);
        command = command.arg(page.value_parser(whole::<u16>(ANY)));
    }
    if has_metrics(protocol, A::ROLE) {
        let help = "Serve Prometheus metrics at http://ADDRESS/metrics; port 0 for any free port";
        let metrics = Arg::new("metrics").long("metrics").value_name("ADDRESS");
        let parser = clap::value_parser!(SocketAddr);
        command = command.arg(metrics.help(help).value_parser(parser));
    }
    if has_secrets(protocol) {
        command = Secrets::augment_args(command);
    }
    Common::augment_args(command)
        .about(protocol.summary)
        .long_about(None)
        .after_help(format!("Example:\n  {}", A::example(protocol)))
        .args_override_self(true)
}

fn has_secrets(protocol: &Protocol) -> bool {
    protocol.transport.is_some()
}

fn has_certificate(protocol: &Protocol, role: Role) -> bool {
    has_secrets(protocol) && role == Role::Responder
}

fn has_page(protocol: &Protocol, role: Role) -> bool {
    protocol.page.is_some() && role == Role::Responder
}

fn has_metrics(protocol: &Protocol, role: Role) -> bool {
    protocol.measures.is_some() && role == Role::Responder
}

/// The settings that are flags of this role, and what the help says of each.
fn flags(
    protocol: &'static Protocol,
    role: Role,
) -> impl Iterator<Item = (&'static ProtocolOption, &'static str)> {
    protocol
        .settings
        .iter()
        .filter_map(move |option| Some((option, option.help_for(role)?)))
}

/// A setting as a flag. A switch that is on by default has a second one, `--no-...`, and the last counts.
fn args(option: &'static ProtocolOption, help: &'static str) -> Vec<Arg> {
    let flag = |negation: &str, help: &str| {
        let long = format!("{negation}{}", option.name.replace('_', "-"));
        let alias = option.alias.map(|alias| format!("{negation}{alias}"));
        let id = format!("{negation}{}", option.name);
        let arg = Arg::new(id).long(long).help(help.to_owned());
        arg.visible_aliases(alias).action(ArgAction::SetTrue)
    };
    let arg = flag("", help);
    match (option.value, option.default) {
        (Some(value), default) => vec![
            arg.action(ArgAction::Set)
                .value_name(value)
                .default_value(default),
        ],
        (None, None) => vec![arg],
        (None, Some(_)) => {
            let on = arg.help(format!("{help} [default]"));
            let off = flag("no-", "Disable it").overrides_with(option.name);
            vec![on, off]
        }
    }
}

fn value(matches: &ArgMatches, option: &ProtocolOption) -> Option<String> {
    let is_off = |option: &ProtocolOption| matches.get_flag(&format!("no-{}", option.name));
    match (option.value, option.default) {
        (Some(_), _) => matches.get_one::<String>(option.name).cloned(),
        (None, None) => matches.get_flag(option.name).then(|| "true".to_owned()),
        (None, Some(_)) => Some((!is_off(option)).to_string()),
    }
}
