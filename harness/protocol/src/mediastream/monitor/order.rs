//! The order of frames: MS-D-01, and MS-D-02 across frames.

use super::frame::{FrameSeen, TypicalFrame};
use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::view::{Media, SEQUENCE};
use crate::monitor::NetworkCounts;

/// How many of the newest frames are remembered in detail.
const RECENT: usize = 8;

/// How many numbers back it is known whether they came.
const WINDOW: u64 = 128;

/// A leap over so many numbers is no loss.
const LEAP: u64 = 1 << 20;

/// How the numbers of a session begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The session's start was seen: with 1.
    Start,
    /// A session on the same tuple came before and ended with this number: with 1, or the numbers
    /// go on (MS-H-23).
    After(u64),
    /// The capture began later: anywhere.
    Middle,
}

/// Where a datagram stands among those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    /// The first of a frame with a higher number than all before it.
    Next,
    /// A later one of the frame with the highest number.
    Part,
    /// One of an earlier frame.
    Earlier,
    /// With a number that fits nowhere.
    Astray,
}

/// The numbers of one stream.
///
/// MS-D-01: a number that is 0, or that leaps by 2^20 or more (any vantage); at the sender also a
/// first number other than 1 where the session's start was seen, a number left out, a number that
/// comes after a higher one, a frame sent twice. Elsewhere these four are counted and in doubt.
///
/// MS-D-02: at the sender, a datagram of an unfinished frame after one of a later frame. Within a
/// frame see [`FrameSeen`].
#[derive(Debug)]
pub(super) struct Order {
    origin: Origin,
    /// Frames after the confirmation that were taken for those of the session before, and need not be.
    crossed: u64,
    first: Option<u64>,
    highest: u64,
    frames: u64,
    /// Bit n: the frame `highest - n` was seen.
    seen: u128,
    recent: [Option<FrameSeen>; RECENT],
    usual: TypicalFrame,
    leap: Option<u64>,
    network: NetworkCounts,
}

impl Order {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            origin,
            crossed: 0,
            first: None,
            highest: 0,
            frames: 0,
            seen: 0,
            recent: [const { None }; RECENT],
            usual: TypicalFrame::default(),
            leap: None,
            network: NetworkCounts::default(),
        }
    }

    /// The session before on the tuple came to this number after all; what comes once this one
    /// `is_confirmed` may be its own, too.
    pub(super) const fn goes_on_after(&mut self, highest: u64, is_confirmed: bool) {
        if let Origin::After(before) = self.origin {
            self.origin = Origin::After(highest);
            if is_confirmed {
                self.crossed += highest.saturating_sub(before);
            }
        }
    }

    /// How many frames may have come before the first one, if its numbers go on.
    pub(super) fn crossed(&self) -> u64 {
        match (self.origin, self.first) {
            (Origin::After(_), Some(2..)) => self.crossed,
            _ => 0,
        }
    }

    /// Frames seen, each number once.
    pub(super) const fn frames(&self) -> u64 {
        self.frames
    }

    /// The number before the stream's first: 0 but in a session whose numbers go on; `None` if its start was
    /// not seen.
    pub(super) const fn base(&self) -> Option<u64> {
        match (self.origin, self.first) {
            (Origin::Start, _) => Some(0),
            (Origin::After(_), Some(first)) => Some(first.saturating_sub(1)),
            (Origin::After(_), None) | (Origin::Middle, _) => None,
        }
    }

    /// The highest number; 0 before the first.
    pub(super) const fn highest(&self) -> u64 {
        self.highest
    }

    /// What the network may have done.
    pub(super) const fn network(&self) -> NetworkCounts {
        self.network
    }

    /// The frame with the highest number.
    pub(super) fn current(&mut self) -> Option<&mut FrameSeen> {
        let slot = slot(self.highest);
        self.recent[slot]
            .as_mut()
            .filter(|frame| frame.sequence == self.highest)
    }

    /// Any datagram of media.
    pub(super) fn observe(
        &mut self,
        media: &Media<'_>,
        sequence: u64,
        scope: &mut Scope<'_>,
    ) -> Position {
        scope.exercised(Rule::D01);
        if sequence == 0 {
            // MS-D-01
            wrong_number(
                scope,
                "a SequenceNumber of 1 or more",
                "SequenceNumber 0".to_owned(),
            );
            return Position::Astray;
        }
        if self.highest == 0 {
            self.first = Some(sequence);
            self.begins_with(sequence, scope);
            self.advance(media, sequence, scope);
            return Position::Next;
        }
        match sequence.checked_sub(self.highest) {
            Some(0) => Position::Part,
            Some(1) => {
                scope.exercised(Rule::D02);
                self.complete(scope);
                self.advance(media, sequence, scope);
                Position::Next
            }
            Some(step) => self.gap(media, sequence, step, scope),
            None => self.earlier(media, sequence, scope),
        }
    }

    /// The session is over; whether its last frame `is_whole` is known.
    pub(super) fn close(&mut self, is_whole: bool, scope: &mut Scope<'_>) {
        self.complete(scope);
        self.usual.close(scope);
        for number in self.highest.saturating_sub(RECENT as u64)..=self.highest {
            let frame = self.recent[slot(number)];
            let frame = frame.filter(|frame| frame.sequence == number);
            if let Some(frame) = frame.filter(|_| is_whole || number < self.highest) {
                self.size(&frame, scope);
            }
        }
    }

    fn begins_with(&self, sequence: u64, scope: &mut Scope<'_>) {
        let fits = match self.origin {
            Origin::Start => sequence == 1,
            Origin::After(last) => sequence == 1 || sequence == last.saturating_add(1),
            Origin::Middle => true,
        };
        if !fits {
            // MS-D-01
            scope.breach_unless_network(Rule::D01, || {
                let got = format!("SequenceNumber {sequence}");
                Evidence::new("SequenceNumber 1 in the session's first frame", got).field(SEQUENCE)
            });
        }
    }

    fn gap(
        &mut self,
        media: &Media<'_>,
        sequence: u64,
        step: u64,
        scope: &mut Scope<'_>,
    ) -> Position {
        if step >= LEAP
            && self
                .leap
                .is_none_or(|leap| sequence != leap.saturating_add(1))
        {
            self.leap = Some(sequence);
            let want = format!("SequenceNumber {}", self.highest.saturating_add(1));
            wrong_number(scope, &want, format!("SequenceNumber {sequence}"));
            return Position::Astray;
        }
        let expected = self.highest.saturating_add(1);
        // MS-D-01
        scope.breach_unless_network(Rule::D01, || {
            let want = format!("SequenceNumber {expected}");
            Evidence::new(want, format!("SequenceNumber {sequence}")).field(SEQUENCE)
        });
        self.complete(scope);
        if step < LEAP {
            self.network.missing += step - 1;
        }
        self.advance(media, sequence, scope);
        Position::Next
    }

    fn earlier(&mut self, media: &Media<'_>, sequence: u64, scope: &mut Scope<'_>) -> Position {
        let back = self.highest - sequence;
        let usual = self.usual.bytes();
        let remembered = self.recent[slot(sequence)]
            .as_mut()
            .filter(|frame| frame.sequence == sequence);
        if let Some(frame) = remembered
            && frame.lacks(media, usual)
        {
            frame.add_late(media);
            self.network.reordered += 1;
            // MS-D-02
            scope.breach_unless_network(Rule::D02, || {
                let want = format!("all of frame {sequence} before frame {}", self.highest);
                let got = format!(
                    "a datagram of frame {sequence} after one of frame {}",
                    self.highest
                );
                Evidence::new(want, got).field(SEQUENCE)
            });
            return Position::Earlier;
        }
        let is_known = back < WINDOW && self.seen & (1 << back) != 0;
        if is_known {
            self.network.repeated += 1;
        } else {
            self.network.reordered += 1;
            if back < WINDOW && self.frames + self.network.missing > back {
                self.network.missing = self.network.missing.saturating_sub(1);
                self.seen |= 1 << back;
            }
            self.frames += 1;
        }
        // MS-D-01
        scope.breach_unless_network(Rule::D01, || {
            let want = format!(
                "SequenceNumber {} or {}",
                self.highest,
                self.highest.saturating_add(1)
            );
            let again = if is_known { " again" } else { "" };
            Evidence::new(want, format!("SequenceNumber {sequence}{again}")).field(SEQUENCE)
        });
        Position::Earlier
    }

    fn advance(&mut self, media: &Media<'_>, sequence: u64, scope: &mut Scope<'_>) {
        let step = sequence - self.highest;
        self.seen = if step < WINDOW { self.seen << step } else { 0 };
        self.seen |= 1;
        self.highest = sequence;
        self.leap = None;
        self.frames += 1;
        let frame = FrameSeen::new(sequence, media, &scope.now);
        if let Some(oldest) = self.recent[slot(sequence)].replace(frame) {
            self.size(&oldest, scope);
        }
    }

    /// Judges a frame that gets no more datagrams. Of the first one of a stream whose start was not seen
    /// some may be missing.
    fn size(&self, frame: &FrameSeen, scope: &mut Scope<'_>) {
        if self.base().is_some() || self.first != Some(frame.sequence) {
            frame.size(scope);
        }
    }

    /// The frame with the highest number will get no more datagrams in order.
    fn complete(&mut self, scope: &mut Scope<'_>) {
        let slot = slot(self.highest);
        if let Some(frame) = &self.recent[slot]
            && frame.sequence == self.highest
        {
            self.usual.complete(frame, &mut self.network, scope);
        }
    }
}

const fn slot(sequence: u64) -> usize {
    (sequence % RECENT as u64) as usize
}

fn wrong_number(scope: &mut Scope<'_>, expected: &str, got: String) {
    scope.breach(Rule::D01, || Evidence::new(expected, got).field(SEQUENCE));
}
