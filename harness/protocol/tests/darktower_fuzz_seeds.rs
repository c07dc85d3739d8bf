//! The bodies of the fuzz targets of darktower over every seed and every input that once broke them. The
//! seeds are the frame vectors, whole and byte by byte, and sessions for the monitor.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-protocol --test darktower_fuzz_seeds` writes them anew.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/proton_plan.rs"]
#[expect(dead_code, reason = "other tests use all of it")]
mod proton_plan;
#[path = "support/seeds.rs"]
mod seeds;

use std::path::Path;

use proton_plan::Draft;
use seeds::{Seeds, assert_up_to_date, replay};
use serde_json::{Value, json};
use shakedown_protocol::darktower::{VOCABULARY, fuzz};
use shakedown_protocol::hex;
use shakedown_protocol::proton::fuzz::StepKind;
use shakedown_protocol::vocabulary::Vocabulary as _;
use shakedown_protocol::web::{frame, frame_type, prefix, stream_type};

/// The largest vectors say no more than small ones do, and are slow to mutate.
const LARGEST: usize = 4_096;

#[test]
fn every_seed_and_every_former_crash_passes() {
    replay("darktower_streams", fuzz::streams);
    replay("darktower_monitor", fuzz::monitor);
}

#[test]
fn seeds_are_the_frame_vectors() {
    let kinds = [
        "ClientMessage",
        "ServerMessage",
        "MediaAuth",
        "MediaAuthResult",
        "media",
    ];
    let mut seeds = Seeds::new();
    let folders = Path::new("../../vectors/darktower/frames")
        .read_dir()
        .unwrap();
    let folders = folders.map(|folder| folder.unwrap().path());
    for folder in folders.filter(|folder| folder.is_dir()) {
        for file in folder.read_dir().unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let vector: Value = serde_json::from_str(&text).unwrap();
            let pieces = match &vector["hex"] {
                Value::Array(pieces) => pieces.iter().filter_map(Value::as_str).collect(),
                digits => digits.as_str().unwrap().to_owned(),
            };
            let kind = kinds.iter().position(|kind| vector["stream"] == *kind);
            let (kind, cut) = (u8::try_from(kind.unwrap()).unwrap(), 1);
            let bytes = [vec![kind, cut], hex::parse(&pieces).unwrap()].concat();
            let name = vector["id"].as_str().unwrap().replace('/', "-");
            if bytes.len() <= LARGEST {
                seeds.insert(name, bytes);
            }
        }
    }
    assert_up_to_date("darktower_streams", &seeds);
}

#[test]
fn seeds_of_the_monitor_are_sessions_and_what_goes_wrong_in_them() {
    const SERVER: u8 = 128;
    const ID: &str = "00000000-0000-4000-8000-000000000001";
    let say = |frame, fields: Value| {
        VOCABULARY
            .encode(frame, fields.as_object().unwrap())
            .unwrap()
    };
    // Sections of the static table alone: a request for a session, an answer, a request for a meeting.
    let asks = b"\0\0\xcf\x27\x02:protocol\x0cwebtransport";
    let meeting = b"\0\0\xd1\x51\x12/api/v1/meetings/m";
    let headers = |section: &[u8]| frame(frame_type::HEADERS, section);
    let opens = |draft: Draft, by: u8, stream: u8, bytes: &[u8]| {
        let draft = draft.step(StepKind::Opened, by, stream, &[]);
        draft.step(StepKind::Bytes, by, stream, bytes)
    };
    let of_session = |draft: Draft, by: u8, stream: u8, bytes: &[u8]| {
        let first = match stream & 2 {
            0 => frame_type::WEBTRANSPORT_STREAM,
            _ => stream_type::WEBTRANSPORT,
        };
        opens(
            draft,
            by,
            stream,
            &[prefix(first, 0), bytes.to_vec()].concat(),
        )
    };
    let connected = Draft::default()
        .step(StepKind::Asked, 0, 0, &[])
        .step(StepKind::Command, 0, 1, &[])
        .step(StepKind::Connected, SERVER, 0, &[]);
    let session = opens(connected.clone(), 0, 0, &headers(asks));
    let session = session.step(StepKind::Bytes, SERVER, 0, &headers(b"\0\0\xd9"));
    let join = say("JoinRequest", json!({ "meeting_id": "m" }));
    let left = say("ParticipantLeft", json!({}));
    let signaling =
        of_session(session.clone(), 0, 4, &join).step(StepKind::Bytes, SERVER, 4, &left);
    let auth = say("MediaAuth", json!({ "connection_token": "t" }));
    let header = say(
        "STREAM-HEADER",
        json!({ "stream_id": ID, "stream_type": 0 }),
    );
    let media = say(
        "FRAME",
        json!({ "stream_id": ID, "payload": { "pattern": 5 } }),
    );
    let stream = [header, media.clone(), media.clone()].concat();
    let close = frame(frame_type::DATA, &[0x68, 0x43, 4, 0, 0, 0, 0]);
    let early = of_session(session.clone(), 0, 6, &stream);
    let all = of_session(of_session(session.clone(), 0, 2, &auth), 0, 6, &stream);
    let all = of_session(all, SERVER, 3, &stream);
    let drafts = [
        ("meeting", opens(connected.clone(), 0, 0, &headers(meeting))),
        ("backwards", signaling.reversed()),
        (
            "silent",
            signaling
                .clone()
                .wait(25_000)
                .step(StepKind::Written, 0, 1, &[]),
        ),
        ("not-asked-for", of_session(connected, 0, 4, &join)),
        ("left-first", of_session(session.clone(), 0, 4, &left)),
        (
            "lost",
            signaling.clone().step(StepKind::Deadline, 0, 4, &[]),
        ),
        ("signaling", signaling),
        (
            "datagram",
            session.step(StepKind::Datagram, 0, 0, &[&[0], &*media].concat()),
        ),
        ("closed", all.clone().step(StepKind::Bytes, 0, 0, &close)),
        (
            "finished",
            all.clone()
                .step(StepKind::Fin, 0, 6, &[])
                .step(StepKind::Bytes, 0, 0, &close),
        ),
        ("reset", all.clone().step(StepKind::Reset, SERVER, 0, &[2])),
        ("media-first", early),
        ("media", all),
    ];
    let mut seeds = Seeds::new();
    for (name, draft) in drafts {
        for (option, bits) in [("path", 0), ("supervised", 1 + 2 + 4)] {
            seeds.insert(format!("{name}-{option}"), draft.with(bits));
        }
    }
    assert_up_to_date("darktower_monitor", &seeds);
}
