use std::collections::BTreeMap;

/// The bytes of a frame that came as fragments: pieces by offset, which never overlap.
#[derive(Debug, Clone, Hash, Default)]
pub(super) struct Pieces {
    pieces: BTreeMap<u64, Vec<u8>>,
    covered: u64,
}

impl Pieces {
    /// The parts of `offset..offset + length` that are not there yet, as start and end.
    pub(super) fn gaps(&self, offset: u64, length: u64) -> Vec<(u64, u64)> {
        let end = offset + length;
        let before = self.pieces.range(..offset).next_back();
        let mut start = before.map_or(offset, |(at, piece)| offset.max(end_of(*at, piece)));
        let mut gaps = Vec::new();
        for (at, piece) in self.pieces.range(offset..end) {
            if start < *at {
                gaps.push((start, *at));
            }
            start = start.max(end_of(*at, piece));
        }
        if start < end {
            gaps.push((start, end));
        }
        gaps
    }

    /// Puts the bytes at `offset` into `gaps`; the bytes received first stay (MS-R-03).
    pub(super) fn fill(&mut self, gaps: &[(u64, u64)], offset: u64, payload: &[u8]) {
        for (start, end) in gaps {
            let skip = usize::try_from(start - offset).unwrap_or(usize::MAX);
            let take = usize::try_from(end - start).unwrap_or(usize::MAX);
            let piece: Vec<u8> = payload.iter().skip(skip).take(take).copied().collect();
            self.covered += piece.len() as u64;
            self.pieces.insert(*start, piece);
        }
    }

    /// Bytes that are there.
    pub(super) const fn covered(&self) -> u64 {
        self.covered
    }

    /// All bytes in order.
    pub(super) fn concat(self) -> Vec<u8> {
        self.pieces.into_values().flatten().collect()
    }
}

fn end_of(at: u64, piece: &[u8]) -> u64 {
    at + piece.len() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(pieces: &mut Pieces, offset: u64, payload: &[u8]) {
        let gaps = pieces.gaps(offset, payload.len() as u64);
        pieces.fill(&gaps, offset, payload);
    }

    #[test]
    fn where_pieces_overlap_the_bytes_that_came_first_stay() {
        let mut pieces = Pieces::default();
        put(&mut pieces, 2, b"cd");
        put(&mut pieces, 6, b"gh");
        put(&mut pieces, 0, b"XXXXXXXXXX");
        assert_eq!(pieces.covered(), 10);
        assert_eq!(pieces.concat(), b"XXcdXXghXX");
    }

    proptest! {
        #[test]
        fn every_byte_is_the_first_that_came_for_its_place(
            parts in prop::collection::vec((0_u64..40, 1_usize..12), 1..20),
        ) {
            let mut pieces = Pieces::default();
            let mut model = [None; 60];
            for (n, (offset, length)) in parts.into_iter().enumerate() {
                let payload = vec![u8::try_from(n).unwrap(); length];
                put(&mut pieces, offset, &payload);
                let at = usize::try_from(offset).unwrap();
                for place in &mut model[at..at + length] {
                    place.get_or_insert(payload[0]);
                }
            }
            let expected: Vec<u8> = model.iter().flatten().copied().collect();
            prop_assert_eq!(pieces.covered(), expected.len() as u64);
            prop_assert_eq!(pieces.concat(), expected);
        }
    }
}
