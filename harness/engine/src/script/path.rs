use std::time::Duration;

use shakedown_protocol::requirement::Role;

use super::Environment;
use crate::network::Impairment;

/// What the network between the driver and the implementation may add to a time, as far as its
/// impairment says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Path {
    /// The longest time that it takes there and back.
    pub(crate) round_trip: Duration,
    /// By how much longer one datagram of the implementation may take than another.
    pub(crate) unsteady: Duration,
}

impl Path {
    pub(crate) fn through(impair: &Impairment, environment: &Environment) -> Self {
        let own = match environment.iut {
            Some(_) => Role::Responder,
            None => Role::Initiator,
        };
        let answers = impair.delays(own, &environment.stream);
        let asks = impair.delays(own.peer(), &environment.stream);
        Self {
            round_trip: answers.most.saturating_add(asks.most),
            unsteady: answers.most.saturating_sub(answers.least),
        }
    }
}
