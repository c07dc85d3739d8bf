use shakedown_protocol::requirement::Role;

use super::prelude::streams::*;
use super::prelude::*;

// A connection that goes on from another port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Migrate(pub OfConnection);

impl Verb for Migrate {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if check.scenario().iut.role == Role::Initiator {
            let message =
                "the scripted peer is the server, which never moves (RFC 9000, section 9)";
            check.at_key(inside, message, None);
        }
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.0.connection);
        format!("go on from another port{of}")
    }
}

impl StreamAction for Migrate {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.0.connection, Access::Acts)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        start.misbehave(connections, &[Fault::Move], "at another port".into())
    }
}
