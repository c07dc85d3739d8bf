use std::net::SocketAddr;

use serde_json::Value;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::ConnectOptions;

use super::http::{self, Http3};
use super::prelude::streams::*;
use super::prelude::*;
use super::transport::{self, Parameters};

/// The longest name in a TLS handshake, in bytes.
const LONGEST_ALPN: usize = 255;

/// A connection to begin; whether it comes to be is for `expect_connected` or `expect_close` to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// Its name. One that an earlier connection had goes over to this one.
    #[serde(
        rename = "as",
        default = "main_connection",
        skip_serializing_if = "is_main"
    )]
    pub name: String,
    /// The address that it goes to, an IP address and a port; that of the implementation if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The protocols that are offered in the TLS handshake (ALPN), none if the list is empty; the
    /// scenario's own if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Vec<String>>,
    /// The connection whose port it leaves from; a new port if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Bytes that the implementation may send on a stream before the scripted peer reads them (its
    /// flow-control window); what QUIC's library takes for usual if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u32>,
    /// After how long without a packet it shows that it is there, by a PING of QUIC; never if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_alive: Option<Span>,
    /// How HTTP/3 is spoken, where it carries the protocol.
    #[serde(default, skip_serializing_if = "Http3::is_usual")]
    pub http3: Http3,
    /// Transport parameters that the scripted peer announces with these values and does not keep.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub announces: Parameters,
    /// Transport parameters of the implementation that the scripted peer takes to have these values:
    /// it overruns the limits that were announced.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub believes: Parameters,
}

impl Verb for Connect {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if check.scenario().iut.role == Role::Initiator {
            let message = "the implementation is the client: there is nothing to connect to";
            let help = "wait for its connection with `accept`".to_owned();
            check.at_key(inside, message, Some(help));
        }
        self.http3.check(check, inside);
        transport::check(check, &self.announces, &self.believes, inside);
        for (index, name) in self.alpn.iter().flatten().enumerate() {
            if name.is_empty() || name.len() > LONGEST_ALPN {
                let message = format!("a name of {} bytes cannot be offered", name.len());
                let help = format!("TLS carries names of 1 to {LONGEST_ALPN} bytes");
                check.at(&inside.key("alpn").index(index), message, Some(help));
            }
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        if let Some(from) = &self.from {
            check.has_connection(from, &inside.key("from"), &state.names);
        }
        state.names.connect(&self.name);
    }

    fn in_words(&self) -> String {
        let offering = match &self.alpn {
            None => String::new(),
            Some(none) if none.is_empty() => ", offering no protocol".to_owned(),
            Some(names) => format!(", offering {}", names.join(", ")),
        };
        let from = self.from.as_ref();
        let from = from.map(|other| format!(" from the port of `{other}`"));
        let window = self.window;
        let window = window.map(|bytes| format!(", with a window of {bytes} bytes"));
        let (from, window) = (from.unwrap_or_default(), window.unwrap_or_default());
        let keep_alive = self.keep_alive.as_ref();
        let keep_alive = keep_alive.map(|time| format!(", with a PING after {time} of silence"));
        let keep_alive = keep_alive.unwrap_or_default();
        let name = words::named(&self.name);
        let faults = transport::in_words(&self.announces, &self.believes);
        format!("connect{name}{from}{offering}{window}{keep_alive}{faults}")
    }

    fn connects(&self) -> bool {
        true
    }
}

impl StreamAction for Connect {
    fn subject(&self) -> Subject<'_> {
        Subject::Nothing
    }

    fn act(
        &self,
        start: &Start<'_>,
        connections: &mut Connections,
    ) -> Result<ActionResult, String> {
        let to = self.to.as_ref().map(|to| address(to, start.context));
        // Only this one has a relay before it where the network is impaired.
        let to = to
            .transpose()?
            .filter(|to| Some(*to) != start.context.environment.iut);
        let from = self.from.as_ref();
        let from = from.map(|name| connections.named(name)).transpose()?;
        let keep_alive = self.keep_alive.as_ref();
        let keep_alive = keep_alive.map(|time| resolve(time, &start.context.environment));
        let number = connections.connect(&self.name);
        connections.speaks(number, self.http3.speaks()?);
        if let (Some(to), Some(connection)) = (to, connections.by_number.get_mut(&number)) {
            connection.to = Some(to);
        }
        let options = ConnectOptions {
            to,
            alpn: self.alpn.clone(),
            from,
            window: self.window,
            keep_alive,
            faults: transport::faults(&self.announces, &self.believes),
        };
        connections.ask(Output::ConnectBy(number, options));
        Ok(ActionResult::Done("connecting".to_owned()))
    }
}

/// # Errors
/// It is none.
fn address(text: &str, context: &Context) -> Result<SocketAddr, String> {
    let text = http::text(&Value::from(text), context)?;
    let address = text.parse();
    address.map_err(|_| format!("{text:?} is no address: it takes an IP address and a port"))
}
