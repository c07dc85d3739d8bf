//! The media of one session.

use std::time::Duration;

use super::fragments;
use super::order::{Order, Origin, Position};
use super::pace::{Pace, Start};
use super::parameters::Agreed;
use super::payload::Payload;
use super::scope::Scope;
use super::ticks::Ticks;
use super::time::{CROSSING, Moment, SLACK};
use super::view::Media;
use crate::monitor::NetworkCounts;
use crate::{MonitorSettings, StreamParameters};

/// A stream is over when nothing came for three intervals and for this long.
const SILENCE: Duration = Duration::from_secs(1);

/// The media of one session, as its rules see it.
#[derive(Debug)]
pub(super) struct Stream {
    order: Order,
    ticks: Ticks,
    pace: Pace,
    payload: Payload,
    newest: Option<Moment>,
    reordered: u64,
    agreed: Agreed,
}

impl Stream {
    pub(super) fn new(origin: Origin) -> Self {
        Self {
            order: Order::new(origin),
            ticks: Ticks::default(),
            pace: Pace::default(),
            payload: Payload::default(),
            newest: None,
            reordered: 0,
            agreed: Agreed::default(),
        }
    }

    /// A datagram of media; `start` is when the session started, if that was seen.
    pub(super) fn observe(
        &mut self,
        media: &Media<'_>,
        start: Option<&Start>,
        scope: &mut Scope<'_>,
    ) {
        self.newest = Some(scope.now);
        let Some(sequence) = media.sequence else {
            self.payload.observe(media, false, scope);
            return;
        };
        let place = self.order.observe(media, sequence, scope);
        self.ticks.frequency(media, scope);
        self.payload.observe(media, place == Position::Part, scope);
        match place {
            Position::Next => {
                self.ticks.frame(media, scope);
                self.pace.frame(sequence, self.order.base(), start, scope);
                fragments::observe(media, None, scope);
            }
            Position::Part => self.part(media, scope),
            Position::Earlier | Position::Astray => fragments::observe(media, None, scope),
        }
    }

    /// The handshake settled what is streamed, or that it is not known.
    pub(super) const fn agree(&mut self, agreed: Agreed) {
        self.agreed = agreed;
    }

    /// What is streamed, as far as it is known.
    pub(super) const fn parameters(&self, settings: &MonitorSettings) -> Option<StreamParameters> {
        match self.agreed {
            Agreed::Configured => settings.stream,
            Agreed::Unknown => None,
            Agreed::Here(stream) => Some(stream),
        }
    }

    /// The session before on the tuple came to this number after all.
    pub(super) const fn goes_on_after(&mut self, highest: Option<u64>, is_confirmed: bool) {
        if let Some(highest) = highest {
            self.order.goes_on_after(highest, is_confirmed);
        }
    }

    /// MS-H-22 held the stream back until now, and its ACK came.
    pub(super) const fn held_back(&mut self) {
        self.pace.held_back();
    }

    /// Connection-id within the session.
    pub(super) fn name(&self, scope: &mut Scope<'_>) {
        self.pace.name(scope);
    }

    /// Whether media was seen.
    pub(super) const fn has_begun(&self) -> bool {
        self.newest.is_some()
    }

    /// Whether it has been silent for so long that it is over.
    pub(super) fn is_over(&self, now: &Moment, settings: &MonitorSettings) -> bool {
        let Some(newest) = self.newest else {
            return false;
        };
        let interval = self
            .pace
            .interval(self.parameters(settings))
            .unwrap_or_default();
        let patience = SILENCE.max(interval * 3 + SLACK);
        now.since(&newest).is_none_or(|silence| silence > patience)
    }

    /// Whether its last frame was seen: its responder need not know of the session any more (MS-D-07).
    pub(super) fn is_complete(&self, settings: &MonitorSettings) -> bool {
        let stream = self.parameters(settings);
        stream.is_some_and(|stream| {
            let sequence = self.highest() + self.order.crossed();
            self.pace.is_complete(sequence, &stream)
        })
    }

    /// The interval between frames: as configured, else the mean that was seen.
    pub(super) fn interval(&self, settings: &MonitorSettings) -> Option<Duration> {
        self.pace.interval(self.parameters(settings))
    }

    /// The highest number; 0 before the first.
    pub(super) const fn highest(&self) -> u64 {
        self.order.highest()
    }

    /// Frames seen, each number once.
    pub(super) const fn frames(&self) -> u64 {
        self.order.frames()
    }

    /// What the network may have done.
    pub(super) fn network(&self) -> NetworkCounts {
        let mut network = self.order.network();
        network.reordered += self.reordered;
        network
    }

    /// The session is over; with `is_ended` its stream was to end before its last frame.
    pub(super) fn close(&mut self, is_ended: bool, scope: &mut Scope<'_>) {
        let is_quiet = |newest: &Moment| scope.now.is_past(newest, CROSSING);
        let is_last = self.newest.as_ref().is_some_and(is_quiet);
        let is_whole = !is_ended && is_last && self.is_complete(scope.settings);
        self.order.close(is_whole, scope);
        self.ticks.close(scope);
        self.pace.close(is_ended, self.order.crossed(), scope);
        self.payload.close(scope);
    }

    fn part(&mut self, media: &Media<'_>, scope: &mut Scope<'_>) {
        let qpc = media.clock.map(|(raw, _)| self.ticks.reading(raw));
        let mut network = NetworkCounts::default();
        if let Some(frame) = self.order.current() {
            fragments::observe(media, frame.total_length(), scope);
            frame.add(media, qpc, &mut network, scope);
        }
        self.reordered += network.reordered;
        if let Some((raw, _)) = media.clock {
            self.ticks.part(raw, &scope.now);
        }
    }
}
