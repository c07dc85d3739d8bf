//! What holds for every frame of 3.3: MS-W-10 and MS-W-12.

use super::{Kind, View};
use crate::mediastream::frame::Start3;
use crate::mediastream::monitor::ledger::{Bench, Evidence};
use crate::mediastream::monitor::rule::Rule;
use crate::mediastream::monitor::time::Moment;
use crate::requirement::Role;

/// Judges one frame of `from`. Unless the session `is_known` to be of 3.3, a frame by the rules shows
/// nothing of the other frames of its sender.
///
/// MS-W-10, any vantage: SequenceNumber, QPC or QPF is not zero.
///
/// MS-W-12, any vantage, version 1 only: Reserved is not zero, a bit of Flags that has no name is
/// set, or BEGIN_IMMEDIATELY is set in another frame than START_ACK.
pub(in crate::mediastream::monitor) fn see(
    kind: Kind,
    view: &View<'_>,
    from: Role,
    is_known: bool,
    at: &Moment,
    bench: &mut Bench<'_>,
) {
    if let Some(header) = view.header {
        if is_known {
            bench.exercised(Rule::W10);
        }
        let names = [("SequenceNumber", 2), ("QPC", 10), ("QPF", 18)];
        let mut header = header.into_iter().zip(names);
        if let Some((value, (name, offset))) = header.find(|(value, _)| *value != 0) {
            // MS-W-10
            bench.breach(Rule::W10, from, || {
                let want = format!("{name} 0 in a {}", kind.name());
                Evidence::at(at, want, format!("{name} {value:#x}")).field(name, offset, 8)
            });
        }
    }
    let is_ours = view.version == Some(Start3::VERSION);
    let Some((reserved, flags)) = view.flags.filter(|_| is_ours) else {
        return;
    };
    if is_known {
        bench.exercised(Rule::W12);
    }
    let anywhere = Start3::ACK_REQUIRED | Start3::COMPAT_MODE;
    let allowed = match kind {
        Kind::Ack => anywhere | Start3::BEGIN_IMMEDIATELY,
        Kind::Start | Kind::Confirm | Kind::Error => anywhere,
    };
    if flags & !allowed != 0 {
        // MS-W-12
        bench.breach(Rule::W12, from, || {
            let want = format!("reserved bits of a {}'s Flags zero", kind.name());
            Evidence::at(at, want, format!("Flags {flags:#06x}")).field("Flags", 28, 2)
        });
    } else if reserved != 0 {
        bench.breach(Rule::W12, from, || {
            Evidence::at(at, "Reserved 0", format!("Reserved {reserved:#04x}"))
                .field("Reserved", 27, 1)
        });
    }
}
