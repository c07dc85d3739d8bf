//! Random runs: for each seed other reference machines, another profile of mishaps, and then a network that
//! heals. Whatever happened until then, all must come together within their timers.
//!
//! What each side does on the wire is judged by the protocol's monitor, at the edge of that side,
//! with its times. What no monitor can see, the protocol's
//! [`RunFacts`](shakedown_protocol::exploration::RunFacts) and
//! [`Explored`](shakedown_protocol::exploration::Explored) machines know. A run costs little: it
//! keeps a hash of what happened. [`Swarm::evidence`] plays it again and keeps all of it.

mod clock;
mod node;
mod profile;
mod run;

use std::collections::BTreeMap;
use std::time::Duration;

#[cfg(feature = "fuzz")]
use shakedown_protocol::exploration::Participants;
use shakedown_protocol::exploration::RunSettings;
use shakedown_protocol::{Protocol, StreamParameters};

use super::log::Recording;
use super::{Side, Trace, Violation};
use crate::random::SeededRandom;

pub use profile::{Outage, Profile};
use run::VirtualRun;

/// What the runs of a swarm have in common.
#[derive(Debug, Clone)]
pub struct Swarm {
    pub protocol: &'static Protocol,
    pub settings: RunSettings,
}

/// One run of a swarm.
#[derive(Debug, Clone)]
pub struct Run {
    /// The seed that everything follows from.
    pub seed: u64,
    /// The machines' settings, as text.
    pub setting: String,
    /// Settings and stream of an initiator and a responder, if there are just these two.
    pub pair: Option<([Side; 2], StreamParameters)>,
    pub profile: Profile,
    /// How it ended for the two.
    pub ending: Option<&'static str>,
    /// Why the initiator failed, if it did.
    pub failure: Option<&'static str>,
    /// What happened, in numbers by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// What does not hold, in the order in which it showed; past the first few nothing more is kept.
    pub violations: Vec<Violation>,
    /// A hash of everything that happened: SipHash-1-3 with 128 bits, its key 0, in hexadecimal.
    pub hash: String,
}

/// All that happened in a run.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub run: Run,
    /// Of an initiator and a responder, up to its end.
    pub trace: Option<Trace>,
    /// Of others, a line for each thing.
    lines: Vec<String>,
    /// The captures at the edges of the machines, pcapng files with the secrets in them, each with a name.
    pub captures: Vec<(String, Vec<u8>)>,
}

impl Swarm {
    /// Plays the run of a seed.
    ///
    /// # Errors
    /// A human-readable error: there are no random runs, or the reference cannot be what was chosen.
    pub fn run(&self, seed: u64) -> Result<Run, String> {
        Ok(self.play(seed, false)?.run)
    }

    /// Plays the run of a seed and keeps what happened.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn evidence(&self, seed: u64) -> Result<Evidence, String> {
        self.play(seed, true)
    }

    fn play(&self, seed: u64, is_recorded: bool) -> Result<Evidence, String> {
        self.drawn(&mut SeededRandom::new(seed), seed, is_recorded)
    }

    /// Runs with all random choices taken from the bytes, as far as they reach.
    #[cfg(feature = "fuzz")]
    pub(crate) fn scripted(&self, bytes: &[u8], is_recorded: bool) -> Result<Evidence, String> {
        self.drawn(&mut SeededRandom::scripted(bytes.to_vec()), 1, is_recorded)
    }

    fn drawn(
        &self,
        random: &mut SeededRandom,
        seed: u64,
        is_recorded: bool,
    ) -> Result<Evidence, String> {
        let participants = self.protocol.random_runs;
        let participants =
            participants.ok_or_else(|| format!("{} has no random runs", self.protocol.id))?;
        let participants = participants(&self.settings, seed, &mut |end| random.below(end))?;
        let profile = Profile::of(random, self.protocol, &participants);
        let setting = participants.setting.clone();
        let pair = participants.pair.clone().map(|(sides, stream)| {
            let sides = sides.map(|side| Side {
                mode: side.mode,
                options: side.options,
                without: self.settings.without.clone(),
            });
            (sides, stream)
        });
        let run = VirtualRun::new(
            self.protocol,
            participants,
            profile.clone(),
            seed,
            is_recorded,
        );
        let result = run?.play()?;
        let run = Run {
            seed,
            setting,
            pair,
            profile,
            ending: result.ending,
            failure: result.failure,
            counts: result.counts,
            violations: result.violations,
            hash: format!("{:032x}", result.hash),
        };
        let (events, lines) = match result.kept {
            Recording::Nothing => (None, Vec::new()),
            Recording::Events(events) => (Some(events), Vec::new()),
            Recording::Lines(lines) => (None, lines),
        };
        let trace = events.zip(run.pair.clone());
        let trace = trace.map(|(events, ([initiator, responder], stream))| {
            let mut trace = Trace::new(self.protocol.id, initiator, responder, stream, seed);
            trace.events = events;
            trace.settle();
            trace.violation = run.violations.first().cloned();
            trace
        });
        Ok(Evidence {
            run,
            trace,
            lines,
            captures: result.captures,
        })
    }
}

impl Evidence {
    /// For people: a ladder diagram of an initiator and a responder; of others a line for each thing that
    /// happened, up to the first violation, and what is broken.
    #[must_use]
    pub fn text(&self, protocol: &Protocol, colours: bool) -> String {
        match &self.trace {
            Some(trace) => format!("profile: {}\n{}", self.run.profile, trace.ladder(colours)),
            None => self.around(protocol, self.story()),
        }
    }

    /// The same of many machines with this in the place of the lines.
    #[must_use]
    pub fn around_drawing(&self, protocol: &Protocol, drawing: &str) -> String {
        self.around(protocol, vec![drawing.trim_end().to_owned()])
    }

    /// What happened up to the first violation.
    fn story(&self) -> Vec<String> {
        let end = self.run.violations.first().and_then(|first| first.at);
        let end = end.map_or(f64::INFINITY, |at| Duration::from_nanos(at).as_secs_f64());
        let time = |line: &str| line.trim_start().split(' ').next()?.parse::<f64>().ok();
        // The lines have microseconds.
        let is_before = |line: &&String| time(line).is_none_or(|time| time <= end + 1e-6);
        self.lines.iter().take_while(is_before).cloned().collect()
    }

    fn around(&self, protocol: &Protocol, what_happened: Vec<String>) -> String {
        let Run {
            seed,
            setting,
            profile,
            violations,
            ..
        } = &self.run;
        let mut story = vec![format!("seed {seed}: {setting}; {profile}")];
        story.extend(what_happened);
        for violation in violations {
            let party = violation.party;
            let party = party.map_or("network", |role| protocol.side(role));
            let at = violation.at.map(Duration::from_nanos).unwrap_or_default();
            story.push(format!(
                "{:>12.6} s  BROKEN {} by the {party}: {}",
                at.as_secs_f64(),
                violation.requirement,
                violation.property
            ));
        }
        story.join("\n") + "\n"
    }
}

/// Plays machines that do what was planned for them, over a good network: what does not hold, and
/// what happened.
#[cfg(feature = "fuzz")]
pub(crate) fn planned(
    protocol: &'static Protocol,
    participants: Participants,
    is_recorded: bool,
) -> Result<(Vec<Violation>, Vec<String>), String> {
    let profile = Profile::good(&participants);
    let run = VirtualRun::new(protocol, participants, profile, 1, is_recorded)?;
    let result = run.play()?;
    let lines = match result.kept {
        Recording::Nothing => Vec::new(),
        Recording::Events(events) => events.iter().map(|event| format!("{event:?}")).collect(),
        Recording::Lines(lines) => lines,
    };
    Ok((result.violations, lines))
}
