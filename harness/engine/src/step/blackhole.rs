use super::prelude::streams::*;
use super::prelude::*;

/// Whose packets are dropped, in both directions.
pub type Blackhole = DropPackets<false>;

// A connection that takes no packet any more, and may still send some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct DropPackets<const SENDS: bool>(pub OfConnection);

impl<const SENDS: bool> Verb for DropPackets<SENDS>
where
    Self: Demands,
{
    fn in_words(&self) -> String {
        let what = match SENDS {
            true => "read no packet any more",
            false => "drop every packet",
        };
        format!("{what}{}", words::of(&self.0.connection))
    }

    fn falls_silent(&self) -> bool {
        true
    }
}

impl<const SENDS: bool> StreamAction for DropPackets<SENDS> {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.0.connection, Access::Acts)
    }

    fn needs_handshake(&self) -> bool {
        false
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        match SENDS {
            true => start.misbehave(connections, &[Fault::Deaf(true)], "deaf".into()),
            false => start.misbehave(connections, &[Fault::Silent(true)], "silent".into()),
        }
    }
}
