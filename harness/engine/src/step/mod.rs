//! The steps of scenarios: each verb is one file here and one line in the list below.
//!
//! A verb's file has its JSON form, what is checked of it when a scenario is loaded, its words for
//! people, how long it can take, and how it is played. What several verbs share is elsewhere: the
//! checks' tools in [`scenario`](crate::scenario), the player in [`script`](crate::script). The docs of a form
//! become descriptions in the schema, so a form that is another's has none.

mod names;
mod pace;
mod prelude;
mod transport;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::Pointer;
use crate::scenario::Span;
use crate::scenario::check::{Checker, State};
use crate::script::send::Sends;
use crate::script::streams::act::Acts;
use crate::script::streams::wait::Looks;
use crate::script::wait::Waits;

pub use either::Branch;
pub use expect_close::Ending;
pub use expect_exit::ExitKind;
pub use media::Carry;
pub use mutate::Patch;
pub use names::{MAIN, OfConnection, OfStream, WithCode};
pub use pace::Pace;
pub use transport::Parameter;

/// Makes of each verb a module, and all of them to one type.
macro_rules! verbs {
    ($($verb:ident: $Form:ident, $does:tt;)*) => {
        $(mod $verb;)*
        $(pub use $verb::$Form;)*

        /// One step: an object with one key, its verb.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Step {
            $(#[doc = $does] $Form($Form),)*
        }

        impl Step {
            /// The step's verb, as files spell it.
            #[must_use]
            pub const fn verb(&self) -> &'static str {
                match self {
                    $(Self::$Form(_) => stringify!($verb),)*
                }
            }

            pub(crate) fn form(&self) -> &dyn Verb {
                match self {
                    $(Self::$Form(form) => form,)*
                }
            }
        }
    };
}

verbs! {
    send: Send, "Sends a frame.";
    send_raw: SendRaw, "Sends bytes as they are.";
    mutate: Mutate, "Sends a frame after its bytes were patched.";
    lose: Lose, "A frame that the scripted peer would have sent and that the network loses: nothing leaves.";
    media: Media, "Sends media at the stream's pace.";
    expect: Expect, "Waits for one frame.";
    expect_any: ExpectAny, "Waits for several frames, in any order.";
    either: Either, "Takes the first of several acceptable continuations whose first step matches.";
    expect_nothing: ExpectNothing, "Waits and wants silence, or the absence of some frames.";
    expect_media: ExpectMedia, "Waits for media of the implementation under test.";
    expect_exit: ExpectExit, "Waits for the end of the implementation's process.";
    wait: Wait, "Lets time go by. What arrives meanwhile is kept for the next step.";
    repeat: Repeat, "Plays steps several times.";
    restart_iut: RestartIut, "Stops the implementation under test and starts it again.";
    connect: Connect, "Begins a connection to the implementation under test.";
    expect_connected: ExpectConnected, "Waits until a connection that `connect` began is there.";
    accept: Accept, "Waits for a connection of the implementation under test, and takes or refuses it.";
    open: Open, "Opens a stream.";
    write: Write, "Sends bytes on a stream.";
    fin: Fin, "Sends no more on a stream.";
    reset: Reset, "Breaks off what is sent on a stream (RESET_STREAM).";
    stop_sending: StopSending, "Asks for no more bytes of a stream (STOP_SENDING).";
    send_datagram: SendDatagram, "Sends a datagram (RFC 9221).";
    expect_stream: ExpectStream, "Waits for a stream of the implementation under test.";
    read: Read, "Waits for bytes of a stream.";
    expect_quiet: ExpectQuiet, "Waits and wants silence of a stream or a connection.";
    expect_alive: ExpectAlive, "Waits and wants a connection to live.";
    expect_close: ExpectClose, "Waits for the end of a connection.";
    stop_reading: StopReading, "Takes no more bytes of a stream from the transport, so that its window fills.";
    resume_reading: ResumeReading, "Takes bytes of a stream again.";
    blackhole: Blackhole, "Drops all packets to and from the endpoint of a connection, as if its process stood still.";
    deafen: Deafen, "Reads no packet of a connection any more; what is sent is still sent.";
    resume: Resume, "Ends that: packets pass and are read again.";
    replace_frames: ReplaceFrames, "Sends frames of QUIC in the place of those of a packet.";
    migrate: Migrate, "Lets a connection go on from another local port.";
    close: Close, "Closes a connection.";
}

impl Step {
    /// What the step has to do with the implementation's process.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.form().play().process()
    }

    /// Whether the implementation may wait for the scripted peer for an idle timeout after the step.
    #[must_use]
    pub fn falls_silent(&self) -> bool {
        self.form().falls_silent()
    }

    /// Whether the step begins a connection.
    #[must_use]
    pub fn connects(&self) -> bool {
        self.form().connects()
    }

    /// The sockets that the step names.
    #[must_use]
    pub fn sockets(&self) -> Vec<&str> {
        self.form().sockets()
    }
}

/// What a verb is to the rest of the program. Its JSON form is the type that implements it.
pub(crate) trait Verb {
    /// How it is played.
    fn play(&self) -> Play<'_>;

    /// Says what is wrong with the step by itself. `inside` is the place of what the verb takes.
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer);

    /// Says what is wrong with the step after those before it, and notes what is true after it.
    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State);

    /// What is done or waited for.
    fn in_words(&self) -> String;

    /// How long it can take at most, besides what every step may take.
    fn longest(&self, _: &Pace<'_>) -> Duration {
        Duration::ZERO
    }

    /// How long it takes at least if it succeeds: what nothing can shorten.
    fn shortest(&self, _: &Pace<'_>) -> Duration {
        Duration::ZERO
    }

    /// Whether a branch of `either` may be chosen by it.
    fn may_begin_branch(&self) -> bool {
        self.play().judges()
    }

    /// The requirements by which it is judged, as far as it names them.
    fn requirements(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The sockets that it names.
    fn sockets(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The names that it gives to what it gets.
    fn binds(&self, _: &Pointer) -> Vec<Bind<'_>> {
        Vec::new()
    }

    /// Whether it sends or gets a datagram with which `same_as` can compare.
    fn has_datagram(&self) -> bool {
        self.play().has_datagram()
    }

    /// Whether the implementation may wait for the scripted peer for an idle timeout after it.
    fn falls_silent(&self) -> bool {
        false
    }

    /// Whether it begins a connection.
    fn connects(&self) -> bool {
        false
    }

    /// The lists of steps that it holds.
    fn inner(&self, _: &Pointer) -> Vec<Inner<'_>> {
        Vec::new()
    }

    /// What may stand in its place when a scenario is made small, besides the steps that it holds.
    /// `own` is what the verb takes.
    fn reduced(&self, _own: &Value) -> Vec<Vec<Value>> {
        Vec::new()
    }
}

/// How a step is played.
pub(crate) enum Play<'a> {
    /// Steps so many times.
    Repeats(u32, &'a [Step]),
    /// The first of these continuations that is possible.
    Chooses(&'a [Branch]),
    /// Time goes by.
    Sleeps(Span),
    /// The implementation is started again.
    Restarts {
        /// Whether its process is killed, not asked to end.
        kill: bool,
    },
    /// Over both, it waits for the end of the implementation's process.
    Watches(&'a dyn Waits, &'a dyn Looks),
    /// Over datagrams, it sends; what there is over streams instead.
    Sends(&'a dyn Sends, &'static str),
    /// Over datagrams, it waits; what there is over streams instead.
    Waits(&'a dyn Waits, &'static str),
    /// Over streams, it acts.
    Acts(&'a dyn Acts),
    /// Over streams, it waits.
    Looks(&'a dyn Looks),
}

/// What a step has to do with the implementation's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// Its end is waited for.
    IsWatched,
    /// It is started again.
    IsRestarted,
}

impl Play<'_> {
    /// Whether the step judges the implementation, which it waits for.
    pub(crate) const fn judges(&self) -> bool {
        match self {
            Self::Watches(..) | Self::Waits(..) | Self::Looks(_) => true,
            Self::Repeats(..)
            | Self::Chooses(_)
            | Self::Sleeps(_)
            | Self::Restarts { .. }
            | Self::Sends(..)
            | Self::Acts(_) => false,
        }
    }

    const fn process(&self) -> Option<Process> {
        match self {
            Self::Restarts { .. } => Some(Process::IsRestarted),
            Self::Watches(..) => Some(Process::IsWatched),
            Self::Repeats(..)
            | Self::Chooses(_)
            | Self::Sleeps(_)
            | Self::Sends(..)
            | Self::Waits(..)
            | Self::Acts(_)
            | Self::Looks(_) => None,
        }
    }

    const fn has_datagram(&self) -> bool {
        match self {
            Self::Repeats(..) | Self::Chooses(_) | Self::Sends(..) | Self::Waits(..) => true,
            Self::Sleeps(_)
            | Self::Restarts { .. }
            | Self::Watches(..)
            | Self::Acts(_)
            | Self::Looks(_) => false,
        }
    }
}

/// A list of steps within a step.
#[derive(Debug)]
pub(crate) struct Inner<'a> {
    /// What it means, where it is one of several to choose from.
    pub(crate) title: Option<&'a str>,
    /// Where it stands.
    pub(crate) place: Pointer,
    pub(crate) steps: &'a [Step],
}

/// A name for what a step gets.
#[derive(Debug)]
pub(crate) struct Bind<'a> {
    pub(crate) name: &'a str,
    pub(crate) place: Pointer,
    /// The frame, and its field that gets the name.
    pub(crate) field: Option<(&'a str, &'a str)>,
}
