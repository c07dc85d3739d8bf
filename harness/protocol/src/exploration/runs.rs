//! Random runs: the machines on a network, and properties that monitors cannot check.

use std::net::SocketAddr;
use std::time::Duration;

use crate::machine::{Machine, Outcome};
use crate::requirement::Role;
use crate::streams::StreamMachine;
use crate::{MonitorSettings, StreamParameters, Transport};

/// What is known of a random run before its seed decides the rest.
#[derive(Debug, Clone, Default)]
pub struct RunSettings {
    pub initiator: SideChoice,
    pub responder: SideChoice,
    /// Requirements that both sides are to break: faulty twins, to see that they are found.
    pub without: Vec<String>,
}

/// What is known of a side.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SideChoice {
    #[default]
    Any,
    /// This mode, with whatever options.
    Mode(String),
    /// Exactly this mode and these options.
    Exactly(String, Vec<String>),
}

impl SideChoice {
    /// The mode, if it is known.
    #[must_use]
    pub fn mode(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Mode(mode) | Self::Exactly(mode, _) => Some(mode),
        }
    }
}

/// Draws a number below the given one, which is not 0.
pub type Draw<'a> = &'a mut dyn FnMut(u32) -> u32;

/// The machines on one network. Each has its own schedule.
pub struct Participants {
    /// What was chosen, in words.
    pub setting: String,
    /// Settings and stream of an initiator and a responder, if there are just these two.
    pub pair: Option<([SideSettings; 2], StreamParameters)>,
    /// The machine that the clients connect to.
    pub server: Participant,
    pub clients: Vec<Participant>,
    /// Checks properties of both sides, if there are any.
    pub facts: Option<Box<dyn RunFacts>>,
    /// The time from which the schedules have no more faults, if there is one.
    pub quiet: Option<Duration>,
    /// When all machines must be idle, if that is checked.
    pub idle_check: Option<IdleCheck>,
    /// When the run is over; if there is no such time, when nothing is left to happen.
    pub ends: Option<Duration>,
    /// Id of the requirement that a run without an end violates.
    pub unending: &'static str,
    /// Least and greatest delay of a datagram without impairment.
    pub delay: [Duration; 2],
}

/// Mode and options of a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideSettings {
    pub mode: String,
    pub options: Vec<String>,
}

pub struct Participant {
    pub machine: ExploredMachine,
    /// Settings of the monitor at its edge; `None` for a test peer, which is not judged.
    pub judged_by: Option<MonitorSettings>,
}

/// A machine, by what it speaks.
pub enum ExploredMachine {
    Datagrams(Box<dyn Machine>),
    /// What it asks of QUIC stands beside.
    Streams(Box<dyn Explored>, Transport),
}

/// A time at which all machines must be idle.
#[derive(Debug, Clone, Copy)]
pub struct IdleCheck {
    pub at: Duration,
    /// Id of the requirement that is violated otherwise.
    pub requirement: &'static str,
}

/// Checks properties of both sides of a run at once, which a monitor at one edge cannot.
pub trait RunFacts {
    /// A side sends a datagram.
    fn sent(&mut self, now: Duration, by: Role, payload: &[u8]);

    /// A datagram reaches a side.
    fn delivered(&mut self, to: Role, payload: &[u8]);

    /// A session of a side goes from one state to another.
    fn changes(
        &mut self,
        now: Duration,
        side: Role,
        peer: SocketAddr,
        from: &'static str,
        to: &'static str,
    );

    /// A session of a side is over.
    fn ends(&mut self, side: Role, outcome: &Outcome);

    /// The initiator has another address.
    fn moved(&mut self);

    /// Impairment has ended, and no datagram from before is in flight or was corrupted.
    fn healed(&mut self);

    /// All events at this time were processed.
    fn settled(&mut self, now: Duration);

    /// The run is over, with these machines of datagrams.
    fn finish(&mut self, now: Duration, machines: &[&dyn Machine]) -> RunEnd;
}

/// How a run ended for a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// Its name in reports: `both-closed`.
    pub ending: &'static str,
    /// Why the initiator failed, if it did.
    pub failure: Option<&'static str>,
    pub breaches: Vec<Breach>,
}

/// A requirement that a run shows broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    pub requirement: &'static str,
    /// Who broke it; `None` if it takes both.
    pub party: Option<Role>,
    /// When it showed; `None` if unknown.
    pub at: Option<Duration>,
    /// What should hold, and what was seen.
    pub property: String,
}

/// A machine over streams with checks of its internal state.
pub trait Explored: StreamMachine {
    /// Violated properties in the order in which they were found; called once, after the run.
    fn breaches(&mut self, _now: Duration) -> Vec<Breach> {
        Vec::new()
    }

    /// Whether it has no connection, and no state of one.
    fn is_idle(&self) -> bool {
        true
    }

    /// Counters by name, which are summed over runs.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// Commands and events of its owner since the last call, as text.
    fn take_notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

impl<M: Explored + ?Sized> Explored for Box<M> {
    fn breaches(&mut self, now: Duration) -> Vec<Breach> {
        (**self).breaches(now)
    }

    fn is_idle(&self) -> bool {
        (**self).is_idle()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        (**self).counts()
    }

    fn take_notes(&mut self) -> Vec<String> {
        (**self).take_notes()
    }
}
