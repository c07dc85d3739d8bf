use proptest::prelude::*;
use rstest::rstest;

use super::reassembly::{LARGEST_TOTAL, REASSEMBLY_TIMEOUT};
use super::*;

/// A receiver of 100 plain frames of 1,000 bytes, its counters and the time.
struct Fixture {
    receiver: Receiver,
    counters: Counters,
    now: Duration,
}

impl Fixture {
    fn new() -> Self {
        Self {
            receiver: Receiver::new(100, 1_000, false),
            counters: Counters::default(),
            now: Duration::ZERO,
        }
    }

    fn data(&mut self, number: u64, payload: &[u8]) -> Option<MediaFrame> {
        self.take(number, 7, None, payload)
    }

    fn fragment(&mut self, number: u64, at: (u64, u64), payload: &[u8]) -> Option<MediaFrame> {
        self.take(number, at.0.wrapping_add(100), Some(at), payload)
    }

    fn take(
        &mut self,
        number: u64,
        qpc: u64,
        position: Option<(u64, u64)>,
        payload: &[u8],
    ) -> Option<MediaFrame> {
        let header = Header {
            sequence_number: number,
            qpc,
            qpf: 1_000,
        };
        let part = Part {
            header,
            position,
            payload,
        };
        self.receiver.receive(self.now, &part, &mut self.counters)
    }

    fn invalid(&self, cause: &str) -> u64 {
        self.counters
            .validation_errors
            .get(cause)
            .copied()
            .unwrap_or(0)
    }
}

/// The payload of a plain frame of 1,000 bytes.
const WHOLE: [u8; 974] = [1; 974];

#[test]
fn a_number_that_was_completed_is_a_duplicate_dropped_and_counted() {
    let mut fixture = Fixture::new(); // MS-D-08
    assert!(fixture.data(1, &WHOLE).is_some());
    assert!(fixture.data(1, &WHOLE).is_none());
    assert!(fixture.fragment(1, (0, 4), b"four").is_none());
    assert_eq!(fixture.counters.duplicates, 2);
    assert_eq!(fixture.counters.frames, 1);
}

#[test]
fn after_a_flush_restarted_numbers_are_new_and_pieces_are_gone() {
    let mut fixture = Fixture::new(); // MS-D-09
    fixture.data(1, &WHOLE);
    fixture.fragment(2, (0, 4), b"ab");
    fixture.receiver.flush();
    assert!(fixture.data(1, &WHOLE).is_some());
    assert!(fixture.fragment(2, (2, 4), b"cd").is_none());
    assert_eq!(
        (fixture.counters.duplicates, fixture.counters.sequence_gaps),
        (0, 0)
    );
}

#[test]
fn fragments_in_any_order_make_the_frame_with_the_timestamp_of_offset_0() {
    let mut fixture = Fixture::new(); // MS-R-04
    assert!(fixture.fragment(1, (4, 6), b"ef").is_none());
    assert!(fixture.fragment(1, (2, 6), b"cd").is_none());
    let frame = fixture.fragment(1, (0, 6), b"ab").unwrap();
    assert_eq!(frame.payload, b"abcdef");
    assert_eq!(frame.header.qpc, 100);
}

#[test]
fn where_fragments_overlap_the_bytes_that_came_first_stay() {
    let mut fixture = Fixture::new(); // MS-R-03
    fixture.fragment(1, (2, 8), b"cdef");
    let frame = fixture.fragment(1, (0, 8), b"XXXXXXXX").unwrap();
    assert_eq!(frame.payload, b"XXcdefXX");
}

#[rstest]
#[case::past_the_end((3, 4), b"xy", "fragment_bounds")]
#[case::at_the_end((4, 4), b"x", "fragment_bounds")]
#[case::of_an_empty_frame((0, 0), b"x", "fragment_bounds")]
#[case::past_all_numbers((u64::MAX, u64::MAX), b"x", "fragment_bounds")]
#[case::of_another_length((2, 5), b"x", "fragment_total_length")]
fn a_fragment_out_of_bounds_is_dropped_and_counted(
    #[case] at: (u64, u64),
    #[case] payload: &[u8],
    #[case] cause: &str,
) {
    let mut fixture = Fixture::new(); // MS-R-02
    fixture.fragment(1, (0, 4), b"ab");
    assert!(fixture.fragment(1, at, payload).is_none());
    assert_eq!(fixture.invalid(cause), 1);
    let frame = fixture.fragment(1, (2, 4), b"cd").unwrap();
    assert_eq!(frame.payload, b"abcd");
}

#[test]
fn an_incomplete_frame_is_dropped_and_counted_after_5_s() {
    let mut fixture = Fixture::new(); // MS-R-05
    fixture.fragment(1, (0, 4), b"ab");
    fixture.data(2, b"half");
    assert_eq!(fixture.receiver.deadline(), Some(Duration::from_secs(5)));
    fixture.now = Duration::from_millis(4_999);
    fixture.receiver.expire(fixture.now, &mut fixture.counters);
    assert_eq!(fixture.counters.reassembly_timeouts, 0);
    fixture.now = REASSEMBLY_TIMEOUT;
    assert!(fixture.fragment(1, (2, 4), b"cd").is_none());
    assert_eq!(fixture.counters.reassembly_timeouts, 2);
    assert!(fixture.fragment(1, (0, 4), b"ab").is_some());
}

#[test]
fn a_frame_above_16_mib_is_refused_and_one_of_16_mib_is_not() {
    let mut fixture = Fixture::new(); // MS-R-06
    assert!(fixture.fragment(1, (0, LARGEST_FRAME + 1), b"x").is_none());
    assert_eq!(fixture.counters.resource_rejections, 1);
    assert_eq!(fixture.receiver.reassembly.held(), 0);
    fixture.fragment(1, (0, LARGEST_FRAME), b"x");
    assert_eq!(fixture.counters.resource_rejections, 1);
    assert!(fixture.receiver.reassembly.held() < 1_000);
}

#[test]
fn reassembly_never_holds_more_than_64_mib_and_works_again_when_that_has_expired() {
    let mut fixture = Fixture::new(); // MS-R-06
    fixture.receiver.frames = u64::MAX;
    let payload = vec![0; 65_000];
    for number in 1..=2_000 {
        fixture.fragment(number, (0, LARGEST_FRAME), &payload);
        assert!(fixture.receiver.reassembly.held() <= LARGEST_TOTAL);
    }
    let refused = fixture.counters.resource_rejections;
    assert!((900..1_100).contains(&refused), "{refused}");
    fixture.now = REASSEMBLY_TIMEOUT;
    assert!(fixture.fragment(3_000, (0, 1), b"x").is_some());
    assert_eq!(fixture.receiver.reassembly.held(), 0);
}

#[test]
fn a_frame_that_is_refused_gives_up_what_it_held() {
    let mut fixture = Fixture::new(); // MS-R-06
    let payload = vec![0; 65_000];
    // 250 rounds of 5 datagrams are more than 64 MiB, and less than 16 MiB for each frame.
    let datagrams = (0..250).flat_map(|round| (1..=5).map(move |number| (number, round * 65_000)));
    let mut before = 0;
    for (number, offset) in datagrams {
        fixture.fragment(number, (offset, LARGEST_FRAME), &payload);
        let held = fixture.receiver.reassembly.held();
        if fixture.counters.resource_rejections > 0 {
            assert!(held < before * 9 / 10, "{held} of {before}");
            return;
        }
        before = held;
    }
    panic!("nothing was refused");
}

#[test]
fn a_frame_of_single_bytes_costs_what_its_pieces_cost() {
    let mut fixture = Fixture::new(); // MS-R-06
    for offset in (0..2_000_000).step_by(2) {
        fixture.fragment(1, (offset, LARGEST_FRAME), b"x");
    }
    assert!(fixture.counters.resource_rejections > 0);
    assert!(fixture.receiver.reassembly.held() <= LARGEST_TOTAL);
}

#[rstest]
#[case::split_first(true)]
#[case::fragment_first(false)]
fn of_a_mixture_the_first_kind_counts(#[case] split_first: bool) {
    let mut fixture = Fixture::new(); // MS-R-07
    if split_first {
        fixture.data(1, &[1; 474]);
        assert!(fixture.fragment(1, (0, 1), b"x").is_none());
        assert_eq!(fixture.data(1, &[2; 474]).unwrap().payload.len(), 948);
    } else {
        fixture.fragment(1, (0, 4), b"ab");
        assert!(fixture.data(1, &WHOLE).is_none());
        assert_eq!(fixture.fragment(1, (2, 4), b"cd").unwrap().payload, b"abcd");
    }
    assert_eq!(fixture.invalid("mixed_carry"), 1);
}

#[test]
fn a_plain_split_is_complete_when_its_datagrams_have_the_frames_length() {
    let mut fixture = Fixture::new();
    assert!(fixture.data(1, &[1; 600]).is_none());
    // 626 bytes again would be more than 1,000.
    assert!(fixture.data(1, &[1; 600]).is_none());
    assert_eq!(fixture.counters.duplicates, 1);
    let frame = fixture.data(1, &[2; 348]).unwrap();
    assert_eq!(frame.payload, [vec![1; 600], vec![2; 348]].concat());
}

#[test]
fn numbers_that_were_left_out_are_counted_as_gaps() {
    let mut fixture = Fixture::new();
    for number in [1, 2, 5, 4, 9] {
        fixture.data(number, &WHOLE);
    }
    assert_eq!(fixture.counters.sequence_gaps, 2 + 3);
}

#[rstest]
#[case(0)]
#[case(101)]
#[case(u64::MAX)]
fn a_number_that_the_stream_does_not_have_is_invalid(#[case] number: u64) {
    let mut fixture = Fixture::new();
    assert!(fixture.data(number, &WHOLE).is_none());
    assert_eq!(fixture.invalid("sequence_number"), 1);
    assert_eq!(fixture.counters.sequence_gaps, 0);
}

#[test]
fn a_payload_that_is_not_the_pattern_is_taken_and_counted() {
    let mut fixture = Fixture::new(); // MS-D-11
    fixture.receiver.verify = true;
    fixture.data(1, pattern::prefix(974));
    assert_eq!(fixture.receiver.damaged(), 0);
    assert!(fixture.data(2, &WHOLE).is_some());
    assert_eq!(
        (fixture.receiver.damaged(), fixture.invalid("payload")),
        (1, 1)
    );
}

proptest! {
    #[test]
    fn whatever_comes_is_held_within_bounds_and_let_go(
        parts in prop::collection::vec(
            (
                prop_oneof![0..6_u64, any::<u64>()],
                prop::option::of((
                    prop_oneof![0..30_u64, any::<u64>()],
                    prop_oneof![Just(20_u64), any::<u64>()],
                )),
                1..40_usize,
                0..3_000_u64,
            ),
            0..60,
        ),
    ) {
        let mut fixture = Fixture::new();
        for (number, position, length, wait) in parts {
            fixture.now += Duration::from_millis(wait);
            if let Some(frame) = fixture.take(number, 1, position, &vec![1; length]) {
                prop_assert_eq!(frame.header.sequence_number, number);
            }
            prop_assert!(fixture.receiver.reassembly.held() <= LARGEST_TOTAL);
        }
        fixture.receiver.expire(fixture.now + REASSEMBLY_TIMEOUT, &mut fixture.counters);
        prop_assert_eq!(fixture.receiver.reassembly.held(), 0);
        prop_assert_eq!(fixture.receiver.deadline(), None);
    }
}
