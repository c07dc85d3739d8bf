//! What a capture can show of a connection, in short.

use shakedown_wire::quic::{CloseCode, EventKind, Flow, Lost, Unreadable, UnreadableReason};

use crate::requirement::Role;

/// The client offers `proton`.
pub(super) const OFFERED: EventKind<'static> = offered(b"\x06proton");

pub(super) const fn offered(alpn: &[u8]) -> EventKind<'_> {
    EventKind::ClientHello {
        alpn: Some(alpn),
        server_name: None,
        parameters: None,
    }
}

pub(super) const fn agreed(alpn: Option<&[u8]>) -> EventKind<'_> {
    EventKind::ServerHandshake {
        alpn,
        parameters: None,
    }
}

pub(super) fn opened(stream: u64, by: Role) -> EventKind<'static> {
    EventKind::StreamOpened {
        stream,
        by: by.into(),
        unidirectional: stream & 2 == 2,
    }
}

pub(super) fn bytes(stream: u64, by: Role, bytes: &[u8]) -> EventKind<'_> {
    EventKind::StreamBytes {
        stream,
        by: by.into(),
        offset: 0,
        bytes,
    }
}

pub(super) fn fin(stream: u64, by: Role) -> EventKind<'static> {
    EventKind::StreamFin {
        stream,
        by: by.into(),
        final_size: 0,
    }
}

pub(super) fn reset(stream: u64, by: Role) -> EventKind<'static> {
    EventKind::StreamReset {
        stream,
        by: by.into(),
        code: 0,
        final_size: 0,
    }
}

pub(super) fn stopped(stream: u64, by: Role) -> EventKind<'static> {
    EventKind::StopSending {
        stream,
        by: by.into(),
        code: 0,
    }
}

pub(super) fn lost(stream: u64, by: Role) -> EventKind<'static> {
    EventKind::StreamLost {
        stream,
        by: by.into(),
        offset: 0,
        why: Lost::Missing,
    }
}

pub(super) fn datagram(by: Role) -> EventKind<'static> {
    EventKind::DatagramFrame {
        by: by.into(),
        bytes: &[],
    }
}

pub(super) fn flow(by: Role, flow: Flow) -> EventKind<'static> {
    EventKind::Flow {
        by: by.into(),
        flow,
    }
}

pub(super) fn closed(by: Role, code: u64) -> EventKind<'static> {
    let code = CloseCode::Application { code };
    let (by, reason) = (by.into(), &[]);
    EventKind::ConnectionClosed { by, code, reason }
}

pub(super) fn closed_by_quic(by: Role, code: u64) -> EventKind<'static> {
    let frame_type = 0;
    let code = CloseCode::Transport { code, frame_type };
    let (by, reason) = (by.into(), &[]);
    EventKind::ConnectionClosed { by, code, reason }
}

pub(super) fn unreadable(by: Role, why: UnreadableReason) -> EventKind<'static> {
    EventKind::Unreadable(Unreadable {
        why,
        by: Some(by.into()),
        may_be_stateless_reset: false,
    })
}
