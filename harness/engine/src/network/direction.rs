use std::time::Duration;

use shakedown_protocol::event_loop::InFlight;
use shakedown_protocol::requirement::Role;

use super::exact::MatchedFaults;
use super::random::{Draw, Draws, RandomStream};
use super::{
    Arrival, Counts, Delay, Effects, Impairment, LONGEST_EXACT_REORDER, LONGEST_QUEUE,
    LONGEST_REORDER, LossCause,
};

/// One direction of a network: what is done to its datagrams, and those that are held back.
#[derive(Debug)]
pub(super) struct Direction<T> {
    from: Role,
    impairment: Impairment,
    /// `None` where nothing is random.
    random: Option<RandomStream>,
    held: Vec<Held<T>>,
    /// When the newest datagram's delay is over.
    ordered: Duration,
    /// When the rate has room again.
    free: Duration,
    pub(super) counts: Counts,
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
    at_random: bool,
}

/// A datagram that is sent.
pub(super) struct Departure<'a> {
    /// When it would arrive on the bare link.
    pub(super) entry: Duration,
    /// When it was sent, from the first datagram of the network on.
    pub(super) sent: Duration,
    pub(super) faults: &'a MatchedFaults,
}

impl<T: Clone> Direction<T> {
    pub(super) fn new(from: Role, impairment: &Impairment, seed: u64) -> Self {
        let impairment = match impairment.from {
            Some(side) if side != from => Impairment::default(),
            Some(_) | None => Impairment {
                faults: Vec::new(),
                ..impairment.clone()
            },
        };
        let stream = match from {
            Role::Initiator => 0,
            Role::Responder => 1,
        };
        Self {
            from,
            random: impairment
                .is_random()
                .then(|| RandomStream::new(seed, stream)),
            impairment,
            held: Vec::new(),
            ordered: Duration::ZERO,
            free: Duration::ZERO,
            counts: Counts::default(),
        }
    }

    /// Decides about a datagram, and puts on their way those whose arrival is known with it.
    pub(super) fn send(
        &mut self,
        departure: &Departure<'_>,
        tag: T,
        mut payload: Vec<u8>,
        in_flight: &mut InFlight<Arrival<T>>,
    ) -> Effects {
        self.counts.sent += 1;
        let draws = self.random.as_mut().map(RandomStream::draw);
        let happens = |draw, share| draws.is_some_and(|draws: Draws| draws.happens(draw, share));
        let mut effects = Effects {
            lost: self.loss(departure, happens),
            ..Effects::default()
        };
        if effects.lost.is_some() {
            self.counts.lost += 1;
            return effects;
        }
        let Some(left) = self.leave(departure.entry, draws, Draw::Delay, payload.len()) else {
            self.counts.lost += 1;
            effects.lost = Some(LossCause::Queue);
            return effects;
        };
        for bit in &departure.faults.corrupt_bits {
            effects.corrupted_bit = flip(&mut payload, u64::from(*bit)).or(effects.corrupted_bit);
        }
        if let Some(draws) =
            draws.filter(|draws| draws.happens(Draw::Corrupt, self.impairment.corrupt))
        {
            let bits = (payload.len() as u64).saturating_mul(8);
            let bit = draws.up_to(Draw::Bit, bits.saturating_sub(1));
            effects.corrupted_bit = flip(&mut payload, bit).or(effects.corrupted_bit);
        }
        self.counts.corrupted += u64::from(effects.corrupted_bit.is_some());
        let slack = |draw| {
            let drawn = draws.map(|draws| draw_time(draws, draw, self.impairment.jitter));
            drawn
                .unwrap_or_default()
                .saturating_add(departure.faults.delay)
        };
        let at = left.saturating_add(slack(Draw::Jitter));
        let late_copy = slack(Draw::JitterOfCopy);
        let copy =
            departure.faults.duplicate || happens(Draw::Duplicate, self.impairment.duplicate);
        let copy = copy
            .then(|| self.leave(departure.entry, draws, Draw::DelayOfCopy, payload.len()))
            .flatten()
            .map(|left| left.saturating_add(late_copy));
        effects.duplicated = copy.is_some();
        self.counts.duplicated += u64::from(effects.duplicated);
        let is_pair = self.held.iter().any(|held| held.at_random);
        let at_random = !is_pair && happens(Draw::Reorder, self.impairment.reorder);
        let hold = match departure.faults.reorder_after {
            Some(later) => Some((later, LONGEST_EXACT_REORDER)),
            None => at_random.then_some((1, LONGEST_REORDER)),
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
                effects.reordered = true;
                self.counts.reordered += 1;
                for arrival in [Some(first), copied].into_iter().flatten() {
                    self.held.push(Held {
                        latest: arrival.at.saturating_add(longest),
                        arrival,
                        waits_for,
                        at_random: departure.faults.reorder_after.is_none(),
                    });
                }
            }
            None => {
                in_flight.put(first.at, first);
                if let Some(copied) = copied {
                    in_flight.put(copied.at, copied);
                }
                self.overtake(at, in_flight);
            }
        }
        effects
    }

    /// When the next of those that are held arrives by itself.
    pub(super) fn release(&self) -> Option<Duration> {
        self.held.iter().map(|held| held.latest).min()
    }

    /// Puts on their way those that were held until `now` and wait no longer.
    pub(super) fn release_until(&mut self, now: Duration, in_flight: &mut InFlight<Arrival<T>>) {
        for held in self.held.extract_if(.., |held| held.latest <= now) {
            let at = held.latest;
            in_flight.put(at, Arrival { at, ..held.arrival });
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Only the delay is left.
    pub(super) fn heal(&mut self) {
        self.impairment = Impairment {
            delay: self.impairment.delay,
            ..Impairment::default()
        };
    }

    fn loss(
        &self,
        departure: &Departure<'_>,
        happens: impl Fn(Draw, f64) -> bool,
    ) -> Option<LossCause> {
        let mut outages = self.impairment.outage.iter();
        if outages.any(|(begin, end)| (*begin..*end).contains(&departure.sent)) {
            Some(LossCause::Outage)
        } else if departure.faults.drop {
            Some(LossCause::Fault)
        } else if happens(Draw::Loss, self.impairment.loss) {
            Some(LossCause::Random)
        } else if happens(Draw::Checksum, self.impairment.checksum) {
            Some(LossCause::Checksum)
        } else {
            None
        }
    }

    /// When a datagram that enters has passed its delay and the rate limit; `None` if it exceeds
    /// the rate's queue.
    fn leave(
        &mut self,
        entry: Duration,
        draws: Option<Draws>,
        draw: Draw,
        length: usize,
    ) -> Option<Duration> {
        let Delay { least, most } = self.impairment.delay;
        let more = draws.map(|draws| draw_time(draws, draw, most.saturating_sub(least)));
        let delay = least.saturating_add(more.unwrap_or_default());
        let ordered = entry.saturating_add(delay).max(self.ordered);
        if ordered.saturating_add(LONGEST_QUEUE) < self.free {
            return None;
        }
        self.ordered = ordered;
        let takes = self.impairment.rate.map(|rate| duration_of(length, rate));
        self.free = ordered
            .max(self.free)
            .saturating_add(takes.unwrap_or_default());
        Some(self.free)
    }

    /// A datagram that arrives at `at` overtakes those that are held.
    fn overtake(&mut self, at: Duration, in_flight: &mut InFlight<Arrival<T>>) {
        for held in &mut self.held {
            held.waits_for = held.waits_for.saturating_sub(1);
        }
        for held in self.held.extract_if(.., |held| held.waits_for == 0) {
            let at = at.clamp(held.arrival.at, held.latest);
            in_flight.put(at, Arrival { at, ..held.arrival });
        }
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
fn draw_time(draws: Draws, draw: Draw, most: Duration) -> Duration {
    let nanos = u64::try_from(most.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(draws.up_to(draw, nanos))
}

/// How long these bytes take at a rate in bytes per second, rounded up.
fn duration_of(length: usize, rate: u64) -> Duration {
    let nanos = (length as u128 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}
