//! Bodies of the fuzz targets of HTTP/3 and WebTransport: each takes any bytes and panics if what must hold does
//! not.

use wtransport_proto::frame::{Frame, FrameKind, ParseError};

use super::{Item, SessionClose, StreamReader, Web, WebEvent, frame_type};
use crate::streams::{ConnectionNumber, StreamId, StreamUpdate};

/// Streams that a script speaks of.
const STREAMS: u8 = 24;

/// Takes the bytes as what happens on a connection: a byte of which the lowest bit says which end it is, then
/// records of what happens, on which stream, and so many bytes.
///
/// # Panics
/// If the end goes on after it has failed, or tells more than what came can give rise to.
pub fn endpoint(bytes: &[u8]) {
    let Some((first, mut rest)) = bytes.split_first() else {
        return;
    };
    let mut web = match first & 1 {
        0 => Web::server(ConnectionNumber(0)),
        _ => Web::client(ConnectionNumber(0)),
    };
    web.connected();
    let mut sessions = Vec::new();
    let (mut outputs, mut records) = (0, 1);
    while let [what, stream, length, after @ ..] = rest {
        let (content, after) = after.split_at(after.len().min(usize::from(*length)));
        rest = after;
        records += 1;
        let stream = StreamId(u64::from(stream % STREAMS));
        let code = content
            .iter()
            .fold(0, |code, byte| code << 8 | u64::from(*byte));
        let code = code & ((1 << 62) - 1);
        match (what % 12, sessions.last().copied()) {
            (0, _) => web.on_stream(stream, StreamUpdate::Opened),
            (1, _) => web.on_stream(stream, StreamUpdate::Fin),
            (2, _) => web.on_stream(stream, StreamUpdate::Reset(code)),
            (3, _) => web.on_stream(stream, StreamUpdate::Stopped(code)),
            (4, _) => web.on_stream(stream, StreamUpdate::Written),
            (5, _) => web.on_datagram(content),
            (6, _) if first & 1 == 1 => drop(web.connect("a", "/", &[])),
            (7, Some(session)) if first & 1 == 0 => web.accept(session),
            (8, Some(session)) => web.datagram(session, content),
            (9, Some(session)) => web.close(session, &SessionClose::default()),
            _ => web.on_stream(stream, StreamUpdate::Bytes(content)),
        }
        while let Some(event) = web.poll_event() {
            if let WebEvent::SessionRequested { session, .. }
            | WebEvent::SessionOpened { session } = event
            {
                sessions.push(session);
            }
        }
        while web.poll_output().is_some() {
            outputs += 1;
        }
    }
    // A record of 255 bytes may end every session, each with a few words on each stream.
    assert!(outputs <= records * 1_000, "{outputs} of {records}");
}

/// Takes the bytes as frames, and compares them with what another reader makes of them, as far as that reads: it
/// knows fewer types, and no long ones.
///
/// # Panics
/// If they are not the same.
pub fn frames(bytes: &[u8]) {
    let mut theirs = Vec::new();
    let mut rest = bytes;
    let end = loop {
        match Frame::read(&mut rest) {
            Ok(Some(frame)) => match frame.kind() {
                FrameKind::Data => theirs.push((frame_type::DATA, frame.payload().to_vec())),
                FrameKind::Headers => theirs.push((frame_type::HEADERS, frame.payload().to_vec())),
                FrameKind::Settings => {
                    theirs.push((frame_type::SETTINGS, frame.payload().to_vec()))
                }
                FrameKind::Exercise(_) => {}
                // What follows is no frame.
                FrameKind::WebTransport => return,
            },
            Ok(None) => break true,
            Err(
                ParseError::UnknownFrame | ParseError::InvalidSessionId | ParseError::PayloadTooBig,
            ) => {
                break false;
            }
        }
    };
    let mut ours: Vec<(u64, Vec<u8>)> = Vec::new();
    let mut reader = StreamReader::answering(false);
    let read = reader.take(bytes, |item, _| {
        match item {
            Item::Frame { kind, payload } => ours.push((kind, payload.to_vec())),
            Item::DataBegins(_) => ours.push((frame_type::DATA, Vec::new())),
            Item::Data(piece) => {
                if let Some((_, data)) = ours.last_mut() {
                    data.extend_from_slice(piece);
                }
            }
            Item::StreamType(_)
            | Item::Session(_)
            | Item::Unknown { .. }
            | Item::Instructions(_)
            | Item::Raw(_) => {}
        }
        Ok::<_, shakedown_wire::DecodeError>(())
    });
    assert!(ours.len() >= theirs.len(), "{ours:?} {theirs:?}");
    assert_eq!(ours[..theirs.len()], theirs);
    if end {
        // Of a last frame that is cut, nothing or the beginning of its data is told.
        assert!(
            read.is_ok() && ours.len() <= theirs.len() + 1,
            "{read:?} {ours:?}"
        );
    }
}
