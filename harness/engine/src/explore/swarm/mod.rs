//! Swarm runs: for each seed another pair of reference machines, another profile of mishaps, and
//! then a network that heals. Whatever happened until then, both sides must converge within their
//! timers.
//!
//! # What must hold, and when
//!
//! | property | requirement | holds |
//! |---|---|---|
//! | what each side sends is right for what it got | whatever the monitor names | always: the monitor sees the edge of that side, with its times |
//! | one side has a session of which the other knows nothing for no longer than the timers | convergence | always: all timers are local |
//! | both sides close | convergence | always |
//! | an initiator that asks over a network that has healed gets an answer, where the pair is one that streams | convergence | unless a bit was flipped: a flipped id begins another session, which may stand in the way |
//! | an answer that is repeated over a network that has healed is confirmed | confirmation | likewise |
//! | the counters add up | counters | always |
//!
//! Which requirements these are, the protocol says: see
//! [`Exploration`](shakedown_protocol::exploration::Exploration).
//!
//! After a change of address the new tuple is nobody's session: the old session goes on to the old
//! address until its stream or its timers end, and nothing more is demanded of it.

mod clock;
mod judge;
mod profile;
mod world;

use std::hash::Hasher;

use serde::Serialize;
use shakedown_protocol::pair::Demanded;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, StreamParameters};
use siphasher::sip128::{Hasher128, SipHasher13};

use super::log::Log;
use super::{Side, Trace, Violation};
use crate::dice::Dice;

pub use profile::Profile;
use world::World;

/// What the runs of a swarm have in common.
#[derive(Debug, Clone)]
pub struct Swarm {
    pub protocol: &'static Protocol,
    /// What the initiator is told.
    pub initiator: Wish,
    /// What the responder is told.
    pub responder: Wish,
    /// Requirements that both sides are to break: faulty twins, to see that the swarm finds them.
    pub without: Vec<String>,
}

/// What is known of a side before its seed is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Wish {
    #[default]
    Any,
    /// This mode, with whatever options.
    Mode(String),
    /// Exactly this mode and these options.
    Exactly(String, Vec<String>),
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// The initiator got the whole stream by its own handshake.
    Streamed,
    /// It got the whole stream by the older handshake to which it fell back.
    FellBack,
    /// Both sides closed without the whole stream.
    BothClosed,
    /// A side was not closed when its timers had to be over.
    Stuck,
}

impl Ending {
    /// Its name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Streamed => "streamed",
            Self::FellBack => "fell-back",
            Self::BothClosed => "both-closed",
            Self::Stuck => "stuck",
        }
    }
}

/// One run of a swarm.
#[derive(Debug, Clone)]
pub struct Run {
    /// The seed that everything follows from.
    pub seed: u64,
    /// What the initiator was told.
    pub initiator: Side,
    /// What the responder was told.
    pub responder: Side,
    pub stream: StreamParameters,
    pub profile: Profile,
    pub ending: Ending,
    /// Why the initiator failed, if it did.
    pub failure: Option<&'static str>,
    /// Datagrams that both sides sent.
    pub datagrams: u64,
    /// What does not hold.
    pub violations: Vec<Violation>,
    /// A hash of everything that happened and of both captures: SipHash-1-3 with 128 bits, its key
    /// 0, in hexadecimal.
    pub hash: String,
    /// The captures at the edges of the initiator and of the responder, pcapng files.
    pub captures: [Vec<u8>; 2],
    log: Log,
}

impl Swarm {
    /// Plays the run of a seed.
    ///
    /// # Errors
    /// A sentence for people: the reference cannot be what was wished.
    pub fn run(&self, seed: u64) -> Result<Run, String> {
        let mut dice = Dice::new(seed);
        let [initiator, responder] = self.sides(&mut dice);
        // Short streams of small frames: handshakes are looked at here.
        let frames_per_second = if dice.one_in(2) { 10 } else { 25 };
        let stream = StreamParameters {
            bits_per_second: 8 * 100 * u64::from(frames_per_second),
            frames_per_second,
            seconds: 1,
        };
        let profile = Profile::random(&mut dice, self.protocol.vocabulary.frames());
        let world = World::new(self, seed, &initiator, &responder, stream, &profile)?;
        let played = world.play()?;
        let mut hasher = SipHasher13::new();
        played.log.digest(&mut hasher);
        for capture in &played.captures {
            hasher.write(capture);
        }
        let hash = hasher.finish128();
        Ok(Run {
            seed,
            initiator,
            responder,
            stream,
            profile,
            ending: played.ending,
            failure: played.failure,
            datagrams: played.datagrams,
            violations: played.violations,
            hash: format!("{:016x}{:016x}", hash.h1, hash.h2),
            captures: played.captures,
            log: played.log,
        })
    }

    /// Both sides of a seed. Most pairs speak one mode: those that do not have little to say.
    fn sides(&self, dice: &mut Dice) -> [Side; 2] {
        let modes = self.protocol.modes;
        let place = dice.below(u32::try_from(modes.len()).unwrap_or(1));
        let one = usize::try_from(place)
            .ok()
            .and_then(|place| modes.get(place));
        let one = (*one.unwrap_or(&"")).to_owned();
        // Every handshake at one port; the default mode goes with no other.
        let several = modes.get(1..).unwrap_or_default().join(",");
        let other = dice.below(u32::try_from(modes.len()).unwrap_or(1));
        let other = usize::try_from(other)
            .ok()
            .and_then(|other| modes.get(other));
        let other = (*other.unwrap_or(&"")).to_owned();
        let (matches, offers_all) = (!dice.one_in(4), dice.one_in(5));
        let asked = self.initiator.mode().unwrap_or(&one).to_owned();
        let offered = match (matches, offers_all && several.contains(&asked)) {
            (true, false) => asked.clone(),
            (true, true) => several,
            (false, _) => other,
        };
        let offered = self.responder.mode().unwrap_or(&offered).to_owned();
        let mut side = |role, mode: String, wish: &Wish| {
            let pairs = self.protocol.pairs;
            let known = pairs.map(|pairs| (pairs.options)(role, &mode));
            let chosen = known.into_iter().flatten().filter(|_| dice.one_in(2));
            let chosen: Vec<_> = chosen.map(str::to_owned).collect();
            let options = match wish {
                Wish::Any | Wish::Mode(_) => chosen,
                Wish::Exactly(_, options) => options.clone(),
            };
            Side {
                mode,
                options,
                without: self.without.clone(),
            }
        };
        [
            side(Role::Initiator, asked, &self.initiator),
            side(Role::Responder, offered, &self.responder),
        ]
    }
}

impl Wish {
    fn mode(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            Self::Mode(mode) | Self::Exactly(mode, _) => Some(mode),
        }
    }
}

impl Run {
    /// The run as a trace, which ends by the first of its violations if it has one.
    #[must_use]
    pub fn trace(&self, protocol: &Protocol) -> Trace {
        let (initiator, responder) = (self.initiator.clone(), self.responder.clone());
        let mut trace = Trace::new(protocol.id, initiator, responder, self.stream, self.seed);
        trace.events = self.log.events(protocol.vocabulary);
        trace.settle();
        trace.violation = self.violations.first().cloned();
        trace
    }
}

/// What the specification demands of two sides.
fn demanded(protocol: &'static Protocol, initiator: &Side, responder: &Side) -> Demanded {
    let (initiator, responder) = (initiator.offer(), responder.offer());
    let pairs = protocol.pairs;
    pairs.map_or(Demanded::NotSaid, |pairs| {
        (pairs.demand)(&initiator, &responder).end
    })
}
