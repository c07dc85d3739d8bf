//! Right servers of proton that are not ours.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use rstest::rstest;
use serde_json::Value;
use shakedown_engine::simulation::Settings;
use shakedown_protocol::proton::{CloseCode, PROTOCOL};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{ConnectionNumber, Input, Output, Path, StreamId, StreamMachine};
use shakedown_protocol::{Protocol, Reference, ReferenceSettings};

use crate::support::failures;

#[rstest]
#[case::turns_away_with_6(&SIX)]
#[case::turns_away_with_2_while_it_waits(&TWO)]
fn a_right_server_passes_that(#[case] protocol: &'static Protocol) {
    let failed = failures(protocol, &Settings::default(), |scenario| {
        scenario.iut.role == Role::Responder
    });
    assert!(failed.is_empty(), "{} fail: {failed:#?}", failed.len());
}

static SIX: Protocol = Protocol {
    reference: |settings| sibling(settings, CloseCode::AlreadyConnected),
    ..PROTOCOL
};
static TWO: Protocol = Protocol {
    reference: |settings| sibling(settings, CloseCode::AcceptFailed),
    ..PROTOCOL
};

fn sibling(settings: &ReferenceSettings, while_it_waits: CloseCode) -> Result<Reference, String> {
    let Reference::Streams(inner, transport) = (PROTOCOL.reference)(settings)? else {
        return Err("the reference has become one of datagrams".to_owned());
    };
    let sibling = Sibling {
        while_it_waits,
        inner,
        served: BTreeSet::new(),
        turned_away: BTreeSet::new(),
        out: VecDeque::new(),
    };
    Ok(Reference::Streams(Box::new(sibling), transport))
}

/// PR-C-01, PR-C-08: its QUIC cannot refuse a connection. The application closes it when its handshake is done,
/// in the startup delay with another code.
struct Sibling {
    while_it_waits: CloseCode,
    inner: Box<dyn StreamMachine>,
    served: BTreeSet<ConnectionNumber>,
    turned_away: BTreeSet<ConnectionNumber>,
    out: VecDeque<Output>,
}

impl StreamMachine for Sibling {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        if let Some(connection) = connection(&input)
            && self.turned_away.contains(&connection)
        {
            if matches!(input, Input::Connected { .. }) {
                let code = match self.served.is_empty() {
                    true => self.while_it_waits,
                    false => CloseCode::AlreadyConnected,
                };
                self.out.push_back(Output::Close {
                    connection,
                    code: code.number(),
                    reason: String::new(),
                });
            }
            return;
        }
        if let Input::Closed { connection, .. } = input {
            self.served.remove(&connection);
        }
        self.inner.handle(now, input);
        while let Some(output) = self.inner.poll() {
            let output = match output {
                Output::Refuse(connection) => {
                    self.turned_away.insert(connection);
                    Output::Admit(connection)
                }
                output => output,
            };
            match &output {
                Output::Admit(connection) if !self.turned_away.contains(connection) => {
                    self.served.insert(*connection);
                }
                Output::Close { connection, .. } => {
                    self.served.remove(connection);
                }
                _ => {}
            }
            self.out.push_back(output);
        }
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        self.inner.deadline()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.turned_away.contains(&connection) || self.inner.reads(connection, stream)
    }

    fn measured(&mut self, connection: ConnectionNumber, path: Path) {
        self.inner.measured(connection, path);
    }

    fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }

    fn counters(&self) -> Value {
        self.inner.counters()
    }
}

const fn connection(input: &Input<'_>) -> Option<ConnectionNumber> {
    match input {
        Input::Connected { connection }
        | Input::Stream { connection, .. }
        | Input::Delivered { connection, .. }
        | Input::Datagram { connection, .. }
        | Input::Closed { connection, .. } => Some(*connection),
        Input::Incoming { .. } | Input::Tick | Input::Stop => None,
    }
}
