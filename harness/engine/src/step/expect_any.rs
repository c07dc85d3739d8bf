use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::expect::{Check, Expect, Frame};
use super::prelude::datagrams::*;
use super::prelude::*;

/// Frames to wait for in any order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExpectAny {
    /// The frames; each must come once.
    pub of: Vec<Expect>,
}

impl ExpectAny {
    fn placed(&self, inside: &Pointer) -> impl Iterator<Item = (&Expect, Pointer)> {
        let list = inside.key("of");
        let numbered = self.of.iter().enumerate();
        numbered.map(move |(index, expect)| (expect, list.index(index)))
    }
}

impl Demands for ExpectAny {}

impl Verb for ExpectAny {
    fn may_begin_branch(&self) -> bool {
        false
    }

    fn check(&self, check: &mut Checker<'_>, inside: &Pointer) {
        if self.of.is_empty() {
            check.empty(&inside.key("of"), "no frame is expected here", None);
        }
        for (expect, place) in self.placed(inside) {
            check.form(expect, &place);
        }
    }

    fn follow(&self, check: &mut Checker<'_>, inside: &Pointer, state: &mut State) {
        for (expect, place) in self.placed(inside) {
            expect.looks_back(check, &place, state);
        }
        let bound = self.of.iter().flat_map(|expect| expect.bind.keys());
        state.bound.extend(bound.cloned());
        state.heard = true;
    }

    fn in_words(&self) -> String {
        let frames: Vec<_> = self
            .of
            .iter()
            .map(|expect| expect.frame_in_words() + &words::judged(expect.requirement.as_deref()))
            .collect();
        format!("wait, in any order, for {}", frames.join("; and for "))
    }

    fn longest(&self, pace: &Pace<'_>) -> Duration {
        let each = self.of.iter().map(|expect| expect.longest(pace));
        each.max().unwrap_or_default()
    }

    fn requirements(&self) -> Vec<&str> {
        self.of.iter().flat_map(Verb::requirements).collect()
    }

    fn frames(&self) -> Vec<&str> {
        self.of.iter().flat_map(Verb::frames).collect()
    }

    fn sockets(&self) -> Vec<&str> {
        self.of.iter().flat_map(Verb::sockets).collect()
    }

    fn binds(&self, inside: &Pointer) -> Vec<Bind<'_>> {
        let placed = self.placed(inside);
        placed
            .flat_map(|(expect, place)| expect.binds(&place))
            .collect()
    }

    /// The single frame that is left.
    fn reduced(&self, own: &Value) -> Vec<Vec<Value>> {
        match own.pointer("/of/0") {
            Some(frame) if self.of.len() == 1 => vec![vec![json!({ "expect": frame })]],
            Some(_) | None => Vec::new(),
        }
    }
}

impl Waits for ExpectAny {
    fn wait(&self, start: Duration, context: &Context) -> Result<Box<dyn Awaited>, String> {
        let frames = self.of.iter().map(|one| Frame::new(one, start, context));
        let frames = frames.collect::<Result<Vec<_>, _>>()?;
        let sockets: BTreeSet<_> = frames
            .iter()
            .flat_map(|one| one.sockets().to_vec())
            .collect();
        Ok(Box::new(Frames {
            sockets: sockets.into_iter().collect(),
            missing: frames,
        }))
    }
}

/// Frames that are waited for and have not come yet.
#[derive(Debug)]
struct Frames {
    sockets: Vec<SocketId>,
    missing: Vec<Frame>,
}

impl Awaited for Frames {
    fn sockets(&self) -> &[SocketId] {
        &self.sockets
    }

    fn due(&self) -> Duration {
        let ends = self.missing.iter().map(|one| one.window.upper);
        ends.min().unwrap_or_default()
    }

    fn offer(&mut self, judge: &Judge<'_>, arrival: &Arrival, decoded: &Decoded) -> Offer {
        let mut looks = false;
        let mut ignored = None;
        let mut wrong = None;
        for (n, one) in self.missing.iter().enumerate() {
            if !one.sockets().contains(&arrival.socket) {
                continue;
            }
            looks = true;
            match one.check(&one.expect.judge(judge), arrival, decoded) {
                Check::Match(bound) => {
                    self.missing.remove(n);
                    let done = self.missing.is_empty();
                    return Offer::Taken { done, bound };
                }
                Check::Broken(why) => return Offer::Broken(why),
                Check::OtherFrame => {}
                Check::Wrong(failure) => wrong = wrong.or(Some(failure)),
            }
            ignored = ignored.or(judge.context.ignores(decoded, &one.expect.ignore));
        }
        match (looks, ignored, wrong) {
            (false, _, _) => Offer::Elsewhere,
            (true, Some(frame), _) => Offer::Ignored(frame),
            (true, None, Some(failure)) => Offer::Failed(failure),
            (true, None, None) => {
                let missing = self.missing.iter().map(|one| one.expect.frame.as_str());
                let wanted = missing.collect::<Vec<_>>().join(" or ");
                Offer::Failed(judge.unexpected(arrival, wanted))
            }
        }
    }

    fn end(&self, judge: &Judge<'_>, late: Option<&Arrival>) -> End {
        let due = self.due();
        let first = self.missing.iter().find(|one| one.window.upper == due);
        match first {
            Some(one) => End::Failed(one.missed(&one.expect.judge(judge), late)),
            None => End::Done(due, "nothing was expected".to_owned()),
        }
    }
}
