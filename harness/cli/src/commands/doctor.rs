//! `shakedown doctor`.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use shakedown_net::{kernel, live};
use shakedown_report::text::{clean_line, count};

use crate::exit::{Exit, Failure};
use crate::logging::Global;

/// How long a datagram on loopback may take.
const ARRIVAL: Duration = Duration::from_secs(1);
/// How many timers are tried, and how long each is.
const TIMERS: u32 = 100;
const TIMER: Duration = Duration::from_millis(1);
/// A machine that is late by this much excuses lateness: see docs/timing.md.
const LATE: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  shakedown doctor")]
pub(crate) struct Args {}

/// Something that this machine may have.
struct Check {
    name: &'static str,
    /// What there is, or why it is missing.
    found: Result<String, String>,
    /// What its lack means.
    lack: &'static str,
    /// Whether nothing can be played without it.
    is_needed: bool,
}

impl Args {
    /// Says what this machine allows, and what the lack of the rest means.
    #[expect(clippy::unused_self, reason = "every command has its arguments")]
    pub(crate) fn execute(self, _global: &Global) -> Result<Exit, Failure> {
        let mut out = anstream::stdout().lock();
        let mut exit = Exit::Success;
        let all: [fn() -> Check; 9] = [
            || loopback("UDP over IPv4", Ipv4Addr::LOCALHOST.into(), true),
            || loopback("UDP over IPv6", Ipv6Addr::LOCALHOST.into(), false),
            processors,
            timers,
            sockets,
            live_capture,
            || program("tshark", &["tshark"], "`make test-wireshark` is skipped"),
            || {
                let names = ["chromium", "google-chrome"];
                program(
                    "Chromium",
                    &names,
                    "`make test-browser` is skipped; BROWSER names another",
                )
            },
            nightly,
        ];
        for check in all {
            let Check {
                name,
                found,
                lack,
                is_needed,
            } = check();
            let (word, text) = match (found, is_needed) {
                (Ok(there), _) => ("ok", there),
                (Err(why), true) => {
                    exit = Exit::Harness;
                    ("MISSING", format!("{why}: {lack}"))
                }
                (Err(why), false) => ("missing", format!("{why}: {lack}")),
            };
            writeln!(out, "{word:<8} {name:<16} {}", clean_line(&text))?;
        }
        out.flush()?;
        Ok(exit)
    }
}

fn loopback(name: &'static str, address: IpAddr, is_needed: bool) -> Check {
    let exchange = || {
        let [one, other] = [
            UdpSocket::bind((address, 0))?,
            UdpSocket::bind((address, 0))?,
        ];
        other.set_read_timeout(Some(ARRIVAL))?;
        one.send_to(&[0], other.local_addr()?)?;
        other.recv(&mut [0])
    };
    Check {
        name,
        found: match exchange() {
            Ok(_) => Ok(format!("datagrams arrive on {address}")),
            Err(error) => Err(format!("no datagram arrived on {address} ({error})")),
        },
        lack: match is_needed {
            true => "nothing can be played over sockets; `run --virtual` needs none",
            false => "implementations on IPv6 addresses cannot be reached",
        },
        is_needed,
    }
}

fn processors() -> Check {
    let there = thread::available_parallelism();
    Check {
        name: "processors",
        found: match there {
            Ok(there) if there.get() > 1 => Ok(format!("{there} are free to use")),
            Ok(_) => Err("there is one".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        lack: "the implementation waits for us, and what is late is judged anew more often",
        is_needed: false,
    }
}

fn timers() -> Check {
    let late = |_| {
        let began = Instant::now();
        thread::sleep(TIMER);
        began.elapsed().saturating_sub(TIMER)
    };
    let latest = (0..TIMERS).map(late).max().unwrap_or_default();
    let said = format!(
        "{} of {} ms: the latest was {:.1} ms late",
        count(TIMERS.into(), "timer"),
        TIMER.as_millis(),
        latest.as_secs_f64() * 1e3
    );
    Check {
        name: "timers",
        found: if latest < LATE { Ok(said) } else { Err(said) },
        lack: "the machine is too busy to judge times; what is doubtful is played again, and may be inconclusive",
        is_needed: false,
    }
}

fn sockets() -> Check {
    let there = kernel::udp_sockets();
    Check {
        name: "/proc/net/udp",
        found: there
            .map(|sockets| {
                format!(
                    "{} on this machine",
                    count(sockets.len() as u64, "UDP socket")
                )
            })
            .ok_or_else(|| "cannot be read".to_owned()),
        lack: "reports do not say which sockets an implementation has open, nor what the kernel dropped",
        is_needed: false,
    }
}

fn live_capture() -> Check {
    Check {
        name: "live capture",
        found: match live::probe("lo") {
            Ok(()) => Ok("`run --capture live:lo` captures in the kernel".to_owned()),
            Err(error) => Err(error.to_string()),
        },
        lack: "captures are written by the program itself, which needs no rights",
        is_needed: false,
    }
}

/// Whether a program of one of these names stands in a folder of PATH.
fn program(name: &'static str, names: &[&str], lack: &'static str) -> Check {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut places = names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    Check {
        name,
        found: places
            .find(|place| place.is_file())
            .map(|place| place.display().to_string())
            .ok_or_else(|| format!("there is no {} in PATH", names.join(" or "))),
        lack,
        is_needed: false,
    }
}

fn nightly() -> Check {
    let rustc = Command::new("rustc")
        .args(["+nightly", "--version"])
        .stdin(Stdio::null())
        .output();
    Check {
        name: "nightly Rust",
        found: match rustc {
            Ok(output) if output.status.success() => {
                Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
            }
            Ok(_) | Err(_) => Err("there is none".to_owned()),
        },
        lack: "the fuzz targets of `fuzz/` cannot be built; `shakedown fuzz` needs none",
        is_needed: false,
    }
}
