//! What holds for every frame of a handshake: MS-W-10 and MS-W-12.

use super::rule::Rule;
use super::scope::{Evidence, Scope};
use super::view::ControlView;
use crate::mediastream::frame::{Control, Start3, flag};

/// Judges one frame. Unless the session `is_known` to be of its handshake, a frame by the rules shows
/// nothing of the other frames of its sender.
///
/// MS-W-10, any vantage: SequenceNumber, QPC or QPF is not zero.
///
/// MS-W-12, any vantage, version 1 only (the layout of others is not known): Reserved is not zero, a bit
/// of Flags that has no name is set, or Accept or BEGIN_IMMEDIATELY is set in another frame than SYN-ACK
/// or START_ACK.
pub(super) fn observe(view: &ControlView<'_>, is_known: bool, scope: &mut Scope<'_>) {
    let anywhere = Start3::ACK_REQUIRED | Start3::COMPAT_MODE;
    let allowed = match view.flag() {
        flag::SYN | flag::ACK => 0,
        flag::SYN_ACK => Control::ACCEPT.into(),
        flag::START_ACK => anywhere | Start3::BEGIN_IMMEDIATELY,
        _ => anywhere,
    };
    // MS-W-10
    zeros(
        Rule::W10,
        &["SequenceNumber", "QPC", "QPF"],
        0,
        view,
        is_known,
        scope,
    );
    if view.is_ours() {
        // MS-W-12
        zeros(
            Rule::W12,
            &["Flags", "Reserved"],
            allowed,
            view,
            is_known,
            scope,
        );
    }
}

/// Judges fields of which no bit but those of `allowed` is to be set; those stand in the first.
fn zeros(
    rule: Rule,
    names: &[&'static str],
    allowed: u16,
    view: &ControlView<'_>,
    is_known: bool,
    scope: &mut Scope<'_>,
) {
    let numbers: Option<Vec<u64>> = names.iter().map(|name| view.number(name)).collect();
    let Some(numbers) = numbers else {
        return;
    };
    if is_known {
        scope.exercised(rule);
    }
    for (index, (name, number)) in names.iter().zip(numbers).enumerate() {
        let allowed = if index == 0 { u64::from(allowed) } else { 0 };
        if number & !allowed != 0 {
            return scope.breach(rule, || {
                let want = match allowed {
                    0 => format!("{name} 0 in a {}", view.name()),
                    _ => format!("no bits of {name} but {allowed:#x} in a {}", view.name()),
                };
                Evidence::new(want, format!("{name} {number:#x}")).field(view.field(name))
            });
        }
    }
}
