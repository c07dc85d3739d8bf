//! A suspicion becomes a finding: it is seen again with a fresh process, and made small.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shakedown_engine::fuzzing::Conversation;
use shakedown_engine::scenario::Scenario;
use shakedown_engine::shrink::{CandidateVerdict, Reduction, shrink};

use super::life::{HANGS_AFTER, Life, SURELY_HANGS_AFTER, Setup};
use super::sign::Sign;

/// Most candidates of a reduction, and how long it may take.
const MOST_CANDIDATES: u32 = 500;
const REDUCED_WITHIN: Duration = Duration::from_secs(20);
/// How long a process is given to settle after others, where it shall show that a scenario depends on none.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);
/// How often what was said before is cut in halves.
const MOST_HALVES: u32 = 16;

/// How long an implementation is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Until it answers a question.
    pub(super) hangs_after: Duration,
    /// Until it serves a peer that does everything right: sessions may have yet to run out.
    pub(super) busy: Duration,
}

impl Patience {
    /// Enough to look for what it may be.
    pub(super) const SHORT: Self = Self {
        hangs_after: HANGS_AFTER,
        busy: Duration::ZERO,
    };

    /// Enough to believe what shows.
    pub(super) fn long(setup: &Setup) -> Self {
        Self {
            hangs_after: SURELY_HANGS_AFTER,
            busy: setup.busy(),
        }
    }
}

/// Has conversations with one fresh process, then lets a peer that does everything right play `then`, and
/// tells what shows. The last conversation is recorded if there is to be a capture.
///
/// # Errors
/// A sentence for people, if they could not be had.
pub(super) fn trial(
    setup: &Setup,
    conversations: &[Arc<Conversation>],
    then: Option<&Scenario>,
    patience: Patience,
    capture: Option<&Path>,
) -> Result<Option<Sign>, String> {
    let Some(last) = conversations.last() else {
        return Ok(None);
    };
    let needs = last.scenario().asked_of(&setup.iut).iut;
    let mut life = Life::begin(setup, &needs)?;
    for (n, conversation) in conversations.iter().enumerate() {
        let capture = capture.filter(|_| n + 1 == conversations.len());
        let had = life.have(conversation, capture, patience.hangs_after, None)?;
        if had.sign.is_some() {
            life.end();
            return Ok(had.sign);
        }
    }
    let mut sign = life.lives(patience.hangs_after).or_else(|| life.memory());
    if sign.is_none()
        && let Some(then) = then
    {
        sign = life.spoilt(then, patience.busy)?;
    }
    life.end();
    Ok(sign)
}

/// Whether a scenario passes with a process with which others were played as they are: what it says then
/// depends on none of them. `None` if it is late before that is known.
///
/// # Errors
/// A sentence for people, if they could not be had.
pub(super) fn is_independent(
    setup: &Setup,
    others: &[Arc<Conversation>],
    scenario: &Scenario,
    is_late: &dyn Fn() -> bool,
) -> Result<Option<bool>, String> {
    let needs = scenario.asked_of(&setup.iut).iut;
    let mut life = Life::begin(setup, &needs)?;
    let mut outlived = Some(true);
    for other in others {
        if is_late() {
            outlived = None;
        } else if life.have(other, None, HANGS_AFTER, None)?.sign.is_some() {
            outlived = Some(false);
        }
        if outlived != Some(true) {
            break;
        }
    }
    if outlived == Some(true) {
        outlived = Some(life.spoilt(scenario, SETTLED_WITHIN)?.is_none());
    }
    life.end();
    Ok(outlived)
}

/// Those of the conversations of a process, the last of which showed something, that show it again with a
/// fresh one: the last alone, or as few as halving finds. Empty if nothing shows again.
///
/// # Errors
/// A sentence for people, if they could not be had.
pub(super) fn culprits(
    setup: &Setup,
    history: &[Arc<Conversation>],
    kind: &str,
    then: Option<&Scenario>,
) -> Result<Vec<Arc<Conversation>>, String> {
    let shows = |part: &[Arc<Conversation>], patience| {
        let sign = trial(setup, part, then, patience, None)?;
        Ok::<_, String>(sign.is_some_and(|sign| sign.kind() == kind))
    };
    let last = history.len().saturating_sub(1);
    let mut part = history;
    if shows(&history[last..], Patience::SHORT)? {
        part = &history[last..];
    } else if last == 0 || !shows(history, Patience::SHORT)? {
        return Ok(Vec::new());
    }
    for _ in 0..MOST_HALVES {
        let (first, second) = part.split_at(part.len() / 2);
        if part.len() < 2 {
            break;
        }
        part = if shows(second, Patience::SHORT)? {
            second
        } else if shows(first, Patience::SHORT)? {
            first
        } else {
            break;
        };
    }
    match shows(part, Patience::long(setup))? {
        true => Ok(part.to_vec()),
        false => Ok(Vec::new()),
    }
}

/// The conversation made as small as it can be while it shows the same with a fresh process.
pub(super) fn reduced(
    setup: &Setup,
    conversation: Arc<Conversation>,
    kind: &str,
    then: Option<&Scenario>,
) -> Arc<Conversation> {
    let begun = Instant::now();
    let reduction = Reduction {
        loaded: &conversation.loaded,
        file: &conversation.loaded.file,
        tries: MOST_CANDIDATES,
        happened: None,
    };
    let mut judge = |candidate: &Scenario| {
        let text = serde_json::to_string(candidate).unwrap_or_default();
        let Ok(candidate) = Conversation::parse(&text) else {
            return CandidateVerdict::CannotTell(String::from("it is no scenario"));
        };
        match trial(setup, &[Arc::new(candidate)], then, Patience::SHORT, None) {
            Ok(Some(sign)) if sign.kind() == kind => CandidateVerdict::Same,
            Ok(Some(sign)) => CandidateVerdict::Other(sign.to_string()),
            Ok(None) => CandidateVerdict::Passes,
            Err(why) => CandidateVerdict::CannotTell(why),
        }
    };
    let shrunk = shrink(
        &reduction,
        &mut judge,
        &mut |_| match begun.elapsed() > REDUCED_WITHIN || setup.is_stopped() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        },
    );
    let small = shrunk
        .ok()
        .and_then(|shrunk| Conversation::parse(&shrunk.text).ok());
    small.map_or(conversation, Arc::new)
}
