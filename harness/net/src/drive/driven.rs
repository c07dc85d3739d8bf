use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_engine::network::Fault;
use shakedown_engine::script::{Judgements, StepEvent};
use shakedown_engine::verdict::NetworkEffects;

use super::{Busy, End, Recorded, Sockets};
use crate::launch::Instance;
use crate::process::ProcessExit;

/// What became of a script.
#[derive(Debug)]
pub struct DriveResult {
    pub end: End,
    /// What its steps say of requirements.
    pub judgements: Judgements,
    pub recorded: Recorded,
    /// The implementation, unless it was gone and could not be started again.
    pub instance: Option<Instance>,
    /// How and when its process ended, if it did so by itself.
    pub ended: Option<(ProcessExit, Duration)>,
    /// When it was stopped, or was gone already, to be started again.
    pub stopped: Vec<Duration>,
    /// The last packet that was sent to it while it was there, counted from 1.
    pub last_sent: Option<u64>,
    /// Datagrams that the kernel dropped before they were read.
    pub drops: u64,
    /// The exact faults of the network whose datagram was never sent.
    pub missed: Vec<Fault>,
    /// What the network did; nothing where there was none.
    pub effects: NetworkEffects,
    /// The worst lateness of the driver.
    pub lateness: Duration,
    /// What the machine did to both sides.
    pub busy: Busy,
    /// By how much a step without arrivals missed its window: the late arrival, at a time that may
    /// be excused.
    pub missed_by: Option<Duration>,
    /// How long the script took.
    pub took: Duration,
    /// The addresses of the scripted peer.
    pub own: BTreeSet<SocketAddr>,
    /// Its sockets. Keep them until the implementation is stopped: what it still sends there must
    /// not reach the next owner of the ports.
    pub sockets: Sockets,
    /// The script's events about its steps.
    pub events: Vec<StepEvent>,
}

impl DriveResult {
    /// Whether the implementation's process is there still, as far as is known.
    #[must_use]
    pub fn lives(&self) -> bool {
        let process = self.instance.as_ref().and_then(|it| it.process.as_ref());
        self.ended.is_none() && process.is_none_or(|process| process.ended().is_none())
    }
}
