use shakedown_protocol::vocabulary::Vocabulary;

use super::{Fault, FaultKind, Impairment, file_form};
use crate::document::did_you_mean;

/// Something in an impairment that is not valid, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImpairmentProblem {
    /// The place, as the keys of a scenario file lead there: `faults`, `0`, `drop`, `frame`.
    pub place: Vec<String>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Impairment {
    /// Everything about it that is not valid. The frames of faults are looked up in `vocabulary`
    /// where there is one.
    #[must_use]
    pub fn problems(&self, vocabulary: Option<&dyn Vocabulary>) -> Vec<ImpairmentProblem> {
        let mut problems = Vec::new();
        let shares = [
            ("loss", self.loss),
            ("duplicate", self.duplicate),
            ("reorder", self.reorder),
            ("corrupt", self.corrupt),
            ("checksum", self.checksum),
        ];
        for (key, share) in shares {
            if !(0.0..=1.0).contains(&share) {
                let help = format!("a share is a number from 0 to 1: {key} 0.1 is one in ten");
                problems.push(ImpairmentProblem::new(
                    [key],
                    format!("{share} is no share"),
                    help,
                ));
            }
        }
        if self.delay.least > self.delay.most {
            let message = "the shortest delay is longer than the longest";
            let turned = file_form::spell_range((self.delay.most, self.delay.least));
            problems.push(ImpairmentProblem::new(
                ["delay"],
                message,
                format!("write \"{turned}\""),
            ));
        }
        if self.rate == Some(0) {
            let help = "use an outage or `\"loss\": 1` if nothing may arrive";
            problems.push(ImpairmentProblem::new(
                ["rate"],
                "no byte a second would be carried",
                help,
            ));
        }
        for (index, (begin, end)) in self.outage.iter().enumerate() {
            if begin >= end {
                let message = "the outage ends before it begins";
                let help = "both count from the first datagram: \"1s..2.5s\"";
                problems.push(ImpairmentProblem::new(
                    ["outage", &index.to_string()],
                    message,
                    help,
                ));
            }
        }
        for (index, fault) in self.faults.iter().enumerate() {
            let mut found = fault.problems(vocabulary);
            if self.faults[..index].contains(fault) {
                found.push((None, "this fault stands twice".to_owned(), None));
            }
            for (part, message, help) in found {
                let index = index.to_string();
                let place = ["faults", &index, fault.kind.key()];
                let place = place.into_iter().chain(part).map(str::to_owned);
                problems.push(ImpairmentProblem {
                    place: place.collect(),
                    message,
                    help,
                });
            }
        }
        problems
    }

    /// Whether the network is an ideal one: the seed alone changes nothing.
    #[must_use]
    pub fn is_ideal(&self) -> bool {
        let nothing = Self {
            from: self.from,
            seed: self.seed,
            ..Self::default()
        };
        *self == nothing
    }
}

/// A part of a fault, what is wrong with it, and what would be right.
type FaultProblem = (Option<&'static str>, String, Option<String>);

impl Fault {
    fn problems(&self, vocabulary: Option<&dyn Vocabulary>) -> Vec<FaultProblem> {
        let mut problems = Vec::new();
        let frames = vocabulary.map(Vocabulary::frames);
        if let Some(known) = frames.filter(|known| !known.contains(&self.frame.as_str())) {
            let help = did_you_mean(&self.frame, known.iter().copied());
            let message = format!("no frame is called `{}`", self.frame);
            problems.push((Some("frame"), message, help));
        }
        if self.nth == 0 {
            let help = "the first of its kind is 1".to_owned();
            let message = "frames are counted from 1".to_owned();
            problems.push((Some("nth"), message, Some(help)));
        }
        let nothing = match self.kind {
            FaultKind::Delay(by) => by.is_zero().then_some(("by", "it would not be delayed")),
            FaultKind::Reorder(later) => {
                (later == 0).then_some(("later", "nothing would overtake it"))
            }
            FaultKind::Drop | FaultKind::Duplicate | FaultKind::Corrupt(_) => None,
        };
        problems.extend(nothing.map(|(part, message)| (Some(part), message.to_owned(), None)));
        problems
    }
}

impl ImpairmentProblem {
    fn new<const N: usize>(
        place: [&str; N],
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            place: place.map(str::to_owned).into(),
            message: message.into(),
            help: Some(help.into()),
        }
    }
}
