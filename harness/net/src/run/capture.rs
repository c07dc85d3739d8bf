//! How the packets of a run are recorded.

use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use super::{Context, Plan};
use crate::drive::ParallelCapture;
use crate::live;

/// The interface of `auto`.
const LOOPBACK: &str = "lo";

/// How packets are recorded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CaptureBy {
    /// Live on loopback where that is permitted, else by the tap.
    #[default]
    Auto,
    /// At our own sockets.
    Tap,
    /// Live on this interface; where that fails, nothing is judged.
    Live(String),
}

/// The live capture of a run's scenarios.
#[derive(Debug)]
pub(super) struct Live {
    interface: String,
    required: bool,
}

impl FromStr for CaptureBy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("live", interface)) if !interface.is_empty() => Ok(Self::Live(interface.into())),
            None if text == "auto" => Ok(Self::Auto),
            None if text == "tap" => Ok(Self::Tap),
            _ => Err("it is `auto`, `tap`, or `live:` and an interface, as in `live:lo`".into()),
        }
    }
}

impl CaptureBy {
    /// What is done, and how it is called in the report.
    ///
    /// # Errors
    /// A human-readable error, where what was asked for is not possible.
    pub(super) fn begin(&self) -> Result<(Option<Live>, String), String> {
        const TAP: &str = "tap: the datagrams of our own sockets";
        let (interface, required) = match self {
            Self::Tap => return Ok((None, TAP.into())),
            Self::Auto => (LOOPBACK, false),
            Self::Live(interface) => (interface.as_str(), true),
        };
        match live::probe(interface) {
            Ok(()) => {
                let live = Live {
                    interface: interface.into(),
                    required,
                };
                let what = format!("live: the packets of {interface} as the kernel sees them");
                Ok((Some(live), what))
            }
            Err(error) if required => Err(error.to_string()),
            Err(error) => Ok((None, format!("{TAP}, because {error}"))),
        }
    }
}

/// How the packets of a plan are recorded, and how that is called in the report.
///
/// # Errors
/// As [`CaptureBy::begin`].
pub(super) fn begin(plan: &Plan) -> Result<(Option<Live>, String), String> {
    plan.capture.begin()
}

impl Context {
    /// Begins the live capture for the scenario whose capture will be at `path`, whose peer has the
    /// address `main`, and whose stream has this many bytes, if live capture is enabled.
    ///
    /// # Errors
    /// A human-readable error, if it was asked for and cannot begin.
    pub(super) fn live(
        &self,
        path: &Path,
        main: SocketAddr,
        stream_bytes: u64,
    ) -> Result<Option<ParallelCapture>, String> {
        let Some(Live {
            interface,
            required,
        }) = &self.live
        else {
            return Ok(None);
        };
        // Without being asked for, it is where we know the packets to pass.
        if !required && !main.ip().is_loopback() {
            return Ok(None);
        }
        match ParallelCapture::start(path, interface, main.port(), *required, stream_bytes) {
            Ok(beside) => Ok(Some(beside)),
            Err(error) if *required => Err(error.to_string()),
            Err(error) => {
                tracing::debug!("{error}");
                Ok(None)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("auto", CaptureBy::Auto)]
    #[case("tap", CaptureBy::Tap)]
    #[case("live:eth0", CaptureBy::Live("eth0".into()))]
    fn each_way_has_its_name(#[case] text: &str, #[case] expected: CaptureBy) {
        assert_eq!(text.parse(), Ok(expected));
    }

    #[rstest]
    fn others_are_refused(#[values("", "live", "live:", "Tap", "tap:lo")] text: &str) {
        assert!(text.parse::<CaptureBy>().is_err());
    }

    #[test]
    fn an_interface_that_is_not_there_is_told_before_anything_is_played() {
        let why = CaptureBy::Live("nosuch0".into())
            .begin()
            .expect_err("no such interface");
        assert!(why.starts_with("there is no interface nosuch0"), "{why}");
    }

    #[test]
    fn the_tap_needs_nothing() {
        let (live, what) = CaptureBy::Tap.begin().expect("always possible");
        assert!(live.is_none());
        assert_eq!(what, "tap: the datagrams of our own sockets");
    }
}
