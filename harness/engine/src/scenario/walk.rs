use super::Step;
use super::streams::over_streams;
use crate::document::Pointer;

/// Calls `visit` for each step of the list that stands at `list`, with the place of what its verb
/// takes; those within others come after them.
pub fn each_step<'a>(
    steps: &'a [Step],
    list: &Pointer,
    visit: &mut impl FnMut(&'a Step, &Pointer),
) {
    for (index, step) in steps.iter().enumerate() {
        let pointer = list.index(index);
        let inside = pointer.key(step.verb());
        visit(step, &inside);
        match step {
            Step::Either(branches) => {
                for (index, branch) in branches.iter().enumerate() {
                    each_step(&branch.steps, &inside.index(index).key("steps"), visit);
                }
            }
            Step::Repeat(repeat) => each_step(&repeat.steps, &inside.key("steps"), visit),
            Step::Send(_)
            | Step::SendRaw(_)
            | Step::Mutate(_)
            | Step::Lose(_)
            | Step::Media(_)
            | Step::Expect(_)
            | Step::ExpectAny(_)
            | Step::ExpectNothing(_)
            | Step::ExpectMedia(_)
            | Step::ExpectExit(_)
            | Step::Wait(_)
            | Step::RestartIut(_)
            | over_streams!() => {}
        }
    }
}
