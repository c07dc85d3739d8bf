//! What the file of nearly every verb needs.

pub(super) use std::time::Duration;

pub(super) use schemars::JsonSchema;
pub(super) use serde::{Deserialize, Serialize};

pub(super) use super::demand::{Demand, Demands, Time, lasting, within};
pub(super) use super::{Bind, Inner, Pace, Step, Verb};
pub(super) use crate::document::Pointer;
pub(super) use crate::scenario::check::{Checker, Over, State};
pub(super) use crate::scenario::{Span, words};
pub(super) use crate::script::context::Context;
pub(super) use crate::script::describe::{self, human_time};
pub(super) use crate::script::window::{Window, resolve};

/// What it needs to send or to wait over datagrams.
pub(super) mod datagrams {
    pub(crate) use crate::script::context::Decoded;
    pub(crate) use crate::script::inbox::Arrival;
    pub(crate) use crate::script::judge::Judge;
    pub(crate) use crate::script::send::{self, From, Next, Repetition, Sends, Source, Stimulus};
    pub(crate) use crate::script::wait::{Awaited, End, Offer, Waits};
    pub(crate) use crate::script::{Failure, SocketId};
}

/// What it needs to act or to wait over streams.
pub(super) mod streams {
    pub(crate) use shakedown_protocol::streams::{ConnectionNumber, Fault, Output, StreamId};

    pub(crate) use crate::script::send;
    pub(crate) use crate::script::streams::acts::{
        ActionResult, OngoingAction, Progress, Start, StreamAction, Target, WhenClosed,
    };
    pub(crate) use crate::script::streams::connections::{Connection, Connections};
    pub(crate) use crate::script::streams::ended::{ConnectionEnd, Moment};
    pub(crate) use crate::script::streams::stream::Stream;
    pub(crate) use crate::script::streams::view::{View, WaitState};
    pub(crate) use crate::script::streams::wait::{Expectation, StreamWait};
    pub(crate) use crate::step::names::{Access, MAIN, OfConnection, OfStream, Subject, WithCode};
    pub(crate) use crate::step::names::{is_main, main_connection};
}
