//! Implementations under test, started as their descriptions say, and found ready.

mod ready;

use std::net::SocketAddr;
use std::path::{PathBuf, absolute};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use shakedown_engine::iut::{Iut, Ready, Start};
use shakedown_engine::scenario::Needs;
use shakedown_engine::script::fingerprint;
use tokio::time::sleep;

pub use ready::open_sockets;
pub(crate) use ready::ready_within;

use ready::ready;

use crate::kernel;
use crate::ports::FreePort;
use crate::process::{
    CertificateFile, PlaceholderError, Placeholders, Process, ProcessEnvironment, ProcessExit,
    StartError, command, expand,
};

/// How often a responder is asked before its first scenario, at least.
const FIRST_TRIES: u32 = 5;

/// How often another port is tried if one was taken meanwhile.
const TRIES: usize = 5;

/// Where `{counters}` goes if they are not read.
const NOWHERE: &str = "/dev/null";

/// What is needed to start an implementation.
#[derive(Debug)]
pub struct Launcher {
    pub iut: Arc<Iut>,
    /// Random seed; each start of a process has another one that follows from it.
    pub seed: u64,
    /// This program, for `{shakedown}`.
    pub shakedown: String,
    /// Where its processes are asked to write the secrets of their TLS sessions.
    key_log: Option<PathBuf>,
    /// Where they are asked to leave what they counted, for `{counters}`.
    counters: PathBuf,
    certificate: CertificateFile,
    starts: AtomicU64,
}

/// An implementation that was started, or that ran already. Its process is killed when the last
/// copy is dropped.
#[derive(Debug, Clone)]
pub struct Instance {
    /// Where it is reached; `None` for an initiator, which comes to us.
    pub address: Option<SocketAddr>,
    /// Its process, if we started it.
    pub process: Option<Arc<Process>>,
    /// The peer of an initiator.
    pub peer: Option<SocketAddr>,
    /// Keeps the port from others as long as the process uses it.
    _port: Option<Arc<FreePort>>,
}

/// An implementation cannot be started or reached.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The description does not say what is needed.
    #[error("the IUT description {0}")]
    Description(String),
    /// The description's command holds a placeholder that has no meaning.
    #[error("the IUT description's command: {0}")]
    Placeholder(#[from] PlaceholderError),
    /// The program cannot be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Another process has the port.
    #[error(
        "{address} is in use by another program before the implementation is started; end that \
         program, or write {{port}} in the IUT description and a free port is chosen"
    )]
    PortInUse { address: SocketAddr },
    /// No port is available there.
    #[error("no UDP port can be had at {host}: {why}")]
    NoPort {
        /// The address without its port.
        host: String,
        why: std::io::Error,
    },
    /// It ended before it was ready.
    #[error(
        "the implementation ended before it was ready ({ended}){}; {}",
        hint(ended), printed_output(.output)
    )]
    Exited {
        ended: ProcessExit,
        /// The end of its output.
        output: String,
    },
    /// It runs and does not become ready.
    #[error(
        "the implementation is not ready after {waited:?} (`ready_within` in [start] allows more, and a smaller `--jobs` starts fewer at once): {missing}; {}",
        printed_output(.output)
    )]
    NotReady {
        /// How long was waited.
        waited: Duration,
        /// What was waited for, and what was seen instead.
        missing: String,
        /// The end of its output.
        output: String,
    },
}

impl LaunchError {
    /// Whether the port was taken between our choice and the start; it may be free again.
    fn is_by_port(&self, address: SocketAddr) -> bool {
        match self {
            Self::PortInUse { .. } => true,
            Self::Exited { .. } => kernel::is_bound(address),
            Self::Description(_)
            | Self::Placeholder(_)
            | Self::Start(_)
            | Self::NoPort { .. }
            | Self::NotReady { .. } => false,
        }
    }
}

impl Instance {
    /// One that runs already.
    #[must_use]
    pub const fn found(address: SocketAddr) -> Self {
        Self {
            address: Some(address),
            process: None,
            peer: None,
            _port: None,
        }
    }

    /// Whether its process is ours and has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let process = self.process.as_ref();
        process.is_some_and(|process| process.ended().is_some())
    }
}

/// What to do about a process that ended, if known.
const fn hint(ended: &ProcessExit) -> &'static str {
    match ended.code {
        Some(0) => ": it has to stay in the foreground",
        _ => "",
    }
}

/// Most characters of a process's output in a message.
const MAX_PRINTED: usize = 1_000;

/// A process's output as the end of a message, or what it printed last.
#[must_use]
pub fn printed_output(output: &str) -> String {
    let output = output.trim_end();
    match output.char_indices().rev().nth(MAX_PRINTED) {
        _ if output.is_empty() => String::from("it printed nothing"),
        Some((cut, _)) => format!("it printed much; the end of it:\n…{}", &output[cut..]),
        None => format!("it printed:\n{output}"),
    }
}

impl Launcher {
    /// A launcher of an implementation.
    #[must_use]
    pub fn new(iut: Arc<Iut>, seed: u64, shakedown: String) -> Self {
        Self {
            iut,
            seed,
            shakedown,
            key_log: None,
            counters: PathBuf::from(NOWHERE),
            certificate: CertificateFile::default(),
            starts: AtomicU64::new(0),
        }
    }

    /// The same whose processes are asked to write the secrets of their TLS sessions to this file.
    #[must_use]
    pub fn with_key_log(self, path: PathBuf) -> Self {
        Self {
            key_log: Some(absolute(&path).unwrap_or(path)),
            ..self
        }
    }

    /// The same whose processes are asked to leave what they counted in this file.
    #[must_use]
    pub fn with_counters(self, counters: PathBuf) -> Self {
        let counters = absolute(&counters).unwrap_or(counters);
        Self { counters, ..self }
    }

    /// The same for one purpose alone, such as a scenario: the seeds that it gives do not depend on
    /// what is started for others. It streams what `needs` ask for.
    #[must_use]
    pub fn of(&self, purpose: &str, needs: &Needs) -> Self {
        let iut = Arc::new(self.iut.asked(needs));
        Self::new(
            iut,
            self.seed ^ fingerprint(purpose),
            self.shakedown.clone(),
        )
    }

    /// A responder as a scenario needs it, ready to be spoken to; found at its address if
    /// the description says nothing of a start.
    ///
    /// # Errors
    /// [`LaunchError`], a human-readable sentence.
    pub async fn responder(&self, needs: &Needs) -> Result<Instance, LaunchError> {
        let Some(reach) = &self.iut.reach else {
            let problem = "has no [reach] address; a responder needs one";
            return Err(LaunchError::Description(problem.to_owned()));
        };
        let Some(start) = &self.iut.start else {
            return Ok(Instance::found(resolve(&reach.address).await?));
        };
        let mut tries = 0;
        loop {
            tries += 1;
            let (address, port) = choose_address(&reach.address).await?;
            let started = self.responder_at(start, needs, address).await;
            match started {
                Ok(process) => {
                    return Ok(Instance {
                        address: Some(address),
                        process: Some(Arc::new(process)),
                        peer: None,
                        _port: port.map(Arc::new),
                    });
                }
                Err(error) if port.is_some() && tries < TRIES && error.is_by_port(address) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Stops or kills an implementation and starts it again where it was. One that we did not start cannot
    /// be.
    ///
    /// # Errors
    /// [`LaunchError`], a human-readable sentence.
    pub async fn restart(
        &self,
        mut instance: Instance,
        needs: &Needs,
        kill: bool,
    ) -> Result<Instance, LaunchError> {
        let (Some(start), Some(process)) = (&self.iut.start, &instance.process) else {
            let problem = "has no [start], so the implementation cannot be started again";
            return Err(LaunchError::Description(problem.to_owned()));
        };
        match kill {
            true => drop(process.kill().await),
            false => drop(process.stop().await),
        }
        match (instance.address, instance.peer) {
            (Some(address), _) => {
                let process = self.responder_at(start, needs, address).await?;
                instance.process = Some(Arc::new(process));
                Ok(instance)
            }
            (None, Some(peer)) => self.initiator(needs, peer),
            (None, None) => {
                let problem = "has neither an address of its own nor one of a peer";
                Err(LaunchError::Description(problem.to_owned()))
            }
        }
    }

    /// An initiator as a scenario needs it, whose peer is `peer`.
    ///
    /// # Errors
    /// [`LaunchError`], a human-readable sentence.
    pub fn initiator(&self, needs: &Needs, peer: SocketAddr) -> Result<Instance, LaunchError> {
        let Some(start) = &self.iut.start else {
            let problem = "has no [start]; an initiator is started for each scenario";
            return Err(LaunchError::Description(problem.to_owned()));
        };
        let values = self.placeholders(needs, None, Some(peer));
        Ok(Instance {
            address: None,
            process: Some(Arc::new(self.start(start, &values)?)),
            peer: Some(peer),
            _port: None,
        })
    }

    /// Whether several processes of the implementation can run at the same time: not if each would
    /// want the same port.
    #[must_use]
    pub fn can_run_twice(&self) -> bool {
        match (&self.iut.start, &self.iut.reach) {
            (Some(_), Some(reach)) => reach.address.ends_with("{port}"),
            (Some(_), None) => true,
            (None, _) => false,
        }
    }

    /// The IP address at which the implementation is reached, if it is known before it is started.
    ///
    /// # Errors
    /// [`LaunchError::Description`].
    pub async fn host(&self) -> Result<Option<std::net::IpAddr>, LaunchError> {
        match &self.iut.reach {
            Some(reach) => {
                let address = resolve(&reach.address.replace("{port}", "0")).await?;
                Ok(Some(address.ip()))
            }
            None => Ok(None),
        }
    }

    async fn responder_at(
        &self,
        start: &Start,
        needs: &Needs,
        address: SocketAddr,
    ) -> Result<Process, LaunchError> {
        if is_in_use(address) {
            return Err(LaunchError::PortInUse { address });
        }
        let values = self.placeholders(needs, Some(address), None);
        let process = self.start(start, &values)?;
        match ready(&process, start, address).await {
            Ok(()) => {
                sleep(self.startup_delay(needs)).await;
                Ok(process)
            }
            Err(error) => {
                process.stop().await;
                Err(error)
            }
        }
    }

    /// How long it accepts nothing once it is ready, if that is not tested.
    fn startup_delay(&self, needs: &Needs) -> Duration {
        let own = self.iut.timing.startup_delay.as_fixed();
        let is_judged = |option: &String| option.starts_with("startup_delay");
        match needs.options.iter().any(is_judged) {
            true => Duration::ZERO,
            false => own.unwrap_or_default(),
        }
    }

    /// How often it is asked, once a second, whether it is there, before its first scenario.
    /// One that is told to accept nothing at first need not even say so.
    pub(crate) fn first_tries(&self, needs: &Needs) -> u32 {
        let start = self.iut.start.as_ref();
        let within = start.and_then(|start| start.ready_within.as_fixed());
        let seconds = within.map_or(0, |within| within.as_secs());
        let tries = u32::try_from(seconds).unwrap_or(u32::MAX).max(FIRST_TRIES);
        let told = |option: &String| option.strip_prefix("startup_delay=")?.parse().ok();
        let delay: Option<u32> = needs.options.iter().find_map(told);
        tries.saturating_add(delay.unwrap_or_default())
    }

    fn start(&self, start: &Start, values: &Placeholders<'_>) -> Result<Process, LaunchError> {
        let words = command(&self.iut, values)?;
        let surroundings = ProcessEnvironment::of(&self.iut, values)?;
        let wanted = match &start.ready {
            Ready::Line(text) => Some(text.as_str()),
            Ready::After(_) | Ready::Port(_) => None,
        };
        let grace = start.grace.resolve(&self.iut.environment());
        Ok(Process::start(
            &words,
            &surroundings,
            wanted,
            grace,
            self.key_log.as_deref(),
        )?)
    }

    fn next_seed(&self) -> u64 {
        let start = self.starts.fetch_add(1, Ordering::Relaxed);
        self.seed
            .wrapping_add(start.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Words of the description with their placeholders replaced, for an implementation that was started, and
    /// where they mean something.
    pub(crate) fn words(
        &self,
        words: &[String],
        needs: &Needs,
        instance: &Instance,
    ) -> Result<(Vec<String>, ProcessEnvironment), PlaceholderError> {
        let values = self.placeholders(needs, instance.address, instance.peer);
        let expanded = words
            .iter()
            .map(|word| expand(word, &self.iut, &values, None));
        let expanded = expanded.collect::<Result<_, _>>()?;
        Ok((expanded, ProcessEnvironment::of(&self.iut, &values)?))
    }

    fn placeholders<'a>(
        &'a self,
        needs: &'a Needs,
        address: Option<SocketAddr>,
        peer: Option<SocketAddr>,
    ) -> Placeholders<'a> {
        Placeholders {
            address,
            peer,
            needs,
            seed: self.next_seed(),
            shakedown: &self.shakedown,
            counters: &self.counters,
            certificate: &self.certificate,
        }
    }
}

/// Whether a program of this machine has the address.
pub(crate) fn is_in_use(address: SocketAddr) -> bool {
    kernel::is_bound(address) && is_ours(address)
}

/// Whether `address` is one of this machine, where a bound socket would be in the way.
fn is_ours(address: SocketAddr) -> bool {
    std::net::UdpSocket::bind(SocketAddr::new(address.ip(), 0)).is_ok()
}

/// The address with a free port in the place of `{port}`.
async fn choose_address(text: &str) -> Result<(SocketAddr, Option<FreePort>), LaunchError> {
    let Some(host) = text.strip_suffix(":{port}") else {
        return Ok((resolve(text).await?, None));
    };
    let ip = resolve(&format!("{host}:0")).await?.ip();
    let port = FreePort::choose(ip).map_err(|why| LaunchError::NoPort {
        host: host.to_owned(),
        why,
    })?;
    Ok((SocketAddr::new(ip, port.port()), Some(port)))
}

async fn resolve(text: &str) -> Result<SocketAddr, LaunchError> {
    let problem = |why: String| {
        LaunchError::Description(format!(
            "has the address {text:?}, which cannot be used: {why}; write for example \
             \"127.0.0.1:{{port}}\""
        ))
    };
    let mut found = tokio::net::lookup_host(text)
        .await
        .map_err(|error| problem(error.to_string()))?;
    found
        .next()
        .ok_or_else(|| problem(String::from("the name has no address")))
}

#[cfg(test)]
mod tests;
