use std::collections::BTreeSet;
use std::time::Duration;

use super::Offer;
use super::words::unexpected;
use crate::scenario::ExpectMedia;
use crate::script::context::{Context, Decoded};
use crate::script::inbox::Arrival;
use crate::script::media::{Part, Piece};
use crate::script::program::Op;
use crate::script::window::Window;
use crate::script::{Failure, FieldPlace, SocketId};

/// Time for media to begin to come besides the time that the frames take.
const MEDIA_GRACE: Duration = Duration::from_secs(2);
/// Most frame numbers that one step keeps apart.
const MAX_NUMBERS: usize = 1 << 20;

/// Media that a step waits for.
#[derive(Debug)]
pub(super) struct MediaWait {
    pub(super) window: Window,
    numbers: BTreeSet<u64>,
    /// How many; `None` for all up to the stream's last.
    frames: Option<u64>,
    /// Every number must be above.
    floor: Option<u64>,
    /// What is to come of the last frame, if it came in part only.
    pub(super) part: Option<Part>,
}

impl MediaWait {
    pub(super) fn new(
        media: &ExpectMedia,
        start: Duration,
        socket: SocketId,
        context: &Context,
    ) -> Self {
        let environment = &context.environment;
        let frames = media.frames.unwrap_or(environment.stream.frames());
        let window = match &media.within {
            Some(within) => Window::new(start, None, within, context),
            None => {
                let frames = u32::try_from(frames).unwrap_or(u32::MAX);
                let length = environment.stream.interval().saturating_mul(frames);
                let within = length.saturating_add(MEDIA_GRACE);
                Window::between(start, Duration::ZERO, within, context)
            }
        };
        let seen = context.media.get(&socket).and_then(|seen| seen.highest);
        Self {
            window,
            numbers: BTreeSet::new(),
            frames: media.frames,
            floor: seen.filter(|_| media.goes_on),
            part: None,
        }
    }

    pub(super) fn offer(
        &mut self,
        context: &Context,
        op: &Op,
        media: &ExpectMedia,
        arrival: &Arrival,
        decoded: &Decoded,
    ) -> Offer {
        let requirement = media.requirement.as_deref();
        let Some(piece) = Piece::of(context, arrival, decoded) else {
            return match context.ignores(decoded, &media.ignore) {
                Some(frame) => Offer::Ignored(frame),
                None => {
                    let wanted = self.wanted(context);
                    Offer::Failed(unexpected(context, op, requirement, arrival, wanted))
                }
            };
        };
        let wrong = |expected: String| {
            let frame = decoded.frame.unwrap_or_default();
            let got = format!("{frame} with sequence_number {}", piece.number);
            let failure = context.failure_by(op, requirement, arrival, expected, got);
            let name = "sequence_number";
            let place = context.vocabulary().locate(frame, name, &arrival.payload);
            let field = place.map(|(offset, length)| FieldPlace {
                name: name.to_owned(),
                offset,
                length,
            });
            Offer::Failed(Box::new(Failure { field, ..*failure }))
        };
        if let Some(first) = media.first.filter(|_| self.numbers.is_empty())
            && piece.number != first
        {
            return wrong(format!("media that begins with sequence_number {first}"));
        }
        if let Some(floor) = self.floor.filter(|floor| piece.number <= *floor) {
            return wrong(format!("media that goes on: sequence_number above {floor}"));
        }
        if self.numbers.len() < MAX_NUMBERS {
            self.numbers.insert(piece.number);
        }
        piece.add_to(&mut self.part);
        let done = match self.frames {
            Some(frames) => self.numbers.len() as u64 >= frames,
            None => piece.number == context.environment.stream.frames(),
        };
        Offer::Taken {
            done,
            bound: Vec::new(),
        }
    }

    pub(super) fn wanted(&self, context: &Context) -> String {
        match self.frames {
            Some(1) => "a frame of media".to_owned(),
            Some(frames) => format!("{frames} frames of media"),
            None => format!("media up to frame {}", context.environment.stream.frames()),
        }
    }

    pub(super) fn got(&self) -> String {
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
