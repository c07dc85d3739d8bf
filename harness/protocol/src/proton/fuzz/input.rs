//! What happens to a machine or a monitor of proton, as bytes: a fuzzer changes them, seeds are
//! written in them.
//!
//! The first byte holds options, one a bit. Then come steps of four bytes, and more: what, connection,
//! stream, the length of what follows, and that many bytes. The meaning of a step is documented
//! where it is run; what is not known counts modulo the number of all. A number in the bytes is
//! little-endian, of up to four bytes; what the end cuts is as long as what is left.

use std::time::Duration;

use shakedown_wire::{Reader, Writer};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FuzzInput<'a> {
    /// Which options are on, one a bit.
    pub options: u8,
    /// What happens, in order.
    pub steps: Vec<Step<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<'a> {
    pub what: StepKind,
    /// Which connection it is about.
    pub connection: u8,
    /// Which stream, or a choice.
    pub stream: u8,
    /// Bytes, or a number.
    pub bytes: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepKind {
    /// Bytes come on a stream.
    Bytes,
    /// This many milliseconds pass.
    Wait,
    /// Time goes on to the next deadline.
    Deadline,
    /// A connection is asked for.
    Asked,
    /// A handshake is done.
    Connected,
    /// A stream is opened.
    Opened,
    Fin,
    /// A stream is broken off, with a code.
    Reset,
    /// A stream is not wanted, with a code.
    Stopped,
    /// A write was taken.
    Written,
    Datagram,
    /// A connection is over.
    Closed,
    /// The owner asks for something.
    Command,
    /// A u32 comes that makes sense there, or its first bytes, if the choice says so.
    Sense,
    /// The owner closes, or a side falls silent.
    Stop,
}

/// More steps than a plan may have: a run takes a bounded time.
const MOST_STEPS: usize = 400;

impl StepKind {
    /// All, in the order of their bytes.
    pub const ALL: [Self; 15] = [
        Self::Bytes,
        Self::Wait,
        Self::Deadline,
        Self::Asked,
        Self::Connected,
        Self::Opened,
        Self::Fin,
        Self::Reset,
        Self::Stopped,
        Self::Written,
        Self::Datagram,
        Self::Closed,
        Self::Command,
        Self::Sense,
        Self::Stop,
    ];
}

impl<'a> FuzzInput<'a> {
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Self {
        let mut reader = Reader::new(bytes);
        let options = reader.u8("options").unwrap_or_default();
        let steps = std::iter::from_fn(|| Step::read(&mut reader));
        Self {
            options,
            steps: steps.take(MOST_STEPS).collect(),
        }
    }

    /// Writes it so that reading gives it again.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes);
        writer.u8(self.options);
        for step in &self.steps {
            let bytes = &step.bytes[..step.bytes.len().min(u8::MAX.into())];
            writer.u8(step.what as u8);
            writer.u8(step.connection);
            writer.u8(step.stream);
            writer.u8(bytes.len() as u8);
            writer.bytes(bytes);
        }
        bytes
    }

    /// Whether an option is on.
    #[must_use]
    pub const fn is_on(&self, bit: u8) -> bool {
        self.options & bit != 0
    }
}

impl<'a> Step<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let what = reader.u8("what").ok()?;
        let what = StepKind::ALL.get(usize::from(what) % StepKind::ALL.len())?;
        let connection = reader.u8("connection").unwrap_or_default();
        let stream = reader.u8("stream").unwrap_or_default();
        let length = reader.u8("length").unwrap_or_default();
        let length = usize::from(length).min(reader.remaining());
        Some(Self {
            what: *what,
            connection,
            stream,
            bytes: reader.bytes("bytes", length).unwrap_or_default(),
        })
    }

    /// The number in its bytes.
    #[must_use]
    pub fn number(&self) -> u32 {
        let bytes = self.bytes.iter().take(4).rev();
        bytes.fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    /// A code of QUIC in its bytes.
    #[must_use]
    pub fn code(&self) -> u64 {
        let bytes = self.bytes.iter().take(8).rev();
        let code = bytes.fold(0, |code, byte| code << 8 | u64::from(*byte));
        code & ((1 << 62) - 1)
    }

    /// The number as milliseconds, of at most ten minutes.
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_millis(u64::from(self.number() % 600_001))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_that_is_written_is_read_again() {
        let steps = StepKind::ALL.map(|what| Step {
            what,
            connection: 1,
            stream: 2,
            bytes: &[3, 4],
        });
        let plan = FuzzInput {
            options: 5,
            steps: steps.to_vec(),
        };
        assert_eq!(FuzzInput::read(&plan.write()), plan);
        assert_eq!(plan.steps[0].number(), 0x0403);
    }

    #[test]
    fn what_the_end_cuts_is_as_long_as_what_is_left() {
        let plan = FuzzInput::read(&[0, 15, 1, 2, 9, 7]);
        let bytes: &[u8] = &[7];
        assert_eq!(plan.steps[0].what, StepKind::Bytes);
        assert_eq!(plan.steps[0].bytes, bytes);
        assert_eq!(FuzzInput::read(&[]).steps, []);
    }
}
