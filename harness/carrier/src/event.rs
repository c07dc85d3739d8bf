use std::net::SocketAddr;
use std::time::Duration;

use quinn_proto::ConnectionError;
use shakedown_protocol::streams::{
    CONNECTION_REFUSED, Closing, ConnectionNumber, Input, StreamMachine,
};

use crate::link::LinkEvent;

/// Inputs for a machine.
#[derive(Debug)]
pub(crate) enum ConnectionEvent {
    Incoming(SocketAddr),
    NotBegun(String),
    Link(LinkEvent),
}

impl ConnectionEvent {
    pub(crate) fn deliver(
        &self,
        now: Duration,
        connection: ConnectionNumber,
        machine: &mut impl StreamMachine,
    ) {
        let input = match self {
            Self::Incoming(from) => Input::Incoming {
                connection,
                from: *from,
            },
            Self::NotBegun(why) => Input::Closed {
                connection,
                why: Closing::NotBegun(why),
            },
            Self::Link(LinkEvent::Connected) => Input::Connected { connection },
            Self::Link(LinkEvent::Stream(stream, told)) => Input::Stream {
                connection,
                stream: *stream,
                what: told.as_input(),
            },
            Self::Link(LinkEvent::Delivered(stream)) => Input::Delivered {
                connection,
                stream: *stream,
            },
            Self::Link(LinkEvent::Datagram(bytes)) => Input::Datagram { connection, bytes },
            Self::Link(LinkEvent::Lost(error, path)) => {
                if let Some(path) = path {
                    machine.measured(connection, *path);
                }
                let text = error.to_string();
                let why = closing(error, &text);
                return machine.handle(now, Input::Closed { connection, why });
            }
        };
        machine.handle(now, input);
    }
}

/// How a connection ended, as a machine's input; `text` is the error message.
fn closing<'a>(error: &'a ConnectionError, text: &'a str) -> Closing<'a> {
    match error {
        ConnectionError::ApplicationClosed(close) => Closing::Application {
            code: close.error_code.into_inner(),
            reason: &close.reason,
        },
        ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
            CONNECTION_REFUSED => Closing::Refused,
            code => Closing::Transport {
                code,
                reason: &close.reason,
            },
        },
        ConnectionError::TransportError(error) => Closing::Transport {
            code: u64::from(error.code),
            reason: error.reason.as_bytes(),
        },
        ConnectionError::TimedOut => Closing::TimedOut,
        ConnectionError::Reset => Closing::Reset,
        ConnectionError::VersionMismatch
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => Closing::Other(text),
    }
}
