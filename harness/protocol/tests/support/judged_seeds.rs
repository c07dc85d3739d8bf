//! Plans in which the monitor judges a machine: what peers say by the number of the datagram.

use std::time::Duration;

use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::mediastream::fuzz::{Event, FuzzInput};

use crate::seeds::Seeds;
use crate::vector_seeds::{datagrams_by_form, vectors};

// Forms as the targets number them; above them, an id or a frame.
/// What takes the handshake further.
const REPLY: Event<'static> = answer(0);

/// The first peer answers; the choices are those of the target's body.
const fn answer(choice: u8) -> Event<'static> {
    Event::Answer { peer: 0, choice }
}

const fn wait(milliseconds: u64) -> Event<'static> {
    Event::Wait(Duration::from_millis(milliseconds))
}

/// Plans for an initiator.
pub(crate) fn initiator() -> Seeds {
    let (reply, id, data) = (REPLY, answer(5), 6);
    let stream = (0..20).flat_map(|frame| [answer(data + 8 * frame), wait(20)]);
    let stream: Vec<_> = stream.collect();
    let mut initiator = Seeds::new();
    let mut add = |name: &str, options, events| {
        initiator.insert(name.to_owned(), FuzzInput { options, events }.write());
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
    let stranger = Event::Answer { peer: 1, choice: 0 };
    let answers = vec![wait(3), stranger, wait(9000)];
    add("3way-syn-ack-of-a-stranger", 1, answers);
    let begins = |more: &[Event<'static>]| [&[wait(3)], more].concat();
    add_vectors(
        &mut initiator,
        [
            ("legacy", 0, begins(&[id])),
            ("3way", 1, begins(&[reply, id])),
            ("start3", 16, begins(&[reply, answer(data)])),
        ],
        &[wait(9000)],
    );
    initiator
}

/// Plans for a responder.
pub(crate) fn responder() -> Seeds {
    let (reply, start, syn, other_syn) = (REPLY, answer(64), answer(1), answer(1 + 8));
    let mut responder = Seeds::new();
    let mut add = |name: &str, options, events| {
        responder.insert(name.to_owned(), FuzzInput { options, events }.write());
    };
    add("legacy-stream", 0, vec![start, wait(2000)]);
    add(
        "legacy-start-again",
        0,
        vec![start, wait(300), start, wait(2000), start, wait(2000)],
    );
    let asks = |peer| Event::Answer { peer, choice: 64 };
    let all = [asks(0), asks(1), asks(2), wait(2000)];
    add("legacy-slots", 4, all.to_vec());
    let payload: &[u8] = b"JOIN";
    let joins = |peer| Event::Datagram { peer, payload };
    let upload = [joins(0), wait(3), answer(6), wait(20), answer(6 + 8)];
    let upload = [&upload[..], &[joins(1), joins(2), wait(2000)]].concat();
    add("legacy-upload-slots", 8, upload);
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
    let peers = (0..3).flat_map(|peer| [1, 0].map(|choice| Event::Answer { peer, choice }));
    add("3way-many-peers", 1, peers.chain([wait(1500)]).collect());
    add_vectors(
        &mut responder,
        [
            ("legacy", 0, vec![start]),
            ("3way", 1, vec![syn, wait(3), reply]),
            ("start3", 16, vec![ask, wait(3), reply]),
        ],
        &[wait(400)],
    );
    responder
}

/// Every vector of a form in the middle of a session: its mode, the options, and how it begins. And one valid
/// vector of the form after each part of the beginning.
fn add_vectors(
    seeds: &mut Seeds,
    sessions: [(&str, u8, Vec<Event<'static>>); 3],
    end: &[Event<'static>],
) {
    let vectors = vectors();
    for (form, datagrams) in datagrams_by_form(&vectors) {
        let arrive = datagrams
            .iter()
            .map(|payload| Event::Datagram { peer: 0, payload });
        let arrive: Vec<_> = arrive.collect();
        for (mode, options, begin) in &sessions {
            let plan = FuzzInput {
                options: *options,
                events: [begin, arrive.as_slice(), end].concat(),
            };
            seeds.insert(format!("{mode}-vectors-{form}"), plan.write());
            let is_valid = |payload| matches!(PROTOCOL.vocabulary.decode(payload), Ok(Some(_)));
            let valid = datagrams.iter().find(|payload| is_valid(payload));
            let valid = valid.map(|payload| Event::Datagram { peer: 0, payload });
            for before in 0..begin.len() {
                let plan = FuzzInput {
                    options: *options,
                    events: [&begin[..before], valid.as_slice(), end].concat(),
                };
                seeds.insert(format!("{mode}-{form}-after-{before}"), plan.write());
            }
        }
    }
}
