//! Two ends that hear each other at once, and one end that hears bytes of its peer.

use rstest::rstest;

use super::*;
use crate::streams::{ConnectionNumber, Output, StreamId, StreamUpdate};

/// What came at one end.
type Events = Vec<WebEvent>;

struct Pair {
    client: Web,
    server: Web,
    /// Bytes that go over at once.
    piece: usize,
}

fn web(is_client: bool) -> Web {
    let connection = ConnectionNumber(0);
    match is_client {
        true => Web::client(connection),
        false => Web::server(connection),
    }
}

impl Pair {
    fn new(piece: usize) -> Self {
        let mut pair = Self {
            client: web(true),
            server: web(false),
            piece,
        };
        pair.client.connected();
        pair.server.connected();
        pair.talk();
        assert_eq!(pair.events(), (vec![], vec![]));
        pair
    }

    /// With a session that the server took.
    fn with_session() -> (Self, StreamId) {
        let mut pair = Self::new(usize::MAX);
        let session = pair.client.connect("host", "/wt", &[]);
        pair.talk();
        pair.server.accept(session);
        pair.talk();
        pair.events();
        (pair, session)
    }

    /// Until nobody has more to say.
    fn talk(&mut self) {
        loop {
            let said = self.client.poll_output();
            let (from, to, output) = match said {
                Some(output) => (&mut self.client, &mut self.server, output),
                None => match self.server.poll_output() {
                    Some(output) => (&mut self.server, &mut self.client, output),
                    None => return,
                },
            };
            match output {
                Output::Open(_, stream) => to.on_stream(stream, StreamUpdate::Opened),
                Output::Write(_, stream, bytes) => {
                    for piece in bytes.chunks(self.piece) {
                        to.on_stream(stream, StreamUpdate::Bytes(piece));
                    }
                    from.on_stream(stream, StreamUpdate::Written);
                }
                Output::Fin(_, stream) => to.on_stream(stream, StreamUpdate::Fin),
                Output::Reset(_, stream, code) => to.on_stream(stream, StreamUpdate::Reset(code)),
                Output::StopSending(_, stream, code) => {
                    to.on_stream(stream, StreamUpdate::Stopped(code));
                }
                Output::Datagram(_, bytes) => to.on_datagram(&bytes),
                other => panic!("{other:?}"),
            }
        }
    }

    fn events(&mut self) -> (Events, Events) {
        let all = |web: &mut Web| std::iter::from_fn(|| web.poll_event()).collect();
        (all(&mut self.client), all(&mut self.server))
    }
}

fn get(path: &str) -> Vec<Field> {
    let fields = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "host"),
        (":path", path),
    ];
    fields
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec()
}

fn status(code: &str) -> Vec<Field> {
    vec![(":status".to_owned(), code.to_owned())]
}

fn of(session: StreamId, stream: StreamId, what: SessionStream) -> WebEvent {
    WebEvent::Stream {
        session,
        stream,
        what,
    }
}

#[rstest]
#[case(1)]
#[case(7)]
#[case(usize::MAX)]
fn a_request_is_answered_however_its_bytes_are_cut(#[case] piece: usize) {
    let mut pair = Pair::new(piece);
    let stream = pair.client.request(&get("/a"), b"question");
    pair.talk();
    let (_, heard) = pair.events();
    let request = WebEvent::Request {
        stream,
        fields: get("/a"),
        body: b"question".to_vec(),
    };
    assert_eq!(heard, [request]);
    pair.server.respond(stream, &status("404"), b"none");
    pair.talk();
    let response = WebEvent::Response {
        stream,
        status: 404,
        fields: status("404"),
        body: b"none".to_vec(),
    };
    assert_eq!(pair.events(), (vec![response], vec![]));
    assert!(pair.client.streams.len() <= 6, "{:?}", pair.client.streams);
}

#[test]
fn streams_of_a_session_carry_bytes_and_codes_both_ways() {
    let (mut pair, session) = Pair::with_session();
    let stream = pair.client.open(session, false);
    pair.client.write(stream, b"there".to_vec());
    pair.talk();
    let said = |what| of(session, stream, what);
    let bytes = |bytes: &[u8]| SessionStream::Bytes(bytes.to_vec());
    let (mine, theirs) = pair.events();
    assert_eq!(mine, [said(SessionStream::Written)]);
    assert_eq!(theirs, [said(SessionStream::Opened), said(bytes(b"there"))]);
    pair.server.write(stream, b"back".to_vec());
    pair.server.reset(stream, 7);
    pair.server.stop_sending(stream, 8);
    pair.talk();
    let (mine, _) = pair.events();
    let expected = [
        bytes(b"back"),
        SessionStream::Reset(Some(7)),
        SessionStream::Stopped(Some(8)),
    ];
    assert_eq!(mine, expected.map(said));
}

#[test]
fn a_server_opens_streams_of_a_session_too() {
    let (mut pair, session) = Pair::with_session();
    for is_unidirectional in [true, false] {
        let stream = pair.server.open(session, is_unidirectional);
        pair.server.write(stream, b"x".to_vec());
        pair.server.fin(stream);
        pair.talk();
        let (mine, _) = pair.events();
        let expected = [
            SessionStream::Opened,
            SessionStream::Bytes(b"x".to_vec()),
            SessionStream::Fin,
        ];
        assert_eq!(mine, expected.map(|what| of(session, stream, what)));
    }
}

#[test]
fn datagrams_go_to_their_session_alone() {
    let (mut pair, session) = Pair::with_session();
    pair.client.datagram(session, b"one");
    pair.client.datagram(StreamId(400), b"other");
    pair.talk();
    let bytes = b"one".to_vec();
    let (_, theirs) = pair.events();
    assert_eq!(theirs, [WebEvent::Datagram { session, bytes }]);
}

#[test]
fn what_comes_for_a_session_before_it_is_there_is_held() {
    let mut pair = Pair::new(usize::MAX);
    let session = pair.client.connect("host", "/wt", &[]);
    let stream = pair.client.open(session, true);
    pair.client.write(stream, b"early".to_vec());
    pair.talk();
    let (_, theirs) = pair.events();
    assert!(matches!(
        theirs.as_slice(),
        [WebEvent::SessionRequested { .. }]
    ));
    assert!(!pair.server.reads(stream));
    pair.server.accept(session);
    assert!(pair.server.reads(stream));
    pair.talk();
    let (_, theirs) = pair.events();
    let expected = [
        SessionStream::Opened,
        SessionStream::Bytes(b"early".to_vec()),
    ];
    assert_eq!(theirs, expected.map(|what| of(session, stream, what)));
}

#[test]
fn a_session_that_is_refused_tells_its_status() {
    let mut pair = Pair::new(usize::MAX);
    let session = pair.client.connect("host", "/nothing", &[]);
    pair.talk();
    pair.server.reject(session, 404);
    pair.talk();
    let (mine, _) = pair.events();
    let why = Refusal::Status(404);
    assert_eq!(mine, [WebEvent::SessionRefused { session, why }]);
}

#[test]
fn a_server_that_offers_no_sessions_is_not_asked_for_one() {
    let mut client = web(true);
    client.connected();
    let session = client.connect("host", "/wt", &[]);
    let settings = frame(frame_type::SETTINGS, &[]);
    client.on_stream(StreamId(3), StreamUpdate::Opened);
    client.on_stream(
        StreamId(3),
        StreamUpdate::Bytes(&[&[0], settings.as_slice()].concat()),
    );
    let why = Refusal::NotOffered;
    assert_eq!(
        client.poll_event(),
        Some(WebEvent::SessionRefused { session, why })
    );
    let asked = std::iter::from_fn(|| client.poll_output());
    let writes = asked.filter(|output| matches!(output, Output::Write(_, id, _) if *id == session));
    assert_eq!(writes.count(), 0);
}

#[test]
fn the_end_of_a_session_says_why_and_ends_its_streams() {
    let (mut pair, session) = Pair::with_session();
    let stream = pair.client.open(session, false);
    pair.talk();
    pair.events();
    let close = SessionClose {
        code: 9,
        reason: "enough".to_owned(),
    };
    pair.server.close(session, &close);
    pair.talk();
    let (mine, theirs) = pair.events();
    let reset = of(session, stream, SessionStream::Reset(None));
    let stopped = of(session, stream, SessionStream::Stopped(None));
    let close = Some(close);
    let streams = vec![stream];
    let closed = WebEvent::SessionClosed {
        session,
        close,
        streams,
    };
    assert_eq!(theirs, []);
    assert!(mine.contains(&closed), "{mine:?}");
    assert!(
        mine.iter()
            .all(|it| [&closed, &reset, &stopped].contains(&it)),
        "{mine:?}"
    );
    assert!(!pair.client.streams.contains_key(&stream));
    assert!(!pair.server.streams.contains_key(&stream));
}

#[test]
fn a_session_that_ends_by_fin_alone_has_code_0_and_one_that_is_reset_has_none() {
    for (what, close) in [
        (StreamUpdate::Fin, Some(SessionClose::default())),
        (StreamUpdate::Reset(0x10c), None),
    ] {
        let (mut pair, session) = Pair::with_session();
        pair.server.on_stream(session, what);
        let (_, theirs) = pair.events();
        assert_eq!(
            theirs,
            [WebEvent::SessionClosed {
                session,
                close,
                streams: Vec::new()
            }]
        );
    }
}

/// A server that heard these bytes on streams of the client.
fn heard(streams: &[(u64, &str, bool)]) -> Web {
    let mut server = web(false);
    server.connected();
    for (id, bytes, stream_finished) in streams {
        let stream = StreamId(*id);
        server.on_stream(stream, StreamUpdate::Opened);
        let bytes = hex::decode(bytes).unwrap();
        server.on_stream(stream, StreamUpdate::Bytes(&bytes));
        if *stream_finished {
            server.on_stream(stream, StreamUpdate::Fin);
        }
    }
    server
}

#[rstest]
#[case::no_settings_first(&[(2, "00070100", false)], WebCode::MissingSettings)]
#[case::settings_twice(&[(2, "0004000400", false)], WebCode::FrameUnexpected)]
#[case::settings_of_http_2(&[(2, "0004020200", false)], WebCode::SettingsError)]
#[case::settings_cut(&[(2, "00040106", false)], WebCode::FrameError)]
#[case::data_on_control(&[(2, "000400000100", false)], WebCode::FrameUnexpected)]
#[case::control_ends(&[(2, "000400", true)], WebCode::ClosedCriticalStream)]
#[case::control_twice(&[(2, "000400", false), (6, "00", false)], WebCode::StreamCreationError)]
#[case::encoder_twice(&[(2, "02", false), (6, "02", false)], WebCode::StreamCreationError)]
#[case::encoder_inserts(&[(2, "023fe11f", false)], WebCode::EncoderStreamError)]
#[case::push_of_a_client(&[(2, "01", false)], WebCode::StreamCreationError)]
#[case::settings_on_a_request(&[(0, "0400", false)], WebCode::FrameUnexpected)]
#[case::data_first(&[(0, "000100", false)], WebCode::FrameUnexpected)]
#[case::frame_of_http_2(&[(0, "0600", false)], WebCode::FrameUnexpected)]
#[case::headers_too_long(&[(0, "0180010001", false)], WebCode::ExcessiveLoad)]
#[case::headers_of_a_dynamic_table(&[(0, "0103010080", false)], WebCode::DecompressionFailed)]
#[case::frame_cut_by_fin(&[(0, "010900", true)], WebCode::FrameError)]
#[case::stream_of_a_servers_session(&[(2, "405401", false)], WebCode::IdError)]
fn a_connection_that_breaks_a_rule_is_closed_with_its_code(
    #[case] streams: &[(u64, &str, bool)],
    #[case] expected: WebCode,
) {
    let mut server = heard(streams);
    match server.poll_event() {
        Some(WebEvent::Failed { code, .. }) => assert_eq!(code, expected),
        other => panic!("{other:?}"),
    }
    let close = std::iter::from_fn(|| server.poll_output()).last();
    assert!(
        matches!(close, Some(Output::Close { code, .. }) if code == expected.number()),
        "{close:?}"
    );
}

#[rstest]
#[case::nothing(&[], WebCode::RequestIncomplete)]
#[case::no_path(&[0xd1, 0xd7], WebCode::MessageError)]
fn a_request_that_is_malformed_ends_its_stream_alone(
    #[case] lines: &[u8],
    #[case] expected: WebCode,
) {
    let section = [&[0, 0], lines].concat();
    let bytes = match lines {
        [] => Vec::new(),
        _ => frame(frame_type::HEADERS, &section),
    };
    let mut server = heard(&[(0, &hex::encode(bytes), true)]);
    assert_eq!(server.poll_event(), None);
    let reset = std::iter::from_fn(|| server.poll_output()).find_map(|output| match output {
        Output::Reset(_, StreamId(0), code) => Some(code),
        _ => None,
    });
    assert_eq!(reset, Some(expected.number()));
}

#[test]
fn unknown_frames_streams_and_capsules_are_passed_over() {
    let grease = frame(0x21, &[0; 100]);
    let request = frame(frame_type::HEADERS, &field_section::encode(&get("/")));
    let stream = [grease.as_slice(), &request, &grease].concat();
    let control = [&[0][..], &frame(frame_type::SETTINGS, &[]), &grease].concat();
    let (control, stream) = (hex::encode(control), hex::encode(stream));
    let mut server = heard(&[
        (2, &control, false),
        (6, "210102", true),
        (0, &stream, true),
    ]);
    assert!(matches!(
        server.poll_event(),
        Some(WebEvent::Request { .. })
    ));
}

#[test]
fn a_stream_of_a_session_that_is_gone_is_rejected() {
    let (mut pair, session) = Pair::with_session();
    pair.client.close(session, &SessionClose::default());
    pair.talk();
    pair.events();
    pair.server.on_stream(StreamId(42), StreamUpdate::Opened);
    pair.server
        .on_stream(StreamId(42), StreamUpdate::Bytes(&[0x40, 0x54, 0]));
    let stop = pair.server.poll_output();
    let code = WebCode::SessionGone.number();
    assert_eq!(
        stop,
        Some(Output::StopSending(ConnectionNumber(0), StreamId(42), code))
    );
}
