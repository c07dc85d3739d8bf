//! What holds for every frame of a handshake: MS-W-10 and MS-W-12.

use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::view::{ControlView, Kind, QPC, QPF, SEQUENCE, field};
use crate::mediastream::frame::{Control, Start3};

/// Judges one frame. Unless the session `is_known` to be of its handshake, a frame by the rules shows
/// nothing of the other frames of its sender.
///
/// MS-W-10, any vantage: SequenceNumber, QPC or QPF is not zero.
///
/// MS-W-12, any vantage, version 1 only (the layout of others is not known): Reserved is not zero, a bit
/// of Flags that has no name is set, or Accept or BEGIN_IMMEDIATELY is set in another frame than SYN-ACK
/// or START_ACK.
pub(super) fn see(view: &ControlView<'_>, is_known: bool, scope: &mut Scope<'_>) {
    let name = view.kind.name();
    if let Some(header) = view.header {
        if is_known {
            scope.exercised(Rule::W10);
        }
        let mut header = header.into_iter().zip([SEQUENCE, QPC, QPF]);
        if let Some((value, field)) = header.find(|(value, _)| *value != 0) {
            // MS-W-10
            scope.breach(Rule::W10, || {
                let (want, got) = (
                    format!("{} 0 in a {name}", field.name),
                    format!("{} {value:#x}", field.name),
                );
                Evidence::new(want, got).field(field)
            });
        }
    }
    let Some((flags, reserved)) = view.flags.filter(|_| view.is_ours()) else {
        return;
    };
    if is_known {
        scope.exercised(Rule::W12);
    }
    let anywhere = Start3::ACK_REQUIRED | Start3::COMPAT_MODE;
    let allowed = match view.kind {
        Kind::Syn | Kind::Ack => 0,
        Kind::SynAck => Control::ACCEPT.into(),
        Kind::Start | Kind::StartConfirm | Kind::Error => anywhere,
        Kind::StartAck => anywhere | Start3::BEGIN_IMMEDIATELY,
    };
    let [flags_at, reserved_at] = match view.kind.is_start3() {
        true => [field("Flags", 28, 2), field("Reserved", 27, 1)],
        false => [field("Flags", 27, 1), field("Reserved", 28, 2)],
    };
    // MS-W-12
    if flags & !allowed != 0 {
        scope.breach(Rule::W12, || {
            let want = format!("reserved bits of a {name}'s Flags zero");
            Evidence::new(want, format!("Flags {flags:#x}")).field(flags_at)
        });
    } else if reserved != 0 {
        scope.breach(Rule::W12, || {
            Evidence::new("Reserved 0", format!("Reserved {reserved:#x}")).field(reserved_at)
        });
    }
}
