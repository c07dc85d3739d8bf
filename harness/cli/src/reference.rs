//! What commands that talk over a socket have in common.

use std::hash::{BuildHasher, Hasher};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use shakedown_engine::document::{did_you_mean, requirement_meant};
use shakedown_engine::twins::TwinInRole;
use shakedown_net::KeyLog;
use shakedown_net::host::{Host, StopSignal};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{PROTOCOLS, Protocol, protocol};

use crate::exit::{Exit, Failure, harness, usage};

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

/// The address that `text` names, with `port` where it names none: `host`, `host:port`, `[v6]:port`
/// or a bare IP address.
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

pub(crate) fn known_protocol(id: &str) -> Result<&'static Protocol, Failure> {
    protocol(id).ok_or_else(|| {
        let known = PROTOCOLS.map(|protocol| protocol.id);
        let help = did_you_mean(id, known).unwrap_or_default();
        usage(format!("no protocol is called `{id}`; {help}"))
    })
}

/// The name of the faulty twin of a protocol's reference that `--without` names.
pub(crate) fn twin(protocol: &'static Protocol, name: &str) -> Result<&'static str, Failure> {
    match protocol.twin(name) {
        Ok(Some(twin)) => Ok(twin.name),
        Ok(None) => {
            let ids = (protocol.requirements)().iter().map(|one| one.id.as_str());
            let meant = requirement_meant(name, ids);
            let protocol = protocol.id;
            Err(usage(format!(
                "{protocol} has no requirement `{name}`; {meant}"
            )))
        }
        Err(problem) => Err(usage(format!("--without {name:?}: {problem}"))),
    }
}

/// Whether this side of a protocol can be the faulty twin that `--without` names.
///
/// # Errors
/// It can not: in the other role the twin does nothing wrong.
pub(crate) fn check_twin(
    protocol: &'static Protocol,
    name: &str,
    role: Role,
) -> Result<(), Failure> {
    let mut twins = TwinInRole::all(protocol).filter(|one| one.twin.name == name);
    if twins.any(|one| one.role == role) {
        return Ok(());
    }
    let (side, other) = (protocol.side(role), protocol.side(role.peer()));
    let fault = protocol.twins.iter().find(|twin| twin.name == name);
    let fault = fault.map_or("", |twin| twin.fault);
    Err(usage(format!(
        "--without {name} makes a twin of the {other} of {}, no {side}: {fault}",
        protocol.id
    )))
}

/// A seed that is another one each time.
pub(crate) fn any_seed() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
