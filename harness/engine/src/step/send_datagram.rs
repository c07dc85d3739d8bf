use serde_json::{Map, Value};

use super::prelude::streams::*;
use super::prelude::*;

/// The longest datagram that every path carries beside QUIC's own, in bytes.
const LONGEST_DATAGRAM: usize = 1_100;

/// A datagram (RFC 9221) to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendDatagram {
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The session of WebTransport of which it is one; of none, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The bytes in hexadecimal; spaces are allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// A frame by its name, with `fields`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<String>,
    /// The fields of the frame.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

impl Verb for SendDatagram {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let (place, length) = match (&self.hex, &self.frame) {
            (Some(hex), None) => {
                let place = inside.key("hex");
                let length = check.hex(hex, &place).map(|bytes| bytes.len());
                (place, length)
            }
            (None, Some(frame)) => {
                let bytes = check.sent(frame, &self.fields, inside);
                (inside.key("fields"), bytes.map(|bytes| bytes.len()))
            }
            (Some(_), Some(_)) | (None, None) => {
                let help = Some("give its bytes in `hex`, or a `frame`".to_owned());
                return check.at_key(inside, "it does not say which bytes", help);
            }
        };
        if let Some(length) = length.filter(|length| *length > LONGEST_DATAGRAM) {
            let message = format!("a datagram of {length} bytes may not fit into a packet");
            let help = format!("send at most {LONGEST_DATAGRAM} bytes");
            check.at(&place, message, Some(help));
        }
    }

    fn in_words(&self) -> String {
        let of = words::of(self.session.as_ref().unwrap_or(&self.connection));
        let content = match (&self.hex, &self.frame) {
            (Some(hex), _) => words::bytes(hex),
            (None, Some(frame)) => format!("{frame}{}", words::with_fields(&self.fields)),
            (None, None) => String::new(),
        };
        format!("send the datagram {content}{of}")
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.uses_of(&self.fields, inside, state);
    }
}

impl StreamAction for SendDatagram {
    fn subject(&self) -> Subject<'_> {
        match &self.session {
            Some(session) => Subject::Session(session, Access::Acts),
            None => Subject::Connection(&self.connection, Access::Acts),
        }
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let bytes = match (&self.hex, &self.frame) {
            (Some(hex), _) => send::hex(hex)?,
            (None, Some(frame)) => {
                let context = start.context;
                let fields = context.bindings.resolve_fields(&self.fields)?;
                let encoded = context.vocabulary().encode_datagram(frame, &fields);
                encoded.map_err(|error| error.to_string())?
            }
            (None, None) => return Err("it does not say which bytes".to_owned()),
        };
        let text = format!("sent the datagram {}", describe::bytes(&bytes));
        if self.session.is_some() {
            let (number, session) = start.target.stream()?;
            connections.ask_web(number, start.at, |web| web.datagram(session, &bytes))?;
            return Ok(ActionResult::Done(text));
        }
        connections.ask(Output::Datagram(start.target.connection()?, bytes));
        Ok(ActionResult::Done(text))
    }
}
