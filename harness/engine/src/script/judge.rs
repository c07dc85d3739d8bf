use std::time::Duration;

use super::Failure;
use super::context::Context;
use super::inbox::Arrival;
use super::window::Window;

/// Makes failures of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge<'a> {
    pub(crate) context: &'a Context,
    pub(crate) path: &'a str,
    /// The requirement that the step names.
    pub(crate) requirement: Option<&'a str>,
}

impl Judge<'_> {
    /// A failure without a packet.
    pub(crate) fn failure(&self, time: Duration, expected: String, got: String) -> Box<Failure> {
        let requirement = self.requirement.unwrap_or(&self.context.requirement);
        Box::new(Failure::new(requirement, self.path, time, &expected, &got))
    }

    /// A failure by a datagram.
    pub(crate) fn failure_by(
        &self,
        arrival: &Arrival,
        expected: String,
        got: String,
    ) -> Box<Failure> {
        let mut failure = self.failure(arrival.at, expected, got);
        failure.packet = arrival.packet;
        failure.payload = Some(arrival.payload.clone());
        failure
    }

    /// A failure by a datagram that is not waited for.
    pub(crate) fn unexpected(&self, arrival: &Arrival, wanted: String) -> Box<Failure> {
        let datagram = self.context.describe(&arrival.payload);
        let place = self.context.place(arrival.socket);
        self.failure_by(arrival, wanted, datagram + &place)
    }

    /// A failure by time.
    pub(crate) fn missed(&self, window: &Window, expected: String, got: String) -> Box<Failure> {
        let mut failure = self.failure(window.upper, expected, got);
        failure.slack = Some(window.late_slack);
        failure
    }
}
