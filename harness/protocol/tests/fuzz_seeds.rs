//! The bodies of the fuzz targets over every seed and every input that once broke one, and the
//! seeds themselves: they are made from the frame vectors.
//!
//! `SHAKEDOWN_UPDATE=seeds cargo test -p shakedown-protocol --test fuzz_seeds` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "support/conversation.rs"]
mod conversation;
#[path = "support/seeds.rs"]
mod seeds;
#[path = "support/vector.rs"]
#[expect(
    dead_code,
    reason = "what becomes of a datagram is another test's matter"
)]
mod vector;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conversation::{Sent, conversation};
use rstest::rstest;
use seeds::{Seeds, assert_up_to_date, replay};
use shakedown_protocol::mediastream::fuzz::{self, Event, Plan};
use vector::{Dialect, Vector};

/// Vectors that are longer, in bytes, are no seeds: what is long about them is a fill.
const LONGEST: usize = 2_100;

#[rstest]
#[case("decode_legacy", fuzz::decode_legacy)]
#[case("decode_3way", fuzz::decode_3way)]
#[case("decode_start3", fuzz::decode_start3)]
#[case("round_trip", fuzz::round_trip)]
#[case("initiator", fuzz::initiator)]
#[case("responder", fuzz::responder)]
#[case("monitor", fuzz::monitor)]
#[case("judged_initiator", fuzz::judged_initiator)]
#[case("judged_responder", fuzz::judged_responder)]
fn every_seed_and_every_former_crash_passes(#[case] target: &str, #[case] body: fn(&[u8])) {
    replay(target, body);
}

#[test]
fn seeds_of_decoding_are_those_of_the_vectors() {
    let vectors = vectors();
    let seeds = |dialects: &[Dialect]| -> Seeds {
        let takes = |vector: &&Vector| {
            dialects
                .iter()
                .any(|dialect| vector.modes.contains(dialect))
        };
        let taken = vectors.iter().filter(takes);
        taken
            .map(|vector| (name(vector), vector.datagram()))
            .collect()
    };
    assert_up_to_date("decode_legacy", &seeds(&[Dialect::Legacy]));
    let both = [Dialect::ThreeWay, Dialect::ThreeWayWithStart];
    assert_up_to_date("decode_3way", &seeds(&both));
    let start3 = [
        Dialect::LegacyWithUploads,
        Dialect::Start3,
        Dialect::Start3WithStart,
        Dialect::ThreeWayAndStart3,
    ];
    assert_up_to_date("decode_start3", &seeds(&start3));
}

#[test]
fn seeds_of_the_round_trip_are_those_of_the_good_vectors() {
    let good = vectors()
        .into_iter()
        .filter(|vector| vector.decoded.is_some());
    let seeds = good.map(|vector| (name(&vector), arbitrary_frame(&vector.datagram())));
    assert_up_to_date("round_trip", &seeds.collect());
}

#[test]
fn seeds_of_the_machines_are_conversations() {
    let answer = |choice| Event::Answer { peer: 0, choice };
    let wait = |milliseconds| Event::Wait(Duration::from_millis(milliseconds));
    let deadlines = |count| vec![Event::Deadline; count];

    let mut initiator = Seeds::new();
    let mut add = |name: &str, options, events| {
        initiator.insert(name.to_owned(), Plan { options, events }.write());
    };
    let stream = [vec![answer(3)], vec![answer(5); 20]].concat();
    add("legacy-whole-stream", 0, stream.clone());
    add("legacy-no-answer", 0, deadlines(10));
    add("legacy-stop", 0, vec![answer(3), answer(5), Event::Stop]);
    add("3way-whole-stream", 1, [vec![answer(0)], stream].concat());
    add("3way-no-answer", 1, deadlines(5));
    add("3way-rejected", 1, vec![answer(2), answer(0)]);
    add(
        "3way-falls-back",
        3,
        [deadlines(3), vec![answer(5); 20]].concat(),
    );
    add(
        "3way-media-before-syn-ack",
        1,
        vec![answer(5), answer(3), answer(5), answer(0)],
    );
    add(
        "3way-another-id",
        1,
        vec![answer(0), answer(4), answer(5), answer(1)],
    );
    let stranger = Event::Answer { peer: 1, choice: 0 };
    add(
        "3way-syn-ack-of-a-stranger",
        1,
        vec![stranger, Event::Deadline],
    );
    let fragments = (0..10)
        .map(|index| answer(7 + 8 * index))
        .collect::<Vec<_>>();
    add(
        "3way-fragments",
        1,
        [vec![answer(0), answer(3)], fragments, vec![wait(6000)]].concat(),
    );
    add(
        "3way-frames-missing",
        1,
        vec![answer(0), answer(3), answer(6 + 8 * 20), wait(2000)],
    );

    let mut responder = Seeds::new();
    let mut add = |name: &str, options, events| {
        responder.insert(name.to_owned(), Plan { options, events }.write());
    };
    let (ack, syn, other_syn, start) = (answer(0), answer(1), answer(2), answer(3));
    add(
        "legacy-whole-stream",
        0,
        [vec![start], deadlines(25)].concat(),
    );
    add(
        "legacy-start-again",
        0,
        vec![start, Event::Deadline, start, wait(100)],
    );
    add("legacy-late", 0, vec![start, wait(5000)]);
    add(
        "3way-whole-stream",
        1,
        [vec![syn, ack], deadlines(25)].concat(),
    );
    add("3way-no-ack", 1, [vec![syn], deadlines(6)].concat());
    add(
        "3way-restart",
        1,
        vec![syn, ack, wait(300), other_syn, wait(300), ack, wait(300)],
    );
    let foreign_ack = answer(4);
    add(
        "3way-ack-with-another-id",
        1,
        vec![syn, foreign_ack, wait(400), ack, wait(400)],
    );
    add("3way-ack-out-of-nowhere", 1, vec![ack, wait(100)]);
    add(
        "3way-start-allowed",
        3,
        vec![start, wait(500), syn, ack, wait(500)],
    );
    add(
        "3way-start-while-half-open",
        7,
        vec![syn, wait(200), start, wait(500)],
    );
    add("3way-optimistic", 5, vec![syn, wait(400), ack, wait(900)]);
    add(
        "3way-optimistic-large-frames",
        13,
        [vec![syn], deadlines(20), vec![ack, wait(900)]].concat(),
    );
    add("3way-stop", 1, vec![syn, ack, wait(300), Event::Stop]);
    let peers = (0..4).flat_map(|peer| {
        [
            Event::Answer { peer, choice: 1 },
            Event::Answer { peer, choice: 0 },
        ]
    });
    add("3way-many-peers", 1, peers.chain([wait(1500)]).collect());

    // Every vector of a form in the middle of a session.
    let vectors = vectors();
    for (wanted, datagrams) in datagrams_by_form(&vectors) {
        let arrive = datagrams
            .iter()
            .map(|payload| Event::Datagram { peer: 0, payload });
        let arrive: Vec<_> = arrive.collect();
        for (mode, options) in [("legacy", 0), ("3way", 1)] {
            let begin = if options == 0 {
                vec![answer(3)]
            } else {
                vec![answer(0), answer(3)]
            };
            let events = [begin, arrive.clone()].concat();
            initiator.insert(
                format!("{mode}-vectors-{wanted}"),
                Plan { options, events }.write(),
            );
            let begin = if options == 0 {
                vec![start]
            } else {
                vec![syn, ack]
            };
            let events = [begin, arrive.clone(), vec![wait(400)]].concat();
            responder.insert(
                format!("{mode}-vectors-{wanted}"),
                Plan { options, events }.write(),
            );
        }
    }
    assert_up_to_date("initiator", &initiator);
    assert_up_to_date("responder", &responder);
}

#[test]
fn seeds_of_the_monitor_are_sessions_of_the_machines_and_vectors_within_them() {
    let mut seeds = Seeds::new();
    let conversations = [
        ("legacy", conversation("legacy", &[])),
        ("3way", conversation("3way", &[])),
        (
            "3way-optimistic",
            conversation("3way", &["optimistic_start"]),
        ),
        ("start3", conversation("start3", &[])),
        (
            "start3-begins-immediately",
            conversation("start3", &["begin_immediately"]),
        ),
    ];
    for (name, packets) in &conversations {
        let events = events(packets);
        for (settings, options) in [
            ("sender", 1 + 2),
            ("path", 0),
            ("cut", 16),
            ("told", 1 + 2 + 4 + 8),
        ] {
            let mode = match name.get(..4) {
                Some("lega") => 0,
                Some("3way") => 32,
                _ => 64,
            };
            let options = options + mode;
            let plan = Plan {
                options,
                events: events.clone(),
            };
            seeds.insert(format!("{name}-{settings}"), plan.write());
        }
        let backwards = Plan {
            options: 1,
            events: events.iter().rev().copied().collect(),
        };
        seeds.insert(format!("{name}-backwards"), backwards.write());
        let twice = events.iter().flat_map(|event| [*event; 2]).collect();
        let twice = Plan {
            options: 1,
            events: twice,
        };
        seeds.insert(format!("{name}-twice"), twice.write());
    }
    let vectors = vectors();
    for (form, datagrams) in datagrams_by_form(&vectors) {
        for (name, packets) in [0, 1, 3].map(|index| &conversations[index]) {
            let whole = events(packets);
            let (begin, end) = whole.split_at(10);
            let both = |payload| [0, 1].map(|peer| Event::Datagram { peer, payload });
            let middle: Vec<_> = datagrams.iter().flat_map(|payload| both(payload)).collect();
            let plan = Plan {
                options: 1,
                events: [begin, &middle, end].concat(),
            };
            seeds.insert(format!("{name}-vectors-{form}"), plan.write());
        }
    }
    let strangers: Vec<_> = (0..=255)
        .flat_map(|choice| {
            [
                Event::Answer {
                    peer: choice,
                    choice,
                },
                Event::Deadline,
            ]
        })
        .collect();
    for (name, options) in [
        ("every-datagram-between-all", 0),
        ("every-datagram-of-start3-between-all", 64),
    ] {
        let events = strangers.clone();
        seeds.insert(name.to_owned(), Plan { options, events }.write());
    }
    assert_up_to_date("monitor", &seeds);
}

#[test]
fn seeds_of_judged_machines_are_conversations() {
    let answer = |choice| Event::Answer { peer: 0, choice };
    let wait = |milliseconds| Event::Wait(Duration::from_millis(milliseconds));
    // Forms as the targets number them; above them, an id or a frame.
    let (reply, start, syn, id, data) = (answer(0), answer(64), answer(1), answer(5), 6);
    let other_syn = answer(1 + 8);
    let stream = (0..20).flat_map(|frame| [answer(data + 8 * frame), wait(20)]);
    let stream: Vec<_> = stream.collect();

    let mut initiator = Seeds::new();
    let mut add = |name: &str, options, events| {
        initiator.insert(name.to_owned(), Plan { options, events }.write());
    };
    add(
        "legacy-stream",
        0,
        [vec![wait(3), id], stream.clone(), vec![wait(5000)]].concat(),
    );
    add("legacy-no-answer", 0, vec![wait(9000)]);
    add(
        "3way-stream",
        1,
        [vec![wait(3), reply], stream.clone(), vec![wait(5000)]].concat(),
    );
    add("3way-no-answer", 1, vec![wait(9000)]);
    add(
        "3way-late-answer",
        1,
        vec![wait(700), reply, reply, wait(9000)],
    );
    add("3way-rejected", 1, vec![wait(700), answer(3), wait(9000)]);
    add(
        "3way-falls-back",
        3,
        [vec![wait(4000), id], stream.clone(), vec![wait(9000)]].concat(),
    );
    add(
        "start3-stream",
        16,
        [vec![wait(3), reply], stream.clone(), vec![wait(5000)]].concat(),
    );
    add("start3-no-answer", 16, vec![wait(9000)]);
    add(
        "start3-late-answer-twice",
        16,
        vec![wait(700), reply, wait(20), reply, wait(9000)],
    );
    add(
        "start3-answers-to-others",
        16,
        vec![answer(7), answer(2), answer(4), answer(3), wait(9000)],
    );
    add(
        "start3-falls-back",
        18,
        [vec![wait(4000), id], stream, vec![wait(9000)]].concat(),
    );

    let mut responder = Seeds::new();
    let mut add = |name: &str, options, events| {
        responder.insert(name.to_owned(), Plan { options, events }.write());
    };
    add("legacy-stream", 0, vec![start, wait(2000)]);
    add(
        "legacy-start-again",
        0,
        vec![start, wait(300), start, wait(2000), start, wait(2000)],
    );
    add("3way-stream", 1, vec![syn, wait(3), reply, wait(2000)]);
    add("3way-no-ack", 1, vec![syn, wait(15_000)]);
    add(
        "3way-syn-again",
        1,
        vec![syn, syn, wait(3), reply, wait(300), syn, reply, wait(2000)],
    );
    add(
        "3way-restart",
        1,
        vec![syn, reply, wait(300), other_syn, wait(3), reply, wait(2000)],
    );
    add(
        "3way-optimistic",
        5,
        vec![syn, wait(300), reply, wait(2000)],
    );
    add("3way-optimistic-no-ack", 5, vec![syn, wait(15_000)]);
    add(
        "3way-start-allowed",
        3,
        vec![start, wait(300), syn, wait(3), reply, wait(2000)],
    );
    add(
        "3way-start-while-half-open",
        7,
        vec![syn, wait(300), start, wait(2000)],
    );
    let (ask, other_ask, wrong_nonce) = (answer(2 + 8), answer(2 + 16), answer(2 + 8 + 32));
    add("start3-stream", 16, vec![ask, wait(3), reply, wait(2000)]);
    add("start3-no-confirm", 16, vec![ask, wait(15_000)]);
    add(
        "start3-begins-immediately",
        16 + 8,
        vec![ask, wait(300), reply, wait(2000)],
    );
    add(
        "start3-other-starts",
        16,
        vec![
            ask,
            ask,
            reply,
            wait(300),
            other_ask,
            other_ask,
            wrong_nonce,
            wait(2000),
        ],
    );
    add(
        "start3-wrong-confirm",
        16,
        vec![
            ask,
            answer(4 + 8),
            wait(300),
            ask,
            reply,
            wait(300),
            answer(4 + 8),
            wait(2000),
        ],
    );
    add(
        "start3-error",
        16,
        vec![
            ask,
            reply,
            wait(300),
            answer(7 + 8),
            wait(2000),
            answer(7 + 8),
        ],
    );
    add(
        "start3-stream-id-zero",
        16,
        vec![answer(2), wait(300), ask, reply, answer(2), wait(2000)],
    );
    add(
        "3way,start3-in-turn",
        17,
        vec![
            syn,
            wait(3),
            reply,
            wait(300),
            ask,
            wait(300),
            reply,
            wait(2000),
        ],
    );
    add(
        "3way,start3-a-syn-restarts",
        17,
        vec![
            ask,
            wait(3),
            reply,
            wait(300),
            syn,
            wait(3),
            reply,
            wait(2000),
        ],
    );
    add(
        "start3-start-allowed",
        18,
        vec![
            start,
            wait(300),
            ask,
            wait(2000),
            ask,
            wait(300),
            start,
            wait(2000),
        ],
    );
    assert_up_to_date("judged_initiator", &initiator);
    assert_up_to_date("judged_responder", &responder);
}

/// A conversation as events of a plan; times to the millisecond.
fn events(packets: &[Sent]) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    let mut now = Duration::ZERO;
    for (time, from_responder, payload) in packets {
        let passed = Duration::from_millis((*time - now).as_millis() as u64);
        if !passed.is_zero() {
            now += passed;
            events.push(Event::Wait(passed));
        }
        let peer = u8::from(*from_responder);
        events.push(Event::Datagram { peer, payload });
    }
    events
}

fn datagrams_by_form(vectors: &[Vector]) -> BTreeMap<String, Vec<Vec<u8>>> {
    let mut forms: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for vector in vectors {
        let name = name(vector);
        let form = name.split_once('.').map_or("", |(form, _)| form);
        forms
            .entry(form.to_owned())
            .or_default()
            .push(vector.datagram());
    }
    forms
}

fn vectors() -> Vec<Vector> {
    let root = Path::new("../../vectors/mediastream/frames");
    let mut paths: Vec<PathBuf> = Vec::new();
    for form in root.read_dir().unwrap().map(|form| form.unwrap().path()) {
        if form.is_dir() {
            paths.extend(form.read_dir().unwrap().map(|file| file.unwrap().path()));
        }
    }
    paths.sort();
    let vectors = paths.iter().map(|path| Vector::read(path));
    vectors
        .filter(|vector| vector.datagram().len() <= LONGEST)
        .collect()
}

/// `<form>.<name>`.
fn name(vector: &Vector) -> String {
    vector.id.replacen("mediastream/", "", 1).replace('/', ".")
}

/// The bytes from which the target makes the frame of this datagram: the form, the fields, and
/// the length of what is not of fixed length at the very end.
fn arbitrary_frame(datagram: &[u8]) -> Vec<u8> {
    use shakedown_protocol::mediastream::frame::{Control, Frame, Header, Start3};
    let Ok(Some(frame)) = Frame::decode(datagram) else {
        panic!("a good vector");
    };
    let control = |form: u8, control: &Control<'_>| {
        let mut bytes = vec![form];
        bytes.extend(&datagram[2..Header::LENGTH]);
        // Seven of eight frames are of our version; of others the version follows.
        bytes.push(if control.version == Control::VERSION {
            0
        } else {
            7
        });
        let from = Header::LENGTH + usize::from(control.version == Control::VERSION);
        bytes.extend(&datagram[from..]);
        (bytes, datagram.len() - Control::TLV_OFFSET)
    };
    let start3 = |form: u8, body: &Start3<'_>| {
        let mut bytes = vec![form];
        bytes.extend(&datagram[2..Header::LENGTH]);
        bytes.push(if body.version == Start3::VERSION {
            0
        } else {
            7
        });
        let from = Header::LENGTH + usize::from(body.version == Start3::VERSION);
        bytes.extend(&datagram[from..]);
        (bytes, datagram.len() - Start3::TLV_OFFSET)
    };
    let (mut bytes, rest) = match frame {
        Frame::StartToken => (vec![0], None),
        Frame::JoinToken => (vec![7], None),
        Frame::Data(data) => ([&[1], &datagram[2..]].concat(), Some(data.payload.len())),
        Frame::Fragment(part) => ([&[2], &datagram[2..]].concat(), Some(part.payload.len())),
        Frame::Syn(syn) => wrap(control(3, &syn)),
        Frame::SynAck(syn_ack) => wrap(control(4, &syn_ack)),
        Frame::Ack(ack) => wrap(control(5, &ack)),
        Frame::Start(body) => wrap(start3(8, &body)),
        Frame::StartAck(body) => wrap(start3(9, &body)),
        Frame::StartConfirm(body) => wrap(start3(10, &body)),
        Frame::Error(body) => wrap(start3(11, &body)),
        Frame::ConnectionId(id) => ([&[6], &datagram[2..]].concat(), Some(id.trailing.len())),
    };
    match rest {
        None | Some(0) => {}
        Some(length @ ..256) => bytes.push(length as u8),
        Some(length) => bytes.extend((length as u16).to_be_bytes()),
    }
    let made = arbitrary::Unstructured::new(&bytes).arbitrary::<Frame<'_>>();
    assert_eq!(made, Ok(frame));
    bytes
}

fn wrap((bytes, rest): (Vec<u8>, usize)) -> (Vec<u8>, Option<usize>) {
    (bytes, Some(rest))
}
