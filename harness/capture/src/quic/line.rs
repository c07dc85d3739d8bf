//! QUIC events as human-readable lines.

use super::{CloseCode, Event, EventKind, Level, Packet, UnreadableReason, protocols};

/// The most bytes of a stream in a line.
const SHOWN: usize = 32;

/// An event as a human-readable line; `None` if it carries no information by itself. `meaning` is that of an
/// application's close code.
#[must_use]
pub fn line(event: &Event<'_>, meaning: Option<&str>) -> Option<String> {
    let text = match event.kind {
        EventKind::ConnectionOpened { client, server, .. } => {
            format!("connection of {client} to {server}")
        }
        EventKind::Retry => "server: Retry".to_owned(),
        EventKind::VersionNegotiation { .. } => "server: Version Negotiation".to_owned(),
        EventKind::ClientHello { alpn, .. } => format!("client: ClientHello{}", offered(alpn)),
        EventKind::CipherSuite(suite) => format!("server: cipher suite {suite:#06x}"),
        EventKind::ServerHandshake { alpn, .. } => match alpn {
            Some(alpn) => format!("server: protocol {}", String::from_utf8_lossy(alpn)),
            None => "server: no protocol".to_owned(),
        },
        EventKind::HandshakeDone => "server: HANDSHAKE_DONE".to_owned(),
        EventKind::KeyUpdated { by, count } => format!("{by}: key update {count}"),
        EventKind::AddressChanged { by, from, to } => format!("{by}: moved from {from} to {to}"),
        EventKind::StreamOpened {
            stream,
            by,
            unidirectional,
        } => {
            let kind = if unidirectional {
                "unidirectional"
            } else {
                "bidirectional"
            };
            format!("{by}: opens {kind} stream {stream}")
        }
        EventKind::StreamFrame { .. } => return None,
        EventKind::StreamBytes {
            stream,
            by,
            offset,
            bytes,
        } => format!("{by}: stream {stream} at {offset}: {}", hex(bytes)),
        EventKind::StreamFin { stream, by, .. } => format!("{by}: stream {stream} FIN"),
        EventKind::StreamReset {
            stream, by, code, ..
        } => format!("{by}: RESET_STREAM {stream} with code {code}"),
        EventKind::StopSending { stream, by, code } => {
            format!("{by}: STOP_SENDING {stream} with code {code}")
        }
        EventKind::StreamLost {
            stream, by, offset, ..
        } => format!("{by}: stream {stream} unreadable from offset {offset} on"),
        EventKind::DatagramFrame { by, bytes } => format!("{by}: DATAGRAM {}", hex(bytes)),
        EventKind::Flow { by, flow } => format!("{by}: {flow:?}"),
        EventKind::ConnectionClosed { by, code, reason } => {
            let code = match code {
                CloseCode::Application { code } => match meaning {
                    Some(meaning) => format!("code {code}, {meaning}"),
                    None => format!("code {code}"),
                },
                CloseCode::Transport { code, .. } => format!("QUIC's code {code:#x}"),
            };
            let reason = match String::from_utf8_lossy(reason) {
                reason if reason.is_empty() => String::new(),
                reason => format!(": {reason:?}"),
            };
            format!("{by}: CONNECTION_CLOSE with {code}{reason}")
        }
        EventKind::StatelessReset { by } => format!("{by}: stateless reset"),
        EventKind::Packet(Packet {
            by, level, number, ..
        }) => format!("{by}: {} packet {number}", level_name(level)),
        EventKind::Malformed { by, error } => format!("{by}: malformed: {error}"),
        EventKind::UnknownFrame { by, frame_type } => {
            format!("{by}: unknown frame of type {frame_type:#x}")
        }
        EventKind::Unreadable(unreadable) => match unreadable.why {
            UnreadableReason::NotQuic => return None,
            why => format!("unreadable: {}", reason(why)),
        },
        EventKind::Forgotten => "forgotten: too many connections are open".to_owned(),
    };
    Some(match event.connection {
        Some(number) => format!("quic {number} {text}"),
        None => format!("quic {text}"),
    })
}

fn offered(alpn: Option<&[u8]>) -> String {
    let names = alpn.into_iter().flat_map(protocols);
    let names: Vec<_> = names.map(String::from_utf8_lossy).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" offers {}", names.join(", ")),
    }
}

const fn level_name(level: Level) -> &'static str {
    match level {
        Level::Initial => "Initial",
        Level::ZeroRtt => "0-RTT",
        Level::Handshake => "Handshake",
        Level::OneRtt => "1-RTT",
    }
}

fn reason(why: UnreadableReason) -> String {
    match why {
        UnreadableReason::NoSecrets => "no secrets in the capture".to_owned(),
        UnreadableReason::NoHandshake => "its handshake is there only in part".to_owned(),
        UnreadableReason::UnsupportedSuite(suite) => format!("cipher suite {suite:#06x}"),
        UnreadableReason::UnknownConnection => {
            "of no connection whose beginning is there".to_owned()
        }
        UnreadableReason::CannotDecrypt => "the keys do not fit".to_owned(),
        UnreadableReason::Cut => "cut".to_owned(),
        UnreadableReason::OtherVersion(version) => format!("version {version:#x}"),
        UnreadableReason::NotQuic => "not QUIC".to_owned(),
        UnreadableReason::EarlyDataRejected => {
            "early data that the server does not take".to_owned()
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let text = hex::encode(&bytes[..bytes.len().min(SHOWN)]);
    match bytes.len() {
        0..=SHOWN => text,
        length => format!("{text}... ({length} bytes)"),
    }
}
