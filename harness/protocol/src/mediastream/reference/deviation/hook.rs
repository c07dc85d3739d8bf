use std::time::Duration;

use super::super::settings::Settings;
use super::passing::{Flags, Passing};
use crate::machine::{Failure, Outcome};
use crate::mediastream::Mode;

/// How a twin differs from the reference, where its machine does not ask.
pub(super) enum Hook {
    /// It sends a datagram otherwise.
    Sent(Flags, fn(&mut Passing)),
    /// It takes a datagram otherwise.
    Taken(Flags, fn(&mut Passing)),
    /// It has another setting.
    Setting(fn(&mut Settings)),
    /// It repeats a frame otherwise.
    Repeats(Repeated, Waits),
    /// It sends a frame of media, by its number, at another time.
    Paced(fn(Duration, u64) -> Duration),
    /// It ends otherwise, in this mode, when a session fails by this cause.
    Ends(Mode, &'static str, fn(Failure) -> Outcome),
    /// It does not count this.
    Uncounted(&'static str),
}

/// A frame that is sent again until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Repeated {
    Syn,
    SynAck,
    Start,
    StartAck,
}

/// How long an answer to each send is waited for, in milliseconds; after the last one it is given up.
pub(in super::super) type Waits = &'static [u64];
