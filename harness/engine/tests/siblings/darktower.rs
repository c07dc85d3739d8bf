//! Right services and clients of darktower that are not ours.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rstest::rstest;
use serde_json::{Map, Value, json};
use shakedown_engine::simulation::Settings;
use shakedown_protocol::darktower::{
    Envelope, FrameHeader, MessageReader, PROTOCOL, StreamHeader, VOCABULARY,
};
use shakedown_protocol::requirement::Role;
use shakedown_protocol::streams::{
    ConnectionNumber, Input, Output, Path, StreamId, StreamMachine, StreamUpdate,
};
use shakedown_protocol::vocabulary::{Described, Vocabulary};
use shakedown_protocol::{Protocol, Reference, ReferenceSettings};

use crate::support::failures;

#[rstest]
#[case::has_ids_of_another_form(&OTHER_IDS)]
#[case::does_everything_300_ms_later(&LATER)]
#[case::sends_all_in_pieces(&PIECES)]
#[case::tells_the_others_first(&OTHERS_FIRST)]
#[case::tells_of_quality(&QUALITY)]
#[case::breaks_off_what_it_closes(&BREAKS_OFF)]
fn a_right_service_passes_that(#[case] protocol: &'static Protocol) {
    passes(protocol, Role::Responder);
}

#[rstest]
#[case::does_everything_300_ms_later(&LATER)]
#[case::sends_all_in_pieces(&PIECES)]
#[case::tells_of_quality(&QUALITY)]
#[case::counts_frames_from_1(&FROM_ONE)]
#[case::has_one_timestamp_for_all_frames(&ONE_MOMENT)]
#[case::sends_frames_that_may_be_discarded(&DISCARDABLE)]
fn a_right_client_passes_that(#[case] protocol: &'static Protocol) {
    passes(protocol, Role::Initiator);
}

fn passes(protocol: &'static Protocol, role: Role) {
    let failed = failures(protocol, &Settings::default(), |scenario| {
        scenario.iut.role == role
    });
    assert!(failed.is_empty(), "{} fail: {failed:#?}", failed.len());
}

static OTHER_IDS: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::OtherIds),
    ..PROTOCOL
};
static LATER: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::Later),
    ..PROTOCOL
};
static PIECES: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::Pieces),
    ..PROTOCOL
};
static OTHERS_FIRST: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::OthersFirst),
    ..PROTOCOL
};
static QUALITY: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::Quality),
    ..PROTOCOL
};
static BREAKS_OFF: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::BreaksOff),
    ..PROTOCOL
};
static FROM_ONE: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::FromOne),
    ..PROTOCOL
};
static ONE_MOMENT: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::OneMoment),
    ..PROTOCOL
};
static DISCARDABLE: Protocol = Protocol {
    reference: |settings| sibling(settings, Habit::Discardable),
    ..PROTOCOL
};

/// What a sibling does that the reference does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Participants have ids that are no UUIDs: the page says no more than that they are strings.
    OtherIds,
    /// The page gives no time for answers and notices.
    Later,
    /// DT-S-02: a message comes in two packets, 20 ms apart. So does what is sent of media.
    Pieces,
    /// Of what follows from one message the connection that came last hears first; but for joins (DT-S-08).
    OthersFirst,
    /// StreamQualityUpdate is a message of both sides: who is told of a stream gets one.
    Quality,
    /// A stream that is closed after an error is reset, once the error has come (DT-S-04, DT-S-11).
    BreaksOff,
    /// DT-M-07: the numbers of frames start at 0 or 1.
    FromOne,
    /// DT-M-07: timestamps never fall, but may stay.
    OneMoment,
    /// Bit 1 of the flags may be set in any frame.
    Discardable,
}

/// The code 0 of a session, in HTTP/3.
const GRACEFUL: u64 = 0x52e4_a40f_a8db;

fn sibling(settings: &ReferenceSettings, habit: Habit) -> Result<Reference, String> {
    let Reference::Streams(inner, transport) = (PROTOCOL.reference)(settings)? else {
        return Err("the reference has become one of datagrams".to_owned());
    };
    let sibling = Sibling {
        habit,
        envelope: match settings.role {
            Role::Initiator => Envelope::Client,
            Role::Responder => Envelope::Server,
        },
        inner,
        now: Duration::ZERO,
        out: VecDeque::new(),
        unasked: BTreeMap::new(),
        erred: BTreeSet::new(),
        ids: BTreeMap::new(),
    };
    Ok(Reference::Streams(Box::new(sibling), transport))
}

struct Sibling {
    habit: Habit,
    /// Of the messages that it sends.
    envelope: Envelope,
    inner: Box<dyn StreamMachine>,
    now: Duration,
    /// What it wants done, and when.
    out: VecDeque<(Duration, Output)>,
    /// Writes of a stream of which the reference knows nothing.
    unasked: BTreeMap<(ConnectionNumber, StreamId), u32>,
    /// Streams on which there was an error.
    erred: BTreeSet<(ConnectionNumber, StreamId)>,
    /// The ids of participants, and what they are called instead, as long as they are.
    ids: BTreeMap<String, String>,
}

impl StreamMachine for Sibling {
    fn handle(&mut self, now: Duration, input: Input<'_>) {
        self.now = now;
        if let Input::Stream {
            connection,
            stream,
            what: StreamUpdate::Written,
        } = input
            && let Some(unasked) = self.unasked.get_mut(&(connection, stream))
            && *unasked > 0
        {
            *unasked -= 1;
            return;
        }
        self.inner.handle(now, input);
        let batch: Vec<_> = std::iter::from_fn(|| self.inner.poll()).collect();
        for (pause, output) in self.changed(batch) {
            let before = self.out.back().map_or(now, |(due, _)| *due);
            let due = before.max(now + pause);
            self.out.push_back((due, output));
        }
    }

    fn poll(&mut self) -> Option<Output> {
        let now = self.now;
        let next = self.out.pop_front_if(|(due, _)| *due <= now);
        next.map(|(_, output)| output)
    }

    fn deadline(&self) -> Option<Duration> {
        let next = self.out.front().map(|(due, _)| *due);
        self.inner.deadline().into_iter().chain(next).min()
    }

    fn reads(&self, connection: ConnectionNumber, stream: StreamId) -> bool {
        self.inner.reads(connection, stream)
    }

    fn measured(&mut self, connection: ConnectionNumber, path: Path) {
        self.inner.measured(connection, path);
    }

    fn is_finished(&self) -> bool {
        self.inner.is_finished() && self.out.is_empty()
    }

    fn counters(&self) -> Value {
        self.inner.counters()
    }
}

impl Sibling {
    /// What the sibling does instead, and after which pause.
    fn changed(&mut self, batch: Vec<Output>) -> Vec<(Duration, Output)> {
        let at_once = |output| (Duration::ZERO, output);
        match self.habit {
            Habit::OtherIds => {
                let renamed = batch.into_iter().map(|output| self.renamed(output));
                renamed.map(at_once).collect()
            }
            Habit::Later => {
                let pause = Duration::from_millis(300);
                batch.into_iter().map(|output| (pause, output)).collect()
            }
            Habit::Pieces => batch
                .into_iter()
                .flat_map(|output| self.in_pieces(output))
                .collect(),
            Habit::OthersFirst => self.others_first(batch).into_iter().map(at_once).collect(),
            Habit::Quality => batch
                .into_iter()
                .flat_map(|output| self.with_quality(output))
                .map(at_once)
                .collect(),
            Habit::BreaksOff => {
                let broken = batch.into_iter().map(|output| self.broken_off(output));
                broken.collect()
            }
            Habit::FromOne | Habit::OneMoment | Habit::Discardable => {
                let changed = batch
                    .into_iter()
                    .map(|output| self.with_other_frames(output));
                changed.map(at_once).collect()
            }
        }
    }

    fn renamed(&mut self, output: Output) -> Output {
        let Output::Write(connection, stream, mut bytes) = output else {
            return output;
        };
        for said in self.said(&bytes) {
            if let (true, Value::String(id)) = (
                said.frame == "JoinResponse",
                &said
                    .fields
                    .get("participant_id")
                    .cloned()
                    .unwrap_or_default(),
            ) {
                let n = self.ids.len() + 1;
                let length = id.len();
                let other = format!("participant number {n:0width$}", width = length - 19);
                self.ids.entry(id.clone()).or_insert(other);
            }
        }
        for (id, other) in &self.ids {
            let places: Vec<_> = bytes
                .windows(id.len())
                .enumerate()
                .filter(|(_, window)| *window == id.as_bytes())
                .map(|(place, _)| place)
                .collect();
            for place in places {
                bytes[place..place + id.len()].copy_from_slice(other.as_bytes());
            }
        }
        Output::Write(connection, stream, bytes)
    }

    fn broken_off(&mut self, output: Output) -> (Duration, Output) {
        match output {
            Output::Write(connection, stream, bytes) => {
                if self
                    .said(&bytes)
                    .iter()
                    .any(|it| it.frame == "ErrorMessage")
                {
                    self.erred.insert((connection, stream));
                }
                (Duration::ZERO, Output::Write(connection, stream, bytes))
            }
            Output::Fin(connection, stream) if self.erred.contains(&(connection, stream)) => (
                Duration::from_millis(200),
                Output::Reset(connection, stream, GRACEFUL),
            ),
            output => (Duration::ZERO, output),
        }
    }

    fn in_pieces(&mut self, output: Output) -> Vec<(Duration, Output)> {
        match output {
            Output::Write(connection, stream, mut bytes) if bytes.len() > 3 => {
                *self.unasked.entry((connection, stream)).or_default() += 1;
                let rest = bytes.split_off(3);
                vec![
                    (Duration::ZERO, Output::Write(connection, stream, bytes)),
                    (
                        Duration::from_millis(20),
                        Output::Write(connection, stream, rest),
                    ),
                ]
            }
            output => vec![(Duration::ZERO, output)],
        }
    }

    fn with_quality(&mut self, output: Output) -> Vec<Output> {
        let Output::Write(connection, stream, bytes) = &output else {
            return vec![output];
        };
        let (connection, stream) = (*connection, *stream);
        let told = self.said(bytes);
        let streams = told.iter().filter_map(|it| match it.frame {
            "StreamSubscribed" | "SubscribeStream" | "PublishStream" => it.fields.get("stream_id"),
            "StreamPublished" => it.fields.get("stream")?.get("stream_id"),
            _ => None,
        });
        let updates: Vec<_> = streams
            .map(|stream_id| {
                let fields = json!({
                    "stream_id": stream_id, "available_bitrate": 64_000, "rtt_ms": 20,
                });
                let fields: Map<String, Value> = fields.as_object().cloned().unwrap();
                // What both say is encoded as a client says it: the number of the oneof is the same.
                let bytes = VOCABULARY.encode("StreamQualityUpdate", &fields).unwrap();
                Output::Write(connection, stream, bytes)
            })
            .collect();
        *self.unasked.entry((connection, stream)).or_default() += updates.len() as u32;
        std::iter::once(output).chain(updates).collect()
    }

    fn with_other_frames(&self, output: Output) -> Output {
        let change = |mut bytes: Vec<u8>| {
            if let Some(at) = frame(&bytes) {
                let field = |from: usize, length: usize| at + from..at + from + length;
                match self.habit {
                    Habit::FromOne => {
                        let number = &mut bytes[field(26, 8)];
                        let one_more = u64::from_be_bytes(number.try_into().unwrap()) + 1;
                        number.copy_from_slice(&one_more.to_be_bytes());
                    }
                    Habit::OneMoment => {
                        bytes[field(18, 8)]
                            .copy_from_slice(&1_700_000_000_000_000_u64.to_be_bytes());
                    }
                    _ => bytes[field(38, 2)][1] |= 2,
                }
            }
            bytes
        };
        match output {
            Output::Write(connection, stream, bytes) => {
                Output::Write(connection, stream, change(bytes))
            }
            Output::Datagram(connection, bytes) => Output::Datagram(connection, change(bytes)),
            output => output,
        }
    }

    /// The messages that these bytes are; none if they are something else.
    fn said(&self, bytes: &[u8]) -> Vec<Described> {
        let mut all = Vec::new();
        let mut reader = MessageReader::new(self.envelope);
        let read = reader.take(bytes, |message| all.push(message));
        match read.and_then(|()| reader.finish()) {
            Ok(()) => all,
            Err(_) => Vec::new(),
        }
    }

    /// Writes of the connections that came last first, where nothing else is asked for.
    fn others_first(&self, mut batch: Vec<Output>) -> Vec<Output> {
        let is_free = |output: &Output| match output {
            Output::Write(_, _, bytes) => {
                let mut said = self.said(bytes).into_iter().peekable();
                said.peek().is_some() && said.all(|it| it.frame != "JoinResponse")
            }
            _ => false,
        };
        if batch.iter().all(is_free) {
            batch.sort_by_key(|output| match output {
                Output::Write(connection, ..) => std::cmp::Reverse(*connection),
                _ => std::cmp::Reverse(ConnectionNumber(0)),
            });
        }
        batch
    }
}

/// Where the frame of media is in a write or a datagram, which may have the header of a stream or the number of a
/// session before it.
fn frame(bytes: &[u8]) -> Option<usize> {
    let header = bytes.windows(4).position(|window| window == b"DART");
    let starts = [Some(0), Some(1), header.map(|at| at + StreamHeader::LENGTH)];
    let is_frame = |at: &usize| {
        bytes
            .get(*at..)
            .is_some_and(|it| FrameHeader::whole(it).is_ok())
    };
    starts.into_iter().flatten().find(is_frame)
}
