//! What breaks the silence of a stream or a connection.

use std::time::Duration;

use shakedown_protocol::streams::{ConnectionNumber, StreamId};

use super::words;
use super::world::{Connection, Moment, Stream, World};

/// The first thing that breaks a silence begun at `start`: the end of the connection, bytes that no
/// step took, an end of the stream; of a whole connection also a stream without a name or a
/// datagram.
pub(super) fn disturbance(
    world: &World,
    number: ConnectionNumber,
    stream: Option<StreamId>,
    start: Duration,
) -> Option<(Moment, String)> {
    let connection = world.connections.get(&number)?;
    let mut all = Vec::new();
    if let (Some((moment, _)), Some(how)) = (&connection.ended, connection.how()) {
        all.push((*moment, how));
    }
    match stream {
        Some(id) => {
            let stream = connection.streams.get(&id);
            all.extend(
                stream
                    .into_iter()
                    .flat_map(|stream| of_stream(stream, start)),
            );
        }
        None => all.extend(of_connection(connection, start)),
    }
    all.into_iter().min_by_key(|(moment, _)| moment.at)
}

fn of_connection(connection: &Connection, start: Duration) -> Vec<(Moment, String)> {
    let mut all = Vec::new();
    for stream in connection.streams.values() {
        if let Some(opened) = stream.opened.filter(|_| !stream.is_named) {
            all.push((opened, "a stream".to_owned()));
        }
        all.extend(of_stream(stream, start));
    }
    if let Some((moment, length, _)) = connection.datagrams {
        all.push((moment, format!("a datagram of {length} bytes")));
    }
    all
}

fn of_stream(stream: &Stream, start: Duration) -> Vec<(Moment, String)> {
    let mut all = Vec::new();
    if let Some(moment) = stream.came(stream.taken) {
        let unread: Vec<_> = stream.unread.iter().take(64).copied().collect();
        let bytes = words::bytes(&unread);
        all.push((
            moment,
            format!("the bytes {bytes} at offset {}", stream.taken),
        ));
    }
    if let Some((moment, end)) = stream.end {
        all.push((moment, format!("a stream {}", words::stream_end(end))));
    }
    if let Some((moment, code)) = stream.stopped {
        let got = format!("a stream of which no more is wanted (STOP_SENDING, code {code})");
        all.push((moment, got));
    }
    // No step takes an end: one that came before is no news.
    let is_bytes = |what: &str| what.starts_with("the bytes");
    all.retain(|(moment, what)| is_bytes(what) || moment.at >= start);
    all
}
