use rstest::rstest;
use serde_json::json;

use super::*;
use crate::streams::StreamUpdate;

const STREAM: &str = "6d656469-6100-4000-8000-000000000001";

struct Rig {
    handler: Handler,
    store: Memory,
    recorder: Recorder,
}

/// The n-th unidirectional stream of a client.
const fn stream(n: u64) -> StreamId {
    StreamId((n << 2) | 2)
}

fn header() -> Vec<u8> {
    framed(
        "STREAM-HEADER",
        json!({ "stream_type": 1, "stream_id": STREAM }),
    )
}

fn frame(number: u64, payload: &str) -> Vec<u8> {
    let kind = if number == 0 { 1 } else { 2 };
    framed(
        "FRAME",
        json!({
            "frame_type": kind, "stream_id": STREAM, "sequence_number": number,
            "payload": { "hex": payload },
        }),
    )
}

impl Rig {
    fn new() -> Self {
        let settings = HandlerSettings {
            place: Place::default(),
            secret: secret(),
            forwards_all: true,
            without: Deviations::default(),
        };
        Self {
            handler: Handler::new(settings),
            store: store(),
            recorder: Recorder::default(),
        }
    }

    fn with(&mut self, act: impl FnOnce(&mut Handler, &mut Context<'_>)) {
        let mut context = Context {
            at: START,
            store: &mut self.store,
            sessions: &mut self.recorder,
        };
        act(&mut self.handler, &mut context);
    }

    fn send(&mut self, n: u64, on: u64, bytes: &[u8]) {
        self.with(|handler, context| {
            handler.on_stream(session(n), stream(on), StreamUpdate::Opened, context);
            handler.on_stream(session(n), stream(on), StreamUpdate::Bytes(bytes), context);
        });
    }

    /// A session that shows a token on its first stream.
    fn open(&mut self, n: u64, token: &str) {
        self.with(|handler, context| handler.opened(session(n), START, context));
        self.send(
            n,
            0,
            &framed("MediaAuth", json!({ "connection_token": token })),
        );
    }

    fn known(&mut self, n: u64) {
        let user = format!("user {n}");
        self.open(n, &token_at(&user, MEETING, Usage::Media, START, &user));
    }

    fn stopped(&self, n: u64, on: u64) -> Option<StreamCode> {
        let done = self.recorder.streams.get(&(session(n), stream(on)));
        done.and_then(|done| done.stopped)
    }

    /// What the handler sends to a session that is no answer.
    fn copies(&self, n: u64) -> Vec<Done> {
        let all = self.recorder.streams.iter();
        let all = all.filter(|((of, id), done)| {
            *of == session(n) && id.is_of_server() && done.bytes.starts_with(b"DART")
        });
        all.map(|(_, done)| done.clone()).collect()
    }
}

#[rstest]
#[case::expired(token_at("a", MEETING, Usage::Media, START - TOKEN_LIFETIME, "1"))]
#[case::of_another_use(token("a", MEETING, Usage::Join))]
#[case::used(token_at("user 0", MEETING, Usage::Media, START, "user 0"))]
fn a_token_that_is_not_valid_is_refused_with_code_2_and_so_is_media(#[case] token: String) {
    let mut rig = Rig::new();
    rig.known(0);
    rig.open(1, &token);
    assert_eq!(rig.stopped(1, 0), Some(StreamCode::AuthenticationFailed));
    rig.send(1, 1, &[header(), frame(0, "00")].concat());
    assert_eq!(rig.stopped(1, 1), Some(StreamCode::AuthenticationFailed));
    assert_eq!(rig.copies(0), []);
    assert_eq!(rig.handler.counters().refused, 1);
}

#[rstest]
#[case::magic([b"DARU".to_vec(), header()].concat(), StreamCode::InvalidFormat)]
#[case::version([header(), vec![2]].concat(), StreamCode::InvalidFormat)]
#[case::too_long([header(), { let mut it = frame(0, ""); it[34] = 1; it }].concat(), StreamCode::QuotaExceeded)]
fn a_stream_that_breaks_a_rule_is_broken_off_and_others_go_on(
    #[case] bytes: Vec<u8>,
    #[case] code: StreamCode,
) {
    let mut rig = Rig::new();
    rig.known(0);
    rig.known(1);
    let mut whole = bytes;
    whole.extend([0; 60]);
    rig.send(0, 1, &whole);
    assert_eq!(rig.stopped(0, 1), Some(code));
    rig.send(0, 2, &[header(), frame(0, "ab")].concat());
    assert_eq!(rig.stopped(0, 2), None);
    let (of, copy) = rig.recorder.order.last().copied().unwrap();
    rig.with(|handler, context| handler.on_stream(of, copy, StreamUpdate::Written, context));
    assert_eq!(rig.copies(1)[0].bytes, [header(), frame(0, "ab")].concat());
}

#[test]
fn who_reads_nothing_loses_its_copy_alone_and_no_more_than_4_mib_wait() {
    let mut rig = Rig::new();
    for n in 0..3 {
        rig.known(n);
    }
    rig.send(0, 1, &header());
    let payload = "5a".repeat(100_000);
    for number in 0..60 {
        let before = rig.recorder.order.len();
        rig.with(|handler, context| {
            let bytes = frame(number, &payload);
            handler.on_stream(session(0), stream(1), StreamUpdate::Bytes(&bytes), context);
        });
        let mut next = before;
        while let Some((of, stream)) = rig.recorder.order.get(next).copied() {
            next += 1;
            if of == session(1) {
                rig.with(|handler, context| {
                    handler.on_stream(of, stream, StreamUpdate::Written, context);
                });
            }
        }
    }
    let [reads] = &rig.copies(1)[..] else {
        panic!("one copy");
    };
    assert_eq!(reads.bytes.len(), 32 + 60 * 100_046);
    let [unread] = &rig.copies(2)[..] else {
        panic!("one copy");
    };
    assert_eq!(unread.reset, Some(StreamCode::QuotaExceeded));
    assert!(rig.handler.counters().most_waiting <= 4 << 20);
}
