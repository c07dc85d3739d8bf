//! Probes for a QUIC server of a protocol.

use std::net::SocketAddr;
use std::time::Duration;

use shakedown_carrier::{Carrier, Security, Settings};
use shakedown_protocol::Transport;
use shakedown_protocol::streams::{
    Closing, ConnectionNumber, Input, Output, StreamId, StreamMachine,
};
use tokio::time::{Instant, sleep_until};

use crate::host::{Host, Owner, OwnerRequest};

/// What a handshake may take besides the time after which a connection is idle.
const ROUND_TRIP: Duration = Duration::from_secs(5);

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The handshake was done, and the connection closed with code 0.
    Connected,
    /// A server refused the connection.
    Refused,
    /// A server speaks something else: why the handshake failed.
    Stranger(String),
    /// No response; what was received instead, as text.
    Silence(Option<String>),
}

/// Completes a handshake with `server`, and closes at once. A connection that keeps receiving is
/// never idle, so it has the same time limit.
///
/// # Errors
/// A human-readable error if there can be no client.
pub(super) async fn ask(
    transport: Transport,
    host: &mut Host,
    server: SocketAddr,
) -> Result<Answer, String> {
    let settings = Settings::new(transport, Security::Tls);
    let carrier = Carrier::client(Question::default(), server, &settings);
    let mut carrier = carrier.map_err(|error| error.to_string())?;
    carrier.tick(Duration::ZERO);
    let within = transport.idle_timeout.saturating_add(ROUND_TRIP);
    let mut asker = Asker(Some(Instant::now() + within));
    let finished = host.run(&mut carrier, &mut asker).await;
    let answer = carrier.machine().answer.clone();
    Ok(match answer.unwrap_or(Answer::Silence(None)) {
        Answer::Silence(_) => Answer::Silence(finished.last_from.map(|from| {
            format!("what came back, the last from {from}, did not complete the handshake")
        })),
        answer => answer,
    })
}

/// The owner that waits for the response, until this time.
struct Asker(Option<Instant>);

impl Owner<Carrier<Question>> for Asker {
    async fn next_request(&mut self) -> OwnerRequest<Carrier<Question>> {
        match self.0 {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
        self.0 = None;
        // Not a stop, which would be an end that is taken for an answer.
        OwnerRequest::Call(Box::new(|_, _| ()))
    }

    fn has_enough(&mut self, carrier: &mut Carrier<Question>) -> bool {
        self.0.is_none() || carrier.machine().answer.is_some()
    }
}

#[derive(Debug, Default)]
struct Question {
    wanted: Vec<Output>,
    has_begun: bool,
    answer: Option<Answer>,
}

const CONNECTION: ConnectionNumber = ConnectionNumber(0);

impl StreamMachine for Question {
    fn handle(&mut self, _: Duration, input: Input<'_>) {
        match input {
            Input::Tick if !std::mem::replace(&mut self.has_begun, true) => {
                self.wanted.push(Output::Connect(CONNECTION));
            }
            Input::Connected { .. } => {
                self.answer = Some(Answer::Connected);
                self.wanted.push(Output::Close {
                    connection: CONNECTION,
                    code: 0,
                    reason: String::from("it is there"),
                });
            }
            Input::Closed { why, .. } => {
                self.answer.get_or_insert_with(|| answer(why));
            }
            Input::Tick
            | Input::Delivered { .. }
            | Input::Stop
            | Input::Incoming { .. }
            | Input::Stream { .. }
            | Input::Datagram { .. } => {}
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.wanted.pop()
    }

    fn deadline(&self) -> Option<Duration> {
        None
    }

    fn reads(&self, _: ConnectionNumber, _: StreamId) -> bool {
        false
    }

    fn is_finished(&self) -> bool {
        self.answer.is_some()
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::Value::Null
    }
}

/// What the end of a handshake says of who is there.
fn answer(why: Closing<'_>) -> Answer {
    match why {
        Closing::TimedOut => Answer::Silence(None),
        // A handshake that breaks off has an alert of TLS, from 0x100 on, or nothing in common.
        Closing::Transport {
            code: 0x100..,
            reason,
        } => Answer::Stranger(String::from_utf8_lossy(reason).into_owned()),
        Closing::NotBegun(why) | Closing::Other(why) => Answer::Stranger(why.to_owned()),
        Closing::Application { .. }
        | Closing::Transport { .. }
        | Closing::Refused
        | Closing::Reset => Answer::Refused,
    }
}
