//! Random schedules of test peers: mostly conforming, with single violations.

use std::time::Duration;

use super::millis;
use super::test_peer::{PeerAction, PeerSchedule};
use crate::exploration::Draw;
use crate::proton::{Kind, OPERATION, Profile};
use crate::streams::StreamId;

/// Longer than any timer after which a server closes.
const AFTER_TIMERS: Duration = Duration::from_secs(9);

/// Number of words that are written at once.
const WORDS: [usize; 2] = [50, 50_000];

/// Kinds of violation of a server; each server repeats one of them.
const VIOLATIONS: u32 = 11;

/// Appends random actions to a schedule.
struct ScheduleBuilder<'a, 'd> {
    draw: Draw<'d>,
    now: Duration,
    schedule: &'a mut PeerSchedule,
}

/// The schedule of a test client from `now` on, and its end.
pub(super) fn client(draw: Draw<'_>, now: Duration) -> (PeerSchedule, Duration) {
    let mut schedule = PeerSchedule::new();
    let mut plan = ScheduleBuilder {
        draw,
        now,
        schedule: &mut schedule,
    };
    match plan.one_in(12) {
        true => plan.slow_connection(),
        false => {
            for _ in 0..=plan.below(4) {
                plan.pause(3_000);
                plan.connection();
            }
        }
    }
    let end = plan.now;
    (schedule, end)
}

/// The schedule of a test server until `end`.
pub(super) fn server(draw: Draw<'_>, profile: Profile, end: Duration) -> PeerSchedule {
    let pushes = profile == Profile::Push;
    let mut schedule = PeerSchedule::new();
    let mut plan = ScheduleBuilder {
        draw,
        now: Duration::ZERO,
        schedule: &mut schedule,
    };
    let (answers, wrong) = (!plan.one_in(6), plan.below(VIOLATIONS));
    while plan.now < end {
        plan.pause(300);
        match plan.below(40) {
            0 => plan.violate(wrong),
            1..4 if pushes => plan.push(PeerAction::WriteAction(vec![123, 0, 0, 0])),
            _ if answers => plan.push(PeerAction::Echo(0)),
            _ => {}
        }
    }
    schedule
}

impl ScheduleBuilder<'_, '_> {
    fn below(&mut self, end: u32) -> u32 {
        (self.draw)(end)
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    /// Up to `most` milliseconds.
    fn pause(&mut self, most: u32) {
        self.now += millis(self.draw, most);
    }

    fn push(&mut self, action: PeerAction) {
        self.schedule.push_back((self.now, action));
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// One connection of a client.
    fn connection(&mut self) {
        self.push(PeerAction::Connect);
        self.pause(500);
        let first = match self.below(8) {
            0 => {
                self.now += AFTER_TIMERS / 2;
                0
            }
            1 | 2 => {
                self.pause(900);
                self.push(PeerAction::SendReset);
                1
            }
            _ => 0,
        };
        let streams = self.open_streams(first);
        for _ in 0..self.below(6) {
            self.write_word(streams);
            self.pause(300);
        }
        self.end_connection(streams);
    }

    /// The three streams, Event first, from the one with this number on.
    fn open_streams(&mut self, first: u64) -> [StreamId; 3] {
        let mut kinds = Kind::ALL;
        kinds.rotate_left(self.below(3) as usize);
        let wrong = self.below(14);
        let mut streams = [StreamId::of_client(first); 3];
        for (place, kind) in (first..).zip(kinds) {
            let id = StreamId::of_client(place);
            streams[usize::from(kind.number()) - 1] = id;
            let (is_last, mut byte) = (place == first + 2, kind.number());
            match wrong {
                // The last stream is missing, empty, unknown, repeated or late.
                0 if is_last => {
                    self.now += AFTER_TIMERS;
                    continue;
                }
                1 if is_last => {
                    self.push(PeerAction::Open(id));
                    self.now += AFTER_TIMERS;
                    continue;
                }
                2 if is_last => byte = self.byte(),
                3 if is_last => byte = kinds[0].number(),
                4 if is_last => self.pause(6_000),
                _ => {}
            }
            self.push(PeerAction::Open(id));
            if wrong == 5 {
                self.pause(2_000);
            }
            self.push(PeerAction::Write(id, vec![byte]));
            let pause = millis(self.draw, 100);
            // Otherwise all three are identified at once.
            if wrong < 9 {
                self.now += pause;
            }
        }
        let surplus = match wrong {
            6 => Some(StreamId::of_client(first + 3)),
            7 => Some(StreamId(2)),
            _ => None,
        };
        if let Some(id) = surplus {
            let kind = vec![1 + (self.below(3) as u8)];
            self.push(PeerAction::Open(id));
            self.push(PeerAction::Write(id, kind));
        }
        if wrong == 8 {
            self.push(PeerAction::Datagram(vec![1]));
        }
        streams
    }

    fn write_word(&mut self, [event, commit, action]: [StreamId; 3]) {
        let number = match self.below(4) {
            0 => 0,
            1 => u32::MAX,
            _ => self.below(1_000),
        };
        let (id, number) = match self.below(12) {
            0 => (event, number),
            1..7 => (
                event,
                u32::try_from(self.now.as_millis()).unwrap_or(u32::MAX),
            ),
            7..11 => (commit, number),
            _ => (action, number),
        };
        let mut word = number.to_le_bytes().to_vec();
        if self.one_in(4) {
            let rest = word.split_off(1 + self.below(3) as usize);
            self.push(PeerAction::Write(id, word));
            self.pause(500);
            word = rest;
        }
        self.push(PeerAction::Write(id, word.clone()));
        if self.one_in(10) {
            self.push(PeerAction::Write(id, word));
        }
    }

    fn end_connection(&mut self, streams: [StreamId; 3]) {
        let id = streams[self.below(3) as usize];
        match self.below(8) {
            0 | 1 => self.push(PeerAction::Fin(id)),
            2 => {
                self.push(PeerAction::Write(id, vec![1, 0, 0]));
                self.push(PeerAction::Fin(id));
            }
            3 => self.push(PeerAction::Reset(id, 0)),
            4 => self.push(PeerAction::StopSending(id, 0)),
            5 => {
                self.push(PeerAction::ToggleSilent);
                self.now += AFTER_TIMERS;
                self.push(PeerAction::ToggleSilent);
            }
            _ => {}
        }
        self.now += AFTER_TIMERS / 3;
        self.push(PeerAction::Close(0));
    }

    /// A connection on which nothing happens for more than 5 minutes, nothing is read, or a word stays incomplete.
    fn slow_connection(&mut self) {
        self.push(PeerAction::Connect);
        self.now += AFTER_TIMERS / 9;
        let streams = [0, 1, 2].map(StreamId::of_client);
        for (id, kind) in streams.into_iter().zip(Kind::ALL) {
            self.push(PeerAction::Open(id));
            self.push(PeerAction::Write(id, vec![kind.number()]));
        }
        self.now += AFTER_TIMERS / 9;
        let place = self.below(3) as usize;
        match self.below(4) {
            0 => {}
            1 => {
                self.push(PeerAction::Write(streams[place], vec![9, 9]));
                self.now += OPERATION * 5 / 6;
                if self.one_in(2) {
                    self.push(PeerAction::Write(streams[place], vec![9, 9]));
                }
            }
            _ => {
                self.push(PeerAction::ToggleReading);
                let words = (1..=WORDS[self.below(2) as usize] as u32).flat_map(u32::to_le_bytes);
                self.push(PeerAction::Write(streams[place], words.collect()));
            }
        }
        self.now += OPERATION + AFTER_TIMERS * 3;
        self.push(PeerAction::Close(0));
    }

    /// A violation, by its number below [`VIOLATIONS`], or the end of the connection.
    fn violate(&mut self, what: u32) {
        let id = StreamId::of_client(u64::from(self.below(4)));
        match what {
            0 => {
                let more = self.byte();
                self.push(PeerAction::Echo(more));
            }
            1 => self.push(PeerAction::Write(id, vec![7, 0, 0, 0])),
            2 => {
                self.push(PeerAction::WriteAction(vec![1, 0]));
                self.push(PeerAction::FinAction);
            }
            3 => self.push(PeerAction::Fin(id)),
            4 => self.push(PeerAction::Reset(id, 0)),
            5 => self.push(PeerAction::StopSending(id, 0)),
            6 => {
                self.push(PeerAction::Open(StreamId(3)));
                self.push(PeerAction::Write(StreamId(3), vec![1]));
            }
            7 => self.push(PeerAction::Datagram(vec![1])),
            8 => self.push(PeerAction::ToggleRefuse),
            9 => {
                self.push(PeerAction::ToggleSilent);
                self.now += AFTER_TIMERS;
                self.push(PeerAction::ToggleSilent);
            }
            _ => {
                let code = u64::from(self.below(9));
                self.push(PeerAction::Close(code));
            }
        }
    }
}
