//! Right implementations that are not ours: the reference with what the specification leaves open done in
//! another way. They pass every committed scenario, in virtual time, as the reference does.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "siblings/darktower.rs"]
mod darktower;
#[path = "siblings/proton.rs"]
mod proton;
mod support;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Map, Value, json};
use shakedown_engine::iut::Timing;
use shakedown_engine::scenario::{Environment, Span};
use shakedown_engine::simulation::Settings;
use shakedown_protocol::machine::{Input, Machine, Outcome, Output};
use shakedown_protocol::mediastream::PROTOCOL;
use shakedown_protocol::requirement::Role;
use shakedown_protocol::{Protocol, Reference, ReferenceSettings};
use support::failures;

#[rstest]
#[case::sends_start_until_media_comes(&ASKS_ON, 5_000)]
#[case::names_an_optimistic_stream_again(&NAMES_AGAIN, 5_000)]
#[case::answers_the_unexpected_by_error_7_once(&ANSWERS_BY_SEVEN, 5_000)]
#[case::goes_on_with_its_numbers_after_a_restart(&NUMBERS_GO_ON, 5_000)]
#[case::counts_its_nonces_from_1(&NONCE_1, 5_000)]
#[case::names_its_upload(&NAMES_UPLOADS, 5_000)]
#[case::stays_for_a_second_when_its_stream_is_over(&LINGERS, 5_000)]
#[case::gives_up_after_a_second(&PROTOCOL, 1_000)]
#[case::gives_up_before_start_is_due_again(&PROTOCOL, 400)]
#[case::waits_for_half_a_minute(&PROTOCOL, 30_000)]
fn a_right_implementation_passes_that(
    #[case] protocol: &'static Protocol,
    #[case] buffer_period: u64,
) {
    let settings = Settings {
        timing: Timing {
            buffer_period: Span::fixed(Duration::from_millis(buffer_period)),
            ..Timing::default()
        },
        ..Settings::default()
    };
    let waits = Duration::from_millis(buffer_period);
    let environment = Environment::new(&settings.stream, &settings.timing);
    let failed = failures(protocol, &settings, |scenario| {
        let least = scenario.iut.buffer_period;
        least.is_none_or(|least| least.resolve(&environment) <= waits)
    });
    assert!(failed.is_empty(), "{} fail: {failed:#?}", failed.len());
}

static ASKS_ON: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::AsksOn),
    ..PROTOCOL
};
static NAMES_AGAIN: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::NamesAgain),
    ..PROTOCOL
};
static ANSWERS_BY_SEVEN: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::AnswersBySeven),
    ..PROTOCOL
};
static NUMBERS_GO_ON: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::NumbersGoOn),
    ..PROTOCOL
};

static NONCE_1: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::NonceIs1),
    ..PROTOCOL
};
static NAMES_UPLOADS: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::NamesUploads),
    ..PROTOCOL
};
static LINGERS: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::Lingers),
    ..PROTOCOL
};

/// What a sibling does that the reference does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// MS-L-02: a connection-id does not end the repetition of START; the deployed program does so.
    AsksOn,
    /// MS-H-16: until the ACK the connection-id comes again after every second datagram of media, but for the last
    /// frame (MS-D-07).
    NamesAgain,
    /// MS-S-17: the first frame of a session that nobody expects is answered by ERROR 7.
    AnswersBySeven,
    /// MS-H-23: the numbers of a session that was restarted go on.
    NumbersGoOn,
    /// MS-S-01: the Nonce is a number that counts sessions, and the first of a process.
    NonceIs1,
    /// MS-X-01: the client sends data as a responder does, a connection-id before it.
    NamesUploads,
    /// A client does not end at once when its stream is complete.
    Lingers,
}

fn sibling(settings: &ReferenceSettings, habit: Habit) -> Result<Reference, String> {
    let Reference::Datagrams(inner) = (PROTOCOL.reference)(settings)? else {
        return Err("the reference has become one of streams".to_owned());
    };
    Ok(Reference::Datagrams(Box::new(Sibling {
        habit,
        inner,
        pause: settings.stream.interval() + Duration::from_millis(500),
        again: None,
        nonce: None,
        frames: settings.stream.frames(),
        stays: None,
        out: VecDeque::new(),
        peers: BTreeMap::new(),
    })))
}

struct Sibling {
    habit: Habit,
    inner: Box<dyn Machine>,
    pause: Duration,
    /// When START is sent again, and to whom.
    again: Option<(Duration, SocketAddr)>,
    /// The Nonce of the reference, which the other side knows as 1.
    nonce: Option<u64>,
    frames: u64,
    /// Until when it stays, though all is done.
    stays: Option<Duration>,
    out: VecDeque<Output>,
    peers: BTreeMap<SocketAddr, Peer>,
}

/// What is remembered of a peer.
#[derive(Default)]
struct Peer {
    name: Option<Vec<u8>>,
    is_confirmed: bool,
    media: u64,
    /// The keys of start3 of its session, while it lives: StreamId, Nonce and SenderNonce.
    session: Option<Keys>,
    /// Whether its session had its ERROR 7.
    is_answered: bool,
    /// The highest number of media, and what is added to those of the session.
    highest: u64,
    added: u64,
}

type Keys = [u64; 3];

const START: &[u8] = b"START";

impl Machine for Sibling {
    fn role(&self) -> Role {
        self.inner.role()
    }

    fn handle(&mut self, now: Duration, input: Input<'_>) {
        let renamed = match input {
            Input::Datagram { from, payload } => Some((from, self.renamed(payload.to_vec()))),
            Input::Tick | Input::Stop => None,
        };
        let input = renamed.as_ref().map_or(input, |(from, payload)| {
            let from = *from;
            Input::Datagram { from, payload }
        });
        self.inner.handle(now, input);
        let mut is_answered = false;
        while let Some(output) = self.inner.poll() {
            is_answered |= matches!(output, Output::Send { .. });
            self.sends(now, output);
        }
        if let Input::Datagram { from, payload } = input {
            self.takes(from, payload, is_answered);
        }
        if let Some((due, to)) = self.again.filter(|(due, _)| *due <= now) {
            self.again = Some((due + self.pause, to));
            let payload = START.to_vec();
            self.out.push_back(Output::Send { to, payload });
        }
        if self.inner.is_finished() {
            self.again = None;
        }
        self.stays = self.stays.filter(|until| now < *until);
    }

    fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Duration> {
        let again = self.again.map(|(due, _)| due);
        let inner = self.inner.deadline().into_iter();
        inner.chain(again).chain(self.stays).min()
    }

    fn is_finished(&self) -> bool {
        self.inner.is_finished() && self.stays.is_none()
    }

    fn counters(&self) -> Value {
        self.inner.counters()
    }
}

impl Sibling {
    /// A frame of start3 with 1 for the Nonce of the reference and the reverse.
    fn renamed(&self, mut payload: Vec<u8>) -> Vec<u8> {
        if let (Some(own), Some((_, [_, nonce, _]))) = (self.nonce, start3(&payload)) {
            let other = match nonce {
                1 => own,
                nonce if nonce == own => 1,
                nonce => nonce,
            };
            payload[38..46].copy_from_slice(&other.to_le_bytes());
        }
        payload
    }

    /// What the reference sends, and what the sibling makes of it.
    fn sends(&mut self, now: Duration, output: Output) {
        let Output::Send { to, mut payload } = output else {
            let is_completed = matches!(
                output,
                Output::Ended {
                    outcome: Outcome::Completed,
                    ..
                }
            );
            if is_completed && self.habit == Habit::Lingers && self.inner.role() == Role::Initiator
            {
                self.stays = Some(now + Duration::from_secs(1));
            }
            self.out.push_back(output);
            return;
        };
        if self.habit == Habit::NamesUploads
            && self.inner.role() == Role::Initiator
            && is_media(&payload)
            && self.peers.get(&to).is_none_or(|peer| peer.media == 0)
        {
            self.send(
                to,
                "connection-id",
                &json!({ "connection_id": "an upload" }),
            );
        }
        if let (Habit::NonceIs1, Role::Initiator, Some((0x0200, [_, nonce, _]))) =
            (self.habit, self.inner.role(), start3(&payload))
        {
            self.nonce = Some(nonce);
        }
        payload = self.renamed(payload);
        let peer = self.peers.entry(to).or_default();
        let is_media = is_media(&payload);
        if self.habit == Habit::AsksOn && payload == START {
            self.again = Some((now + self.pause, to));
        }
        if self.habit == Habit::NumbersGoOn && is_media {
            let number = word(&payload, 2);
            // A SYN-ACK of another session came before.
            if number == 1 && !peer.is_confirmed {
                peer.added = peer.highest;
            }
            peer.is_confirmed = true;
            peer.highest = number + peer.added;
            payload[2..10].copy_from_slice(&peer.highest.to_le_bytes());
        }
        if accepts(&payload) && peer.name.as_ref() != Some(&payload) {
            peer.name = Some(payload.clone());
            peer.is_confirmed = false;
            peer.media = 0;
        }
        if let Some((flag @ (0x0201 | 0x0202), keys)) = start3(&payload) {
            // A responder begins another session with it, an initiator has one alone.
            peer.is_answered &= flag == 0x0202 || peer.session == Some(keys);
            peer.session = Some(keys);
        }
        match error_code(&payload) {
            Some(7) => peer.is_answered = true,
            Some(_) => peer.session = None,
            None => {}
        }
        peer.media += u64::from(is_media);
        let is_last = is_media && word(&payload, 2) >= self.frames;
        let again = peer.media.is_multiple_of(2) && is_media && !is_last && !peer.is_confirmed;
        let name = peer.name.clone().filter(|_| again);
        self.out.push_back(Output::Send { to, payload });
        if let (Habit::NamesAgain, Some(syn_ack)) = (self.habit, name) {
            let fields = json!({ "connection_id": text(&syn_ack) });
            self.send(to, "connection-id", &fields);
        }
    }

    /// What comes in; whether the reference answers it.
    fn takes(&mut self, from: SocketAddr, payload: &[u8], is_answered: bool) {
        let peer = self.peers.entry(from).or_default();
        if is_media(payload) {
            self.again = None;
        }
        if self.habit == Habit::NamesAgain && payload.starts_with(&[0x02, 0x01]) {
            peer.is_confirmed = true;
        }
        let is_whole = matches!(PROTOCOL.vocabulary.decode(payload), Ok(Some(_)));
        let Some((flag, keys)) = start3(payload).filter(|_| is_whole && payload[26] == 1) else {
            return;
        };
        let is_own = peer.session == Some(keys);
        match flag {
            0x02ff => {
                let ours = peer.session.map(|[id, ..]| id);
                if ours == Some(keys[0]) && error_code(payload) != Some(7) {
                    peer.session = None;
                }
            }
            // The one that is waited for, and its copies.
            0x0202 if is_own && self.inner.role() == Role::Responder => {}
            _ if is_answered || self.habit != Habit::AnswersBySeven => {}
            _ if peer.session.is_none() || peer.is_answered => {}
            _ => {
                peer.is_answered = true;
                let [stream_id, nonce, sender_nonce] = keys;
                let fields = json!({
                    "stream_id": stream_id, "nonce": nonce, "sender_nonce": sender_nonce,
                    "error_code": 7,
                });
                self.send(from, "ERROR", &fields);
            }
        }
    }

    fn send(&mut self, to: SocketAddr, frame: &str, fields: &Value) {
        let fields: Map<String, Value> = fields.as_object().cloned().unwrap();
        let payload = PROTOCOL.vocabulary.encode(frame, &fields).unwrap();
        self.out.push_back(Output::Send { to, payload });
    }
}

fn is_media(payload: &[u8]) -> bool {
    payload.len() > 26 && matches!(payload, [0 | 1, 0, ..])
}

/// Whether it is a SYN-ACK that begins or confirms a session.
fn accepts(payload: &[u8]) -> bool {
    let described = PROTOCOL.vocabulary.decode(payload).ok().flatten();
    described.is_some_and(|it| it.frame == "SYN-ACK" && it.fields["accept"] == true)
}

/// Flag and keys of a frame of start3.
fn start3(payload: &[u8]) -> Option<(u16, Keys)> {
    let flag = u16::from_le_bytes([*payload.first()?, *payload.get(1)?]);
    let is_one = flag >> 8 == 2 && payload.len() >= 54;
    is_one.then(|| (flag, [30, 38, 46].map(|at| word(payload, at))))
}

fn error_code(payload: &[u8]) -> Option<u64> {
    let described = PROTOCOL.vocabulary.decode(payload).ok()??;
    described.fields.get("error_code")?.as_u64()
}

fn word(payload: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(payload[at..at + 8].try_into().unwrap())
}

/// The connection id of a SYN-ACK.
fn text(syn_ack: &[u8]) -> String {
    let id = syn_ack[30..67].split(|byte| *byte == 0).next().unwrap();
    String::from_utf8_lossy(id).into_owned()
}
