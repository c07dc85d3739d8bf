use std::collections::BTreeSet;

use super::prelude::datagrams::*;
use super::prelude::*;
use crate::script::media::Part;

/// Time for media to begin to come besides the time that the frames take.
const MEDIA_GRACE: Duration = Duration::from_secs(2);
/// Most frame numbers that one step keeps apart.
const MAX_NUMBERS: usize = 1 << 20;
/// What media may take at most besides the time of its frames, if the step does not say.
const BEGINNING: Duration = Duration::from_secs(3);

/// Media to wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectMedia {
    /// How many frames, each number counted once; all where the stream has fewer. Up to the stream's last
    /// if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frames: Option<u64>,
    /// The number that the first must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Every number must be above those that earlier steps saw: the stream goes on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_on: bool,
    /// How long to wait at most; the time that the frames take, and 2 s, if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// The socket it must arrive at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Frames that this step lets pass besides the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// The requirement by which this step is judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
}

impl Demands for ExpectMedia {
    fn demand(&self) -> Option<Demand<'_>> {
        let within = self.within.as_ref();
        Some(Demand {
            time: within.map(|within| Time::Within(None, within)),
            requirement: self.requirement.as_deref(),
        })
    }
}

impl Verb for ExpectMedia {
    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        check.frame_names(&self.ignore, &inside.key("ignore"));
        check.socket(self.at.as_deref(), &inside.key("at"), false);
        check.not_zero(self.frames, &inside.key("frames"));
    }

    fn follow(&self, _: &mut Checker<'_>, _: &Pointer, state: &mut State) {
        state.heard = true;
    }

    fn frames(&self) -> Vec<&str> {
        self.ignore.iter().map(String::as_str).collect()
    }

    fn in_words(&self) -> String {
        let frames = self.frames.map_or_else(
            || "media up to the end of the stream".to_owned(),
            |frames| format!("{frames} frames of media"),
        );
        let first = words::first(self.first);
        let goes_on = match self.goes_on {
            true => ", numbers above those before",
            false => "",
        };
        let within = self.within.map(|span| format!(" within {span}"));
        let within = within.unwrap_or_default();
        let ignore = words::passing(&self.ignore);
        let at = words::at(self.at.as_deref());
        format!("wait for {frames}{first}{goes_on}{at}{within}{ignore}")
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        let within = self.within.as_ref();
        let frames = || pace.frames(self.frames) + BEGINNING;
        within.map_or_else(frames, |within| pace.stretched(within))
    }

    fn sockets(&self) -> Vec<&str> {
        self.at.as_deref().into_iter().collect()
    }
}

impl Waits for ExpectMedia {
    fn wait(&self, start: Duration, context: &Context) -> Result<Box<dyn Awaited>, String> {
        let socket = context.socket(self.at.as_deref())?;
        let stream = &context.environment.stream;
        let window = match &self.within {
            Some(within) => Window::new(start, None, within, context),
            None => {
                let frames = self.frames.unwrap_or(stream.frames()).min(stream.frames());
                let frames = u32::try_from(frames).unwrap_or(u32::MAX);
                let length = stream.interval().saturating_mul(frames);
                let within = length.saturating_add(MEDIA_GRACE);
                Window::of_many(start, within, context)
            }
        };
        let seen = context.media.get(&socket).and_then(|seen| seen.highest);
        let media = Self {
            frames: self.frames.map(|frames| frames.min(stream.frames())),
            ..self.clone()
        };
        Ok(Box::new(Frames {
            media,
            socket: [socket],
            window,
            numbers: BTreeSet::new(),
            floor: seen.filter(|_| self.goes_on),
            part: None,
            number: context.media()?.number,
        }))
    }
}

/// Frames of media that are waited for.
#[derive(Debug)]
struct Frames {
    media: ExpectMedia,
    socket: [SocketId; 1],
    window: Window,
    numbers: BTreeSet<u64>,
    /// Every number must be above.
    floor: Option<u64>,
    /// What is to come of the last frame, if it came in part only.
    part: Option<Part>,
    /// The field that numbers frames.
    number: &'static str,
}

impl Frames {
    fn wanted(&self, context: &Context) -> String {
        match self.media.frames {
            Some(1) => "a frame of media".to_owned(),
            Some(frames) => format!("{frames} frames of media"),
            None => format!("media up to frame {}", context.environment.stream.frames()),
        }
    }

    fn got(&self) -> String {
        match (
            self.numbers.len(),
            self.numbers.first(),
            self.numbers.last(),
        ) {
            (1, Some(first), _) => format!("1 frame of media: number {first}"),
            (count, Some(first), Some(last)) => {
                format!("{count} frames of media: numbers {first} to {last}")
            }
            _ => "no media".to_owned(),
        }
    }
}

impl Awaited for Frames {
    fn sockets(&self) -> &[SocketId] {
        &self.socket
    }

    fn due(&self) -> Duration {
        self.window.upper
    }

    fn media_part(&self) -> Option<Part> {
        self.part
    }

    fn summary(&self, _: &[u8], _: &Context) -> String {
        format!("got {}", self.got())
    }

    fn offer(&mut self, judge: &Judge<'_>, arrival: &Arrival, decoded: &Decoded) -> Offer {
        let context = judge.context;
        let Some(piece) = context.piece(arrival, decoded) else {
            return match context.ignores(decoded, &self.media.ignore) {
                Some(frame) => Offer::Ignored(frame),
                None => Offer::Failed(judge.unexpected(arrival, self.wanted(context))),
            };
        };
        let number = self.number;
        let wrong = |expected: String| {
            let frame = decoded.frame.unwrap_or_default();
            let got = format!("{frame} with {number} {}", piece.number);
            let mut failure = judge.failure_by(arrival, expected, got);
            failure.field = context.locate(frame, number, &arrival.payload);
            Offer::Failed(failure)
        };
        let first = self.media.first.filter(|_| self.numbers.is_empty());
        if let Some(first) = first.filter(|first| piece.number != *first) {
            return wrong(format!("media that begins with {number} {first}"));
        }
        if let Some(floor) = self.floor.filter(|floor| piece.number <= *floor) {
            return wrong(format!("media that goes on: {number} above {floor}"));
        }
        if self.numbers.len() < MAX_NUMBERS {
            self.numbers.insert(piece.number);
        }
        Part::add(&mut self.part, piece);
        let done = match self.media.frames {
            Some(frames) => self.numbers.len() as u64 >= frames,
            None => piece.number == context.environment.stream.frames(),
        };
        let bound = Vec::new();
        Offer::Taken { done, bound }
    }

    fn end(&self, judge: &Judge<'_>, _: Option<&Arrival>) -> End {
        let (wanted, length) = (self.wanted(judge.context), self.window.length());
        let expected = format!("{wanted} within {length}");
        End::Failed(judge.missed(&self.window, expected, self.got()))
    }
}
