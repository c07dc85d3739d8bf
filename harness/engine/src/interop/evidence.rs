use shakedown_protocol::StreamParameters;
use shakedown_protocol::pair::Demand;

use super::{EdgeTraffic, PairOutcome, Standing};

/// What became of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessEnd {
    /// It ran on when the pair was over, or is not ours.
    Ran,
    /// It ended by itself.
    Ended {
        /// Its exit status, unless a signal ended it.
        code: Option<i32>,
    },
}

/// Everything that is known of how a pair ended.
#[derive(Debug, Clone, Copy)]
pub struct PairEvidence<'a> {
    /// What the specification demands.
    pub demand: &'a Demand,
    /// Whether the network between them was asked to lose, to change or to delay.
    pub impaired: bool,
    pub stream: StreamParameters,
    /// What passed at the initiator's edge.
    pub at_initiator: &'a EdgeTraffic,
    /// What passed at the responder's edge.
    pub at_responder: &'a EdgeTraffic,
    pub initiator: ProcessEnd,
    /// The responder's process, before it was stopped.
    pub responder: ProcessEnd,
    /// Whether the initiator's exit status means something.
    pub status_tells: bool,
    /// What the initiator comes for, in words: `frames`.
    pub unit: &'static str,
    /// Whether that may take longer than it was watched.
    pub may_wait: bool,
}

/// How a pair ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairVerdict {
    pub outcome: PairOutcome,
    /// Whether that is what is demanded; findings are not considered.
    pub standing: Standing,
    /// What was seen, in a sentence.
    pub seen: String,
}

impl PairEvidence<'_> {
    /// Says how the pair ended and whether that is what is demanded.
    #[must_use]
    pub fn judge(&self) -> PairVerdict {
        let (outcome, seen) = self.outcome();
        let standing = match self.contradiction(outcome) {
            true => Standing::NotAsDemanded,
            false => self.standing(outcome),
        };
        PairVerdict {
            outcome,
            standing,
            seen,
        }
    }

    /// How much the initiator comes for; of media as many frames as were granted, else as were asked
    /// for.
    #[must_use]
    pub fn wanted(&self) -> u64 {
        if let Some(wanted) = self.at_initiator.wanted {
            return wanted;
        }
        let (rate, seconds) = self.at_initiator.granted;
        let rate = rate.unwrap_or(self.stream.frames_per_second);
        let seconds = seconds.unwrap_or(self.stream.seconds);
        u64::from(rate) * u64::from(seconds)
    }

    /// Whether all that the initiator is to get has come. Where the network loses, what left counts.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let got = self.at_initiator.media > 0 && self.at_initiator.frames() >= self.wanted();
        let left = self.at_responder.frames() >= self.wanted();
        got || (self.impaired && left && self.at_initiator.media > 0)
    }

    fn outcome(&self) -> (PairOutcome, String) {
        if let ProcessEnd::Ended { code: None } = self.initiator {
            return (
                PairOutcome::Dies,
                "the initiator was ended by a signal".into(),
            );
        }
        if let Some(dead) = self.responder_died() {
            return dead;
        }
        if self.at_initiator.is_hidden {
            let end = self.end();
            let seen =
                format!("the traffic cannot be decrypted without TLS secrets; the initiator {end}");
            return (PairOutcome::NotObserved, seen);
        }
        let (got, of, unit) = (self.at_initiator.frames(), self.wanted(), self.unit);
        if let Some(how) = &self.at_initiator.broken {
            let end = self.end();
            let seen = format!("{how} after {got} of {of} {unit}; the initiator {end}");
            return (PairOutcome::Refuses, seen);
        }
        if self.at_initiator.media > 0 {
            return match self.is_whole() {
                true if self.says_failure() && !self.impaired => (
                    PairOutcome::BreaksOff,
                    format!(
                        "{got} of {of} {unit} arrived, and the initiator {}",
                        self.end()
                    ),
                ),
                true => (self.way(), self.whole(got, of)),
                false => (
                    self.short(),
                    format!("{got} of {of} {unit} arrived; the initiator {}", self.end()),
                ),
            };
        }
        if let Some(how) = &self.at_initiator.refusal {
            return (
                PairOutcome::Refuses,
                format!("{how}; the initiator {}", self.end()),
            );
        }
        match self.initiator {
            _ if self.at_initiator.asked == 0 => (
                PairOutcome::NotStarted,
                format!("the initiator never asked; it {}", self.end()),
            ),
            ProcessEnd::Ran => (
                PairOutcome::Hangs,
                format!("no {unit} arrived, and the initiator {}", self.end()),
            ),
            ProcessEnd::Ended { .. } => {
                let asked = match self.at_initiator.asked {
                    1 => "asked once".to_owned(),
                    asked => format!("asked {asked} times"),
                };
                let token = match self.at_initiator.fell_back {
                    true => ", then by its fallback",
                    false => "",
                };
                let end = self.end();
                (
                    PairOutcome::TimesOut,
                    format!("the initiator {asked}{token}, no {unit} arrived, and it {end}"),
                )
            }
        }
    }

    /// A responder has to live until its stream is over.
    fn responder_died(&self) -> Option<(PairOutcome, String)> {
        let ended = match self.responder {
            ProcessEnd::Ran => return None,
            ProcessEnd::Ended { code: None } => "was ended by a signal".to_owned(),
            ProcessEnd::Ended { code: Some(0) } if self.is_whole() => return None,
            // Whether it was over cannot be seen.
            ProcessEnd::Ended { .. } if self.at_initiator.is_hidden => return None,
            ProcessEnd::Ended { code: Some(code) } => format!("ended (exit status {code})"),
        };
        let (left, of, unit) = (self.at_responder.frames(), self.wanted(), self.unit);
        let seen = format!("the responder {ended} after {left} of {of} {unit}");
        Some((PairOutcome::Dies, seen))
    }

    const fn way(&self) -> PairOutcome {
        match self.at_initiator.fell_back {
            true => PairOutcome::FallsBack,
            false => PairOutcome::Streams,
        }
    }

    /// What it is where not everything came.
    const fn short(&self) -> PairOutcome {
        match self.initiator {
            ProcessEnd::Ran if self.may_wait => PairOutcome::Waits,
            ProcessEnd::Ran | ProcessEnd::Ended { .. } => PairOutcome::BreaksOff,
        }
    }

    fn whole(&self, got: u64, of: u64) -> String {
        let unit = self.unit;
        match self.initiator {
            ProcessEnd::Ran => format!("{got} of {of} {unit} arrived; the initiator ran on"),
            ProcessEnd::Ended { .. } => format!("{got} of {of} {unit} arrived"),
        }
    }

    fn says_failure(&self) -> bool {
        self.status_tells && matches!(self.initiator, ProcessEnd::Ended { code } if code != Some(0))
    }

    fn end(&self) -> String {
        match self.initiator {
            ProcessEnd::Ran => "did not end".into(),
            ProcessEnd::Ended { code: Some(code) } => format!("ended (exit status {code})"),
            ProcessEnd::Ended { code: None } => "was ended by a signal".into(),
        }
    }

    /// Whether the initiator says that it succeeded where nothing came: it gives up with an error.
    fn contradiction(&self, outcome: PairOutcome) -> bool {
        let says_success =
            self.status_tells && self.initiator == ProcessEnd::Ended { code: Some(0) };
        matches!(outcome, PairOutcome::TimesOut | PairOutcome::Refuses) && says_success
    }

    /// Whether the responder got two requests that it must answer, and was silent: loss does not
    /// explain that.
    fn is_mute(&self, demanded: Option<PairOutcome>) -> bool {
        let seen = self.at_responder;
        demanded == Some(PairOutcome::Streams) && seen.asked > 1 && seen.answers == 0
    }

    fn standing(&self, outcome: PairOutcome) -> Standing {
        let demanded = PairOutcome::demanded(self.demand.end);
        if demanded == Some(outcome) {
            return Standing::AsDemanded;
        }
        // What must not be accepted is found by the monitor, if it is.
        let is_for_monitor = matches!(
            (demanded, outcome),
            (Some(PairOutcome::Refuses), PairOutcome::Streams)
                | (
                    Some(PairOutcome::Waits),
                    PairOutcome::Streams | PairOutcome::BreaksOff | PairOutcome::TimesOut
                )
        );
        let is_spoilt = self.impaired && demanded.is_some_and(|it| it != PairOutcome::TimesOut);
        match outcome {
            PairOutcome::Refuses if !self.demand.may_refuse.is_empty() => Standing::LeftOpen,
            PairOutcome::Streams
            | PairOutcome::FallsBack
            | PairOutcome::Refuses
            | PairOutcome::TimesOut
            | PairOutcome::Waits
                if demanded.is_none() =>
            {
                Standing::LeftOpen
            }
            _ if is_for_monitor => Standing::LeftOpen,
            // Lost requests and responses look like silence, and lost media like too little.
            PairOutcome::TimesOut | PairOutcome::BreaksOff | PairOutcome::FallsBack
                if is_spoilt && !self.is_mute(demanded) =>
            {
                Standing::Excused
            }
            // A damaged question is refused for a reason.
            PairOutcome::Refuses if self.impaired => Standing::Excused,
            PairOutcome::CutOff | PairOutcome::NotObserved | PairOutcome::Waits => {
                Standing::Inconclusive
            }
            PairOutcome::Streams
            | PairOutcome::FallsBack
            | PairOutcome::Refuses
            | PairOutcome::TimesOut
            | PairOutcome::BreaksOff
            | PairOutcome::Hangs
            | PairOutcome::Dies
            | PairOutcome::NotStarted => Standing::NotAsDemanded,
        }
    }
}
