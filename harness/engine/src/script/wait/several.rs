use super::Offer;
use super::words::unexpected;
use crate::scenario::Expect;
use crate::script::context::{Check, Context, Decoded};
use crate::script::inbox::Arrival;
use crate::script::program::Op;
use crate::script::window::Window;
use crate::script::{Failure, SocketId};

/// Offers an arrival to those of several expected frames that have not come yet.
pub(super) fn offer_any(
    context: &Context,
    op: &Op,
    of: &[Expect],
    members: &mut [(Window, SocketId, bool)],
    arrival: &Arrival,
    decoded: &Decoded,
) -> Offer {
    let mut looks = false;
    let mut ignored = None;
    let mut wrong: Option<Box<Failure>> = None;
    let mut missing = Vec::new();
    for n in 0..of.len() {
        let (expect, (window, socket, met)) = (&of[n], members[n]);
        if met {
            continue;
        }
        missing.push(expect.frame.clone());
        if socket != arrival.socket {
            continue;
        }
        looks = true;
        match context.check(expect, &window, arrival, decoded) {
            Check::Match(bound) => {
                members[n].2 = true;
                let done = members.iter().all(|(_, _, met)| *met);
                return Offer::Taken { done, bound };
            }
            Check::Broken(why) => return Offer::Broken(why),
            Check::OtherFrame => {}
            Check::Wrong(fault) => {
                let requirement = expect.requirement.as_deref();
                wrong.get_or_insert_with(|| fault.into_failure(context, op, requirement, arrival));
            }
        }
        ignored = ignored.or(context.ignores(decoded, &expect.ignore));
    }
    match (looks, ignored, wrong) {
        (false, _, _) => Offer::Elsewhere,
        (true, Some(frame), _) => Offer::Ignored(frame),
        (true, None, Some(failure)) => Offer::Failed(failure),
        (true, None, None) => {
            let requirement = of.iter().find_map(|expect| expect.requirement.as_deref());
            let wanted = missing.join(" or ");
            Offer::Failed(unexpected(context, op, requirement, arrival, wanted))
        }
    }
}
