//! What a busy machine may have made is looked at again while nothing else runs, and is
//! inconclusive if it was busy still.

use std::time::Duration;

use shakedown_engine::event::FindingEvent;
use shakedown_engine::interop::{Captures, Pair, PairEvent, PairOutcome, Sides, Standing};
use shakedown_protocol::Protocol;

use crate::clock::Clock;
use crate::kernel;
use crate::process::Process;

use super::Context;

/// How long an implementation waited for a processor, or how late we were, where a finding about
/// a moment is not believed at once.
const BUSY: Duration = Duration::from_millis(50);

/// The same where something did not come, or not in time.
const STALLED: Duration = Duration::from_millis(250);

/// How long a process waited for a processor.
#[derive(Debug, Default)]
pub(super) struct ProcessorWait {
    first: Option<Duration>,
    last: Option<Duration>,
}

impl ProcessorWait {
    pub(super) fn look(&mut self, process: Option<&Process>) {
        let group = process.and_then(Process::group);
        if let Some(waited) = group.and_then(kernel::waited_for_processor) {
            self.first.get_or_insert(waited);
            self.last = Some(waited);
        }
    }

    pub(super) fn waited(&self) -> Duration {
        let both = self.first.zip(self.last);
        both.map(|(first, last)| last.saturating_sub(first))
            .unwrap_or_default()
    }
}

pub(super) struct PairResult {
    pub(super) pair: PairEvent,
    pub(super) findings: Vec<FindingEvent>,
    /// How long a side waited for a processor at most, or how late the relay was.
    pub(super) waited: Duration,
}

impl PairResult {
    /// A pair of which nothing is known yet but how it could not be judged.
    pub(super) fn new(pair: &Pair, outcome: PairOutcome, standing: Standing, seen: String) -> Self {
        let pair = PairEvent {
            pair: pair.id.clone(),
            responder: pair.responder.event(),
            initiator: pair.initiator.event(),
            outcome,
            standing,
            demanded: PairOutcome::demanded(pair.demand.end),
            because: pair
                .demand
                .because
                .iter()
                .map(ToString::to_string)
                .collect(),
            seen,
            findings: Vec::new(),
            notes: Vec::new(),
            captures: Captures::default(),
            processes: Sides::default(),
            seconds: 0.0,
        };
        Self {
            pair,
            findings: Vec::new(),
            waited: Duration::ZERO,
        }
    }

    /// A pair that could not be judged through no fault of the implementations.
    pub(super) fn error(pair: &Pair, why: String, clock: &Clock) -> Self {
        let mut result = Self::new(pair, PairOutcome::NotStarted, Standing::Error, why);
        result.pair.seconds = clock.now().as_secs_f64();
        result
    }

    /// Whether it is not as demanded by nothing but what a machine this busy may have made.
    fn is_doubtful(&self, protocol: &Protocol, by_outcome: bool) -> bool {
        let is_timed = |finding: &&FindingEvent| {
            finding.packet.is_none() || protocol.timed.contains(&finding.requirement.as_str())
        };
        let mut counting = self.findings.iter().filter(|finding| finding.counts());
        let has_findings = counting.clone().next().is_some();
        let needed = match by_outcome {
            true => STALLED,
            false => BUSY,
        };
        matches!(
            self.pair.standing,
            Standing::NotAsDemanded | Standing::Breaks
        ) && (has_findings || by_outcome)
            && counting.all(|finding| is_timed(&finding))
            && self.waited >= needed
    }

    /// The same without what could not be observed fairly.
    fn undecided(mut self) -> Self {
        let found: Vec<_> = self
            .findings
            .iter()
            .filter(|finding| finding.counts())
            .map(|finding| format!("{}: {}", finding.requirement, finding.message))
            .collect();
        let found = match found.is_empty() {
            true => String::new(),
            false => format!(" ({})", found.join("; ")),
        };
        self.pair.notes.push(format!(
            "the machine was too busy to observe time fairly: a side waited {:.0} ms for a \
             processor{found}",
            self.waited.as_secs_f64() * 1e3
        ));
        self.pair.standing = Standing::Inconclusive;
        self.pair.findings.clear();
        self.findings.retain(|finding| !finding.counts());
        self
    }
}

/// Whether waiting for a processor can make a pair end so where another end is demanded.
const fn can_be_late(outcome: PairOutcome) -> bool {
    match outcome {
        PairOutcome::FallsBack
        | PairOutcome::TimesOut
        | PairOutcome::BreaksOff
        | PairOutcome::Hangs
        | PairOutcome::NotStarted => true,
        PairOutcome::Streams
        | PairOutcome::Refuses
        | PairOutcome::Dies
        | PairOutcome::Waits
        | PairOutcome::NotObserved
        | PairOutcome::CutOff => false,
    }
}

impl Context {
    /// Judges a pair; again, and alone, if the machine was too busy to believe what was found.
    pub(super) async fn fairly(&self, pair: &Pair) -> PairResult {
        let together = self.unless_stopped(self.quiet.read()).await;
        let result = self.play(pair).await;
        drop(together);
        if !self.is_doubtful(&result) {
            return result;
        }
        let Some(_alone) = self.unless_stopped(self.quiet.write()).await else {
            return result.undecided();
        };
        let mut again = self.play(pair).await;
        again.pair.notes.push(String::from(
            "retried while nothing else ran, since the machine was too busy to trust the first result",
        ));
        match self.is_doubtful(&again) {
            true => again.undecided(),
            false => again,
        }
    }

    fn is_doubtful(&self, result: &PairResult) -> bool {
        let demanded = result.pair.demanded == Some(result.pair.outcome);
        let by_outcome = !demanded && can_be_late(result.pair.outcome);
        if !demanded && !by_outcome {
            return false;
        }
        result.is_doubtful(self.plan.protocol, by_outcome)
    }
}
