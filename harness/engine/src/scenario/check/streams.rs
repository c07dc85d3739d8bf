//! Steps over streams: each by itself, and the values that they use and remember.

use super::Checker;
use super::flow::State;
use crate::document::Pointer;
use crate::scenario::Step;
use crate::scenario::streams::requirement;

impl Checker<'_> {
    /// Checks a step over streams by itself.
    pub(super) fn over_streams(&mut self, step: &Step, inside: &Pointer) {
        self.judged_by(requirement(step), inside);
        match step {
            Step::ExpectConnected(one) => self.window(one.after.as_ref(), &one.within, inside),
            Step::Accept(one) => self.window(one.after.as_ref(), &one.within, inside),
            Step::ExpectStream(one) => {
                self.window(one.after.as_ref(), &one.within, inside);
                if let Some(text) = &one.starts_with {
                    self.hex(text, &inside.key("starts_with"));
                }
            }
            Step::Read(one) => self.window(one.after.as_ref(), &one.within, inside),
            Step::ExpectQuiet(one) => self.lasts(&one.span, &inside.key("for")),
            Step::ExpectAlive(one) => self.lasts(&one.span, &inside.key("for")),
            Step::ExpectClose(one) => self.window(one.after.as_ref(), &one.within, inside),
            _ => {}
        }
    }

    /// Plays a step over streams as far as that can be done without an implementation.
    pub(super) fn play_over_streams(&mut self, step: &Step, inside: &Pointer, state: &mut State) {
        match step {
            Step::Write(one) => {
                for (index, value) in one.u32.iter().flatten().enumerate() {
                    self.uses(value, &inside.key("u32").index(index), state);
                }
            }
            Step::Read(one) => {
                for (index, value) in one.u32.iter().flatten().enumerate() {
                    self.uses(value, &inside.key("u32").index(index), state);
                }
                state.bound.extend(one.bind.keys().cloned());
            }
            _ => {}
        }
    }
}
