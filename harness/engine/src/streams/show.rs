//! What a capture beside a machine would show.

use shakedown_capture::quic::{EventKind, Flow, Role};
use shakedown_protocol::streams::{CONNECTION_REFUSED, StreamId};

use super::end::{Message, by_quic};
use super::{address, server_address};

/// What a capture shows of a message that a side sent. `client` is who asked for the connection,
/// `alpn` the protocol that is agreed on.
pub(super) fn shown<'m>(
    message: &'m Message,
    by: Role,
    client: usize,
    alpn: &'static str,
) -> Option<EventKind<'m>> {
    Some(match *message {
        Message::Hello => EventKind::ConnectionOpened {
            client: address(client),
            server: server_address(),
            version: 1,
            original_destination_id: &[],
        },
        Message::Accepted => EventKind::ServerHandshake {
            alpn: Some(alpn.as_bytes()),
            parameters: None,
        },
        Message::Bytes(stream, offset, ref bytes) => EventKind::StreamBytes {
            stream: stream.0,
            by,
            offset,
            bytes,
        },
        Message::Fin(stream, final_size) => ended(stream, by, final_size),
        Message::Closed(ref close) => EventKind::ConnectionClosed {
            by,
            code: close.code,
            reason: close.reason.as_bytes(),
        },
        Message::Reset(stream, code) => EventKind::StreamReset {
            stream: stream.0,
            by,
            code,
            final_size: 0,
        },
        Message::Stop(stream, code) => EventKind::StopSending {
            stream: stream.0,
            by,
            code,
        },
        Message::Datagram(ref bytes) => EventKind::DatagramFrame { by, bytes },
        Message::Refused => EventKind::ConnectionClosed {
            by,
            code: by_quic(CONNECTION_REFUSED),
            reason: &[],
        },
        Message::StatelessReset => EventKind::StatelessReset { by },
        Message::Credit(StreamId(stream), maximum) => EventKind::Flow {
            by,
            flow: Flow::MaxStreamData { stream, maximum },
        },
        Message::Blocked(StreamId(stream), limit) => EventKind::Flow {
            by,
            flow: Flow::StreamDataBlocked { stream, limit },
        },
        Message::Finished | Message::MayOpen(..) | Message::Ping => return None,
    })
}

/// A stream's first frame, if this side opened it.
pub(super) fn opened(stream: StreamId, by: Role) -> Option<EventKind<'static>> {
    let is_own = stream.is_of_server() == (by == Role::Server);
    is_own.then_some(EventKind::StreamOpened {
        stream: stream.0,
        by,
        unidirectional: !stream.is_bidirectional(),
    })
}

/// The end of a stream of so many bytes.
pub(super) const fn ended(stream: StreamId, by: Role, final_size: u64) -> EventKind<'static> {
    let stream = stream.0;
    EventKind::StreamFin {
        stream,
        by,
        final_size,
    }
}
