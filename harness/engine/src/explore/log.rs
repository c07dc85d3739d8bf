use std::hash::Hasher;
use std::time::Duration;

use shakedown_protocol::requirement::Role;
use shakedown_protocol::vocabulary::Vocabulary;

use super::{Event, What, frame_text};

/// What happens between two machines, noted with little effort: most runs are never looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Log(Vec<(Duration, Moment)>);

/// Something that happens. Datagrams have numbers from 1.
#[derive(Debug, Clone)]
pub(super) enum Moment {
    Sent {
        number: u64,
        from: Role,
        /// Which of the initiator's addresses it comes from or goes to, from 0.
        address: u8,
        payload: Vec<u8>,
    },
    Delivered {
        number: u64,
        from: Role,
        payload: Vec<u8>,
    },
    Timer(Role),
    State(Role, &'static str, &'static str),
    Ended(Role, Option<String>),
    Moved(Role),
    Healed,
}

impl Log {
    pub(super) fn note(&mut self, at: Duration, moment: Moment) {
        self.0.push((at, moment));
    }

    /// Takes back a timer after which nothing happened.
    pub(super) fn forget_timer(&mut self) {
        if matches!(self.0.last(), Some((_, Moment::Timer(_)))) {
            self.0.pop();
        }
    }

    /// Feeds everything that happened into `hasher`.
    pub(super) fn digest(&self, hasher: &mut dyn Hasher) {
        for (at, moment) in &self.0 {
            hasher.write(&nanoseconds(*at).to_le_bytes());
            moment.digest(hasher);
        }
    }

    /// The events of a trace.
    pub(super) fn events(&self, vocabulary: &dyn Vocabulary) -> Vec<Event> {
        let moments = self.0.iter();
        moments
            .map(|(at, moment)| Event {
                at: nanoseconds(*at),
                what: moment.what(vocabulary),
            })
            .collect()
    }
}

impl Moment {
    fn digest(&self, hasher: &mut dyn Hasher) {
        let mut say = |kind: &str, side: Role, parts: &[&[u8]]| {
            for part in [&[kind.as_bytes(), side.name().as_bytes()], parts].concat() {
                hasher.write(&(part.len() as u64).to_le_bytes());
                hasher.write(part);
            }
        };
        match self {
            Self::Sent {
                number,
                from,
                address,
                payload,
            } => say(
                "sent",
                *from,
                &[&number.to_le_bytes(), &[*address], payload],
            ),
            Self::Delivered {
                number,
                from,
                payload,
            } => say("delivered", *from, &[&number.to_le_bytes(), payload]),
            Self::Timer(side) => say("timer", *side, &[]),
            Self::State(side, from, to) => {
                say("state", *side, &[from.as_bytes(), to.as_bytes()]);
            }
            Self::Ended(side, failure) => {
                let failure = failure.as_deref().unwrap_or_default();
                say("ended", *side, &[failure.as_bytes()]);
            }
            Self::Moved(side) => say("moved", *side, &[]),
            Self::Healed => hasher.write(b"healed"),
        }
    }

    fn what(&self, vocabulary: &dyn Vocabulary) -> What {
        match self {
            Self::Sent {
                number,
                from,
                address,
                payload,
            } => What::Sent {
                datagram: *number,
                from: *from,
                address: *address,
                frame: frame_text(vocabulary, payload),
                payload: hex::encode(payload),
            },
            Self::Delivered {
                number,
                from,
                payload,
            } => What::Delivered {
                datagram: *number,
                from: *from,
                frame: frame_text(vocabulary, payload),
                payload: hex::encode(payload),
            },
            Self::Timer(side) => What::Timer { side: *side },
            Self::State(side, from, to) => What::State {
                side: *side,
                from: (*from).to_owned(),
                to: (*to).to_owned(),
            },
            Self::Ended(side, failure) => What::Ended {
                side: *side,
                failure: failure.clone(),
            },
            Self::Moved(side) => What::Moved { side: *side },
            Self::Healed => What::Healed {},
        }
    }
}

fn nanoseconds(at: Duration) -> u64 {
    u64::try_from(at.as_nanos()).unwrap_or(u64::MAX)
}
