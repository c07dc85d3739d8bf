//! The steps of scenarios: each verb is one file here and one line in `verbs!` below.
//!
//! A verb's file has its JSON form, its load-time checks, its text in reports, its duration, and
//! its behaviour. Shared code is elsewhere: tools for checks in [`scenario`](crate::scenario),
//! execution in [`script`](crate::script). The docs of a form
//! become descriptions in the schema, so a form that is another's has none.

mod demand;
mod http;
pub(crate) mod names;
mod pace;
mod prelude;
mod transport;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::document::Pointer;
use crate::scenario::check::{Checker, State};
use crate::script::send::Sends;
use crate::script::streams::acts::StreamAction;
use crate::script::streams::wait::StreamWait;
use crate::script::wait::Waits;

pub(crate) use demand::{Demand, Demands, Time};
pub use either::Branch;
pub use expect_close::Ending;
pub use expect_exit::ExitKind;
pub use media::Carry;
pub use mutate::Patch;
use names::Subject;
pub use names::{MAIN, OfConnection, OfStream, WithCode};
pub use pace::Pace;
pub use transport::Parameter;

/// Makes of each verb a module, and all of them to one type. A verb over datagrams says what there is
/// over streams instead.
macro_rules! verbs {
    ($($verb:ident: $Form:ident, $Plays:ident $(($instead:literal))?, $does:tt;)*) => {
        $(mod $verb;)*
        $(pub use $verb::$Form;)*
        $(verbs!(@demands $Plays $Form);)*

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

            /// How it runs.
            pub(crate) fn play(&self) -> Play<'_> {
                match self {
                    $(Self::$Form(form) => Play::$Plays(form $(, $instead)?),)*
                }
            }
        }
    };
    // What waits has its demand by `within!` or `lasting!`.
    (@demands Waits $Form:ident) => {};
    (@demands StreamWait $Form:ident) => {};
    (@demands Watches $Form:ident) => {};
    (@demands $Plays:ident $Form:ident) => {
        impl Demands for $Form {}
    };
}

verbs! {
    send: Send, Sends("`write`"), "Sends a frame.";
    send_raw: SendRaw, Sends("`write`"), "Sends bytes as they are.";
    mutate: Mutate, Sends("`write`"), "Sends a frame after its bytes were patched.";
    lose: Lose, Sends("`blackhole`, which drops packets"), "A frame that the scripted peer would have sent and that the network loses: nothing leaves.";
    media: Media, Sends("`write`"), "Sends media at the stream's pace.";
    expect: Expect, Waits("`read`"), "Waits for one frame.";
    expect_any: ExpectAny, Waits("`read`"), "Waits for several frames, in any order.";
    either: Either, Chooses, "Takes the first of several acceptable continuations whose first step matches.";
    expect_nothing: ExpectNothing, Waits("`expect_quiet`"), "Waits and wants silence, or the absence of some frames.";
    expect_media: ExpectMedia, Waits("`read`"), "Waits for media of the implementation under test.";
    expect_exit: ExpectExit, Watches, "Waits for the end of the implementation's process.";
    wait: Wait, Sleeps, "Lets time go by. What arrives meanwhile is kept for the next step.";
    repeat: Repeat, Repeats, "Plays steps several times.";
    restart_iut: RestartIut, Restarts, "Stops the implementation under test and starts it again.";
    connect: Connect, StreamAction, "Begins a connection to the implementation under test.";
    expect_connected: ExpectConnected, StreamWait, "Waits until a connection that `connect` began is there.";
    accept: Accept, StreamWait, "Waits for a connection of the implementation under test, and takes or refuses it.";
    open: Open, StreamAction, "Opens a stream.";
    write: Write, StreamAction, "Sends bytes on a stream.";
    fin: Fin, StreamAction, "Sends no more on a stream.";
    reset: Reset, StreamAction, "Breaks off what is sent on a stream (RESET_STREAM).";
    stop_sending: StopSending, StreamAction, "Asks for no more bytes of a stream (STOP_SENDING).";
    send_datagram: SendDatagram, StreamAction, "Sends a datagram (RFC 9221).";
    expect_stream: ExpectStream, StreamWait, "Waits for a stream of the implementation under test.";
    read: Read, StreamWait, "Waits for bytes of a stream.";
    expect_quiet: ExpectQuiet, StreamWait, "Waits and wants silence of a stream or a connection.";
    expect_alive: ExpectAlive, StreamWait, "Waits and wants a connection to live.";
    expect_close: ExpectClose, StreamWait, "Waits for the end of a connection.";
    stop_reading: StopReading, StreamAction, "Takes no more bytes of a stream from the transport, so that its window fills.";
    resume_reading: ResumeReading, StreamAction, "Takes bytes of a stream again.";
    blackhole: Blackhole, StreamAction, "Drops all packets to and from the endpoint of a connection, as if its process stood still.";
    deafen: Deafen, StreamAction, "Reads no packet of a connection any more; what is sent is still sent.";
    resume: Resume, StreamAction, "Ends that: packets pass and are read again.";
    replace_frames: ReplaceFrames, StreamAction, "Sends frames of QUIC in the place of those of a packet.";
    migrate: Migrate, StreamAction, "Lets a connection go on from another local port.";
    close: Close, StreamAction, "Closes a connection.";
    request: Request, StreamAction, "Asks for something over HTTP/3.";
    expect_response: ExpectResponse, StreamWait, "Waits for the answer to a request.";
    expect_request: ExpectRequest, StreamWait, "Waits for a request of the implementation under test.";
    respond: Respond, StreamAction, "Answers a request.";
    open_session: OpenSession, StreamAction, "Asks for a session of WebTransport.";
    expect_session: ExpectSession, StreamWait, "Waits for the answer to `open_session`.";
    accept_session: AcceptSession, StreamWait, "Waits for a session that the implementation under test asks for, and takes or refuses it.";
    send_capsule: SendCapsule, StreamAction, "Sends a capsule on the stream of a session.";
    close_session: CloseSession, StreamAction, "Ends a session of WebTransport.";
    expect_session_end: ExpectSessionEnd, StreamWait, "Waits for the end of a session.";
    expect_message: ExpectMessage, StreamWait, "Waits for a frame on a stream.";
    expect_datagram: ExpectDatagram, StreamWait, "Waits for a datagram of a session.";
    expect_stream_end: ExpectStreamEnd, StreamWait, "Waits for the end of a stream.";
}

impl Step {
    /// What the step has to do with the implementation's process.
    #[must_use]
    pub fn process(&self) -> Option<Process> {
        self.play().process()
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

    /// Whether a branch of `either` may be chosen by it.
    pub(crate) fn may_begin_branch(&self) -> bool {
        self.play().judges() && self.form().may_begin_branch()
    }

    /// Whether it sends or gets a datagram with which `same_as` can compare.
    pub(crate) fn has_datagram(&self) -> bool {
        self.play().has_datagram() && self.form().has_datagram()
    }

    /// The frames that the step waits for or lets pass, by name.
    pub(crate) fn frames(&self) -> Vec<&str> {
        self.form().frames()
    }

    /// The sockets that the step names.
    #[must_use]
    pub fn sockets(&self) -> Vec<&str> {
        self.form().sockets()
    }
}

/// What a verb is to the rest of the program. Its JSON form is the type that implements it.
pub(crate) trait Verb: Demands {
    /// Says what is wrong with the step by itself, besides its demand. `inside` is the place of what
    /// the verb takes.
    fn check(&self, _: &mut Checker<'_>, _: &Pointer) {}

    /// Says what is wrong with the step after those before it, besides what it acts on or waits for,
    /// and notes what is true after it.
    fn follow(&self, _: &mut Checker<'_>, _: &Pointer, _: &mut State) {}

    /// What is done or waited for, without the requirement.
    fn in_words(&self) -> String;

    /// How long it can take at most, besides what every step may take.
    fn longest(&self, pace: &Pace<'_>) -> Duration {
        let demand = self.demand();
        demand.map_or(Duration::ZERO, |demand| demand.longest(pace))
    }

    /// How long it takes at least if it succeeds: what nothing can shorten.
    fn shortest(&self, pace: &Pace<'_>) -> Duration {
        let demand = self.demand();
        demand.map_or(Duration::ZERO, |demand| demand.shortest(pace))
    }

    /// Whether a branch of `either` may be chosen by it if it waits.
    fn may_begin_branch(&self) -> bool {
        true
    }

    /// The requirements by which it is judged, as far as it names them.
    fn requirements(&self) -> Vec<&str> {
        let requirement = self.demand().and_then(|demand| demand.requirement);
        requirement.into_iter().collect()
    }

    /// The sockets that it names.
    fn sockets(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The frames that it waits for or lets pass, by name.
    fn frames(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The names that it gives to what it gets.
    fn binds(&self, _: &Pointer) -> Vec<Bind<'_>> {
        Vec::new()
    }

    /// Whether the datagram that it sends or gets is one with which `same_as` can compare.
    fn has_datagram(&self) -> bool {
        true
    }

    /// Whether the implementation may wait for the scripted peer for an idle timeout after it.
    fn falls_silent(&self) -> bool {
        false
    }

    /// Whether it begins a connection.
    fn connects(&self) -> bool {
        false
    }

    /// Whether an exit status is all that shows what it wants.
    fn is_by_status(&self) -> bool {
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

/// How a step runs.
pub(crate) enum Play<'a> {
    Repeats(&'a Repeat),
    /// The first of some continuations that is possible.
    Chooses(&'a Either),
    Sleeps(&'a Wait),
    /// The implementation is started again.
    Restarts(&'a RestartIut),
    /// Over both, it waits for the end of the implementation's process.
    Watches(&'a ExpectExit),
    /// Over datagrams, it sends; what there is over streams instead.
    Sends(&'a dyn Sends, &'static str),
    /// Over datagrams, it waits; what there is over streams instead.
    Waits(&'a dyn Waits, &'static str),
    /// Over streams, it acts.
    StreamAction(&'a dyn StreamAction),
    /// Over streams, it waits.
    StreamWait(&'a dyn StreamWait),
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
            Self::Watches(_) | Self::Waits(..) | Self::StreamWait(_) => true,
            Self::Repeats(_)
            | Self::Chooses(_)
            | Self::Sleeps(_)
            | Self::Restarts(_)
            | Self::Sends(..)
            | Self::StreamAction(_) => false,
        }
    }

    /// What it acts on or waits for over streams.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match self {
            Self::StreamAction(step) => step.subject(),
            Self::StreamWait(step) => step.subject(),
            Self::Repeats(_)
            | Self::Chooses(_)
            | Self::Sleeps(_)
            | Self::Restarts(_)
            | Self::Watches(_)
            | Self::Sends(..)
            | Self::Waits(..) => Subject::Nothing,
        }
    }

    const fn process(&self) -> Option<Process> {
        match self {
            Self::Restarts(_) => Some(Process::IsRestarted),
            Self::Watches(_) => Some(Process::IsWatched),
            Self::Repeats(_)
            | Self::Chooses(_)
            | Self::Sleeps(_)
            | Self::Sends(..)
            | Self::Waits(..)
            | Self::StreamAction(_)
            | Self::StreamWait(_) => None,
        }
    }

    const fn has_datagram(&self) -> bool {
        match self {
            Self::Repeats(_) | Self::Chooses(_) | Self::Sends(..) | Self::Waits(..) => true,
            Self::Sleeps(_)
            | Self::Restarts(_)
            | Self::Watches(_)
            | Self::StreamAction(_)
            | Self::StreamWait(_) => false,
        }
    }
}

/// A list of steps within a step.
#[derive(Debug)]
pub(crate) struct Inner<'a> {
    /// What it means, where it is one of several to choose from.
    pub(crate) title: Option<&'a str>,
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
