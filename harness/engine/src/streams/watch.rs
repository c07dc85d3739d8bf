use std::time::Duration;

use shakedown_capture::quic::EventKind;
use shakedown_protocol::streams::{Input, Output};

use super::Place;

/// Sees what happens in a network of streams.
pub trait Watch {
    /// A machine is about to be given this.
    fn input(&mut self, _now: Duration, _place: Place, _input: &Input<'_>) {}

    /// A machine wants this.
    fn output(&mut self, _now: Duration, _place: Place, _output: &Output) {}

    /// Something passes `edge`, sent by that machine or by the other one: what a capture beside
    /// the machine shows. Bytes are told in their order. `connection` is its number in the network.
    fn passes(&mut self, _now: Duration, _edge: Place, _connection: u64, _seen: &EventKind<'_>) {}
}

impl Watch for () {}
