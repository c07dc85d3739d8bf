//! What happens to a machine, as bytes: a fuzzer changes them, seeds are written in them.
//!
//! The first byte holds the machine's options, one a bit. Then come events:
//!
//! | bytes | event |
//! |---|---|
//! | `0`, peer u8, length u16, the datagram | a datagram arrives |
//! | `1`, milliseconds u16 | time passes, and the machine is called at the end only |
//! | `2` | time goes on to the machine's deadline |
//! | `3`, peer u8, choice u8 | the peer answers what the machine sent to it last |
//! | `4` | the owner wants an end |
//!
//! A first byte above 4 counts modulo 5; integers are little-endian; what the end of the bytes cuts
//! is as long as what is left.

use std::time::Duration;

use shakedown_wire::{Reader, Writer};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FuzzInput<'a> {
    /// Which options are on, one a bit.
    pub options: u8,
    /// What happens, in order.
    pub events: Vec<Event<'a>>,
}

/// Something that happens to a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    Datagram {
        /// Index of the peer that it comes from.
        peer: u8,
        payload: &'a [u8],
    },
    /// This much time passes, and the machine is called at the end only.
    Wait(Duration),
    /// Time goes on to the machine's deadline.
    Deadline,
    /// The peer answers what the machine sent to it last.
    Answer {
        /// Index of the peer.
        peer: u8,
        /// Which of the possible answers.
        choice: u8,
    },
    /// The owner wants an end.
    Stop,
}

/// More events than a plan may have: a run takes a bounded time.
const MOST_EVENTS: usize = 500;

impl<'a> FuzzInput<'a> {
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut reader = Reader::new(bytes);
        let options = reader.u8("options").unwrap_or_default();
        let events = std::iter::from_fn(|| Event::read(&mut reader));
        Self {
            options,
            events: events.take(MOST_EVENTS).collect(),
        }
    }

    /// Writes it so that reading gives it again.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.u8(self.options);
        for event in &self.events {
            event.write(&mut writer);
        }
        bytes
    }
}

impl<'a> Event<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let event = match reader.u8("event").ok()? % 5 {
            0 => {
                let peer = reader.u8("peer").ok()?;
                let length = reader.u16_le("length").unwrap_or_default();
                let length = usize::from(length).min(reader.remaining());
                let payload = reader.bytes("payload", length).ok()?;
                Self::Datagram { peer, payload }
            }
            1 => {
                let milliseconds = reader.u16_le("milliseconds").ok()?;
                Self::Wait(Duration::from_millis(milliseconds.into()))
            }
            2 => Self::Deadline,
            3 => Self::Answer {
                peer: reader.u8("peer").ok()?,
                choice: reader.u8("choice").ok()?,
            },
            _ => Self::Stop,
        };
        Some(event)
    }

    fn write(&self, writer: &mut Writer<'_>) {
        match *self {
            Self::Datagram { peer, payload } => {
                let payload = &payload[..payload.len().min(u16::MAX.into())];
                writer.u8(0);
                writer.u8(peer);
                writer.u16_le(payload.len() as u16);
                writer.bytes(payload);
            }
            Self::Wait(time) => {
                writer.u8(1);
                writer.u16_le(u16::try_from(time.as_millis()).unwrap_or(u16::MAX));
            }
            Self::Deadline => writer.u8(2),
            Self::Answer { peer, choice } => {
                writer.u8(3);
                writer.u8(peer);
                writer.u8(choice);
            }
            Self::Stop => writer.u8(4),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_written_is_read_again() {
        let plan = FuzzInput {
            options: 0x2a,
            events: vec![
                Event::Datagram {
                    peer: 3,
                    payload: b"START",
                },
                Event::Wait(Duration::from_millis(1500)),
                Event::Deadline,
                Event::Answer { peer: 1, choice: 2 },
                Event::Stop,
            ],
        };
        assert_eq!(FuzzInput::read(&plan.write()), plan);
    }

    #[test]
    fn a_datagram_that_the_end_cuts_is_as_long_as_what_is_left() {
        let plan = FuzzInput::read(&[1, 0, 7, 255, 255, 9, 9]);
        let payload: &[u8] = &[9, 9];
        assert_eq!(plan.events, [Event::Datagram { peer: 7, payload }]);
        assert_eq!(FuzzInput::read(&[]).events, []);
    }
}
