use std::time::Duration;

use serde::Serialize;
use shakedown_protocol::Protocol;
use shakedown_protocol::exploration::Participants;
use shakedown_protocol::requirement::Role;

use crate::network::{Delay, Fault, FaultKind, Impairment};
use crate::random::SeededRandom;

/// The largest error of a clock, in parts in a million: 1%, as much as a sender's clock may be off.
const LARGEST_SKEW: u32 = 10_000;
/// When everything that may happen at some time has happened, in milliseconds.
const LATEST: u32 = 5_000;

/// What every datagram of a random run takes.
const LATENCY: Duration = Duration::from_millis(1);

/// Everything that goes wrong in one run of a swarm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// What every datagram takes, whatever happens to it.
    pub latency: Duration,
    /// What the network does, until it heals.
    pub impair: Impairment,
    /// The side whose clock is off, and by how many parts in a million it is too fast.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skew: Option<(Role, i32)>,
    /// When the initiator's address changes, as the responder sees it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<Duration>,
    /// Cables that are pulled.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
    /// When the network heals.
    pub heals: Duration,
}

/// A time during which nothing passes to or from a participant; the server is the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outage {
    pub participant: usize,
    pub begin: Duration,
    pub end: Duration,
}

impl Profile {
    /// What goes wrong in a run. Where the participants know when it has to end, they know their addresses
    /// and their clocks as well; but their cables may be pulled, and half of the networks only delay.
    pub(super) fn of(
        random: &mut SeededRandom,
        protocol: &Protocol,
        participants: &Participants,
    ) -> Self {
        let profile = Self::random(random, protocol.on_the_wire().frames());
        let Some(quiet) = participants.quiet else {
            return profile;
        };
        let good = Self::good(participants);
        Self {
            impair: match random.one_in(2) {
                true => profile.impair,
                false => good.impair.clone(),
            },
            outages: outages(random, participants.clients.len(), quiet),
            latency: LATENCY,
            ..good
        }
    }

    /// A network that does no more than to delay as the participants say.
    pub(crate) fn good(participants: &Participants) -> Self {
        let [least, most] = participants.delay;
        Self {
            latency: Duration::ZERO,
            impair: Impairment {
                delay: Delay { least, most },
                ..Impairment::default()
            },
            skew: None,
            moves: None,
            outages: Vec::new(),
            heals: participants.quiet.unwrap_or_default(),
        }
    }

    /// A profile in which each kind may be or not.
    fn random(random: &mut SeededRandom, frames: &[&str]) -> Self {
        let least = random.millis(50);
        let delay = match random.one_in(2) {
            true => Delay::default(),
            false => Delay {
                least,
                most: least + random.millis(50),
            },
        };
        let impair = Impairment {
            from: match random.below(4) {
                0 => Some(Role::Initiator),
                1 => Some(Role::Responder),
                _ => None,
            },
            loss: random.share(400),
            duplicate: random.share(300),
            reorder: random.share(300),
            corrupt: random.rarely(|random| random.share(150)),
            checksum: random.rarely(|random| random.share(150)),
            delay,
            jitter: random.rarely(|random| random.millis(300)),
            rate: random
                .one_in(5)
                .then(|| u64::from(4_000 + random.below(60_000))),
            outage: (0..random.below(3))
                .map(|_| {
                    let begin = random.millis(LATEST);
                    (
                        begin,
                        begin + random.millis(1_500) + Duration::from_millis(1),
                    )
                })
                .collect(),
            faults: (0..random.below(4))
                .map(|_| fault(random, frames))
                .collect(),
            seed: None,
        };
        let side = random.side();
        let parts = i32::try_from(random.below(2 * LARGEST_SKEW + 1)).unwrap_or_default();
        let parts = parts.saturating_sub_unsigned(LARGEST_SKEW);
        // Early healing leaves the handshake to be watched, late healing the stream.
        let heals = if random.one_in(2) {
            random.millis(1_000)
        } else {
            random.millis(LATEST)
        };
        Self {
            latency: LATENCY,
            impair,
            skew: random.one_in(3).then_some((side, parts)),
            moves: random.one_in(6).then(|| random.millis(LATEST)),
            outages: Vec::new(),
            heals,
        }
    }

    /// Whether what arrives may be another datagram than the one that was sent.
    #[must_use]
    pub fn corrupts(&self) -> bool {
        let flips = |fault: &Fault| matches!(fault.kind, FaultKind::Corrupt(_));
        self.impair.corrupt > 0.0 || self.impair.faults.iter().any(flips)
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.impair)?;
        if let Some((side, parts)) = self.skew {
            write!(f, "; the {side}'s clock is off by {parts} ppm")?;
        }
        if let Some(at) = self.moves {
            write!(f, "; the initiator moves at {} ms", at.as_millis())?;
        }
        if !self.outages.is_empty() {
            write!(f, "; {} cables are pulled", self.outages.len())?;
        }
        write!(f, "; heals at {} ms", self.heals.as_millis())
    }
}

fn outages(random: &mut SeededRandom, clients: usize, quiet: Duration) -> Vec<Outage> {
    let latest = u32::try_from(quiet.as_millis()).unwrap_or(u32::MAX - 1);
    let participants = u32::try_from(1 + clients).unwrap_or(1);
    let outages = (0..random.below(4)).map(|_| {
        let begin = random.millis(latest);
        // Half of them are longer than an idle connection lives.
        let longest = if random.one_in(2) { 3_000 } else { 20_000 };
        Outage {
            participant: random.below(participants) as usize,
            begin,
            end: quiet.min(begin + random.millis(longest)),
        }
    });
    outages.collect()
}

fn fault(random: &mut SeededRandom, frames: &[&str]) -> Fault {
    let place = usize::try_from(random.below(u32::try_from(frames.len()).unwrap_or(1)));
    let frame = frames
        .get(place.unwrap_or_default())
        .copied()
        .unwrap_or_default();
    let kind = match random.below(5) {
        0 => FaultKind::Drop,
        1 => FaultKind::Duplicate,
        2 => FaultKind::Delay(random.millis(LATEST)),
        3 => FaultKind::Reorder(1 + random.below(3)),
        // A bit of the header or the fields, not of the payload.
        _ => FaultKind::Corrupt(random.below(67 * 8)),
    };
    Fault {
        frame: frame.to_owned(),
        nth: 1 + random.below(3),
        from: None,
        kind,
    }
}
