use shakedown_protocol::{Protocol, hex};

use super::Checker;
use crate::document::{Pointer, Problem, did_you_mean};
use crate::scenario::{Span, Step, each_step};
use crate::step::{Play, Verb};

/// Largest UDP payload over IPv4, in bytes.
const MAX_DATAGRAM: usize = 65_507;

impl Checker<'_> {
    /// Checks each step by itself: names, values, spans, counts.
    pub(super) fn steps(&mut self) {
        let list = Pointer::root().key("steps");
        let scenario = self.scenario;
        each_step(&scenario.steps, &list, &mut |step, inside| {
            self.carried(step, inside);
            self.form(step.form(), inside);
        });
    }

    pub(crate) fn form(&mut self, form: &dyn Verb, inside: &Pointer) {
        if let Some(demand) = form.demand() {
            demand.check(self, inside);
        }
        form.check(self, inside);
    }

    /// Checks that what carries the protocol can do such a step.
    fn carried(&mut self, step: &Step, inside: &Pointer) {
        let Some(protocol) = self.protocol else {
            return;
        };
        let (id, verb) = (protocol.id, step.verb());
        let (message, instead) = match (step.play(), self.is_over_streams()) {
            (Play::Sends(_, instead) | Play::Waits(_, instead), true) => (
                format!("`{verb}` is a step over datagrams, and streams carry {id}"),
                instead,
            ),
            (Play::StreamAction(_) | Play::StreamWait(_), false) => (
                format!("`{verb}` is a step over streams, and datagrams carry {id}"),
                "`send`, `expect` and `expect_nothing`",
            ),
            (Play::Sends(..) | Play::Waits(..), false)
            | (Play::StreamAction(_) | Play::StreamWait(_), true)
            | (Play::Repeats(_) | Play::Chooses(_) | Play::Sleeps(_), _)
            | (Play::Restarts(_) | Play::Watches(_), _) => return,
        };
        self.at_key(inside, message, Some(format!("use {instead}")));
    }

    /// Checks that the implementation under test ever sends a frame that is waited for.
    pub(crate) fn is_sent(&mut self, frame: &str, inside: &Pointer) {
        let Some(protocol) = self.protocol else {
            return;
        };
        let needs = &self.scenario.iut;
        let mode = needs.mode.as_str();
        let has_mode = protocol.has_mode(mode) || mode == Protocol::ANY_MODE;
        let sends = |frame: &str| (protocol.sends)(needs.role, mode, frame);
        if !has_mode || protocol.vocabulary.fields(frame).is_err() || sends(frame) {
            return;
        }
        let (side, of) = (protocol.side(needs.role), protocol.mode_name);
        let all = protocol.vocabulary.frames().iter();
        let sent: Vec<_> = all.copied().filter(|frame| sends(frame)).collect();
        let message = format!("the {side} never sends {frame} in the {of} `{mode}`");
        let help = match sent.is_empty() {
            true => "it sends no frame at all".to_owned(),
            false => format!("it sends {}", sent.join(", ")),
        };
        self.at(&inside.key("frame"), message, Some(help));
    }

    /// Notes that a list is empty, unless it may have lost its elements.
    pub(crate) fn empty(&mut self, place: &Pointer, message: &str, help: Option<&str>) {
        if self.whole {
            self.at(place, message, help.map(str::to_owned));
        }
    }

    /// Notes that a branch begins as one before it does, which is taken whatever comes.
    pub(crate) fn never_taken(&mut self, taken: &Pointer, never: &Pointer) {
        let message = "this branch is never taken: one before it begins with the same step";
        let problem = Problem::new(self.root.place(never), message);
        let problem = problem.related(self.root.place(taken), "the branch that is taken");
        let help = "remove one, or let them begin with different steps".to_owned();
        self.problems.push(problem.help(Some(help)));
    }

    /// Checks the requirement that a step is judged by.
    pub(crate) fn judged_by(&mut self, id: Option<&str>, inside: &Pointer) {
        let Some(id) = id else {
            return;
        };
        let place = inside.key("requirement");
        let before = self.problems.len();
        self.requirement(id, &place, true);
        let is_listed = self.scenario.requirements.iter().any(|listed| listed == id);
        if !is_listed && self.problems.len() == before {
            let message = format!("{id} is not among the scenario's requirements");
            let help = "add it to `requirements`".to_owned();
            self.at(&place, message, Some(help));
        }
    }

    pub(crate) fn socket(&mut self, name: Option<&str>, place: &Pointer, sends: bool) {
        let Some(name) = name else {
            return;
        };
        let declared = self.scenario.sockets.keys().map(String::as_str);
        let known = ["main"].into_iter().chain(declared);
        let mut known: Vec<_> = known.collect();
        match name {
            "fresh" if sends => {}
            "fresh" => {
                let message = "what arrives at `fresh` sockets is not looked at";
                let help = "declare one in `sockets` and send from it".to_owned();
                self.at(place, message, Some(help));
            }
            name if known.contains(&name) => {}
            name => {
                if sends {
                    known.push("fresh");
                }
                let help = did_you_mean(name, known);
                self.at(place, format!("no socket is called `{name}`"), help);
            }
        }
    }

    pub(crate) fn window(&mut self, after: Option<&Span>, within: &Span, inside: &Pointer) {
        if let Some(after) = after.filter(|after| after.exceeds(within)) {
            let message = format!("the window ends ({within}) before it begins ({after})");
            let help = "both count from the step before".to_owned();
            self.at(&inside.key("after"), message, Some(help));
        }
    }

    pub(crate) fn lasts(&mut self, span: &Span, place: &Pointer) {
        if span.is_zero() {
            self.at(place, "no time goes by here", None);
        }
    }

    pub(crate) fn not_zero(&mut self, count: Option<u64>, place: &Pointer) {
        if count == Some(0) {
            self.at(
                place,
                "0 times is never",
                Some("remove the step".to_owned()),
            );
        }
    }

    pub(crate) fn datagram_size(&mut self, length: Option<usize>, place: &Pointer) {
        if let Some(length) = length.filter(|length| *length > MAX_DATAGRAM) {
            let message = format!("a datagram of {length} bytes cannot be sent");
            let help = format!("UDP over IPv4 carries at most {MAX_DATAGRAM} bytes");
            self.at(place, message, Some(help));
        }
    }

    pub(crate) fn hex(&mut self, text: &str, place: &Pointer) -> Option<Vec<u8>> {
        match hex::parse(text) {
            Ok(bytes) => Some(bytes),
            Err(problem) => {
                self.at(place, format!("the text {problem}"), None);
                None
            }
        }
    }
}
