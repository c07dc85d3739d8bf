//! Common parts of commands that run something: reports get its events, until its end or a signal.

use std::time::{Duration, Instant};

use anstream::eprintln;
use shakedown_engine::event::{Event, Summary};
use shakedown_engine::interop::InteropSummary;
use shakedown_net::host::StopSignal;
use shakedown_report::Sinks;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::exit::{Exit, Failure, error_label, harness};
use crate::logging::Global;
use crate::reports::{self, ReportArgs, ReportFormat};
use crate::run_directory::RunDirectory;

/// How long what was started may take to end after the run.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// The last event of a run.
pub(crate) trait Ending: Send + 'static {
    /// The program's exit code, and why.
    fn exit(&self) -> (u8, &str);

    /// The same for a run that was interrupted twice, which the reports get.
    fn abandoned(sinks: &mut Sinks, took: Duration) -> Self;
}

/// Plays, hands every event to the reports, and stops at the first signal. A second one ends the program
/// without waiting for anything.
pub(crate) fn conduct<E, Playing>(
    reports: &ReportArgs,
    directory: &RunDirectory,
    global: &Global,
    play: impl FnOnce(mpsc::UnboundedSender<Event>, watch::Receiver<bool>) -> Playing,
) -> Result<Exit, Failure>
where
    E: Ending,
    Playing: Future<Output = E> + Send + 'static,
{
    let mut sinks = reports.open(global, Some(directory), true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| harness(format!("the runtime cannot be started: {error}")))?;
    let mut signals =
        signals().map_err(|error| harness(format!("signals cannot be received: {error}")))?;
    let begun = Instant::now();
    let ended = runtime.block_on(async {
        let (events, mut told) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(play(events, stopped));
        let is_over = loop {
            tokio::select! {
                biased;
                Some(()) = signals.recv() => {
                    if stop.send_replace(true) {
                        break false;
                    }
                    tracing::warn!("interrupted: what is being played is cut off and judged");
                }
                event = told.recv() => match event {
                    Some(event) => {
                        sinks.event(&event);
                        reports::report_failures(sinks.new_failures());
                    }
                    None => break true,
                },
            }
        };
        match is_over {
            true => running
                .await
                .map_err(|error| harness(format!("the run broke: {error}"))),
            false => Ok(E::abandoned(&mut sinks, begun.elapsed())),
        }
    });
    // Dropping what still runs kills the processes that it started.
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    let ended = ended?;
    let (exit, message) = ended.exit();
    if !matches!(reports.format, ReportFormat::Terminal) && exit != 0 {
        eprintln!("{} {message}", error_label());
    }
    Ok(reports::close(sinks, exit))
}

/// Turns true at the first signal.
pub(crate) fn stopped(runtime: &Runtime) -> Result<watch::Receiver<bool>, Failure> {
    let (stop, stopped) = watch::channel(false);
    let _entered = runtime.enter();
    let mut signal = StopSignal::new()
        .map_err(|error| harness(format!("signals cannot be received: {error}")))?;
    runtime.spawn(async move {
        signal.wait().await;
        stop.send_replace(true);
        // The receivers live as long as the sender.
        stop.closed().await;
    });
    Ok(stopped)
}

/// The signals by which a user stops a run. A separate thread receives them, since all threads of
/// the runtime may be busy in a flood.
fn signals() -> std::io::Result<mpsc::UnboundedReceiver<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let mut signal = runtime.block_on(async { StopSignal::new() })?;
    let (sender, signals) = mpsc::unbounded_channel();
    std::thread::Builder::new()
        .name(String::from("signals"))
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        () = sender.closed() => return,
                        () = signal.wait() => drop(sender.send(())),
                    }
                }
            });
        })?;
    Ok(signals)
}

impl Ending for Summary {
    fn exit(&self) -> (u8, &str) {
        (self.exit, &self.message)
    }

    fn abandoned(sinks: &mut Sinks, took: Duration) -> Self {
        let counts = sinks.record().counts().into_iter();
        let summary = Self {
            counts: counts
                .map(|(verdict, count)| (verdict.name().to_owned(), count))
                .collect(),
            requirements: sinks.record().requirements().into_iter().collect(),
            exit: Exit::Interrupted as u8,
            message: String::from("interrupted twice; what was being played was not judged"),
            failing: Vec::new(),
            waivers: Vec::new(),
            notes: Vec::new(),
            interrupted: true,
            seconds: took.as_secs_f64(),
        };
        sinks.event(&Event::RunFinished(summary.clone()));
        summary
    }
}

impl Ending for InteropSummary {
    fn exit(&self) -> (u8, &str) {
        (self.exit, &self.message)
    }

    fn abandoned(sinks: &mut Sinks, took: Duration) -> Self {
        let counts = sinks.record().table.iter().flat_map(|table| table.counts());
        let counts = counts.map(|(standing, count)| (standing.name().to_owned(), count));
        let summary = Self {
            counts: counts.collect(),
            exit: Exit::Interrupted as u8,
            message: String::from("interrupted twice; pairs that were on were not judged"),
            notes: Vec::new(),
            interrupted: true,
            seconds: took.as_secs_f64(),
        };
        sinks.event(&Event::InteropFinished(summary.clone()));
        summary
    }
}
