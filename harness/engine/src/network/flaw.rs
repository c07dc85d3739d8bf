use shakedown_protocol::vocabulary::Vocabulary;

use super::{Fault, Impair, Mishap, words};
use crate::document::did_you_mean;

/// Something in an impairment that makes no sense, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// The place, as the keys of a scenario file lead there: `faults`, `0`, `lose`, `frame`.
    pub place: Vec<String>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Impair {
    /// Everything about it that makes no sense. The frames of faults are looked up in
    /// `vocabulary` where there is one.
    #[must_use]
    pub fn flaws(&self, vocabulary: Option<&dyn Vocabulary>) -> Vec<Flaw> {
        let mut flaws = Vec::new();
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
                flaws.push(Flaw::new([key], format!("{share} is no share"), help));
            }
        }
        if self.delay.least > self.delay.most {
            let message = "the shortest delay is longer than the longest";
            let turned = words::spell_range((self.delay.most, self.delay.least));
            flaws.push(Flaw::new(["delay"], message, format!("write \"{turned}\"")));
        }
        if self.rate == Some(0) {
            let help = "a cut or `\"loss\": 1` says that nothing arrives";
            flaws.push(Flaw::new(
                ["rate"],
                "no byte a second would be carried",
                help,
            ));
        }
        for (index, (begin, end)) in self.cut.iter().enumerate() {
            if begin >= end {
                let message = "the cut ends before it begins";
                let help = "both count from the first datagram: \"1s..2.5s\"";
                flaws.push(Flaw::new(["cut", &index.to_string()], message, help));
            }
        }
        for (index, fault) in self.faults.iter().enumerate() {
            let mut found = fault.flaws(vocabulary);
            if self.faults[..index].contains(fault) {
                found.push((None, "this fault stands twice".to_owned(), None));
            }
            for (part, message, help) in found {
                let index = index.to_string();
                let place = ["faults", &index, fault.mishap.key()];
                let place = place.into_iter().chain(part).map(str::to_owned);
                flaws.push(Flaw {
                    place: place.collect(),
                    message,
                    help,
                });
            }
        }
        flaws
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
type FaultFlaw = (Option<&'static str>, String, Option<String>);

impl Fault {
    fn flaws(&self, vocabulary: Option<&dyn Vocabulary>) -> Vec<FaultFlaw> {
        let mut flaws = Vec::new();
        let frames = vocabulary.map(Vocabulary::frames);
        if let Some(known) = frames.filter(|known| !known.contains(&self.frame.as_str())) {
            let help = did_you_mean(&self.frame, known.iter().copied());
            let message = format!("no frame is called `{}`", self.frame);
            flaws.push((Some("frame"), message, help));
        }
        if self.nth == 0 {
            let help = "the first of its kind is 1".to_owned();
            let message = "frames are counted from 1".to_owned();
            flaws.push((Some("nth"), message, Some(help)));
        }
        let nothing = match self.mishap {
            Mishap::Late(by) => by.is_zero().then_some(("by", "it would not be late")),
            Mishap::After(later) => (later == 0).then_some(("later", "nothing would overtake it")),
            Mishap::Lost | Mishap::Twice | Mishap::Flipped(_) => None,
        };
        flaws.extend(nothing.map(|(part, message)| (Some(part), message.to_owned(), None)));
        flaws
    }
}

impl Flaw {
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
