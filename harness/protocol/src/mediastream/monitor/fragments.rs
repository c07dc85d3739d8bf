//! MS-R-01: fragments lie within their frame, and agree on its length.

use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::view::{FRAGMENT_OFFSET, Media, TOTAL_LENGTH};

/// Judges one fragment; `total` is TotalLength of the frame's fragments before it.
///
/// Broken at any vantage by FragmentOffset + payload length > TotalLength (the payload's length on
/// the wire, whatever the capture kept of it), and by two fragments of one frame with different
/// TotalLength, in whatever order they came.
pub(super) fn observe(media: &Media<'_>, total: Option<u64>, scope: &mut Scope<'_>) {
    let (Some((offset, length)), Some(payload)) = (media.position, media.payload_length) else {
        return;
    };
    scope.exercised(Rule::R01);
    let end = offset.checked_add(payload as u64);
    if end.is_none_or(|end| end > length) {
        // MS-R-01
        scope.breach(Rule::R01, || {
            let got = format!("FragmentOffset {offset} + {payload} bytes, TotalLength {length}");
            Evidence::new("FragmentOffset + payload length <= TotalLength", got)
                .field(FRAGMENT_OFFSET)
        });
    } else if let Some(total) = total.filter(|total| *total != length) {
        scope.breach(Rule::R01, || {
            let want = format!("TotalLength {total}, as in the frame's fragments before");
            Evidence::new(want, format!("TotalLength {length}")).field(TOTAL_LENGTH)
        });
    }
}
