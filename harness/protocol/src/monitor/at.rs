use std::time::Duration;

use super::Vantage;
use crate::MonitorSettings;

/// What the network and the capture may add to a time, besides the tolerance.
const SLACK: Duration = Duration::from_secs(1);

/// Where something was seen.
#[derive(Debug, Clone, Copy)]
pub(crate) struct At {
    pub(crate) packet: u64,
    pub(crate) time: Duration,
}

/// `limit`, and what may be added to it before it is broken for sure.
pub(crate) fn late(limit: Duration, settings: &MonitorSettings) -> Duration {
    let slack = match settings.vantage {
        Vantage::Sender => SLACK / 20,
        Vantage::Path => SLACK,
    };
    limit + settings.tolerance.of(limit) + slack
}
