//! What is known of each responder's address, across its sessions.

use std::net::SocketAddr;
use std::time::Duration;

use indexmap::IndexMap;

use super::time::Moment;
use crate::MonitorSettings;

/// How many addresses are remembered; of further ones nothing is known, which judges less.
const MOST: usize = 16_384;

/// New sessions in a period from which on a responder may drop half-open ones (MS-H-19). The
/// default limit is 1,024; far fewer already excuse silence here, and one more than its own limit.
const FLOOD: u32 = 64;

fn flood(settings: &MonitorSettings) -> u32 {
    let mut options = settings.options.iter().flatten();
    let most = options.find_map(|option| option.strip_prefix("max_half_open=")?.parse().ok());
    most.map_or(FLOOD, |most: u32| FLOOD.min(most.saturating_add(1)))
}

/// The default age of a half-open session (MS-H-19).
const PERIOD: Duration = Duration::from_secs(10);

/// Knowledge of responders by their address.
#[derive(Debug, Default)]
pub(super) struct Responders {
    known: IndexMap<SocketAddr, Responder>,
}

#[derive(Debug, Default)]
struct Responder {
    speaks_3way: bool,
    period: Option<Moment>,
    in_period: u32,
    flooded: Option<Moment>,
}

impl Responders {
    /// It sent a SYN-ACK.
    pub(super) fn answers(&mut self, address: SocketAddr) {
        if let Some(responder) = self.entry(address) {
            responder.speaks_3way = true;
        }
    }

    /// A SYN asked a session of it.
    pub(super) fn asked(&mut self, address: SocketAddr, at: &Moment, settings: &MonitorSettings) {
        let Some(responder) = self.entry(address) else {
            return;
        };
        let is_same = responder
            .period
            .is_some_and(|start| !at.is_past(&start, PERIOD));
        if is_same {
            responder.in_period += 1;
        } else {
            responder.period = Some(*at);
            responder.in_period = 1;
        }
        if responder.in_period >= flood(settings) {
            responder.flooded = Some(*at);
        }
    }

    /// Whether a SYN was sent to it.
    pub(super) fn was_asked(&self, address: SocketAddr) -> bool {
        self.known
            .get(&address)
            .is_some_and(|responder| responder.period.is_some())
    }

    /// Whether it sent a SYN-ACK anywhere in the capture so far.
    pub(super) fn speaks_3way(&self, address: SocketAddr) -> bool {
        self.known
            .get(&address)
            .is_some_and(|responder| responder.speaks_3way)
    }

    /// Whether so many sessions were asked of it, shortly before `moment` or later, that it may have
    /// dropped some.
    pub(super) fn is_flooded(&self, address: SocketAddr, moment: &Moment) -> bool {
        match self.known.get(&address) {
            Some(responder) => responder
                .flooded
                .is_some_and(|at| !moment.is_past(&at, PERIOD)),
            None => true,
        }
    }

    fn entry(&mut self, address: SocketAddr) -> Option<&mut Responder> {
        if self.known.len() >= MOST && !self.known.contains_key(&address) {
            return None;
        }
        Some(self.known.entry(address).or_default())
    }
}
