//! Plans for the machines alone: whole sessions, what goes wrong in them, and every vector in the
//! middle of one.

use std::time::Duration;

use shakedown_protocol::mediastream::fuzz::{Event, Plan};

use crate::seeds::Seeds;
use crate::vector_seeds::{datagrams_by_form, vectors};

/// The first peer answers; the choices are those of the target's body.
const fn answer(choice: u8) -> Event<'static> {
    Event::Answer { peer: 0, choice }
}

const fn wait(milliseconds: u64) -> Event<'static> {
    Event::Wait(Duration::from_millis(milliseconds))
}

fn deadlines(count: usize) -> Vec<Event<'static>> {
    vec![Event::Deadline; count]
}

/// Plans for an initiator.
pub(crate) fn initiator() -> Seeds {
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

    // In start3 the choices are those of a Sender; above them a number that is told.
    let (grant, other_stream, other_nonce) = (answer(0), answer(3 + 8), answer(3 + 16));
    let refuse = answer(2 + 8 * 4);
    let stream = [vec![grant], vec![answer(5); 20]].concat();
    add("start3-whole-stream", 4, stream);
    add("start3-no-answer", 4, deadlines(5));
    add(
        "start3-falls-back",
        6,
        [deadlines(3), vec![answer(5); 20]].concat(),
    );
    add("start3-refused", 4, vec![refuse, grant, Event::Deadline]);
    add("start3-another-stream", 4, vec![other_stream, grant]);
    add("start3-another-nonce", 4, vec![other_nonce, grant]);
    add(
        "start3-another-sender-nonce",
        4,
        vec![grant, grant, answer(5), answer(1 + 8 * 6)],
    );
    add("start3-sender-nonce-zero", 4, vec![answer(1), grant]);
    add(
        "start3-begins-immediately",
        4,
        vec![answer(5), answer(7 + 8 * 20), answer(5)],
    );
    add("start3-grants-more", 4, vec![answer(7 + 8 * 31), grant]);
    add(
        "start3-error-in-the-stream",
        4,
        vec![grant, answer(5), refuse, grant],
    );
    add(
        "start3-starts-from-the-sender",
        4,
        vec![grant, answer(4), answer(4 + 8), answer(4 + 8), answer(5)],
    );

    let begin_3way = vec![answer(0), answer(3)];
    add_vectors(
        &mut initiator,
        [
            ("legacy", 0, vec![answer(3)]),
            ("3way", 1, begin_3way),
            ("start3", 4, vec![grant, answer(5)]),
        ],
        &[],
    );
    initiator
}

/// Plans for a responder.
pub(crate) fn responder() -> Seeds {
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

    // Choices of start3 have bit 5; the rest modulo 5 is the frame.
    let (ask, confirm, other_nonce) = (answer(35), answer(36), answer(32));
    let (wrong_confirm, error, other_ask) = (answer(33), answer(34), answer(100));
    let whole = [vec![ask, confirm], deadlines(25)].concat();
    add("start3-whole-stream", 16, whole);
    add("start3-no-confirm", 16, [vec![ask], deadlines(6)].concat());
    add(
        "start3-begins-immediately",
        48,
        vec![ask, wait(300), confirm, wait(900)],
    );
    add(
        "start3-begins-large-frames",
        56,
        [vec![ask], deadlines(20), vec![confirm, wait(900)]].concat(),
    );
    add(
        "start3-another-nonce",
        16,
        vec![ask, other_nonce, confirm, other_nonce, wait(900)],
    );
    add(
        "start3-wrong-confirm",
        16,
        vec![ask, wrong_confirm, confirm, wait(300)],
    );
    add(
        "start3-error-in-the-stream",
        16,
        vec![ask, confirm, wait(300), error, error, wait(300), ask],
    );
    add(
        "start3-another-stream",
        16,
        vec![ask, confirm, other_ask, other_ask, wait(900)],
    );
    add(
        "3way,start3-in-turn",
        17,
        vec![
            syn,
            ack,
            wait(300),
            ask,
            confirm,
            wait(2000),
            ask,
            confirm,
            wait(300),
            syn,
            ack,
        ],
    );
    add(
        "start3-start-while-half-open",
        18,
        vec![ask, wait(200), start, wait(500), confirm],
    );
    add(
        "start3-stop",
        16,
        vec![ask, confirm, wait(300), Event::Stop],
    );

    add_vectors(
        &mut responder,
        [
            ("legacy", 0, vec![start]),
            ("3way", 1, vec![syn, ack]),
            ("start3", 16, vec![ask, confirm]),
        ],
        &[wait(400)],
    );
    responder
}

/// Every vector of a form in the middle of a session: its mode, the options, and how it begins.
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
            let plan = Plan {
                options: *options,
                events: [begin, arrive.as_slice(), end].concat(),
            };
            seeds.insert(format!("{mode}-vectors-{form}"), plan.write());
        }
    }
}
