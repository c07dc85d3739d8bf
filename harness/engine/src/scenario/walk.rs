use crate::document::Pointer;
use crate::step::Step;

/// Calls `visit` for each step of the list that stands at `list`, with the place of what its verb
/// takes; those within others come after them.
pub fn each_step<'a>(
    steps: &'a [Step],
    list: &Pointer,
    visit: &mut impl FnMut(&'a Step, &Pointer),
) {
    for (index, step) in steps.iter().enumerate() {
        let inside = list.index(index).key(step.verb());
        visit(step, &inside);
        for inner in step.form().inner(&inside) {
            each_step(inner.steps, &inner.place, visit);
        }
    }
}
