use std::hash::Hasher;
use std::time::Duration;

use shakedown_protocol::Protocol;
use shakedown_protocol::machine::Outcome;
use shakedown_protocol::requirement::Role;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Event, EventKind, frame_text};

/// The log of a run: always a hash, and the entries if they are wanted.
pub(super) struct Log {
    protocol: &'static Protocol,
    hasher: SipHasher13,
    kept: Recording,
}

/// What is kept of a run.
pub(super) enum Recording {
    Nothing,
    /// What happened between an initiator and a responder.
    Events(Vec<Event>),
    /// What happened to many, each with a line.
    Lines(Vec<String>),
}

/// Something that happens to a side. Datagrams have numbers from 1.
#[derive(Debug, Clone, Copy)]
pub(super) enum LogEntry<'a> {
    Sent {
        number: u64,
        /// Which of the initiator's addresses it comes from or goes to, from 0.
        address: u8,
        payload: &'a [u8],
    },
    Delivered {
        number: u64,
        payload: &'a [u8],
    },
    Timer,
    State {
        from: &'static str,
        to: &'static str,
        why: &'static str,
    },
    Ended(&'a Outcome),
    Moved,
}

impl Log {
    pub(super) fn new(protocol: &'static Protocol, kept: Recording) -> Self {
        Self {
            protocol,
            hasher: SipHasher13::new(),
            kept,
        }
    }

    /// Logs an event of a side, by its name; the sender for `Delivered`.
    pub(super) fn note(&mut self, at: Duration, side: Role, name: &str, entry: LogEntry<'_>) {
        entry.digest(&mut self.hasher, at, side);
        let protocol = self.protocol;
        match &mut self.kept {
            Recording::Nothing => {}
            Recording::Events(events) => events.push(Event {
                at: nanoseconds(at),
                what: entry.kind(side, protocol),
            }),
            Recording::Lines(_) => match entry {
                LogEntry::State { from, to, why } => {
                    self.line(at, || format!("{name} goes from {from} to {to}: {why}"));
                }
                LogEntry::Ended(outcome) => {
                    self.line(at, || format!("{name}: a connection ends: {outcome:?}"));
                }
                LogEntry::Sent { .. }
                | LogEntry::Delivered { .. }
                | LogEntry::Timer
                | LogEntry::Moved => {}
            },
        }
    }

    /// From now on the network only carries.
    pub(super) fn heals(&mut self, at: Duration) {
        self.hasher.write_u64(nanoseconds(at));
        if let Recording::Events(events) = &mut self.kept {
            let (at, what) = (nanoseconds(at), EventKind::Healed {});
            events.push(Event { at, what });
        }
        self.line(at, || "the network heals".to_owned());
    }

    /// Takes back a timer after which nothing happened.
    pub(super) fn forget_timer(&mut self) {
        if let Recording::Events(events) = &mut self.kept {
            events.pop_if(|event| matches!(event.what, EventKind::Timer { .. }));
        }
    }

    pub(super) const fn keeps_lines(&self) -> bool {
        matches!(self.kept, Recording::Lines(_))
    }

    /// Adds a line, if lines are kept.
    pub(super) fn line(&mut self, at: Duration, line: impl FnOnce() -> String) {
        if let Recording::Lines(lines) = &mut self.kept {
            lines.push(format!("{:>12.6} s  {}", at.as_secs_f64(), line()));
        }
    }

    /// The hash of everything that happened, and what was kept.
    pub(super) fn finish(self) -> (u128, Recording) {
        (self.hasher.finish128().as_u128(), self.kept)
    }
}

impl LogEntry<'_> {
    fn digest(self, hasher: &mut SipHasher13, at: Duration, side: Role) {
        let (kind, number, text) = match self {
            // One after which nothing happens is taken back.
            Self::Timer => return,
            Self::Sent {
                number, payload, ..
            } => (0, number, payload),
            Self::Delivered { number, payload } => (1, number, payload),
            Self::State { to, .. } => (2, 0, to.as_bytes()),
            Self::Ended(Outcome::Completed) => (3, 0, &[][..]),
            Self::Ended(Outcome::Failed(failure)) => (4, 0, failure.message.as_bytes()),
            Self::Moved => (5, 0, &[][..]),
        };
        hasher.write_u64(nanoseconds(at));
        hasher.write_u64(number << 8 | kind << 1 | side as u64);
        hasher.write_u64(text.len() as u64);
        hasher.write(text);
    }

    pub(super) fn kind(self, side: Role, protocol: &Protocol) -> EventKind {
        match self {
            Self::Sent {
                number,
                address,
                payload,
            } => EventKind::Sent {
                datagram: number,
                from: side,
                address,
                frame: frame_text(protocol, payload),
                payload: hex::encode(payload),
            },
            Self::Delivered { number, payload } => EventKind::Delivered {
                datagram: number,
                from: side,
                frame: frame_text(protocol, payload),
                payload: hex::encode(payload),
            },
            Self::Timer => EventKind::Timer { side },
            Self::State { from, to, .. } => EventKind::State {
                side,
                from: from.to_owned(),
                to: to.to_owned(),
            },
            Self::Ended(outcome) => EventKind::Ended {
                side,
                failure: match outcome {
                    Outcome::Completed => None,
                    Outcome::Failed(failure) => Some(failure.message.clone()),
                },
            },
            Self::Moved => EventKind::Moved { side },
        }
    }
}

pub(super) fn nanoseconds(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}
