use std::time::Duration;

use indexmap::IndexMap;
use shakedown_engine::interop::{InteropSummary, PairEvent, Standing};

#[derive(Debug)]
pub(super) struct Ending {
    pub(super) pairs: Vec<PairEvent>,
    /// Pairs that were to be judged.
    pub(super) wanted: usize,
    /// What fails although no pair does: waivers.
    pub(super) failing: Vec<String>,
    /// A program cannot be run: why (human-readable).
    pub(super) unstartable: Option<String>,
    pub(super) interrupted: bool,
    pub(super) took: Duration,
}

impl Ending {
    /// The exit code, and why.
    fn exit(&self) -> (u8, String) {
        let count = |standing| self.of(standing).count();
        let undecided = count(Standing::Inconclusive) + count(Standing::Error);
        if self.interrupted {
            let judged = self.pairs.len() - self.of(Standing::Inconclusive).count();
            let left = self.wanted.saturating_sub(judged);
            return (130, format!("interrupted; {} not judged", pairs(left)));
        }
        if let Some(why) = &self.unstartable {
            return (2, why.clone());
        }
        if self.pairs.len() == undecided {
            let first = self.pairs.iter().map(|pair| pair.seen.as_str()).next();
            let why = first.unwrap_or("there was none");
            return (2, format!("no pair could be judged: {why}"));
        }
        let wrong = [
            (Standing::NotAsDemanded, "not as demanded"),
            (
                Standing::Breaks,
                "as demanded, but with a requirement broken",
            ),
        ];
        let wrong = wrong.map(|(standing, how)| match count(standing) {
            0 => None,
            wrong => Some(format!("{} {how}", pairs(wrong))),
        });
        let parts = wrong
            .into_iter()
            .flatten()
            .chain(self.failing.iter().cloned());
        let parts: Vec<_> = parts.collect();
        if !parts.is_empty() {
            return (1, parts.join("; "));
        }
        if undecided > 0 {
            return (3, format!("{} could not be judged", pairs(undecided)));
        }
        let open = count(Standing::LeftOpen);
        match open {
            0 => (
                0,
                String::from("every pair did what the specification demands"),
            ),
            open => (
                0,
                format!(
                    "no pair did what the specification forbids; it leaves open what {} did",
                    pairs(open)
                ),
            ),
        }
    }

    fn of(&self, standing: Standing) -> impl Iterator<Item = &PairEvent> {
        self.pairs
            .iter()
            .filter(move |pair| pair.standing == standing)
    }

    /// The same for the reports.
    pub(super) fn summary(self) -> InteropSummary {
        let (exit, message) = self.exit();
        let mut counts = IndexMap::new();
        for standing in Standing::ALL {
            let count = self.of(standing).count();
            if count > 0 {
                counts.insert(standing.name().to_owned(), count);
            }
        }
        InteropSummary {
            counts,
            exit,
            message,
            notes: Vec::new(),
            interrupted: self.interrupted,
            seconds: self.took.as_secs_f64(),
        }
    }
}

fn pairs(count: usize) -> String {
    match count {
        1 => String::from("1 pair"),
        count => format!("{count} pairs"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use shakedown_engine::interop::{Captures, PairOutcome, SideEvent, Sides};

    use super::*;

    fn pair(standing: Standing) -> PairEvent {
        let side = SideEvent {
            name: "it".into(),
            mode: "3way".into(),
            options: Vec::new(),
        };
        PairEvent {
            pair: "a/b".into(),
            responder: side.clone(),
            initiator: side,
            outcome: PairOutcome::Streams,
            standing,
            demanded: None,
            because: Vec::new(),
            seen: "what was seen".into(),
            findings: Vec::new(),
            notes: Vec::new(),
            captures: Captures::default(),
            processes: Sides::default(),
            seconds: 0.0,
        }
    }

    fn ending(standings: &[Standing]) -> Ending {
        Ending {
            pairs: standings.iter().map(|standing| pair(*standing)).collect(),
            wanted: standings.len(),
            failing: Vec::new(),
            unstartable: None,
            interrupted: false,
            took: Duration::ZERO,
        }
    }

    use Standing::{AsDemanded, Breaks, Error, Excused, Inconclusive, LeftOpen, NotAsDemanded};

    #[rstest]
    #[case(&[AsDemanded, Excused], 0, "every pair did what the specification demands")]
    #[case(
        &[AsDemanded, LeftOpen],
        0,
        "no pair did what the specification forbids; it leaves open what 1 pair did"
    )]
    #[case(&[AsDemanded, NotAsDemanded, Error], 1, "1 pair not as demanded")]
    #[case(
        &[AsDemanded, NotAsDemanded, Breaks, Breaks],
        1,
        "1 pair not as demanded; 2 pairs as demanded, but with a requirement broken"
    )]
    #[case(&[AsDemanded, Error, Inconclusive], 3, "2 pairs could not be judged")]
    #[case(&[Error, Inconclusive], 2, "no pair could be judged: what was seen")]
    #[case(&[], 2, "no pair could be judged: there was none")]
    fn the_exit_code_is_that_of_the_first_rule_that_applies(
        #[case] standings: &[Standing],
        #[case] exit: u8,
        #[case] message: &str,
    ) {
        assert_eq!(ending(standings).exit(), (exit, message.to_owned()));
    }

    #[test]
    fn an_interruption_comes_before_all_then_what_cannot_be_run_and_a_waiver_may_fail() {
        let mut ending = ending(&[NotAsDemanded, Inconclusive]);
        ending.wanted = 5;
        ending.interrupted = true;
        assert_eq!(
            ending.exit(),
            (130, "interrupted; 4 pairs not judged".into())
        );
        let mut unstartable = self::ending(&[NotAsDemanded, Error]);
        unstartable.unstartable = Some("there is no program".into());
        assert_eq!(unstartable.exit(), (2, "there is no program".into()));
        let mut waived = self::ending(&[AsDemanded]);
        waived.failing.push("the waiver is past".into());
        assert_eq!(waived.exit(), (1, "the waiver is past".into()));
    }
}
