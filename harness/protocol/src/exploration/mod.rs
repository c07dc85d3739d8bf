//! What an explorer of both sides at once knows of a protocol: where a monitor sees one edge of the
//! network, it sees both machines, their states and their ends, and every run that there can be.

mod runs;
mod traffic;

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::machine::Outcome;
use crate::pair::Offer;
use crate::requirement::Role;

pub use runs::{
    Breach, Draw, Explored, ExploredMachine, IdleCheck, Participant, Participants, RunEnd,
    RunFacts, RunSettings, SideChoice, SideSettings,
};
pub use traffic::{DatagramCount, SENT, Traffic};

/// What there is to explore of a protocol, and what must hold in each run.
#[derive(Debug)]
pub struct Exploration {
    /// The initiators of the table of pairs, each a mode and its options: `3way, fallback`.
    pub initiators: &'static [&'static str],
    /// The responders of the same table.
    pub responders: &'static [&'static str],
    /// What [`Facts`] check: in words, and by which requirements.
    pub properties: &'static [(&'static str, &'static [&'static str])],
    /// The facts about both sides before any traffic.
    pub facts: fn(initiator: &Offer<'_>, responder: &Offer<'_>) -> Box<dyn Facts>,
    /// Id of the requirement that both sides stream or both close, where the initiator asks in this mode.
    pub convergence: fn(mode: &str) -> &'static str,
    /// Id of the requirement that what happens is counted.
    pub counters: &'static str,
    /// How long one side may hold what the other one does not know, if nothing reaches it.
    pub timers: Duration,
    /// How a run is replayed against one side.
    pub replay: ReplayRules,
}

/// How a run is replayed against an implementation in the place of one side.
#[derive(Debug)]
pub struct ReplayRules {
    /// Fields that identify a session: each session has new ones.
    pub names: &'static [&'static str],
    /// Fields whose value one side chooses and the other copies, each with its frame.
    pub copied: &'static [(&'static str, &'static str)],
    /// Fields that say what was decided.
    pub decisions: &'static [&'static str],
    /// The field that holds all flags, which have names of their own.
    pub flags: &'static str,
    /// The list of extensions.
    pub extensions: &'static str,
    /// Whether a field stands in the list of extensions, under a name of its own.
    pub is_extension: fn(field: &str) -> bool,
    /// Frames that a responder sends whenever it likes.
    pub stream: &'static [&'static str],
    /// How it shows that a side breaks a requirement, by the requirement's id.
    pub symptoms: &'static [(&'static str, Symptom)],
}

/// How it shows that the side under test breaks a requirement.
#[derive(Debug, Clone, Copy)]
pub enum Symptom {
    /// It does not send this frame again by its timers.
    NotAgain(&'static str),
    /// It does not answer with the same frame again.
    NotTheSameAnswer(&'static str),
    /// It does not answer, or not with these fields of the question.
    NoAnswer {
        /// The frame that answers.
        answer: &'static str,
        /// The frame that asks.
        question: &'static str,
        /// The fields that both have.
        fields: &'static [&'static str],
    },
    /// It does not send this frame before media, which are these.
    NotFirst(&'static str, &'static [&'static str]),
    /// It sends one of these frames.
    Sent(&'static [&'static str]),
    /// As a responder it neither streams nor asks again for a confirmation that it takes, as an initiator
    /// it does not end.
    NoEnd {
        /// The answer that asks for a confirmation, if there is a handshake.
        answer: &'static str,
        confirmation: &'static str,
        /// The frame that may come before media.
        name: &'static str,
    },
    /// It does not end.
    NoExit,
}

/// The facts about both sides' traffic that the rules need: derived from the wire, from states and
/// from the ends of sessions.
///
/// A step begins with [`wakes`](Self::wakes); what the side does about it follows, in order, and
/// [`settled`](Self::settled) ends it. Each returns the violated rule, if any.
pub trait Facts: Debug + Send + Sync {
    /// The same once more.
    fn fork(&self) -> Box<dyn Facts>;

    /// Feeds everything that affects later results into `hasher`; called between steps.
    fn digest(&self, hasher: &mut dyn Hasher);

    /// This datagram reaches a side or, without one, its timer is due.
    fn wakes(&mut self, side: Role, datagram: Option<&[u8]>);

    /// The side sends a datagram.
    fn sends(&mut self, payload: &[u8]) -> Option<RuleViolation>;

    /// A session of the side goes from one state to another.
    fn changes(&mut self, from: &str, to: &str);

    /// A session of the side is over.
    fn ends(&mut self, outcome: &Outcome) -> Option<RuleViolation>;

    /// The side did all that it does now.
    fn settled(&mut self) -> Option<RuleViolation>;

    /// Whether one side holds what the other one does not know (any more): the initiator a session
    /// of which there is nothing at the responder, or the responder a session whose initiator is
    /// finished.
    fn is_one_sided(&self) -> bool;

    /// Which side is deadlocked if nothing is in flight and no timer will send anything; `None` if
    /// that side has used all its retransmissions.
    fn stuck(&self) -> Option<RuleViolation>;
}

/// The property that is violated by a deadlock.
pub const STUCK: &str =
    "deadlock: nothing is in flight, a side waits, and no timer will send anything";

/// A rule that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleViolation {
    pub requirement: &'static str,
    /// Who broke it; `None` if it takes both.
    pub party: Option<Role>,
    /// What should hold, in words.
    pub property: &'static str,
}

/// A hash that is the same for equal values in every run.
pub fn digest(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}
