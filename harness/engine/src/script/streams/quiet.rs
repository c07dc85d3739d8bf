//! What breaks the silence of a stream or a connection.

use std::time::Duration;

use shakedown_protocol::streams::{ConnectionNumber, StreamId};

use super::words;
use super::world::{Connection, Moment, Stream, World};

/// Something that breaks a silence.
pub(super) struct Disturbance {
    pub(super) moment: Moment,
    pub(super) what: String,
    /// Whether it is the end of the connection.
    pub(super) is_end: bool,
}

/// The first thing that breaks a silence begun at `start`: the end of the connection, bytes that no
/// step took, an end of the stream; of a whole connection also a stream without a name or a
/// datagram.
pub(super) fn disturbance(
    world: &World,
    number: ConnectionNumber,
    stream: Option<StreamId>,
    start: Duration,
) -> Option<Disturbance> {
    let connection = world.connections.get(&number)?;
    let mut all = Vec::new();
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
    let first = all.into_iter().min_by_key(|(moment, _)| moment.at);
    let first = first.map(|(moment, what)| Disturbance {
        moment,
        what,
        is_end: false,
    });
    let end = connection.ended.as_ref().map(|(moment, _)| Disturbance {
        moment: *moment,
        what: connection.how().unwrap_or_default(),
        is_end: true,
    });
    // What came before the end came first, even at the same moment.
    first.into_iter().chain(end).min_by_key(|one| one.moment.at)
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
        let bytes = words::bytes(&stream.from(stream.taken, 33));
        all.push((
            moment,
            format!("the bytes {bytes} at offset {}", stream.taken),
        ));
    }
    // No step takes an end: one that came before is no news.
    let is_news = |moment: Moment| moment.at >= start;
    if let Some((moment, end)) = stream.end.filter(|(moment, _)| is_news(*moment)) {
        all.push((moment, format!("a stream {}", words::stream_end(end))));
    }
    if let Some((moment, code)) = stream.stopped.filter(|(moment, _)| is_news(*moment)) {
        let got = format!("a stream of which no more is wanted (STOP_SENDING, code {code})");
        all.push((moment, got));
    }
    all
}
