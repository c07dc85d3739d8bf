//! How a frame of media becomes datagrams.

use std::time::Duration;

use crate::mediastream::frame::{Data, Fragment, Frame, Header};
use crate::mediastream::pattern;

/// Ticks per second of the machine's clock; one tick is 100 ns.
pub(super) const QPF: u64 = 10_000_000;

/// The way a frame larger than a datagram is carried (specification, section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Carry {
    /// Several data datagrams with one number and no positions.
    #[default]
    Split,
    Fragments,
}

impl Carry {
    /// Shortest datagram of this kind: its header and one payload byte.
    const fn shortest(self) -> usize {
        match self {
            Self::Split => Data::MIN_LENGTH,
            Self::Fragments => Fragment::MIN_LENGTH,
        }
    }
}

/// The smallest largest datagram: any longer frame can then be cut into two or more pieces that
/// are neither longer than it nor shorter than [`Carry::shortest`] (MS-D-03).
pub(super) const SMALLEST_LIMIT: usize = 2 * Fragment::MIN_LENGTH;

/// The machine's clock reading at `now`, in ticks of [`QPF`].
pub(super) fn qpc(now: Duration) -> u64 {
    u64::try_from(now.as_nanos() / 100).unwrap_or(u64::MAX)
}

/// The datagrams of frame `number`, `bytes` long with all headers, in offset order (MS-D-02),
/// none longer than `limit` (MS-W-18). A frame that fits into one datagram is plain data.
pub(super) fn datagrams(
    carry: Carry,
    number: u64,
    now: Duration,
    bytes: usize,
    limit: usize,
) -> impl Iterator<Item = Vec<u8>> {
    let header = Header {
        sequence_number: number,
        qpc: qpc(now),
        qpf: QPF,
    };
    let pieces = sizes(carry, bytes, limit);
    let is_whole = bytes <= limit;
    let total = match carry {
        Carry::Fragments if !is_whole => bytes - pieces.clone().count() * Fragment::HEADER_LENGTH,
        Carry::Fragments | Carry::Split => bytes,
    };
    let mut offset = 0;
    pieces.map(move |size| match carry {
        Carry::Fragments if !is_whole => {
            let payload = pattern::prefix(size - Fragment::HEADER_LENGTH);
            let fragment = Fragment {
                header,
                fragment_offset: offset,
                total_length: total as u64,
                payload,
            };
            offset += payload.len() as u64;
            Frame::Fragment(fragment).to_vec()
        }
        Carry::Fragments | Carry::Split => {
            let payload = pattern::prefix(size - Header::LENGTH);
            Frame::Data(Data { header, payload }).to_vec()
        }
    })
}

/// Lengths of a frame's datagrams: as long as allowed, the last ones so that none is too short
/// for its header and one payload byte (MS-D-03).
fn sizes(carry: Carry, bytes: usize, limit: usize) -> impl Iterator<Item = usize> + Clone {
    let shortest = carry.shortest();
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let size = match rest {
            0 => return None,
            rest if rest <= limit => rest,
            rest => limit.min(rest - shortest),
        };
        rest -= size;
        Some(size)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::fits(1_000, 1_400, &[1_000])]
    #[case::just_fits(1_400, 1_400, &[1_400])]
    #[case::as_the_field_does(66_000, 64_000, &[64_000, 2_000])]
    #[case::rest_of_one_byte(1_401, 1_400, &[1_374, 27])]
    #[case::rest_just_long_enough(1_427, 1_400, &[1_400, 27])]
    #[case::rest_one_too_short(2_826, 1_400, &[1_400, 1_399, 27])]
    fn a_split_never_leaves_a_rest_too_small(
        #[case] bytes: usize,
        #[case] limit: usize,
        #[case] expected: &[usize],
    ) {
        let got: Vec<_> = sizes(Carry::Split, bytes, limit).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_frame_of_fragments_covers_its_total_length_in_order() {
        let datagrams: Vec<_> =
            datagrams(Carry::Fragments, 9, Duration::from_secs(1), 4_225, 1_400).collect();
        let mut covered = 0;
        for datagram in &datagrams {
            let Ok(Some(Frame::Fragment(fragment))) = Frame::decode(datagram) else {
                panic!("not a fragment: {datagram:?}");
            };
            assert_eq!(fragment.header.qpc, 10_000_000);
            assert_eq!(fragment.fragment_offset, covered);
            assert_eq!(fragment.total_length, 4_225 - 4 * 42);
            covered += fragment.payload.len() as u64;
        }
        assert_eq!(covered, 4_225 - 4 * 42);
        assert_eq!(datagrams.iter().map(Vec::len).sum::<usize>(), 4_225);
    }

    proptest! {
        #[test]
        fn pieces_sum_up_and_are_neither_too_long_nor_too_short(
            carry in prop_oneof![Just(Carry::Split), Just(Carry::Fragments)],
            bytes in 27_usize..300_000,
            limit in SMALLEST_LIMIT..65_507,
        ) {
            let pieces: Vec<_> = sizes(carry, bytes, limit).collect();
            prop_assert_eq!(pieces.iter().sum::<usize>(), bytes);
            prop_assert!(pieces.iter().all(|size| *size <= limit));
            let shortest = if pieces.len() == 1 { 27 } else { carry.shortest() };
            prop_assert!(pieces.iter().all(|size| *size >= shortest));
        }
    }
}
