use super::prelude::streams::*;
use super::prelude::*;

/// The longest datagram that every path carries beside QUIC's own, in bytes.
const LONGEST_DATAGRAM: usize = 1_100;

/// A datagram (RFC 9221) to send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SendDatagram {
    /// The connection.
    #[serde(default = "main_connection", skip_serializing_if = "is_main")]
    pub connection: String,
    /// The bytes in hexadecimal; spaces are allowed.
    pub hex: String,
}

impl Verb for SendDatagram {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        let place = inside.key("hex");
        let length = check.hex(&self.hex, &place).map(|bytes| bytes.len());
        if let Some(length) = length.filter(|length| *length > LONGEST_DATAGRAM) {
            let message = format!("a datagram of {length} bytes may not fit into a packet");
            let help = format!("send at most {LONGEST_DATAGRAM} bytes");
            check.at(&place, message, Some(help));
        }
    }

    fn in_words(&self) -> String {
        let of = words::of(&self.connection);
        format!("send the datagram {}{of}", words::short(&self.hex))
    }
}

impl Acts for SendDatagram {
    fn on(&self) -> On<'_> {
        On::Connection(&self.connection, Use::Acts)
    }

    fn act(&self, start: &Start<'_>, connections: &mut Connections) -> Result<Act, String> {
        let bytes = send::hex(&self.hex)?;
        let text = format!("sent the datagram {}", describe::bytes(&bytes));
        connections.ask(Output::Datagram(start.target.connection()?, bytes));
        Ok(Act::Done(text))
    }
}
