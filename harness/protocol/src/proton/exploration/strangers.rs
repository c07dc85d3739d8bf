//! Random plans of test peers: most of what they do is right, and one thing or another is not.

use std::time::Duration;

use super::millis;
use super::peer::{Deed, Deeds};
use crate::exploration::Draw;
use crate::proton::{Kind, OPERATION, Profile};
use crate::streams::StreamId;

/// After it a server that has something to close has closed, whatever its timers are.
const LONG: Duration = Duration::from_secs(9);

/// Bytes of a word, and of numbers that come all at once.
const WORDS: [usize; 2] = [50, 50_000];

/// The wrongs of a server; each does one of them again and again.
const WRONGS: u32 = 11;

struct Plan<'a, 'd> {
    draw: Draw<'d>,
    now: Duration,
    deeds: &'a mut Deeds,
}

/// What a client does that may be anybody, from then on, and when it is over.
pub(super) fn client(draw: Draw<'_>, now: Duration) -> (Deeds, Duration) {
    let mut deeds = Deeds::new();
    let mut plan = Plan {
        draw,
        now,
        deeds: &mut deeds,
    };
    match plan.one_in(12) {
        true => plan.takes_minutes(),
        false => {
            for _ in 0..=plan.below(4) {
                plan.passes(3_000);
                plan.visit();
            }
        }
    }
    let end = plan.now;
    (deeds, end)
}

/// What a server does that may be anybody, until then.
pub(super) fn server(draw: Draw<'_>, profile: Profile, end: Duration) -> Deeds {
    let pushes = profile == Profile::Push;
    let mut deeds = Deeds::new();
    let mut plan = Plan {
        draw,
        now: Duration::ZERO,
        deeds: &mut deeds,
    };
    let (answers, wrong) = (!plan.one_in(6), plan.below(WRONGS));
    while plan.now < end {
        plan.passes(300);
        match plan.below(40) {
            0 => plan.does_wrong(wrong),
            1..4 if pushes => plan.does(Deed::Acts(vec![123, 0, 0, 0])),
            _ if answers => plan.does(Deed::Answers(0)),
            _ => {}
        }
    }
    deeds
}

impl Plan<'_, '_> {
    fn below(&mut self, end: u32) -> u32 {
        (self.draw)(end)
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }

    /// Up to so many milliseconds.
    fn passes(&mut self, most: u32) {
        self.now += millis(self.draw, most);
    }

    fn does(&mut self, deed: Deed) {
        self.deeds.push_back((self.now, deed));
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// One connection of a client.
    fn visit(&mut self) {
        self.does(Deed::Connect);
        self.passes(500);
        let first = match self.below(8) {
            0 => {
                self.now += LONG / 2;
                0
            }
            1 | 2 => {
                self.passes(900);
                self.does(Deed::Resets);
                1
            }
            _ => 0,
        };
        let streams = self.opens(first);
        for _ in 0..self.below(6) {
            self.says(streams);
            self.passes(300);
        }
        self.ends(streams);
    }

    /// The three streams, Event first, from the one with this number on.
    fn opens(&mut self, first: u64) -> [StreamId; 3] {
        let mut kinds = Kind::ALL;
        kinds.rotate_left(self.below(3) as usize);
        let wrong = self.below(14);
        let mut streams = [StreamId::of_client(first); 3];
        for (place, kind) in (first..).zip(kinds) {
            let id = StreamId::of_client(place);
            streams[usize::from(kind.number()) - 1] = id;
            let (is_last, mut byte) = (place == first + 2, kind.number());
            match wrong {
                // It does not come, says nothing, is another, or is late.
                0 if is_last => {
                    self.now += LONG;
                    continue;
                }
                1 if is_last => {
                    self.does(Deed::Open(id));
                    self.now += LONG;
                    continue;
                }
                2 if is_last => byte = self.byte(),
                3 if is_last => byte = kinds[0].number(),
                4 if is_last => self.passes(6_000),
                _ => {}
            }
            self.does(Deed::Open(id));
            if wrong == 5 {
                self.passes(2_000);
            }
            self.does(Deed::Write(id, vec![byte]));
            let pause = millis(self.draw, 100);
            // Else all three are named at once.
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
            self.does(Deed::Open(id));
            self.does(Deed::Write(id, kind));
        }
        if wrong == 8 {
            self.does(Deed::Datagram(vec![1]));
        }
        streams
    }

    fn says(&mut self, [event, commit, action]: [StreamId; 3]) {
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
            self.does(Deed::Write(id, word));
            self.passes(500);
            word = rest;
        }
        self.does(Deed::Write(id, word.clone()));
        if self.one_in(10) {
            self.does(Deed::Write(id, word));
        }
    }

    fn ends(&mut self, streams: [StreamId; 3]) {
        let id = streams[self.below(3) as usize];
        match self.below(8) {
            0 | 1 => self.does(Deed::Fin(id)),
            2 => {
                self.does(Deed::Write(id, vec![1, 0, 0]));
                self.does(Deed::Fin(id));
            }
            3 => self.does(Deed::Reset(id, 0)),
            4 => self.does(Deed::Stop(id, 0)),
            5 => {
                self.does(Deed::FallsSilent);
                self.now += LONG;
                self.does(Deed::FallsSilent);
            }
            _ => {}
        }
        self.now += LONG / 3;
        self.does(Deed::Close(0));
    }

    /// A connection on which nothing happens for more than 5 minutes, or nothing is read, or the rest of a word
    /// does not come.
    fn takes_minutes(&mut self) {
        self.does(Deed::Connect);
        self.now += LONG / 9;
        let streams = [0, 1, 2].map(StreamId::of_client);
        for (id, kind) in streams.into_iter().zip(Kind::ALL) {
            self.does(Deed::Open(id));
            self.does(Deed::Write(id, vec![kind.number()]));
        }
        self.now += LONG / 9;
        let place = self.below(3) as usize;
        match self.below(4) {
            0 => {}
            1 => {
                self.does(Deed::Write(streams[place], vec![9, 9]));
                self.now += OPERATION * 5 / 6;
                if self.one_in(2) {
                    self.does(Deed::Write(streams[place], vec![9, 9]));
                }
            }
            _ => {
                self.does(Deed::ReadsNothing);
                let words = (1..=WORDS[self.below(2) as usize] as u32).flat_map(u32::to_le_bytes);
                self.does(Deed::Write(streams[place], words.collect()));
            }
        }
        self.now += OPERATION + LONG * 3;
        self.does(Deed::Close(0));
    }

    /// What no server may do, one of [`WRONGS`], or what ends its connections.
    fn does_wrong(&mut self, what: u32) {
        let id = StreamId::of_client(u64::from(self.below(4)));
        match what {
            0 => {
                let more = self.byte();
                self.does(Deed::Answers(more));
            }
            1 => self.does(Deed::Write(id, vec![7, 0, 0, 0])),
            2 => {
                self.does(Deed::Acts(vec![1, 0]));
                self.does(Deed::EndsActing);
            }
            3 => self.does(Deed::Fin(id)),
            4 => self.does(Deed::Reset(id, 0)),
            5 => self.does(Deed::Stop(id, 0)),
            6 => {
                self.does(Deed::Open(StreamId(3)));
                self.does(Deed::Write(StreamId(3), vec![1]));
            }
            7 => self.does(Deed::Datagram(vec![1])),
            8 => self.does(Deed::Refuses),
            9 => {
                self.does(Deed::FallsSilent);
                self.now += LONG;
                self.does(Deed::FallsSilent);
            }
            _ => {
                let code = u64::from(self.below(9));
                self.does(Deed::Close(code));
            }
        }
    }
}
