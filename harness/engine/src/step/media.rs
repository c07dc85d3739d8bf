use std::collections::VecDeque;

use shakedown_protocol::StreamParameters;
use shakedown_protocol::media::{self, MediaFrame};

use super::prelude::datagrams::*;
use super::prelude::*;

/// Media to send at the stream's pace: data datagrams with the counter pattern.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Media {
    /// How many frames, but no more than the stream has; up to its last if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// Number of the first; 1 if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// How a frame is carried; in one datagram if not given and it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carry: Option<Carry>,
    /// What is sent, where it is not the stream that the implementation is asked to take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::stream")]
    pub stream: Option<StreamParameters>,
    /// The socket it leaves from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// How a frame of media is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Carry {
    /// Several data datagrams with one number, without positions.
    Split,
    /// Fragments with positions.
    Fragments,
}

impl Verb for Media {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.socket(self.from.as_deref(), &inside.key("from"), true);
        check.not_zero(self.frames, &inside.key("frames"));
        check.stream(self.stream.as_ref(), &inside.key("stream"));
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        check.may_send(inside, state);
    }

    fn in_words(&self) -> String {
        let frames = self.frames.map_or_else(
            || "the whole stream".to_owned(),
            |frames| format!("{frames} frames of media"),
        );
        let first = words::first(self.first);
        let carry = match self.carry {
            None => "",
            Some(Carry::Split) => ", each split over several datagrams",
            Some(Carry::Fragments) => ", each in fragments",
        };
        let stream = self.stream.map(|stream| {
            let StreamParameters {
                bits_per_second,
                frames_per_second,
                seconds,
            } = stream;
            format!(
                ", of a stream of {bits_per_second} bits and {frames_per_second} frames a second \
                 for {seconds} s"
            )
        });
        let stream = stream.unwrap_or_default();
        let from = words::from(self.from.as_deref());
        format!("send {frames}{first}{carry}{stream}{from}")
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        pace.frames(self.frames)
    }

    fn sockets(&self) -> Vec<&str> {
        self.from.as_deref().into_iter().collect()
    }
}

impl Sends for Media {
    fn stimulus(&self, start: Duration, context: &Context) -> Result<Stimulus, String> {
        let from = From::named(self.from.as_deref(), context)?;
        let stream = self.stream.unwrap_or(context.environment.stream);
        let first = self.first.unwrap_or(1);
        let rest = stream.frames().saturating_sub(first.saturating_sub(1));
        let run = Run {
            media: context.media()?,
            start,
            interval: stream.interval(),
            begun: 0,
            frames: self
                .frames
                .map_or(rest, |frames| frames.min(stream.frames())),
            first,
            carry: self.carry,
            bytes: stream.frame_bytes(),
            parts: VecDeque::new(),
        };
        Ok(Stimulus::Leaves(from, Box::new(run)))
    }
}

/// Media on its way out: frame n leaves n intervals after the start.
#[derive(Debug)]
struct Run {
    media: &'static media::Media,
    start: Duration,
    interval: Duration,
    /// Frames begun so far.
    begun: u64,
    frames: u64,
    first: u64,
    carry: Option<Carry>,
    /// Bytes of a frame, headers included.
    bytes: u64,
    /// Datagrams of the frame that is due.
    parts: VecDeque<Vec<u8>>,
}

impl Source for Run {
    fn next(&mut self, now: Duration, _: &Context) -> Result<Next, String> {
        if let Some(part) = self.parts.pop_front() {
            return Ok(Next::Send(part));
        }
        if self.begun == self.frames {
            return Ok(Next::Over);
        }
        let due = self.due(self.begun + 1);
        if now < due {
            return Ok(Next::Wait(due));
        }
        let number = self.first.saturating_add(self.begun);
        self.begun += 1;
        let carry = match self.carry {
            None => media::Carry::Whole,
            Some(Carry::Split) => media::Carry::Split,
            Some(Carry::Fragments) => media::Carry::Fragments,
        };
        let frame = MediaFrame {
            number,
            time: now,
            bytes: self.bytes,
            carry,
        };
        let parts = (self.media.datagrams)(&frame);
        self.parts = parts.map_err(|error| error.to_string())?.into();
        Ok(self.parts.pop_front().map_or(Next::Over, Next::Send))
    }

    fn summary(&self, sent: u64, _: &str) -> String {
        format!("sent media: {sent} datagrams")
    }
}

impl Run {
    /// When the n-th frame leaves.
    fn due(&self, n: u64) -> Duration {
        let nanos = self.interval.as_nanos().saturating_mul(u128::from(n));
        let nanos = u64::try_from(nanos).unwrap_or(u64::MAX);
        self.start.saturating_add(Duration::from_nanos(nanos))
    }
}
