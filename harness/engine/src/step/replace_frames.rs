use super::prelude::streams::*;
use super::prelude::*;

/// The most bytes for which a packet has room for sure.
const MOST_BYTES: usize = 1_000;

/// Frames of QUIC in the place of others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceFrames {
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The frames in hexadecimal (RFC 9000, section 19); spaces are allowed. The first packet with
    /// enough room carries them instead of its own, which are lost.
    pub hex: String,
}

impl Verb for ReplaceFrames {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let place = inside.key("hex");
        let length = check.hex(&self.hex, &place).map(|bytes| bytes.len());
        if let Some(length) = length.filter(|length| !(1..=MOST_BYTES).contains(length)) {
            let message = format!("{length} bytes of frames are in no packet");
            let help = format!("give 1 to {MOST_BYTES} bytes");
            check.at(&place, message, Some(help));
        }
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        let frames = words::bytes(&self.hex);
        format!("replace the frames of the next packet with room by {frames}{of}")
    }
}

impl StreamAction for ReplaceFrames {
    fn subject(&self) -> Subject<'_> {
        Subject::Connection(&self.connection, Access::Acts)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let frames = send::hex(&self.hex)?;
        let text = format!("the frames {} are to be sent", describe::bytes(&frames));
        start.misbehave(connections, &[Fault::Replace(frames)], text)
    }
}
