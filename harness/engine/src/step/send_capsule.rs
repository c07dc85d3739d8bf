use shakedown_protocol::web::{self, CapsuleType};

use super::http::number;
use super::prelude::streams::*;
use super::prelude::*;

/// A capsule (RFC 9297, section 3.2) to send on the stream of a session, in a DATA frame of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendCapsule {
    /// The session.
    pub session: String,
    /// Its type, by name or number: `DRAIN_WEBTRANSPORT_SESSION`, `0x78ae`. Without it the bytes are sent as they are.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The value in hexadecimal; spaces are allowed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hex: String,
    /// The length that it announces; that of the value if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
}

fn kind(name: &str) -> Option<u64> {
    let known = CapsuleType::ALL.map(|kind| (kind.name(), kind.number()));
    number(name, known)
}

impl Verb for SendCapsule {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.hex(&self.hex, &inside.key("hex"));
        if let Some(name) = &self.kind
            && kind(name).is_none()
        {
            let known = CapsuleType::ALL.map(CapsuleType::name).join(", ");
            let help = format!("write one of {known}, or its number such as \"0x2a\"");
            let message = format!("no capsule is of the type `{name}`");
            check.at(&inside.key("type"), message, Some(help));
        }
        if self.kind.is_none() && self.length.is_some() {
            let help = "write its length into `hex`, or give its `type`".to_owned();
            let message = "bytes that are sent as they are have no length".to_owned();
            check.at(&inside.key("length"), message, Some(help));
        }
    }

    fn in_words(&self) -> String {
        let what = match &self.kind {
            Some(kind) => format!("the capsule {kind}"),
            None => format!("the bytes {} of a capsule", words::bytes(&self.hex)),
        };
        format!("send {what} of the session `{}`", self.session)
    }
}

impl StreamAction for SendCapsule {
    fn subject(&self) -> Subject<'_> {
        Subject::Session(&self.session, Access::Acts)
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let (number, id) = start.target.stream()?;
        let value = send::hex(&self.hex)?;
        let length = self.length.unwrap_or(value.len() as u64);
        let kind = self.kind.as_deref().and_then(kind);
        let begin = kind.map_or_else(Vec::new, |kind| web::prefix(kind, length));
        let bytes = [begin, value].concat();
        connections.ask_web(number, start.at, |web| web.capsules(id, &bytes))?;
        Ok(ActionResult::Done(format!(
            "sent {}",
            describe::bytes(&bytes)
        )))
    }
}
