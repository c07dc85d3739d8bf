//! What holds for every control frame: MS-W-10 and MS-W-12.

use super::ledger::{Bench, Evidence};
use super::rule::Rule;
use super::time::Moment;
use super::view::{ControlView, Kind};
use crate::mediastream::frame::Control;
use crate::requirement::Role;

/// Judges one control frame of `from`.
///
/// MS-W-10, any vantage: SequenceNumber, QPC or QPF is not zero.
///
/// MS-W-12, any vantage, version 1 only (the layout of others is not known): Reserved is not zero, or
/// a bit of Flags other than Accept in a SYN-ACK is set.
pub(super) fn see(
    kind: Kind,
    control: &ControlView<'_>,
    from: Role,
    at: &Moment,
    bench: &mut Bench<'_>,
) {
    if let Some(header) = control.header {
        bench.exercised(Rule::W10);
        let names = [("SequenceNumber", 2), ("QPC", 10), ("QPF", 18)];
        if let Some((value, (name, offset))) =
            header.into_iter().zip(names).find(|(value, _)| *value != 0)
        {
            // MS-W-10
            bench.breach(Rule::W10, from, || {
                let want = format!("{name} 0 in a {}", kind.name());
                Evidence::at(at, want, format!("{name} {value:#x}")).field(name, offset, 8)
            });
        }
    }
    let Some((flags, reserved)) = control
        .flags
        .filter(|_| control.version == Some(Control::VERSION))
    else {
        return;
    };
    bench.exercised(Rule::W12);
    let allowed = match kind {
        Kind::SynAck => Control::ACCEPT,
        Kind::Syn | Kind::Ack => 0,
    };
    if flags & !allowed != 0 {
        // MS-W-12
        bench.breach(Rule::W12, from, || {
            let want = format!("reserved bits of a {}'s Flags zero", kind.name());
            Evidence::at(at, want, format!("Flags {flags:#04x}")).field("Flags", 27, 1)
        });
    } else if reserved != 0 {
        bench.breach(Rule::W12, from, || {
            Evidence::at(at, "Reserved 0", format!("Reserved {reserved:#06x}"))
                .field("Reserved", 28, 2)
        });
    }
}
