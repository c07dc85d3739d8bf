//! Random runs: which machines meet on a network, and what must hold of them besides what monitors judge.

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

/// Machines that meet on one network. What they do at which time they know themselves.
pub struct Participants {
    /// What was chosen, in words.
    pub setting: String,
    /// Settings and stream of an initiator and a responder, if there are just these two.
    pub pair: Option<([SideSettings; 2], StreamParameters)>,
    /// The one that is asked.
    pub server: Participant,
    pub clients: Vec<Participant>,
    /// What is known of all of them at once, if something is.
    pub facts: Option<Box<dyn RunFacts>>,
    /// From when on nothing goes wrong any more, if they know.
    pub quiet: Option<Duration>,
    /// When nothing may be left of what was, if it is to come to rest.
    pub rest: Option<Rest>,
    /// When the run is over; if there is no such time, when nothing is left to happen.
    pub ends: Option<Duration>,
    /// Id of the requirement that is broken if a run has no end.
    pub unending: &'static str,
    /// What a good network takes for a datagram, at least and at most.
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
    /// What the monitor at its edge may assume. `None`: it is no reference, and may do what is wrong.
    pub judged_by: Option<MonitorSettings>,
}

/// A machine, by what it speaks.
pub enum ExploredMachine {
    Datagrams(Box<dyn Machine>),
    /// What it asks of QUIC stands beside.
    Streams(Box<dyn Explored>, Transport),
}

/// A time at which all machines are at rest.
#[derive(Debug, Clone, Copy)]
pub struct Rest {
    pub at: Duration,
    /// Id of the requirement that is broken else.
    pub requirement: &'static str,
}

/// Watches all sides of a run at once, which no monitor can.
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

    /// The network has healed, nothing from before is on its way, and nothing was damaged on the way before.
    fn healed(&mut self);

    /// Everything was done that happens now.
    fn rests(&mut self, now: Duration);

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
    /// What does not hold.
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

/// A machine of streams of which more is known than goes over the wire.
pub trait Explored: StreamMachine {
    /// What does not hold, in the order in which it showed; asked once, when all is over.
    fn breaches(&mut self, _now: Duration) -> Vec<Breach> {
        Vec::new()
    }

    /// Whether it has no connection, and nothing of one is left.
    fn is_at_rest(&self) -> bool {
        true
    }

    /// What happened, in numbers by name, to be added up over runs.
    fn counts(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }

    /// What passed between it and its owner since this was asked before, in words.
    fn take_notes(&mut self) -> Vec<String> {
        Vec::new()
    }
}

impl<M: Explored + ?Sized> Explored for Box<M> {
    fn breaches(&mut self, now: Duration) -> Vec<Breach> {
        (**self).breaches(now)
    }

    fn is_at_rest(&self) -> bool {
        (**self).is_at_rest()
    }

    fn counts(&self) -> Vec<(&'static str, u64)> {
        (**self).counts()
    }

    fn take_notes(&mut self) -> Vec<String> {
        (**self).take_notes()
    }
}
