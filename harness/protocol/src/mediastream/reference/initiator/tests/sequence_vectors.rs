//! Every sequence of datagrams of `vectors/mediastream/sequences`, one test case each.

#[path = "../../../../../tests/support/pieces.rs"]
mod pieces;
#[path = "../../../../../tests/support/schema.rs"]
mod schema;

use std::path::{Path, PathBuf};

use pieces::Pieces;
use rstest::rstest;
use schema::assert_fresh_schema;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::super::super::receive::{MediaFrame, Receiver};
use super::*;
use crate::mediastream::PROTOCOL;
use crate::protocol::StreamParameters;

/// One file of `vectors/mediastream/sequences/`: what a receiver of media in mode `legacy` does with
/// one datagram after the other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Sequence {
    /// `mediastream/sequences/<name>`, the file's place.
    id: String,
    /// What is special about it.
    comment: String,
    /// The requirement that it is about.
    requirement: String,
    /// Whether the outcome follows from what the specification decided where the documents behind
    /// it say nothing.
    #[serde(default)]
    decision: bool,
    /// The stream that the receiver expects.
    stream: Stream,
    /// What happens, in order.
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Stream {
    bits_per_second: u64,
    frames_per_second: u32,
    seconds: u32,
}

/// A datagram from the peer, or only time that passes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Milliseconds since the receiver sent its START token.
    at_ms: u64,
    /// The datagram, if one comes.
    hex: Option<Pieces>,
    /// By how much each counter has grown since the last step; what is not named has not.
    counts: Counts,
    /// The frame that is complete now, if one is.
    completes: Option<Completed>,
}

/// Counters, as section 6 of the specification names them.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Counts {
    frames: u64,
    duplicates: u64,
    /// Of any cause.
    validation_errors: u64,
    sequence_gaps: u64,
    reassembly_timeouts: u64,
    resource_rejections: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Completed {
    /// Its SequenceNumber.
    number: u64,
    /// Its QPC.
    timestamp: u64,
    /// Its bytes, headers taken off.
    payload: Pieces,
}

impl Counts {
    fn of(counters: &Value) -> Self {
        let number = |name: &str| counters[name].as_u64().unwrap();
        let causes = counters["validation_errors"].as_object().unwrap();
        Self {
            frames: number("frames"),
            duplicates: number("duplicates"),
            validation_errors: causes.values().filter_map(Value::as_u64).sum(),
            sequence_gaps: number("sequence_gaps"),
            reassembly_timeouts: number("reassembly_timeouts"),
            resource_rejections: number("resource_rejections"),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            frames: self.frames - before.frames,
            duplicates: self.duplicates - before.duplicates,
            validation_errors: self.validation_errors - before.validation_errors,
            sequence_gaps: self.sequence_gaps - before.sequence_gaps,
            reassembly_timeouts: self.reassembly_timeouts - before.reassembly_timeouts,
            resource_rejections: self.resource_rejections - before.resource_rejections,
        }
    }
}

impl Sequence {
    /// Reads a file, and checks that its id says where it stands.
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let sequence: Self =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        let place = format!(
            "mediastream/sequences/{}",
            path.file_stem().unwrap().display()
        );
        assert_eq!(sequence.id, place);
        assert!(sequence.comment.ends_with('.'), "a comment is a sentence");
        let requirement = PROTOCOL.requirement(&sequence.requirement).unwrap();
        assert!(
            sequence.decision || requirement.source != "D",
            "it is a decision"
        );
        sequence
    }

    fn initiator(&self) -> Fixture {
        let long = [("no_verify", "true"), ("buffer_period", "3600s")];
        let mut settings = settings("legacy", &[], &long);
        settings.stream = StreamParameters {
            bits_per_second: self.stream.bits_per_second,
            frames_per_second: self.stream.frames_per_second,
            seconds: self.stream.seconds,
        };
        let mut fixture = Fixture {
            initiator: Initiator::new(settings, Mode::Legacy, peer()),
            now: Duration::ZERO,
            outcome: None,
        };
        fixture.initiator.handle(fixture.now, Input::Tick);
        fixture
    }
}

/// The receiver of an initiator by itself: the machine counts frames and does not show them.
struct Completing {
    receiver: Receiver,
    named: Option<ConnectionId>,
}

impl Completing {
    fn take(&mut self, now: Duration, datagram: &[u8]) -> Option<MediaFrame> {
        let part = match Frame::decode(datagram) {
            Ok(Some(Frame::Data(data))) => data.into(),
            Ok(Some(Frame::Fragment(fragment))) => fragment.into(),
            Ok(Some(Frame::ConnectionId(frame))) => {
                let id = frame.connection_id();
                if self.named.replace(id).is_some_and(|named| named != id) {
                    self.receiver.flush();
                }
                return None;
            }
            _ => return None,
        };
        self.receiver.receive(now, &part, &mut Counters::default())
    }
}

#[rstest]
fn a_receiver_counts_and_completes_what_its_vector_says(
    #[files("../../vectors/mediastream/sequences/*.json")] path: PathBuf,
) {
    let sequence = Sequence::read(&path);
    let mut fixture = sequence.initiator();
    let mut completing = Completing {
        receiver: fixture.initiator.receiver.clone(),
        named: None,
    };
    let mut before = Counts::default();
    for (index, step) in sequence.steps.iter().enumerate() {
        let at = Duration::from_millis(step.at_ms);
        fixture.pass(at.checked_sub(fixture.now).expect("time goes on"));
        let datagram = step.hex.as_ref().map(Pieces::bytes);
        if let Some(datagram) = &datagram {
            fixture.receive(datagram);
        }
        let counts = Counts::of(&fixture.initiator.counters());
        assert_eq!(counts.since(&before), step.counts, "step {index}");
        before = counts;

        let got = datagram.and_then(|datagram| completing.take(at, &datagram));
        let got = got.map(|frame| {
            let header = frame.header;
            (header.sequence_number, header.qpc, frame.payload)
        });
        let expected = step.completes.as_ref();
        let expected = expected.map(|frame| (frame.number, frame.timestamp, frame.payload.bytes()));
        assert_eq!(got, expected, "step {index}");
    }
}

#[test]
fn the_schema_of_sequences_is_fresh() {
    assert_fresh_schema::<Sequence>("mediastream-sequence");
}
