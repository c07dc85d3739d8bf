//! Random runs of a protocol that streams carry: a server of the reference, clients and their owners, over
//! real packets of QUIC without cryptography, a network that impairs them and cables that are pulled; then the
//! network heals. Everything follows from a seed.
//!
//! What each side does on the wire is judged by the protocol's monitor, at the edge of that side. What
//! no monitor can see, the protocol's [`RandomRuns`] know. What breaks a requirement is told with the seed,
//! which plays the same run again.

mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use shakedown_protocol::Protocol;
use shakedown_protocol::exploration::{Faulty, Participants, RandomRuns};

use super::Violation;
use super::swarm::Profile;
use crate::dice::Dice;
use crate::network::{Delay, Impairment};
use world::{Conditions, Outage, World};

#[derive(Debug, Clone)]
pub struct Run {
    /// The seed that everything follows from.
    pub seed: u64,
    /// What the machines and the network were told, in words.
    pub setting: String,
    /// What happened, in numbers by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// What does not hold; past the first few nothing more is kept.
    pub violations: Vec<Violation>,
    /// What happened, a line for each thing; empty unless it was asked for.
    pub log: Vec<String>,
}

/// Plays the run of a seed. `has_log` says whether it keeps a log.
///
/// # Errors
/// A sentence for people: there are no random runs of this protocol.
pub fn run(protocol: &'static Protocol, seed: u64, has_log: bool) -> Result<Run, String> {
    run_faulty(protocol, seed, has_log, &|_, machine| machine)
}

/// The same with machines that are made faulty.
///
/// # Errors
/// A sentence for people: there are no random runs of this protocol.
pub fn run_faulty(
    protocol: &'static Protocol,
    seed: u64,
    has_log: bool,
    faulty: Faulty<'_>,
) -> Result<Run, String> {
    let RandomRuns { participants, .. } = protocol
        .random_runs
        .ok_or_else(|| format!("{} has no random runs of its own", protocol.id))?;
    let mut dice = Dice::new(seed);
    let participants = participants(&mut |end| dice.below(end), faulty);
    let impair = impairment(&mut dice, protocol, &participants);
    let outages = outages(&mut dice, participants.clients.len(), participants.quiet);
    let setting = format!(
        "{}; {impair}; {} outages",
        participants.setting,
        outages.len()
    );
    let cuts = outages.len() as u64;
    let conditions = Conditions {
        seed,
        impair,
        outages,
        has_log,
    };
    let played = World::new(protocol, participants, conditions)?.play();
    let mut counts = played.counts;
    counts.insert("cuts", cuts);
    Ok(Run {
        seed,
        setting,
        counts,
        violations: played.violations,
        log: played.log,
    })
}

/// A network that only delays, or one that does whatever networks do.
fn impairment(dice: &mut Dice, protocol: &Protocol, participants: &Participants) -> Impairment {
    match dice.one_in(2) {
        true => Profile::random(dice, protocol.on_the_wire().frames()).impair,
        false => only_delay(participants),
    }
}

fn only_delay(participants: &Participants) -> Impairment {
    let [least, most] = participants.delay;
    Impairment {
        delay: Delay { least, most },
        ..Impairment::default()
    }
}

/// Plays a plan over a network that only delays: what does not hold, and a log.
#[cfg(feature = "fuzz")]
pub(crate) fn planned(
    protocol: &'static Protocol,
    participants: Participants,
    has_log: bool,
) -> Result<(Vec<Violation>, Vec<String>), String> {
    let conditions = Conditions {
        seed: 1,
        impair: only_delay(&participants),
        outages: Vec::new(),
        has_log,
    };
    let played = World::new(protocol, participants, conditions)?.play();
    Ok((played.violations, played.log))
}

fn outages(dice: &mut Dice, clients: usize, quiet: Duration) -> Vec<Outage> {
    let latest = u32::try_from(quiet.as_millis()).unwrap_or(u32::MAX - 1);
    let nodes = u32::try_from(1 + clients).unwrap_or(1);
    let outages = (0..dice.below(4)).map(|_| {
        let begin = dice.millis(latest);
        // Half of them are longer than an idle connection lives.
        let longest = if dice.one_in(2) { 3_000 } else { 20_000 };
        Outage {
            node: dice.below(nodes) as usize,
            begin,
            end: quiet.min(begin + dice.millis(longest)),
        }
    });
    outages.collect()
}

impl Run {
    /// What happened, a line for each thing: up to the first violation and then what it is, or all of
    /// it. Of a run that kept no log it is what it was told and what does not hold.
    #[must_use]
    pub fn story(&self, protocol: &Protocol) -> String {
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
                .map_or("network", |role| protocol.side(role));
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
