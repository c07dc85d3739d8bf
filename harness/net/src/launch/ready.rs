//! When an implementation is ready, and what it lacks until then.

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_engine::iut::{Ready, Start};
use tokio::time::{sleep, timeout};

use super::LaunchError;
use crate::kernel;
use crate::process::Process;

/// How often the kernel's table of sockets is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until the process is ready, but not longer than its description says.
pub(super) async fn ready(
    process: &Process,
    start: &Start,
    address: SocketAddr,
) -> Result<(), LaunchError> {
    let is_ready = async {
        match &start.ready {
            Ready::Line(_) => process.output().wait_for_line().await,
            Ready::After(span) => sleep(span.as_fixed().unwrap_or_default()).await,
            Ready::Port(true) => {
                while !kernel::is_bound(address) {
                    sleep(LOOK_EVERY).await;
                }
            }
            Ready::Port(false) => {}
        }
    };
    let waited = async {
        tokio::select! {
            biased;
            ended = process.wait() => Err(LaunchError::Exited {
                ended,
                output: process.output().tail(),
            }),
            () = is_ready => Ok(()),
        }
    };
    let within = ready_within(start);
    match timeout(within, waited).await {
        Ok(outcome) => outcome,
        Err(_) => Err(LaunchError::NotReady {
            waited: within,
            missing: missing(process, start, address),
            output: process.output().tail(),
        }),
    }
}

/// The longest time from its start until it is ready.
pub(crate) fn ready_within(start: &Start) -> Duration {
    let after = match &start.ready {
        Ready::After(span) => span.as_fixed().unwrap_or_default(),
        Ready::Line(_) | Ready::Port(_) => Duration::ZERO,
    };
    after.saturating_add(start.ready_within.as_fixed().unwrap_or_default())
}

/// What was waited for, and what was seen instead.
fn missing(process: &Process, start: &Start, address: SocketAddr) -> String {
    match &start.ready {
        Ready::Line(text) => format!("no line of its output contains {text:?}"),
        Ready::After(span) => format!("it was to be ready {span} after its start"),
        Ready::Port(_) => {
            let sockets = open_sockets(process);
            format!("nothing is bound to UDP {address}; {sockets}")
        }
    }
}

/// The UDP sockets that a process holds, in a sentence: it may listen elsewhere.
#[must_use]
pub fn open_sockets(process: &Process) -> String {
    let Some(group) = process.group() else {
        return String::from("its process is gone");
    };
    let sockets = kernel::udp_sockets_of_group(group);
    match sockets.as_slice() {
        [] => String::from("its process has no UDP socket"),
        sockets => {
            let list: Vec<String> = sockets.iter().map(ToString::to_string).collect();
            format!("its process has UDP {} open", list.join(", "))
        }
    }
}
