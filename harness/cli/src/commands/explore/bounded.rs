//! `shakedown explore PROTOCOL` without `--swarm`: every run within bounds.

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use shakedown_engine::explore::exhaustive::{
    Bounds, Explored, Running, STREAM, Setup, explore, join,
};
use shakedown_engine::explore::{Side, Trace};
use shakedown_protocol::Protocol;
use shakedown_protocol::requirement::Role;

use super::args::{Args, Flags};
use super::report::{Pair, Report};
use crate::exit::{Exit, Failure, harness, usage};
use crate::reports::Format;

/// Interval of progress reports.
const GLANCE: Duration = Duration::from_millis(50);

/// Explores one pair, or all of the table.
pub(super) fn run(protocol: &'static Protocol, args: &Args) -> Result<Exit, Failure> {
    let pairs = pairs(protocol, args)?;
    if let Some(out) = &args.out {
        std::fs::create_dir_all(out)
            .map_err(|error| usage(format!("cannot make {}: {error}", out.display())))?;
    }
    let mut report = Report::new(
        protocol,
        args.format == Format::Json,
        std::io::stderr().is_terminal(),
        pairs.len(),
    );
    let (mut violations, mut cut) = (0, 0);
    for (initiator, responder) in pairs {
        let setup = setup(protocol, args, initiator, responder);
        let (explored, took) = explored(args, &setup, &mut report)?;
        violations += usize::from(explored.violation.is_some());
        cut += usize::from(!explored.complete && explored.violation.is_none());
        let file = match &explored.violation {
            Some(trace) => write(args, trace)?,
            None => None,
        };
        report.pair(&Pair {
            setup: &setup,
            explored: &explored,
            took,
            file: file.as_deref(),
        })?;
    }
    let exit = match (violations, cut) {
        (0, 0) => Exit::Success,
        (0, _) => Exit::Harness,
        (_, _) => Exit::Fail,
    };
    report.end(violations, cut, exit)?;
    Ok(exit)
}

fn explored(
    args: &Args,
    setup: &Setup,
    report: &mut Report,
) -> Result<(Explored, Duration), Failure> {
    let begin = Instant::now();
    let longest = args.bounded.timeout;
    let longest = longest.map(|seconds| Duration::from_secs(seconds.get()));
    let glance = |running: &Running<'_>| {
        let (took, progress) = (begin.elapsed(), running.progress());
        report.progress(setup, progress, took);
        let is_long = longest.is_some_and(|longest| took > longest);
        if is_long || progress.distinct > args.bounded.max_states.get() {
            running.end();
        }
    };
    let mut wait = |running: &Running<'_>, threads: Vec<JoinHandle<()>>| {
        let (working, done) = channel::<()>();
        std::thread::scope(|scope| {
            let joined = scope.spawn(move || {
                let joined = join(threads);
                drop(working); // the receiver hears of it at once
                joined
            });
            while done.recv_timeout(GLANCE) == Err(RecvTimeoutError::Timeout) {
                glance(running);
            }
            joined.join().unwrap_or_else(Err)
        })
    };
    let explored = explore(setup, &mut wait).map_err(usage)?;
    Ok((explored, begin.elapsed()))
}

fn setup(protocol: &'static Protocol, args: &Args, initiator: Side, responder: Side) -> Setup {
    let twin = |side: Side| Side {
        without: args.without.iter().cloned().collect(),
        ..side
    };
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let Flags {
        loss,
        dup,
        reorder,
        slow,
        ..
    } = args.bounded;
    Setup {
        protocol,
        initiator: twin(initiator),
        responder: twin(responder),
        stream: STREAM,
        bounds: Bounds {
            loss,
            dup,
            reorder,
            slow,
        },
        seed: args.seed,
        threads: args.jobs.map_or(processors, NonZeroUsize::get),
        extra: Vec::new(),
    }
}

fn pairs(protocol: &Protocol, args: &Args) -> Result<Vec<(Side, Side)>, Failure> {
    let read = |text: &str| text.parse::<Side>().map_err(usage);
    if args.bounded.all {
        let mut pairs = Vec::new();
        let known = protocol
            .exploration
            .ok_or_else(|| usage(format!("{} has no table of pairs to explore", protocol.id)))?;
        for responder in known.responders {
            for initiator in known.initiators {
                pairs.push((read(initiator)?, read(responder)?));
            }
        }
        return Ok(pairs);
    }
    match (&args.initiator, &args.responder) {
        (Some(initiator), Some(responder)) => {
            return Ok(vec![(read(initiator)?, read(responder)?)]);
        }
        (None, None) => {}
        (Some(_), None) => return Err(usage("--initiator needs --responder".to_owned())),
        (None, Some(_)) => return Err(usage("--responder needs --initiator".to_owned())),
    }
    let mode = args.mode.as_deref().unwrap_or(protocol.default_mode);
    if !protocol.has_mode(mode) {
        let modes = protocol.modes.join(", ");
        let message = format!("{} has no mode {mode:?}; there are {modes}", protocol.id);
        return Err(usage(message));
    }
    let both = read(&mode.replace(',', "+"))?;
    Ok(vec![(both.clone(), both)])
}

/// Writes what was found, and says where; of several pairs each has a folder of its own.
fn write(args: &Args, trace: &Trace) -> Result<Option<PathBuf>, Failure> {
    let Some(out) = &args.out else {
        return Ok(None);
    };
    let name = |role: Role| trace.side(role).to_string().replace([',', ' '], "");
    let folder = match args.bounded.all {
        true => out.join(format!(
            "{}-at-{}",
            name(Role::Initiator),
            name(Role::Responder)
        )),
        false => out.clone(),
    };
    let failed = |path: &Path, error: &std::io::Error| {
        harness(format!("cannot write {}: {error}", path.display()))
    };
    std::fs::create_dir_all(&folder).map_err(|error| failed(&folder, &error))?;
    let put = |name: &str, text: &str| {
        let file = folder.join(name);
        std::fs::write(&file, text).map_err(|error| failed(&file, &error))
    };
    put("trace.json", &trace.to_json())?;
    put("ladder.txt", &trace.ladder(false))?;
    // What neither side alone has broken has no scenario. A scenario's file is called as its id ends.
    let requirement = trace
        .violation
        .as_ref()
        .map(|broken| broken.requirement.to_lowercase());
    let name = requirement.unwrap_or_default();
    if let Ok(scenario) = trace.scenario(&name, None) {
        put(&format!("{name}.json"), &scenario.text)?;
    }
    Ok(Some(folder))
}
