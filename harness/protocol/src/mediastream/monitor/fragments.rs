//! MS-R-01: fragments lie within their frame, and agree on its length.

use super::ledger::{Bench, Evidence};
use super::rule::Rule;
use super::time::Moment;
use super::view::Media;

/// Judges one fragment; `total` is TotalLength of the frame's fragments before it.
///
/// Broken at any vantage by FragmentOffset + payload length > TotalLength (the payload's length on
/// the wire, whatever the capture kept of it), and by two fragments of one frame with different
/// TotalLength, in whatever order they came.
pub(super) fn see(media: &Media<'_>, total: Option<u64>, at: &Moment, bench: &mut Bench<'_>) {
    let (Some((offset, length)), Some(payload)) = (media.position, media.payload_length) else {
        return;
    };
    bench.exercised(Rule::R01);
    let end = offset.checked_add(payload as u64);
    if end.is_none_or(|end| end > length) {
        // MS-R-01
        bench.breach(Rule::R01, bench.sender, || {
            let got = format!("FragmentOffset {offset} + {payload} bytes, TotalLength {length}");
            Evidence::at(at, "FragmentOffset + payload length <= TotalLength", got).field(
                "FragmentOffset",
                26,
                8,
            )
        });
    } else if let Some(total) = total.filter(|total| *total != length) {
        bench.breach(Rule::R01, bench.sender, || {
            let want = format!("TotalLength {total}, as in the frame's fragments before");
            Evidence::at(at, want, format!("TotalLength {length}")).field("TotalLength", 34, 8)
        });
    }
}
