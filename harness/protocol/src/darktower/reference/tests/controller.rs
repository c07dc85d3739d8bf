use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::streams::StreamUpdate;

/// The stream of signaling of each session.
const SIGNALING: StreamId = StreamId::of_client(1);

struct Rig {
    controller: Controller,
    store: Memory,
    recorder: Recorder,
    at: Duration,
    /// The session that does not read.
    deaf: Option<SessionKey>,
}

impl Rig {
    fn new() -> Self {
        let settings = ControllerSettings {
            place: Place::default(),
            secret: secret(),
            lifetime: TOKEN_LIFETIME,
            seed: 1,
            without: Deviations::default(),
        };
        Self {
            controller: Controller::new(settings),
            store: store(),
            recorder: Recorder::default(),
            at: START,
            deaf: None,
        }
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Controller, &mut Context<'_>) -> T) -> T {
        let mut context = Context {
            at: self.at,
            store: &mut self.store,
            sessions: &mut self.recorder,
        };
        act(&mut self.controller, &mut context)
    }

    /// The n-th session comes with its stream.
    fn open(&mut self, n: u64) {
        let url = "https://localhost/media".to_owned();
        self.with(|controller, context| controller.opened(session(n), START, url, context));
        self.on(n, StreamUpdate::Opened);
    }

    fn on(&mut self, n: u64, what: StreamUpdate<'_>) {
        let before = self.recorder.order.len();
        self.with(|controller, context| {
            controller.on_stream(session(n), SIGNALING, what, context);
        });
        self.take_writes(before);
    }

    /// The transport takes what was written since.
    fn take_writes(&mut self, before: usize) {
        let written = self.recorder.order.split_off(before);
        self.recorder.order.extend_from_slice(&written);
        for (of, stream) in written {
            if self.deaf != Some(of) {
                self.with(|controller, context| {
                    controller.on_stream(of, stream, StreamUpdate::Written, context);
                });
            }
        }
    }

    fn say(&mut self, n: u64, frame: &str, fields: Value) {
        self.on(n, StreamUpdate::Bytes(&framed(frame, fields)));
    }

    fn close(&mut self, n: u64, how: SessionEnd) {
        let before = self.recorder.order.len();
        self.with(|controller, context| controller.closed(session(n), how, context));
        self.take_writes(before);
    }

    /// Joins as this user; the id that it got.
    fn join(&mut self, n: u64, user: &str) -> String {
        self.open(n);
        self.say(n, "JoinRequest", join_request(user));
        let answers = self.answers(n);
        let answer = answers.last().unwrap();
        assert_eq!(answer.frame, "JoinResponse", "{answer:?}");
        answer.fields["participant_id"].as_str().unwrap().to_owned()
    }

    fn stream(&self, n: u64) -> Done {
        let found = self.recorder.streams.get(&(session(n), SIGNALING));
        found.cloned().unwrap_or_default()
    }

    fn answers(&self, n: u64) -> Vec<Described> {
        heard(Envelope::Server, &self.stream(n).bytes)
    }

    fn frames(&self, n: u64) -> Vec<&'static str> {
        self.answers(n).iter().map(|answer| answer.frame).collect()
    }

    /// The code of the last answer, which is an error.
    fn error(&self, n: u64) -> Value {
        let answers = self.answers(n);
        let last = answers.last().unwrap();
        assert_eq!(last.frame, "ErrorMessage", "{last:?}");
        last.fields["code"].clone()
    }
}

#[test]
fn who_joins_hears_of_those_who_are_there_and_they_hear_of_it_afterwards() {
    let mut rig = Rig::new();
    let alice = rig.join(0, "alice");
    rig.say(
        0,
        "PublishStream",
        json!({ "stream_id": "s", "stream_type": "VIDEO_CAMERA" }),
    );
    let bob = rig.join(1, "bob");
    let response = &rig.answers(1)[0].fields;
    let [there] = response["existing_participants"]
        .as_array()
        .unwrap()
        .as_slice()
    else {
        panic!("{response:?}");
    };
    assert_eq!(there["participant_id"], alice);
    assert_eq!(there["name"], "name of alice");
    assert_eq!(there["joined_at"], 1_800_000_000_000_u64);
    assert_eq!(there["streams"][0]["stream_type"], "VIDEO_CAMERA");
    let server = &response["media_server"];
    assert_eq!(server["media_handler_url"], "https://localhost/media");
    let token = server["connection_token"].as_str().unwrap();
    let claims = secret().verify(token, Usage::Media, START).unwrap();
    assert_eq!(
        (claims.sub.as_str(), claims.are_of(&MEETING.to_string())),
        ("bob", true)
    );
    assert_eq!(
        response["encryption_keys"],
        rig.answers(0)[0].fields["encryption_keys"]
    );

    assert_eq!(
        rig.frames(0),
        ["JoinResponse", "StreamPublished", "ParticipantJoined"]
    );
    assert_eq!(
        rig.answers(0)[2].fields["participant"]["participant_id"],
        bob
    );
    assert_eq!(rig.frames(1), ["JoinResponse"]);
    let last: Vec<_> = rig
        .recorder
        .order
        .iter()
        .rev()
        .take(2)
        .map(|(of, _)| *of)
        .collect();
    assert_eq!(last, [session(0), session(1)]);
}

#[rstest]
#[case::another_meeting(token("a", ENDED, Usage::Join))]
#[case::another_use(token("a", MEETING, Usage::Media))]
#[case::expired(token_at("a", MEETING, Usage::Join, START - TOKEN_LIFETIME, "1"))]
#[case::none(String::new())]
fn a_join_without_a_valid_token_is_unauthorized_and_joins_nobody(#[case] token: String) {
    let mut rig = Rig::new();
    rig.join(0, "bob");
    rig.open(1);
    let mut request = join_request("a");
    request["join_token"] = json!(token);
    rig.say(1, "JoinRequest", request);
    let answer = &rig.answers(1)[0];
    assert_eq!(answer.fields["code"], "UNAUTHORIZED");
    assert_eq!(answer.fields["message"], "Invalid or expired join token");
    assert_eq!(rig.frames(0), ["JoinResponse"]);
    rig.say(1, "JoinRequest", join_request("a"));
    assert_eq!(rig.frames(1), ["ErrorMessage", "JoinResponse"]);
}

#[rstest]
#[case(ENDED)]
#[case(UNKNOWN)]
fn a_meeting_that_is_over_or_unknown_is_not_found(#[case] meeting: Uuid) {
    let mut rig = Rig::new();
    rig.open(0);
    let mut request = join_request("a");
    request["meeting_id"] = json!(meeting.to_string());
    request["join_token"] = json!(token("a", meeting, Usage::Join));
    rig.say(0, "JoinRequest", request);
    assert_eq!(rig.error(0), "NOT_FOUND");
}

#[test]
fn a_full_meeting_has_its_capacity_exceeded_until_somebody_leaves() {
    let mut rig = Rig::new();
    for (n, user) in (0..).zip(["a", "b", "c"]) {
        rig.join(n, user);
    }
    rig.open(3);
    rig.say(3, "JoinRequest", join_request("d"));
    assert_eq!(rig.error(3), "CAPACITY_EXCEEDED");
    rig.close(0, SessionEnd::Clean);
    rig.say(3, "JoinRequest", join_request("d"));
    assert_eq!(rig.frames(3), ["ErrorMessage", "JoinResponse"]);
}

#[rstest]
#[case::another_message(framed("SubscribeStream", json!({ "stream_id": "s" })))]
#[case::length_0(vec![0; 4])]
#[case::length_above_65536(vec![0, 1, 0, 1])]
#[case::no_protobuf(vec![0, 0, 0, 1, 0xff])]
#[case::empty_oneof(vec![0, 0, 0, 2, 0x78, 0])]
fn a_wrong_message_is_an_invalid_request_and_ends_the_stream(
    #[case] bytes: Vec<u8>,
    #[values(false, true)] is_joined: bool,
) {
    let mut rig = Rig::new();
    rig.join(0, "a");
    match is_joined {
        true => drop(rig.join(1, "b")),
        false => rig.open(1),
    }
    rig.on(1, StreamUpdate::Bytes(&bytes));
    let is_right = is_joined && bytes.len() > 8;
    if is_right {
        assert_eq!(rig.error(1), "NOT_FOUND");
        assert!(!rig.stream(1).has_fin);
        return;
    }
    assert_eq!(rig.error(1), "INVALID_REQUEST");
    assert!(rig.stream(1).has_fin);
    assert_eq!(rig.stream(1).stopped, Some(StreamCode::Graceful));
    // Nothing more is read, and the others go on.
    let before = rig.stream(1);
    rig.say(1, "JoinRequest", join_request("b"));
    assert_eq!(rig.stream(1), before);
    rig.say(0, "PublishStream", json!({ "stream_id": "s" }));
    assert!(rig.frames(0).contains(&"StreamPublished"));
}

#[test]
fn messages_come_in_pieces_or_several_at_once_with_fields_that_nobody_knows() {
    let mut rig = Rig::new();
    rig.open(0);
    let mut request = join_request("a");
    request["unknown_fields"] = json!({ "hex": "f80f01" });
    let publish = |id: &str| framed("PublishStream", json!({ "stream_id": id }));
    let all = [framed("JoinRequest", request), publish("1"), publish("2")].concat();
    for byte in &all[..all.len() / 2] {
        rig.on(0, StreamUpdate::Bytes(&[*byte]));
    }
    rig.on(0, StreamUpdate::Bytes(&all[all.len() / 2..]));
    assert_eq!(
        rig.frames(0),
        ["JoinResponse", "StreamPublished", "StreamPublished"]
    );
}

#[test]
fn a_published_stream_is_told_to_all_and_its_name_is_taken() {
    let mut rig = Rig::new();
    let alice = rig.join(0, "a");
    rig.join(1, "b");
    let stream = json!({
        "stream_id": "5F", "stream_type": 77,
        "metadata": { "codec": "AV1", "video": { "simulcast_layers": [{ "width": 640 }] } },
    });
    rig.say(0, "PublishStream", stream);
    for n in [0, 1] {
        let told = rig.answers(n).last().unwrap().clone();
        assert_eq!(told.frame, "StreamPublished");
        assert_eq!(told.fields["participant_id"], alice);
        let stream = &told.fields["stream"];
        assert_eq!(
            (&stream["stream_id"], &stream["stream_type"]),
            (&json!("5F"), &json!(77))
        );
        let layers = &stream["metadata"]["video"]["simulcast_layers"];
        assert_eq!(layers[0]["width"], 640);
    }
    for n in [0, 1] {
        rig.say(n, "PublishStream", json!({ "stream_id": "5f" }));
        assert_eq!(rig.error(n), "CONFLICT");
    }
}

#[test]
fn a_stream_is_subscribed_to_while_somebody_publishes_it() {
    let mut rig = Rig::new();
    rig.join(0, "a");
    rig.join(1, "b");
    rig.say(1, "SubscribeStream", json!({ "stream_id": "s" }));
    assert_eq!(rig.error(1), "NOT_FOUND");
    rig.say(0, "PublishStream", json!({ "stream_id": "s" }));
    rig.say(1, "SubscribeStream", json!({ "stream_id": "s" }));
    let last = rig.answers(1).pop().unwrap();
    assert_eq!(
        (last.frame, &last.fields["stream_id"]),
        ("StreamSubscribed", &json!("s"))
    );
    rig.say(1, "UnsubscribeStream", json!({ "stream_id": "s" }));
    rig.say(
        1,
        "StreamQualityUpdate",
        json!({ "stream_id": "s", "packet_loss": "NaN" }),
    );
    rig.close(0, SessionEnd::Clean);
    rig.say(1, "SubscribeStream", json!({ "stream_id": "s" }));
    assert_eq!(rig.error(1), "NOT_FOUND");
}

#[rstest]
#[case::clean(SessionEnd::Clean, "VOLUNTARY", false)]
#[case::lost(SessionEnd::Lost, "CONNECTION_LOST", true)]
fn the_others_hear_why_somebody_left_and_who_was_lost_keeps_its_id_for_30_seconds(
    #[case] how: SessionEnd,
    #[case] reason: &str,
    #[case] keeps: bool,
) {
    let mut rig = Rig::new();
    rig.join(0, "a");
    let bob = rig.join(1, "b");
    rig.say(1, "PublishStream", json!({ "stream_id": "s" }));
    rig.close(1, how);
    let told = rig.answers(0).pop().unwrap();
    assert_eq!(told.frame, "ParticipantLeft");
    assert_eq!(told.fields["participant_id"], bob);
    assert_eq!(told.fields["reason"], reason);
    rig.at += RESUMPTION - Duration::from_millis(1);
    assert_eq!(rig.join(2, "b") == bob, keeps);
    assert_eq!(rig.frames(0).last(), Some(&"ParticipantJoined"));
    rig.say(2, "PublishStream", json!({ "stream_id": "s" }));
    assert_eq!(rig.frames(2), ["JoinResponse", "StreamPublished"]);
    rig.close(2, how);
    rig.at += RESUMPTION;
    assert_ne!(rig.join(3, "b"), bob);
}

#[test]
fn the_end_of_its_stream_is_a_clean_close() {
    let mut rig = Rig::new();
    rig.join(0, "a");
    rig.join(1, "b");
    rig.on(1, StreamUpdate::Fin);
    assert_eq!(rig.answers(0).pop().unwrap().fields["reason"], "VOLUNTARY");
    assert!(rig.stream(1).has_fin);
    rig.close(1, SessionEnd::Clean);
    assert_eq!(rig.frames(0).len(), 3);
    rig.on(0, StreamUpdate::Bytes(&[0, 0]));
    rig.on(0, StreamUpdate::Fin);
    assert_eq!(rig.error(0), "INVALID_REQUEST");
}

#[test]
fn a_user_that_joins_anew_before_it_was_missed_takes_its_place_under_the_same_id() {
    let mut rig = Rig::new();
    rig.join(0, "a");
    let bob = rig.join(1, "b");
    assert_eq!(rig.join(2, "b"), bob);
    assert!(rig.stream(1).has_fin);
    let frames = rig.frames(0);
    assert_eq!(frames[2..], ["ParticipantLeft", "ParticipantJoined"]);
    rig.close(1, SessionEnd::Lost);
    assert_eq!(rig.frames(0).len(), 4);
}

#[test]
fn states_go_from_disconnected_to_disconnected_by_their_names() {
    let mut rig = Rig::new();
    rig.join(0, "a");
    rig.on(0, StreamUpdate::Fin);
    rig.close(0, SessionEnd::Clean);
    let states: Vec<_> = rig
        .recorder
        .transitions
        .iter()
        .map(|(_, _, to)| *to)
        .collect();
    let all = "CONNECTING AUTHENTICATING CONNECTED DISCONNECTING DISCONNECTED";
    assert_eq!(states, all.split(' ').collect::<Vec<_>>());
}

#[test]
fn what_is_known_of_a_meeting_stays_short_enough_for_a_join_response() {
    let mut rig = Rig::new();
    rig.join(0, "a");
    let long = "x".repeat(20_000);
    for n in 0..3 {
        rig.say(
            0,
            "PublishStream",
            json!({ "stream_id": format!("{n}{long}") }),
        );
    }
    rig.say(
        0,
        "PublishStream",
        json!({ "stream_id": format!("3{long}") }),
    );
    assert_eq!(rig.error(0), "CAPACITY_EXCEEDED");
    rig.join(1, "b");
    let mut request = join_request("c");
    request["participant_name"] = json!(long);
    rig.open(2);
    rig.say(2, "JoinRequest", request);
    assert_eq!(rig.error(2), "CAPACITY_EXCEEDED");
}

#[test]
fn who_does_not_read_is_not_read_and_is_gone_when_too_much_waits_for_it() {
    let mut rig = Rig::new();
    rig.join(0, "a");
    rig.join(1, "b");
    rig.deaf = Some(session(1));
    let mut request = join_request("c");
    request["participant_name"] = json!("x".repeat(20_000));
    let mut n = 2;
    while rig.recorder.closed.is_empty() && n < 1_000 {
        rig.open(n);
        rig.say(n, "JoinRequest", request.clone());
        rig.close(n, SessionEnd::Clean);
        n += 1;
        if n == 10 {
            let reads = |n| rig.controller.reads(session(n), SIGNALING);
            assert!(reads(0) && !reads(1));
        }
    }
    assert_eq!(
        rig.recorder.closed,
        [(session(1), StreamCode::QuotaExceeded)]
    );
    assert!((50..60).contains(&n), "{n}");
    assert!(rig.frames(0).contains(&"ParticipantLeft"));
}
