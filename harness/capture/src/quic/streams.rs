//! The streams of a connection.

use std::collections::BTreeMap;

use shakedown_wire::quic::{EventKind, Lost, Role};
use shakedown_wire::{DecodeError, Rule};

use super::assembler::{Assembler, Budget, Share};

/// Most streams of a connection that are open at once.
const MAX_OPEN: usize = 4_096;
/// Most gaps in the ids of the streams that are over, for each type of stream.
const MAX_GAPS: usize = 4_096;

/// All streams of a connection.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<u64, Stream>,
    /// Those that are over, for each type of stream: the two lowest bits of the id.
    over: [Ranges; 4],
}

#[derive(Debug)]
struct Stream {
    /// What each end sends.
    halves: [Half; 2],
}

#[derive(Debug, Default)]
struct Half {
    assembler: Assembler,
    final_size: Option<u64>,
    /// No more events about it: it is complete, reset, or lost.
    over: bool,
    /// Its receiver wants no more.
    stopped: bool,
}

/// Memory and ears for what a frame brings.
pub(super) struct Context<'c> {
    pub(super) budget: &'c mut Budget,
    pub(super) share: &'c mut Share,
    pub(super) tell: &'c mut dyn FnMut(EventKind<'_>),
}

/// Who opened a stream, by its id.
const fn initiator(stream: u64) -> Role {
    if stream & 1 == 0 {
        Role::Client
    } else {
        Role::Server
    }
}

const fn is_unidirectional(stream: u64) -> bool {
    stream & 2 != 0
}

impl Streams {
    pub(super) fn data(
        &mut self,
        by: Role,
        stream: u64,
        (offset, data, fin): (u64, &[u8], bool),
        context: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        sends(by, stream)?;
        if !self.enter(stream, by, context) {
            return Ok(());
        }
        let Some(half) = self.half(stream, by) else {
            return Ok(());
        };
        let end = offset.saturating_add(data.len() as u64);
        let result = half.size(end, fin).and_then(|()| {
            let tell = &mut *context.tell;
            half.assembler
                .insert(offset, data, context.budget, context.share, |at, bytes| {
                    tell(EventKind::StreamBytes {
                        stream,
                        by,
                        offset: at,
                        bytes,
                    });
                })
        });
        match result {
            Err(why) => half.lose(stream, by, why, context),
            Ok(()) => {
                if half.final_size == Some(half.assembler.next()) {
                    half.over = true;
                    (context.tell)(EventKind::StreamFin {
                        stream,
                        by,
                        final_size: half.assembler.next(),
                    });
                }
            }
        }
        self.leave(stream);
        Ok(())
    }

    pub(super) fn reset(
        &mut self,
        by: Role,
        stream: u64,
        (code, final_size): (u64, u64),
        context: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        sends(by, stream)?;
        if !self.enter(stream, by, context) {
            return Ok(());
        }
        let Some(half) = self.half(stream, by) else {
            return Ok(());
        };
        match half.size(final_size, true) {
            Err(why) => half.lose(stream, by, why, context),
            Ok(()) => {
                half.end(context);
                (context.tell)(EventKind::StreamReset {
                    stream,
                    by,
                    code,
                    final_size,
                });
            }
        }
        self.leave(stream);
        Ok(())
    }

    pub(super) fn stop(
        &mut self,
        by: Role,
        stream: u64,
        code: u64,
        context: &mut Context<'_>,
    ) -> Result<(), DecodeError> {
        sends(by.peer(), stream)?;
        if !self.enter(stream, by.peer(), context) {
            return Ok(());
        }
        if let Some(half) = self.half(stream, by.peer())
            && !std::mem::replace(&mut half.stopped, true)
        {
            (context.tell)(EventKind::StopSending { stream, by, code });
        }
        Ok(())
    }

    /// Reports each stream as incomplete.
    pub(super) fn finish(&mut self, context: &mut Context<'_>) {
        for (stream, mut it) in std::mem::take(&mut self.open) {
            for by in [Role::Client, Role::Server] {
                let half = &mut it.halves[by.index()];
                let is_whole = half.final_size.is_none() && !half.assembler.has_gap();
                if !half.over && !is_whole {
                    half.lose(stream, by, Lost::Missing, context);
                }
            }
        }
    }

    /// Makes sure that a stream is known. `false` if it is over.
    fn enter(&mut self, stream: u64, sender: Role, context: &mut Context<'_>) -> bool {
        let over = &mut self.over[(stream & 3) as usize];
        if self.open.contains_key(&stream) {
            return true;
        }
        if over.contains(stream >> 2) {
            return false;
        }
        let by = initiator(stream);
        let unidirectional = is_unidirectional(stream);
        (context.tell)(EventKind::StreamOpened {
            stream,
            by,
            unidirectional,
        });
        if self.open.len() >= MAX_OPEN || over.gaps() >= MAX_GAPS {
            (context.tell)(EventKind::StreamLost {
                stream,
                by: sender,
                offset: 0,
                why: Lost::TooManyStreams,
            });
            over.insert(stream >> 2);
            return false;
        }
        let mut halves = [Half::default(), Half::default()];
        halves[by.peer().index()].over = unidirectional;
        self.open.insert(stream, Stream { halves });
        true
    }

    /// The half of a known stream that is still going on.
    fn half(&mut self, stream: u64, by: Role) -> Option<&mut Half> {
        let half = &mut self.open.get_mut(&stream)?.halves[by.index()];
        (!half.over).then_some(half)
    }

    /// Forgets a stream when both halves are over.
    fn leave(&mut self, stream: u64) {
        let is_over = |it: &Stream| it.halves.iter().all(|half| half.over);
        if self.open.get(&stream).is_some_and(is_over) {
            self.open.remove(&stream);
            self.over[(stream & 3) as usize].insert(stream >> 2);
        }
    }
}

/// Whether an end may send on a stream.
fn sends(by: Role, stream: u64) -> Result<(), DecodeError> {
    if is_unidirectional(stream) && initiator(stream) != by {
        let why = "is a stream on which only the other end sends";
        return Err(DecodeError::invalid("stream id", 1, Rule::Unexpected, why));
    }
    Ok(())
}

impl Half {
    /// Checks bytes that end at `end`, and notes the final size.
    fn size(&mut self, end: u64, is_final: bool) -> Result<(), Lost> {
        let known = self.final_size;
        let fits = known.is_none_or(|size| if is_final { end == size } else { end <= size });
        if !fits || is_final && end < self.assembler.end() {
            return Err(Lost::Contradiction);
        }
        if is_final {
            self.final_size = Some(end);
        }
        Ok(())
    }

    fn end(&mut self, context: &mut Context<'_>) {
        self.over = true;
        self.assembler.clear(context.budget, context.share);
    }

    fn lose(&mut self, stream: u64, by: Role, why: Lost, context: &mut Context<'_>) {
        self.end(context);
        (context.tell)(EventKind::StreamLost {
            stream,
            by,
            offset: self.assembler.next(),
            why,
        });
    }
}

/// A set of numbers that is small where they are close together.
#[derive(Debug, Default)]
struct Ranges {
    /// First number and the one after the last.
    all: BTreeMap<u64, u64>,
}

impl Ranges {
    fn gaps(&self) -> usize {
        self.all.len()
    }

    fn contains(&self, number: u64) -> bool {
        let before = self.all.range(..=number).next_back();
        before.is_some_and(|(_, end)| number < *end)
    }

    fn insert(&mut self, number: u64) {
        if self.contains(number) {
            return;
        }
        let end = self.all.remove(&(number + 1)).unwrap_or(number + 1);
        let before = self.all.range_mut(..=number).next_back();
        match before {
            Some((_, before)) if *before == number => *before = end,
            Some(_) | None => {
                // The set stays bounded; at worst something is reported again.
                if self.all.len() <= MAX_GAPS {
                    self.all.insert(number, end);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Ends {
        streams: Streams,
        share: Share,
        told: Vec<String>,
    }

    impl Ends {
        fn with(
            &mut self,
            body: impl FnOnce(&mut Streams, &mut Context<'_>) -> Result<(), DecodeError>,
        ) -> Vec<String> {
            let mut budget = Budget {
                used: self.share.used,
                total: 10_000,
                connection: 10_000,
                stream: 200,
            };
            let told = &mut self.told;
            let mut context = Context {
                budget: &mut budget,
                share: &mut self.share,
                tell: &mut |kind| told.push(format!("{kind:?}")),
            };
            if let Err(error) = body(&mut self.streams, &mut context) {
                told.push(error.to_string());
            }
            std::mem::take(&mut self.told)
        }

        fn data(&mut self, stream: u64, offset: u64, data: &[u8], fin: bool) -> Vec<String> {
            self.with(|it, context| it.data(Role::Client, stream, (offset, data, fin), context))
        }
    }

    const OPENED: &str = "StreamOpened { stream: 0, by: Client, unidirectional: false }";
    const LOST: &str = "StreamLost { stream: 0, by: Client, offset: 0, why: Contradiction }";

    #[test]
    fn a_fin_is_told_when_all_bytes_are_there() {
        let mut ends = Ends::default();
        assert_eq!(ends.data(0, 1, b"b", true), [OPENED]);
        assert_eq!(
            ends.data(0, 0, b"a", false),
            [
                "StreamBytes { stream: 0, by: Client, offset: 0, bytes: [97] }",
                "StreamBytes { stream: 0, by: Client, offset: 1, bytes: [98] }",
                "StreamFin { stream: 0, by: Client, final_size: 2 }"
            ]
        );
        assert!(ends.data(0, 0, b"ab", true).is_empty());
        assert_eq!(ends.share.used, 0);
    }

    #[test]
    fn a_final_size_that_changes_loses_the_stream() {
        for (second, fin) in [(&b"xy"[..], true), (b"xy", false)] {
            let mut ends = Ends::default();
            ends.data(0, 1, b"b", true);
            assert_eq!(ends.data(0, 1, second, fin), [LOST], "{second:?} {fin}");
            assert!(ends.data(0, 0, b"a", false).is_empty());
            assert_eq!(ends.share.used, 0);
        }
        let mut ends = Ends::default();
        ends.data(0, 3, b"b", false);
        assert_eq!(ends.data(0, 0, b"a", true), [LOST]);
        let mut ends = Ends::default();
        ends.data(0, 3, b"b", false);
        let told = ends.with(|it, context| it.reset(Role::Client, 0, (7, 1), context));
        assert_eq!(told, [LOST]);
    }

    #[test]
    fn a_reset_ends_what_its_sender_sends_and_drops_what_waits() {
        let mut ends = Ends::default();
        ends.data(0, 3, b"b", false);
        let reset = |it: &mut Streams, context: &mut Context<'_>| {
            it.reset(Role::Client, 0, (7, 4), context)
        };
        assert_eq!(
            ends.with(reset),
            ["StreamReset { stream: 0, by: Client, code: 7, final_size: 4 }"]
        );
        assert!(ends.with(reset).is_empty());
        assert!(ends.data(0, 0, b"abc", false).is_empty());
        assert_eq!(ends.share.used, 0);
        let stop =
            |it: &mut Streams, context: &mut Context<'_>| it.stop(Role::Client, 0, 9, context);
        assert_eq!(
            ends.with(stop),
            ["StopSending { stream: 0, by: Client, code: 9 }"]
        );
        assert!(ends.with(stop).is_empty());
    }

    #[test]
    fn a_stream_that_only_the_peer_sends_on_is_told() {
        let mut ends = Ends::default();
        let told = ends.data(3, 0, b"a", false);
        assert_eq!(
            told,
            ["stream id at offset 1: is a stream on which only the other end sends"]
        );
        let told = ends.with(|it, context| it.stop(Role::Client, 2, 0, context));
        assert_eq!(told.len(), 1);
        assert!(ends.data(2, 0, b"a", true).len() == 3);
        assert!(ends.streams.open.is_empty());
    }

    #[test]
    fn missing_bytes_are_told_at_the_end() {
        let mut ends = Ends::default();
        ends.data(0, 0, b"a", false);
        ends.data(4, 1, b"b", false);
        ends.data(8, 1, b"", true);
        let told = ends.with(|it, context| {
            it.finish(context);
            Ok(())
        });
        assert_eq!(
            told,
            [
                "StreamLost { stream: 4, by: Client, offset: 0, why: Missing }",
                "StreamLost { stream: 8, by: Client, offset: 0, why: Missing }"
            ]
        );
        assert_eq!(ends.share.used, 0);
    }

    #[test]
    fn the_number_of_open_streams_is_bounded_and_streams_that_are_over_cost_nothing() {
        let mut ends = Ends::default();
        for stream in 0..MAX_OPEN as u64 {
            assert_eq!(ends.data(stream * 4 + 2, 0, b"a", true).len(), 3);
            assert_eq!(ends.streams.over[2].gaps(), 1);
            assert_eq!(ends.data(stream * 4, 0, b"a", false).len(), 2);
            if stream % 2 == 0 {
                let stop = (0, 1);
                ends.with(|it, context| it.reset(Role::Server, stream * 4, stop, context));
            }
        }
        let told = ends.data(1 << 20, 0, b"a", false);
        let expected = "StreamLost { stream: 1048576, by: Client, offset: 0, why: TooManyStreams }";
        assert_eq!(told[1], expected);
        assert!(ends.data(1 << 20, 0, b"a", false).is_empty());
    }

    #[test]
    fn ranges_join() {
        let mut ranges = Ranges::default();
        for number in [5, 3, 4, 9, 4] {
            ranges.insert(number);
        }
        assert_eq!(ranges.gaps(), 2);
        let contained: Vec<_> = (0..12).filter(|it| ranges.contains(*it)).collect();
        assert_eq!(contained, [3, 4, 5, 9]);
    }
}
