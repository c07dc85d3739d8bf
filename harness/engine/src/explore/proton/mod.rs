//! Random runs of proton over the network of streams: a server of the reference, one to three
//! clients, commands to them and mishaps, all from a seed; then everything heals, and a client must
//! be served as if nothing had been.
//!
//! # What must hold, and when
//!
//! | property | requirement |
//! |---|---|
//! | acks are the ids, in their order, and at once unless the client does not read | PR-E-01, PR-E-03 |
//! | answers are the doubled requests, in their order, when they are due | PR-K-01, PR-T-02 |
//! | items follow each other, unasked in push and one for each request in pull | PR-A-01 |
//! | the ids of a client rise, over all its connections | PR-E-04 |
//! | one connection is served at a time | PR-C-01 |
//! | a second connection is refused, closed within 1 s or resets the first, which is closed at once | PR-R-01, PR-R-02 |
//! | no connection is refused but where there is another | PR-C-02, PR-R-01 |
//! | no stream is without its first byte for longer than 1 s, no connection without its three streams for longer than 5 s | PR-S-05, PR-S-06 |
//! | nothing asked waits longer than 5 minutes, and nothing written | PR-T-01, PR-T-04 |
//! | no connection is closed by a code for which there is no reason: neither side does anything wrong | PR-C-03 |
//! | a connection ends once, and nothing is done with it afterwards | PR-R-03 |
//! | the counters add up | PR-R-03 |
//! | when all has healed and ended nothing is left, and a new client is served at once | PR-C-02, PR-C-05 |
//!
//! All but the last hold at every step of every run. What breaks one is told with the seed, which
//! plays the same run again.

mod client;
mod counters;
mod judge;
mod server;
#[cfg(test)]
mod tests;
mod world;

use std::time::Duration;

use shakedown_protocol::proton::{Client, PROTOCOL, Server};

use super::Violation;
use world::World;

/// One run.
#[derive(Debug, Clone)]
pub struct Run {
    /// The seed that everything follows from.
    pub seed: u64,
    /// What the server and the network were told, in words.
    pub setting: String,
    /// Commands that the clients took, and mishaps.
    pub commands: u64,
    /// Connections that came about.
    pub connections: u64,
    /// Acks, answers and items that reached their clients.
    pub answers: u64,
    /// Cables that were pulled.
    pub cuts: u64,
    /// What does not hold; past the first few nothing more is kept.
    pub violations: Vec<Violation>,
    /// What happened, a line for each thing; empty unless it was asked for.
    pub log: Vec<String>,
}

impl Run {
    /// What happened, a line for each thing: up to the first violation and then what it is, or all of
    /// it. Of a run that kept no log it is what it was told and what does not hold.
    #[must_use]
    pub fn story(&self) -> String {
        let first = self.violations.first();
        let end = first.and_then(|first| first.at);
        let end = end.map_or(f64::INFINITY, |at| Duration::from_nanos(at).as_secs_f64());
        let time = |line: &str| line.trim_start().split(' ').next()?.parse::<f64>().ok();
        // The log has microseconds.
        let is_before = |line: &&String| time(line).is_none_or(|time| time <= end + 1e-6);
        let mut story: Vec<String> = vec![format!("seed {}: {}", self.seed, self.setting)];
        story.extend(self.log.iter().take_while(is_before).cloned());
        for violation in &self.violations {
            let party = violation
                .party
                .map_or("network", |role| PROTOCOL.side(role));
            let at = violation.at.map(Duration::from_nanos).unwrap_or_default();
            story.push(format!(
                "{:>12.6} s  BROKEN {} by the {}: {}",
                at.as_secs_f64(),
                violation.requirement,
                party,
                violation.property
            ));
        }
        story.join("\n") + "\n"
    }
}

/// Plays the run of a seed. `tells` says whether it keeps a log.
#[must_use]
pub fn run(seed: u64, tells: bool) -> Run {
    World::new(seed, tells, Server::new, Client::new).play()
}
