//! What `serve` and `connect` have in common: a reference machine as a process of its own.

use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum;
use shakedown_carrier::Security;
use shakedown_engine::reference::reference;
use shakedown_engine::scenario::Span;
use shakedown_net::KeyLog;
use shakedown_net::host::{Finished, Host, StopSignal};
use shakedown_protocol::machine::Machine;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, ReferenceSettings, StreamParameters};

use crate::exit::{Exit, Failure, harness, usage};

/// The port of `mediastream` (specification, section 6).
pub(crate) const DEFAULT_PORT: u16 = 4444;

/// The port of `proton`, where no other is given.
pub(crate) const PROTON_PORT: u16 = 4433;

/// Flags that both roles have.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// How the stream is started: legacy, 3way or start3; a responder may offer several, with
    /// commas [default: the protocol's first, legacy]
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,

    /// Bits per second of the stream
    #[arg(long, value_name = "N", default_value_t = 400_000)]
    bits_per_second: u64,

    /// Frames per second of the stream
    #[arg(long, value_name = "N", default_value_t = 50)]
    frames_per_second: u32,

    /// Length of the stream in seconds
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u32,

    /// Seed of everything random [default: another one each time, told by -v]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Leave the behaviour that this requirement demands out, such as MS-H-18: a faulty twin, to see
    /// what finds it
    #[arg(long, value_name = "ID", hide_short_help = true)]
    without: Vec<String>,

    /// Print the counters at the end, as one line of JSON on standard output
    #[arg(long, value_name = "FORMAT")]
    stats: Option<Stats>,
}

/// How counters are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Stats {
    /// One JSON object.
    Json,
}

/// Options that are on, and further settings by name.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    options: Vec<String>,
    extra: Vec<(String, String)>,
}

impl Chosen {
    /// Switches an option on, if its flag was given.
    pub(crate) fn option(&mut self, name: &str, is_on: bool) {
        if is_on {
            self.options.push(name.to_owned());
        }
    }

    /// Switches an option on that has a number, if its flag was given.
    pub(crate) fn counted(&mut self, name: &str, number: Option<usize>) {
        if let Some(number) = number {
            self.options.push(format!("{name}={number}"));
        }
    }

    /// Hands a setting on, if its flag was given.
    pub(crate) fn setting(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.extra.push((name.to_owned(), value.to_string()));
        }
    }
}

impl Common {
    /// Makes the machine.
    pub(crate) fn machine(
        &self,
        protocol: &'static Protocol,
        role: Role,
        peer: Option<SocketAddr>,
        mut chosen: Chosen,
    ) -> Result<Box<dyn Machine>, Failure> {
        for requirement in &self.without {
            chosen.setting("without", Some(requirement));
        }
        let mode = match &self.mode {
            Some(mode) => checked_mode(protocol, mode)?,
            None => protocol.modes.first().copied().unwrap_or_default().into(), // MS-L-07
        };
        let seed = self.seed.unwrap_or_else(any_seed);
        tracing::info!(protocol = protocol.id, mode, %role, seed, "starting");
        let settings = ReferenceSettings {
            role,
            mode,
            options: chosen.options,
            stream: StreamParameters {
                bits_per_second: self.bits_per_second,
                frames_per_second: self.frames_per_second,
                seconds: self.seconds,
            },
            peer,
            seed,
            extra: chosen.extra,
        };
        reference(protocol, &settings, Security::Tls).map_err(usage)
    }

    /// Drives the machine to its end and prints the counters if they were asked for.
    pub(crate) async fn run(
        &self,
        machine: &mut dyn Machine,
        host: &mut Host,
        stop: &mut StopSignal,
    ) -> Result<Finished, Failure> {
        let finished = host.run(machine, stop).await;
        match self.stats {
            Some(Stats::Json) => self.print_counters(machine, host)?,
            None => {}
        }
        Ok(finished)
    }

    /// The mode that was given.
    pub(crate) fn mode(&self) -> Option<&str> {
        self.mode.as_deref()
    }

    /// Whether standard output is kept for the counters.
    pub(crate) const fn is_for_machines(&self) -> bool {
        self.stats.is_some()
    }

    fn print_counters(&self, machine: &dyn Machine, host: &Host) -> Result<(), Failure> {
        let mut counters = machine.counters();
        if let (Some(all), serde_json::Value::Object(system)) =
            (counters.as_object_mut(), host.counters())
        {
            all.extend(system);
        }
        print_line(&counters.to_string())
    }
}

/// A length of time, as an argument: `400ms`, `1.5s`, `4m`.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let span: Span = text.parse()?;
    span.as_fixed()
        .ok_or_else(|| "nothing is known here that it could depend on".to_owned())
}

/// The key log, if one is wanted.
pub(crate) fn key_log(path: Option<&Path>) -> Result<Option<KeyLog>, Failure> {
    let opened =
        path.map(|path| KeyLog::append_to(path).map_err(|error| cannot_write(path, &error)));
    opened.transpose()
}

/// Whether the key log, if one was wanted, has all secrets.
pub(crate) fn check_key_log(path: Option<&Path>, key_log: Option<&KeyLog>) -> Result<(), Failure> {
    match (path, key_log.and_then(KeyLog::take_problem)) {
        (Some(path), Some(error)) => Err(cannot_write(path, &error)),
        (Some(_) | None, _) => Ok(()),
    }
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    usage(format!("cannot write {}: {error}", path.display()))
}

/// Opens the socket and starts to listen for signals.
pub(crate) fn open(address: SocketAddr, flag: &str) -> Result<(Host, StopSignal), Failure> {
    let stop = StopSignal::new()
        .map_err(|error| harness(format!("cannot listen for signals: {error}")))?;
    let host = Host::bind(address).map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("; another program has it: end that one, or choose another by {flag}")
            }
            _ => format!("; choose another address by {flag}"),
        };
        usage(format!("cannot open UDP {address}: {error}{hint}"))
    })?;
    Ok((host, stop))
}

/// Runs a command that waits for sockets and signals.
pub(crate) fn block_on(
    command: impl Future<Output = Result<Exit, Failure>>,
) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(command),
        Err(error) => Err(harness(format!("cannot start the runtime: {error}"))),
    }
}

/// Writes a line to standard output and hands it on at once.
pub(crate) fn print_line(line: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}

/// The address that `text` names, with `port` where it names none: `host`, `host:port`, `[v6]:port` or a bare IP address.
pub(crate) async fn resolve(text: &str, port: u16) -> Result<SocketAddr, Failure> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, port));
    }
    let has_port = text.contains(':');
    let target = if has_port {
        text.to_owned()
    } else {
        format!("{text}:{port}")
    };
    let problem = |why: &str| {
        usage(format!(
            "no server is found at {text:?}: {why}; write for example 127.0.0.1:{port}"
        ))
    };
    let mut found = tokio::net::lookup_host(target)
        .await
        .map_err(|error| problem(&error.to_string()))?;
    found
        .next()
        .ok_or_else(|| problem("the name has no address"))
}

fn checked_mode(protocol: &Protocol, mode: &str) -> Result<String, Failure> {
    if mode.split(',').all(|one| protocol.modes.contains(&one)) {
        return Ok(mode.to_owned());
    }
    Err(usage(format!(
        "{} has no mode {mode:?}; there are {}",
        protocol.id,
        protocol.modes.join(", "),
    )))
}

/// A seed that is another one each time.
pub(crate) fn any_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
