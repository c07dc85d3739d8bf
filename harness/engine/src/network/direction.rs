use std::time::Duration;

use shakedown_protocol::requirement::Role;

use super::dice::{Dice, Draw, Throw};
use super::exact::Hits;
use super::flying::Flying;
use super::{
    Arrival, Counts, Delay, Fate, Impair, LONGEST_AFTER, LONGEST_QUEUE, LONGEST_REORDER, Loss,
};

/// One direction of a network: what is done to its datagrams, and those that are held back.
#[derive(Debug)]
pub(super) struct Direction<T> {
    from: Role,
    law: Law,
    /// `None` where nothing is left to chance.
    dice: Option<Dice>,
    held: Vec<Held<T>>,
    /// When the newest datagram has its delay behind it.
    ordered: Duration,
    /// When the rate has room again.
    free: Duration,
    pub(super) counts: Counts,
}

/// What is done to datagrams that nobody named.
#[derive(Debug, Default)]
struct Law {
    loss: f64,
    duplicate: f64,
    reorder: f64,
    corrupt: f64,
    checksum: f64,
    delay: Delay,
    jitter: Duration,
    rate: Option<u64>,
    cut: Vec<(Duration, Duration)>,
}

/// A datagram that waits for others to overtake it.
#[derive(Debug)]
struct Held<T> {
    /// As it would have arrived.
    arrival: Arrival<T>,
    /// When it arrives at the latest.
    latest: Duration,
    /// How many have yet to overtake it.
    waits_for: u32,
    by_chance: bool,
}

/// A datagram's way in.
pub(super) struct Passage<'a> {
    /// When it would arrive if nothing happened to it.
    pub(super) entry: Duration,
    /// When it was sent, from the first datagram of the network on.
    pub(super) sent: Duration,
    pub(super) hits: &'a Hits,
}

impl<T: Clone> Direction<T> {
    pub(super) fn new(from: Role, impair: &Impair, seed: u64) -> Self {
        let law = match impair.from {
            Some(side) if side != from => Law::default(),
            Some(_) | None => Law::of(impair),
        };
        let stream = match from {
            Role::Initiator => 0,
            Role::Responder => 1,
        };
        Self {
            from,
            dice: law.is_random().then(|| Dice::new(seed, stream)),
            law,
            held: Vec::new(),
            ordered: Duration::ZERO,
            free: Duration::ZERO,
            counts: Counts::default(),
        }
    }

    /// Decides about a datagram, and puts on their way those whose arrival is known with it.
    pub(super) fn send(
        &mut self,
        passage: &Passage<'_>,
        tag: T,
        mut payload: Vec<u8>,
        flying: &mut Flying<T>,
    ) -> Fate {
        self.counts.sent += 1;
        let throw = self.dice.as_mut().map(Dice::throw);
        let happens = |draw, share| throw.is_some_and(|throw: Throw| throw.happens(draw, share));
        let mut fate = Fate {
            lost: self.loss(passage, happens),
            ..Fate::default()
        };
        if fate.lost.is_some() {
            self.counts.lost += 1;
            return fate;
        }
        let Some(left) = self.leave(passage.entry, throw, Draw::Delay, payload.len()) else {
            self.counts.lost += 1;
            fate.lost = Some(Loss::Queue);
            return fate;
        };
        for bit in &passage.hits.flipped {
            fate.flipped = flip(&mut payload, u64::from(*bit)).or(fate.flipped);
        }
        if let Some(throw) = throw.filter(|throw| throw.happens(Draw::Corrupt, self.law.corrupt)) {
            let bits = (payload.len() as u64).saturating_mul(8);
            let bit = throw.up_to(Draw::Bit, bits.saturating_sub(1));
            fate.flipped = flip(&mut payload, bit).or(fate.flipped);
        }
        self.counts.flipped += u64::from(fate.flipped.is_some());
        let slack = |draw| {
            let drawn = throw.map(|throw| draw_time(throw, draw, self.law.jitter));
            drawn.unwrap_or_default().saturating_add(passage.hits.late)
        };
        let at = left.saturating_add(slack(Draw::Jitter));
        let late_copy = slack(Draw::JitterOfCopy);
        let copy = passage.hits.twice || happens(Draw::Duplicate, self.law.duplicate);
        let copy = copy
            .then(|| self.leave(passage.entry, throw, Draw::DelayOfCopy, payload.len()))
            .flatten()
            .map(|left| left.saturating_add(late_copy));
        fate.twice = copy.is_some();
        self.counts.duplicated += u64::from(fate.twice);
        let is_pair = self.held.iter().any(|held| held.by_chance);
        let by_chance = !is_pair && happens(Draw::Reorder, self.law.reorder);
        let hold = match passage.hits.after {
            Some(later) => Some((later, LONGEST_AFTER)),
            None => by_chance.then_some((1, LONGEST_REORDER)),
        };
        let first = Arrival {
            at,
            from: self.from,
            tag,
            is_copy: false,
            payload,
        };
        let copied = copy.map(|at| Arrival {
            at,
            is_copy: true,
            ..first.clone()
        });
        match hold.filter(|(later, _)| *later > 0) {
            Some((waits_for, longest)) => {
                fate.held = true;
                self.counts.held += 1;
                for arrival in [Some(first), copied].into_iter().flatten() {
                    self.held.push(Held {
                        latest: arrival.at.saturating_add(longest),
                        arrival,
                        waits_for,
                        by_chance: passage.hits.after.is_none(),
                    });
                }
            }
            None => {
                flying.put(first);
                if let Some(copied) = copied {
                    flying.put(copied);
                }
                self.overtake(at, flying);
            }
        }
        fate
    }

    /// When the next of those that are held arrives by itself.
    pub(super) fn release(&self) -> Option<Duration> {
        self.held.iter().map(|held| held.latest).min()
    }

    /// Puts on their way those that were held until `now` and wait no longer.
    pub(super) fn release_until(&mut self, now: Duration, flying: &mut Flying<T>) {
        for held in self.held.extract_if(.., |held| held.latest <= now) {
            flying.put(Arrival {
                at: held.latest,
                ..held.arrival
            });
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Only the delay is left.
    pub(super) fn heal(&mut self) {
        self.law = Law {
            delay: self.law.delay,
            ..Law::default()
        };
    }

    fn loss(&self, passage: &Passage<'_>, happens: impl Fn(Draw, f64) -> bool) -> Option<Loss> {
        let mut cuts = self.law.cut.iter();
        if cuts.any(|(begin, end)| (*begin..*end).contains(&passage.sent)) {
            Some(Loss::Cut)
        } else if passage.hits.lost {
            Some(Loss::Fault)
        } else if happens(Draw::Loss, self.law.loss) {
            Some(Loss::Chance)
        } else if happens(Draw::Checksum, self.law.checksum) {
            Some(Loss::Checksum)
        } else {
            None
        }
    }

    /// When a datagram that enters has its delay and the rate behind it; `None` if the rate has no
    /// room for it.
    fn leave(
        &mut self,
        entry: Duration,
        throw: Option<Throw>,
        draw: Draw,
        length: usize,
    ) -> Option<Duration> {
        let Delay { least, most } = self.law.delay;
        let more = throw.map(|throw| draw_time(throw, draw, most.saturating_sub(least)));
        let delay = least.saturating_add(more.unwrap_or_default());
        let ordered = entry.saturating_add(delay).max(self.ordered);
        if ordered.saturating_add(LONGEST_QUEUE) < self.free {
            return None;
        }
        self.ordered = ordered;
        let takes = self.law.rate.map(|rate| duration_of(length, rate));
        self.free = ordered
            .max(self.free)
            .saturating_add(takes.unwrap_or_default());
        Some(self.free)
    }

    /// A datagram that arrives at `at` overtakes those that are held.
    fn overtake(&mut self, at: Duration, flying: &mut Flying<T>) {
        for held in &mut self.held {
            held.waits_for = held.waits_for.saturating_sub(1);
        }
        for held in self.held.extract_if(.., |held| held.waits_for == 0) {
            flying.put(Arrival {
                at: at.clamp(held.arrival.at, held.latest),
                ..held.arrival
            });
        }
    }
}

impl Law {
    fn of(impair: &Impair) -> Self {
        Self {
            loss: impair.loss,
            duplicate: impair.duplicate,
            reorder: impair.reorder,
            corrupt: impair.corrupt,
            checksum: impair.checksum,
            delay: impair.delay,
            jitter: impair.jitter,
            rate: impair.rate,
            cut: impair.cut.clone(),
        }
    }

    fn is_random(&self) -> bool {
        let shares = [
            self.loss,
            self.duplicate,
            self.reorder,
            self.corrupt,
            self.checksum,
        ];
        let drawn = self.delay.most > self.delay.least || !self.jitter.is_zero();
        drawn || shares.into_iter().any(|share| share > 0.0)
    }
}

/// Flips a bit, counted from the first byte's lowest and, past the end, from there again. `None`
/// if there is none.
fn flip(payload: &mut [u8], bit: u64) -> Option<u32> {
    let bits = (payload.len() as u64).saturating_mul(8);
    let bit = bit.checked_rem(bits)?;
    let byte = payload.get_mut(usize::try_from(bit / 8).ok()?)?;
    *byte ^= 1 << (bit % 8);
    u32::try_from(bit).ok()
}

/// A time from 0 to `most`, each with the same chance.
fn draw_time(throw: Throw, draw: Draw, most: Duration) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(throw.up_to(draw, nanos))
}

/// How long so many bytes take at a rate of bytes a second, rounded up.
fn duration_of(length: usize, rate: u64) -> Duration {
    let nanos = (length as u128 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
