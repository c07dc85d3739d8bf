//! Reproduces faults with fresh processes, and reduces the conversations that lead to them.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shakedown_engine::fuzzing::Conversation;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::shrink::{CandidateVerdict, Reduction, shrink};

use super::fault::Fault;
use super::target::{CONFIRMED_HANG_TIMEOUT, HANG_TIMEOUT, Setup, Target};

/// Limits of a reduction.
const MAX_CANDIDATES: u32 = 500;
const REDUCTION_TIME: Duration = Duration::from_secs(20);
/// Recovery time when a scenario is checked for independence of earlier conversations.
const INDEPENDENCE_TIME: Duration = Duration::from_secs(2);
/// Most bisections of the earlier conversations.
const MAX_BISECTIONS: u32 = 16;

/// Time limits of a reproduction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timeouts {
    /// Time without a response that is a hang.
    pub(super) hang: Duration,
    /// Time until a conforming peer is served.
    pub(super) recovery: Duration,
}

impl Timeouts {
    /// For bisection and reduction.
    pub(super) const SHORT: Self = Self {
        hang: HANG_TIMEOUT,
        recovery: Duration::ZERO,
    };

    /// For confirmation. The streams of earlier conversations may occupy all slots as long as they last.
    pub(super) fn long(setup: &Setup) -> Self {
        let stream = Duration::from_secs(setup.iut.stream.seconds.into());
        Self {
            hang: CONFIRMED_HANG_TIMEOUT.max(stream * 2),
            recovery: setup.recovery_time(),
        }
    }
}

/// Executes conversations with one fresh process, then plays `then`. Records the last conversation to `capture`.
///
/// # Errors
/// A message for the user, if they could not be executed.
pub(super) fn reproduce(
    setup: &Setup,
    conversations: &[Arc<Conversation>],
    then: Option<&Scenario>,
    timeouts: Timeouts,
    capture: Option<&Path>,
) -> Result<Option<Fault>, String> {
    let Some(last) = conversations.last() else {
        return Ok(None);
    };
    let needs = last.scenario().asked_of(&setup.iut).iut;
    let mut target = Target::start(setup, &needs)?;
    for (n, conversation) in conversations.iter().enumerate() {
        let capture = capture.filter(|_| n + 1 == conversations.len());
        let execution = target.execute(conversation, capture, timeouts.hang, None)?;
        if execution.fault.is_some() {
            target.stop();
            return Ok(execution.fault);
        }
    }
    let mut fault = target
        .check_liveness(timeouts.hang)
        .or_else(|| target.check_memory());
    if fault.is_none()
        && let Some(then) = then
    {
        fault = target.check_service(then, timeouts.recovery)?;
    }
    target.stop();
    Ok(fault)
}

/// Whether a scenario passes after all `others`, unmutated, with the same process. `None` if `is_late` before that is
/// known.
///
/// # Errors
/// A message for the user, if they could not be executed.
pub(super) fn is_independent(
    setup: &Setup,
    others: &[Arc<Conversation>],
    scenario: &Scenario,
    is_late: &dyn Fn() -> bool,
) -> Result<Option<bool>, String> {
    let needs = scenario.asked_of(&setup.iut).iut;
    let mut target = Target::start(setup, &needs)?;
    let mut independent = Some(true);
    for other in others {
        if is_late() {
            independent = None;
        } else if target
            .execute(other, None, HANG_TIMEOUT, None)?
            .fault
            .is_some()
        {
            independent = Some(false);
        }
        if independent != Some(true) {
            break;
        }
    }
    if independent == Some(true) {
        independent = Some(target.check_service(scenario, INDEPENDENCE_TIME)?.is_none());
    }
    target.stop();
    Ok(independent)
}

/// The conversations of `history` that reproduce the fault of its last one: the last alone, or those that bisection
/// leaves. Empty if it is not reproduced.
///
/// # Errors
/// A message for the user, if they could not be executed.
pub(super) fn bisect(
    setup: &Setup,
    history: &[Arc<Conversation>],
    kind: &str,
    then: Option<&Scenario>,
) -> Result<Vec<Arc<Conversation>>, String> {
    let reproduces = |part: &[Arc<Conversation>], timeouts| {
        let fault = reproduce(setup, part, then, timeouts, None)?;
        Ok::<_, String>(fault.is_some_and(|fault| fault.kind() == kind))
    };
    // On a busy machine an exit may be noticed too late to be known as one.
    let in_two_attempts = |part: &[Arc<Conversation>], timeouts| {
        Ok::<_, String>(reproduces(part, timeouts)? || reproduces(part, timeouts)?)
    };
    let last = history.len().saturating_sub(1);
    let mut part = history;
    if in_two_attempts(&history[last..], Timeouts::SHORT)? {
        part = &history[last..];
    } else if last == 0 || !in_two_attempts(history, Timeouts::SHORT)? {
        return Ok(Vec::new());
    }
    for _ in 0..MAX_BISECTIONS {
        let (first, second) = part.split_at(part.len() / 2);
        if part.len() < 2 {
            break;
        }
        part = if reproduces(second, Timeouts::SHORT)? {
            second
        } else if reproduces(first, Timeouts::SHORT)? {
            first
        } else {
            break;
        };
    }
    match in_two_attempts(part, Timeouts::long(setup))? {
        true => Ok(part.to_vec()),
        false => Ok(Vec::new()),
    }
}

/// Reduces the conversation while a fresh process shows a fault of the same kind.
pub(super) fn reduce(
    setup: &Setup,
    conversation: Arc<Conversation>,
    kind: &str,
    then: Option<&Scenario>,
) -> Arc<Conversation> {
    let begun = Instant::now();
    let reduction = Reduction {
        loaded: &conversation.loaded,
        file: &conversation.loaded.file,
        tries: MAX_CANDIDATES,
        happened: None,
    };
    let mut judge = |candidate: &Scenario| {
        let text = serde_json::to_string(candidate).unwrap_or_default();
        let Ok(candidate) = Conversation::parse(&text) else {
            return CandidateVerdict::CannotTell(String::from("not a valid scenario"));
        };
        match reproduce(setup, &[Arc::new(candidate)], then, Timeouts::SHORT, None) {
            Ok(Some(fault)) if fault.kind() == kind => CandidateVerdict::Same,
            Ok(Some(fault)) => CandidateVerdict::Other(fault.to_string()),
            Ok(None) => CandidateVerdict::Passes,
            Err(why) => CandidateVerdict::CannotTell(why),
        }
    };
    let shrunk = shrink(
        &reduction,
        &mut judge,
        &mut |_| match begun.elapsed() > REDUCTION_TIME || setup.is_stopped() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        },
    );
    let small = shrunk
        .ok()
        .and_then(|shrunk| Conversation::parse(&shrunk.text).ok());
    small.map_or(conversation, Arc::new)
}
