//! Bytes that come in pieces, in any order, and go out in order.

use std::collections::BTreeMap;

use shakedown_wire::quic::Lost;

/// What a piece costs besides its bytes.
const PIECE: usize = 64;
/// Offsets of QUIC are below this.
const MAX_OFFSET: u64 = 1 << 62;

/// Memory for pieces that wait for those before them.
#[derive(Debug)]
pub(super) struct Budget {
    /// Bytes in use over all connections.
    pub(super) used: usize,
    /// Most bytes over all connections.
    pub(super) total: usize,
    /// Most bytes of a connection.
    pub(super) connection: usize,
    /// Most bytes of one direction of a stream.
    pub(super) stream: usize,
}

/// What a connection has of the budget.
#[derive(Debug, Default)]
pub(super) struct Share {
    pub(super) used: usize,
}

impl Budget {
    /// Takes `cost` bytes, unless that is too much.
    pub(super) const fn take(&mut self, share: &mut Share, cost: usize) -> bool {
        if self.used + cost > self.total || share.used + cost > self.connection {
            return false;
        }
        self.used += cost;
        share.used += cost;
        true
    }

    pub(super) const fn give_back(&mut self, share: &mut Share, cost: usize) {
        self.used -= cost;
        share.used -= cost;
    }
}

/// Puts pieces together. The first copy of a byte counts; conflicting copies are reported.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    /// Offset of the next byte that goes out.
    next: u64,
    /// Pieces after a gap, by offset; they do not overlap.
    waiting: BTreeMap<u64, Vec<u8>>,
    /// What the pieces cost.
    cost: usize,
}

impl Assembler {
    /// Bytes that went out.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Offset after the last byte that was seen.
    pub(super) fn end(&self) -> u64 {
        let last = self.waiting.last_key_value();
        last.map_or(self.next, |(start, piece)| start + piece.len() as u64)
    }

    /// Whether there are pieces after a gap.
    pub(super) fn has_gap(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes a piece and gives out what is in order now.
    ///
    /// # Errors
    /// [`Lost`] if the piece contradicts one before it, or does not fit. Nothing of it went out.
    pub(super) fn insert(
        &mut self,
        offset: u64,
        data: &[u8],
        budget: &mut Budget,
        share: &mut Share,
        mut out: impl FnMut(u64, &[u8]),
    ) -> Result<(), Lost> {
        let end = offset.saturating_add(data.len() as u64);
        if end >= MAX_OFFSET {
            return Err(Lost::Contradiction);
        }
        // The bytes before `next` went out and cannot be compared any more.
        let known = self.next.saturating_sub(offset).min(data.len() as u64);
        let (offset, data) = (offset + known, &data[known as usize..]);
        if data.is_empty() {
            return Ok(());
        }
        self.compare(offset, data)?;
        if offset > self.next {
            return self.keep(offset, data, budget, share);
        }
        out(offset, data);
        self.next = end;
        while let Some(entry) = self.waiting.first_entry() {
            let start = *entry.key();
            if start > self.next {
                break;
            }
            let piece = entry.remove();
            budget.give_back(share, piece.len() + PIECE);
            self.cost -= piece.len() + PIECE;
            let known = (self.next - start) as usize;
            if let Some(rest) = piece.get(known..).filter(|rest| !rest.is_empty()) {
                out(self.next, rest);
                self.next += rest.len() as u64;
            }
        }
        Ok(())
    }

    pub(super) fn clear(&mut self, budget: &mut Budget, share: &mut Share) {
        self.waiting.clear();
        budget.give_back(share, self.cost);
        self.cost = 0;
    }

    /// The pieces that overlap with these bytes say the same.
    fn compare(&self, offset: u64, data: &[u8]) -> Result<(), Lost> {
        let end = offset + data.len() as u64;
        for (start, piece) in self.waiting.range(..end).rev() {
            let piece_end = start + piece.len() as u64;
            if piece_end <= offset {
                break;
            }
            let (from, to) = (offset.max(*start), end.min(piece_end));
            let new = &data[(from - offset) as usize..(to - offset) as usize];
            if new != &piece[(from - start) as usize..(to - start) as usize] {
                return Err(Lost::Contradiction);
            }
        }
        Ok(())
    }

    /// Keeps the parts of a piece that are not there yet.
    fn keep(
        &mut self,
        mut offset: u64,
        mut data: &[u8],
        budget: &mut Budget,
        share: &mut Share,
    ) -> Result<(), Lost> {
        let before = self.waiting.range(..=offset).next_back();
        let covered = before.map_or(0, |(start, piece)| {
            (start + piece.len() as u64).saturating_sub(offset)
        });
        let covered = (covered as usize).min(data.len());
        (offset, data) = (offset + covered as u64, &data[covered..]);
        while !data.is_empty() {
            let after = self.waiting.range(offset..).next();
            let (free, taken) = after.map_or((data.len(), 0), |(start, piece)| {
                let free = usize::try_from(start - offset).unwrap_or(usize::MAX);
                (free.min(data.len()), piece.len())
            });
            if free > 0 {
                let cost = free + PIECE;
                if self.cost + cost > budget.stream || !budget.take(share, cost) {
                    return Err(Lost::TooMuchAfterGap);
                }
                self.cost += cost;
                self.waiting.insert(offset, data[..free].to_vec());
            }
            let past = (free + taken).min(data.len());
            (offset, data) = (offset + past as u64, &data[past..]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(stream: usize) -> Budget {
        Budget {
            used: 0,
            total: 1 << 20,
            connection: 1 << 20,
            stream,
        }
    }

    fn assembled(
        pieces: &[(u64, &[u8])],
        stream: usize,
    ) -> (Vec<u8>, Result<(), Lost>, Budget, bool) {
        let mut assembler = Assembler::default();
        let (mut budget, mut share) = (budget(stream), Share::default());
        let mut all = Vec::new();
        let mut result = Ok(());
        for (offset, data) in pieces {
            result = result.and(assembler.insert(
                *offset,
                data,
                &mut budget,
                &mut share,
                |at, bytes| {
                    assert_eq!(at, all.len() as u64);
                    assert!(!bytes.is_empty());
                    all.extend_from_slice(bytes);
                },
            ));
        }
        let gap = assembler.has_gap();
        assert_eq!(budget.used, share.used);
        assert_eq!(budget.used, assembler.cost);
        (all, result, budget, gap)
    }

    #[test]
    fn pieces_that_overlap_are_put_together_once() {
        let pieces: [(u64, &[u8]); 5] = [
            (4, b"efg"),
            (2, b"cde"),
            (8, b"i"),
            (0, b"abc"),
            (3, b"defghij"),
        ];
        let (all, result, budget, gap) = assembled(&pieces, 1_000);
        assert_eq!((&all[..], result), (&b"abcdefghij"[..], Ok(())));
        assert_eq!((budget.used, gap), (0, false));
    }

    #[test]
    fn a_piece_that_contradicts_a_waiting_one_is_told_and_does_not_go_out() {
        let (all, result, ..) = assembled(&[(2, b"cd"), (0, b"abx")], 1_000);
        assert_eq!((&all[..], result), (&b""[..], Err(Lost::Contradiction)));
        let (_, result, ..) = assembled(&[(2, b"cd"), (1, b"bcx")], 1_000);
        assert_eq!(result, Err(Lost::Contradiction));
        let (_, result, ..) = assembled(&[(MAX_OFFSET - 1, b"c")], 1_000);
        assert_eq!(result, Err(Lost::Contradiction));
    }

    #[test]
    fn what_waits_is_bounded_in_bytes_and_in_pieces() {
        let (_, result, ..) = assembled(&[(1, &[0; 100])], 163);
        assert_eq!(result, Err(Lost::TooMuchAfterGap));
        let (_, result, ..) = assembled(&[(1, &[0; 100])], 164);
        assert_eq!(result, Ok(()));
        let pieces: Vec<(u64, &[u8])> = (1..=10).map(|at| (at * 2, &b"x"[..])).collect();
        let (_, result, ..) = assembled(&pieces, 10 * 65 - 1);
        assert_eq!(result, Err(Lost::TooMuchAfterGap));
    }

    proptest! {
        #[test]
        fn any_pieces_of_a_stream_give_its_beginning(
            pieces in prop::collection::vec((0_usize..200, 0_usize..40), 0..60),
        ) {
            let stream: Vec<u8> = (0..=255).collect();
            let mut covered = [false; 256];
            let pieces: Vec<(u64, &[u8])> = pieces
                .into_iter()
                .map(|(at, length)| {
                    covered[at..at + length].fill(true);
                    (at as u64, &stream[at..at + length])
                })
                .collect();
            let (all, result, _, gap) = assembled(&pieces, 1 << 20);
            let whole = covered.iter().take_while(|it| **it).count();
            prop_assert_eq!(result, Ok(()));
            prop_assert_eq!(&all[..], &stream[..whole]);
            prop_assert_eq!(gap, covered[whole..].contains(&true));
        }
    }
}
