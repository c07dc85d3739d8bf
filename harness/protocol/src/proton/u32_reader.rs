/// Reassembles the bytes of a stream to u32, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct U32Reader {
    rest: [u8; 3],
    length: usize,
}

impl U32Reader {
    /// Takes bytes and emits every u32 that they complete.
    pub fn take(&mut self, bytes: &[u8], mut emit: impl FnMut(u32)) {
        for byte in bytes {
            match self.rest.get_mut(self.length) {
                Some(place) => {
                    *place = *byte;
                    self.length += 1;
                }
                None => {
                    let [a, b, c] = self.rest;
                    self.length = 0;
                    emit(u32::from_le_bytes([a, b, c, *byte]));
                }
            }
        }
    }

    /// Bytes of the incomplete u32, from 0 to 3.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.length
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn four_bytes_are_one_u32_little_endian() {
        let mut words = U32Reader::default();
        let mut taken = Vec::new();
        words.take(&[0x2A, 0, 0, 0, 1, 2], |word| taken.push(word));
        assert_eq!(taken, [42]);
        assert_eq!(words.pending(), 2);
        words.take(&[3, 4], |word| taken.push(word));
        assert_eq!(taken, [42, 0x0403_0201]);
        assert_eq!(words.pending(), 0);
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_changes_nothing(
            numbers in proptest::collection::vec(any::<u32>(), 0..20),
            cuts in proptest::collection::vec(0_usize..9, 1..20),
        ) {
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            let mut words = U32Reader::default();
            let mut taken = Vec::new();
            let mut rest = bytes.as_slice();
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).max(1).min(rest.len()));
                words.take(now, |word| taken.push(word));
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(taken, numbers);
            prop_assert_eq!(words.pending(), 0);
        }
    }
}
