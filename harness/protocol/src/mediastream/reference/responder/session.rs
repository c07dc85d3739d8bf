use std::time::Duration;

use super::super::deviation::{Deviation, Deviations, Repeated, Waits};
use super::super::pacing::Schedule;
use super::super::settings::Settings;
use super::super::start3::Identity;
use super::super::timing::{self, UNCONFIRMED_BYTES, UNCONFIRMED_PERIOD};
use crate::StreamParameters;
use crate::mediastream::frame::ConnectionId;

/// A peer that was accepted. A tuple without one is in Listen, or Idle in the words of `start3`.
#[derive(Debug, Clone, Hash)]
pub(super) struct Session {
    /// The id that was assigned; a session of `start3` does not send it.
    pub(super) id: ConnectionId,
    /// How the peer asked for it.
    pub(super) request: Request,
    /// What its stream is: what the responder offers, or what it granted.
    pub(super) media: StreamParameters,
    /// Largest datagram that goes to the peer, in bytes.
    pub(super) limit: usize,
    /// When the peer asked first.
    pub(super) asked: Duration,
    /// Some until the peer confirms.
    pub(super) half_open: Option<HalfOpen>,
    /// Some as soon as media may flow: from the confirmation on, or before it where that is on.
    pub(super) stream: Option<Stream>,
    /// Whether an ERROR 7 went to the peer, which may have one only (MS-S-17).
    pub(super) has_objected: bool,
    /// The time under which the session stands in the list of timers.
    pub(super) armed: Option<Duration>,
}

/// How a session was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Request {
    /// By the START token.
    Start,
    /// By a SYN with this wished id; 37 zero bytes are an id like any other (MS-H-08).
    Syn(ConnectionId),
    /// By a START (`0x0200`).
    Start3(Handshake),
}

/// What names a session, and the answer that accepted it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Handshake {
    pub(super) identity: Identity,
    /// The START_ACK: byte for byte the same each time (MS-S-11).
    pub(super) start_ack: Vec<u8>,
}

/// A session that waits for its ACK or START_CONFIRM.
#[derive(Debug, Clone, Hash)]
pub(super) struct HalfOpen {
    /// When its SYN-ACK or START_ACK was sent first.
    since: Duration,
    /// How often it was sent by the timers.
    sends: u32,
    /// How long an answer to each send is waited for.
    waits: Waits,
    /// When to send it again, or to give up.
    next: Duration,
}

/// The media of a session.
#[derive(Debug, Clone, Hash)]
pub(super) struct Stream {
    pub(super) schedule: Schedule,
    /// Bytes that may go out before the confirmation (MS-H-22).
    budget: u64,
    unconfirmed: Unconfirmed,
}

/// What went to a tuple before its confirmation (MS-H-22).
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Unconfirmed {
    /// When the last of it did: no 10 s may have more, and not only those that begin with the first of it.
    last: Duration,
    bytes: u64,
}

impl Handshake {
    /// Whether an ERROR with these numbers is for the session: a nonce of 0 stands for any.
    pub(super) const fn is_ended_by(&self, error: Identity) -> bool {
        let own = self.identity;
        own.stream_id == error.stream_id
            && (own.nonce == error.nonce || error.nonce == 0)
            && (own.sender_nonce == error.sender_nonce || error.sender_nonce == 0)
    }
}

impl Unconfirmed {
    pub(super) const fn new(now: Duration) -> Self {
        Self {
            last: now,
            bytes: 0,
        }
    }

    /// Whether it counts no more.
    pub(super) fn is_past(&self, now: Duration) -> bool {
        now >= self.last.saturating_add(UNCONFIRMED_PERIOD)
    }
}

/// What a half-open session does when its time has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Overdue {
    Nothing,
    /// The answer is sent again (MS-H-18, MS-S-13).
    Repeat,
    /// The session is dropped (MS-H-18, MS-H-19, MS-S-13).
    Drop,
}

impl Session {
    /// The state in the specification's words.
    pub(super) fn state(&self) -> &'static str {
        if self.start3().is_some() {
            return match &self.half_open {
                Some(_) => "PendingConfirm",
                None => "Streaming",
            };
        }
        match (&self.half_open, &self.stream) {
            (Some(_), _) => "SynAckSent",
            (None, Some(stream)) if stream.schedule.has_begun() => "Streaming",
            (None, Some(_) | None) => "Established",
        }
    }

    /// Both sides' values, in a session of `start3`.
    pub(super) const fn start3(&self) -> Option<&Handshake> {
        match &self.request {
            Request::Start3(handshake) => Some(handshake),
            Request::Start | Request::Syn(_) => None,
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let handshake = self.half_open.as_ref().map(|half_open| half_open.next);
        let frame = match &self.stream {
            Some(stream) if !self.is_held() => stream.schedule.due(),
            Some(_) | None => None,
        };
        handshake.into_iter().chain(frame).min()
    }

    /// Begins the stream now, to a peer to which that went `before`.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        before: Option<Unconfirmed>,
        without: Deviations,
    ) {
        self.stream = Some(Stream {
            schedule: Schedule::new(now, &self.media, without),
            budget: match () {
                () if without.has(Deviation::UnconfirmedUnbounded) => u64::MAX,
                () if without.has(Deviation::UnconfirmedMore) => 80 * 1024,
                () => UNCONFIRMED_BYTES,
            },
            unconfirmed: before.unwrap_or_else(|| Unconfirmed::new(now)),
        });
    }

    /// What went out while nothing confirmed it.
    pub(super) fn unconfirmed(&self) -> Option<Unconfirmed> {
        let stream = self.stream.as_ref().filter(|_| self.half_open.is_some());
        let unconfirmed = stream.map(|stream| stream.unconfirmed);
        unconfirmed.filter(|unconfirmed| unconfirmed.bytes > 0)
    }

    /// The peer confirmed: the stream begins, or goes on without a budget.
    pub(super) fn confirm(&mut self, now: Duration, without: Deviations) {
        let was_held = self.is_held();
        self.half_open = None;
        match &mut self.stream {
            None => self.begin(now, None, without),
            // What the budget held back is not caught up: the peer's buffer is no larger for it.
            Some(stream) if was_held => stream.schedule.resume(now),
            Some(_) => {}
        }
    }

    /// The number of the frame to send now, if any.
    pub(super) fn take_frame(&mut self, now: Duration) -> Option<u64> {
        if self.is_held() {
            return None;
        }
        let is_half_open = self.half_open.is_some();
        let stream = self.stream.as_mut()?;
        let number = stream.schedule.take(now)?;
        if is_half_open {
            stream.unconfirmed.last = now;
            stream.unconfirmed.bytes += self.media.frame_bytes();
        }
        Some(number)
    }

    /// Whether the last frame was sent.
    pub(super) fn is_over(&self) -> bool {
        self.stream
            .as_ref()
            .is_some_and(|stream| stream.schedule.due().is_none())
    }

    /// Whether the next frame would exceed what may be sent before the confirmation (MS-H-22).
    fn is_held(&self) -> bool {
        let next = self.media.frame_bytes();
        let stream = self.stream.as_ref().filter(|_| self.half_open.is_some());
        stream.is_some_and(|stream| stream.unconfirmed.bytes + next > stream.budget)
    }
}

impl HalfOpen {
    /// The answer was sent for the first time.
    pub(super) fn new(now: Duration, answer: Repeated, settings: &Settings) -> Self {
        let mut new = Self {
            since: now,
            sends: 1,
            waits: settings.without.waits(answer),
            next: now,
        };
        new.arm(now, settings);
        new
    }

    pub(super) const fn sends(&self) -> u32 {
        self.sends
    }

    /// What is due by `now`; a repetition counts as done.
    pub(super) fn overdue(&mut self, now: Duration, settings: &Settings) -> Overdue {
        if now < self.next {
            return Overdue::Nothing;
        }
        if now >= self.since.saturating_add(settings.half_open_age) {
            return Overdue::Drop;
        }
        self.sends += 1;
        match self.arm(now, settings) {
            true => Overdue::Repeat,
            false => Overdue::Drop,
        }
    }

    /// A twin lets a repeated request begin the timers anew, or count.
    pub(super) fn disturb(&mut self, now: Duration, resets: bool, settings: &Settings) {
        self.sends = if resets { 1 } else { self.sends + 1 };
        self.arm(now, settings);
    }

    /// A twin waits for its ACK in silence.
    pub(super) fn stop_repeating(&mut self, now: Duration, settings: &Settings) {
        self.waits = &[10_000];
        self.disturb(now, true, settings);
    }

    /// Waits after a send; false if there was one for the last time.
    fn arm(&mut self, now: Duration, settings: &Settings) -> bool {
        let wait = timing::wait_after(self.waits, self.sends);
        let end = self.since.saturating_add(settings.half_open_age);
        self.next = now.saturating_add(wait.unwrap_or_default()).min(end); // MS-H-19
        wait.is_some()
    }
}
