use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use shakedown_engine::fuzzing::{Conversation, DatagramMutator, Mutator};
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::{describe, fingerprint};
use shakedown_engine::step::Step;
use shakedown_protocol::hex;
use shakedown_protocol::vocabulary::Vocabulary;

use super::Shared;
use super::event::{FuzzEvent, FuzzFinding, FuzzPosition};
use super::fault::Fault;
use super::target::{HANG_TIMEOUT, Target, group};
use super::triage::{Timeouts, bisect, is_independent, reduce, reproduce};

/// Most conversations of one process.
const MAX_CONVERSATIONS: usize = 500;
/// Longest use of one process.
const MAX_AGE: Duration = Duration::from_secs(10);
/// Conversations without a burst after one led to a fault: initially, and at most.
const MIN_BACKOFF: u32 = 8;
const MAX_BACKOFF: u32 = 512;
/// Share of the time that is spent on checks with a conforming peer.
const CHECK_SHARE: f64 = 0.2;
/// Failed starts in a row that are tolerated.
const MAX_FAILED_STARTS: u32 = 3;

/// Executes conversations, one after the other.
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    number: usize,
    mutator: Mutator,
    /// For bursts, over datagrams.
    datagrams: Option<DatagramMutator>,
    /// Conversations left without a burst, and how many the next fault adds: a known fault should not be met again and
    /// again.
    backoff: [u32; 2],
    /// Time spent on checks.
    checking: Duration,
    begun: Instant,
    /// Whether a scenario passes after all others, by its id.
    independent: BTreeMap<String, bool>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared, number: usize) -> Self {
        let seed = shared.setup.seed ^ fingerprint(&number.to_string());
        let protocol = shared.setup.protocol;
        let is_over_datagrams = protocol.transport.is_none();
        Self {
            shared,
            number,
            mutator: match shared.unstructured {
                true => Mutator::unstructured(protocol, seed),
                false => Mutator::new(protocol, seed),
            },
            datagrams: is_over_datagrams.then(|| match shared.unstructured {
                true => DatagramMutator::unstructured(protocol, seed),
                false => DatagramMutator::new(protocol, seed),
            }),
            backoff: [0, MIN_BACKOFF],
            checking: Duration::ZERO,
            begun: Instant::now(),
            independent: BTreeMap::new(),
        }
    }

    /// Fuzzes until the run is over.
    ///
    /// # Errors
    /// A message for the user, if the implementation cannot be started or does not answer.
    pub(super) fn run(mut self) -> Result<(), String> {
        if self.shared.pin {
            pin(self.number).map_err(|error| format!("the worker cannot be pinned: {error}"))?;
        }
        let (mut failed, mut answers) = (0, false);
        while !self.shared.is_over() {
            let Some((group, first)) = self.choose_group() else {
                return Ok(());
            };
            let needs = first.scenario().asked_of(&self.shared.setup.iut).iut;
            let target = match Target::start(&self.shared.setup, &needs) {
                Ok(target) if answers => target,
                // A server may be made for one peer, so this process is not used any further.
                Ok(target) => {
                    target.must_answer()?;
                    answers = true;
                    continue;
                }
                Err(_) if failed < MAX_FAILED_STARTS => {
                    failed += 1;
                    continue;
                }
                Err(why) => return Err(why),
            };
            failed = 0;
            self.shared.starts.fetch_add(1, Ordering::Relaxed);
            self.fuzz(target, &group, first)?;
        }
        Ok(())
    }

    /// A group, and the first conversation for a process: one that was not executed yet, if there is any.
    fn choose_group(&mut self) -> Option<(String, Arc<Conversation>)> {
        let mut pool = self.shared.pool();
        let waiting = pool.pending.iter().filter(|(_, all)| !all.is_empty());
        let waiting: Vec<_> = waiting.map(|(group, _)| group.clone()).collect();
        let mut groups = match waiting.is_empty() {
            true => pool.corpus.groups(),
            false => waiting,
        };
        if groups.is_empty() {
            return None;
        }
        let group = groups.swap_remove(self.mutator.below(groups.len()));
        let pending = pool.pending.get_mut(&group).and_then(|all| all.pop_front());
        let first = pending.or_else(|| pool.corpus.choose(&group, &mut self.mutator))?;
        Some((group, first))
    }

    /// The next conversation.
    fn next(&mut self, group: &str) -> Option<Arc<Conversation>> {
        let (from, other) = {
            let mut pool = self.shared.pool();
            let pending = pool.pending.get_mut(group).and_then(|all| all.pop_front());
            if pending.is_some() {
                return pending;
            }
            let from = pool.corpus.choose(group, &mut self.mutator)?;
            (from, pool.corpus.choose(group, &mut self.mutator)?)
        };
        Some(self.mutator.mutate(&from, &other).map_or(from, Arc::new))
    }

    /// Executes conversations with one process.
    fn fuzz(
        &mut self,
        mut target: Target<'a>,
        group: &str,
        first: Arc<Conversation>,
    ) -> Result<(), String> {
        let (started, mut history) = (Instant::now(), Vec::new());
        let hang_timeout = self.hang_timeout();
        let mut next = Some(first);
        while let Some(conversation) = next {
            history.push(Arc::clone(&conversation));
            let [left, _] = &mut self.backoff;
            let datagrams = self.datagrams.as_mut().filter(|_| *left == 0);
            *left = left.saturating_sub(1);
            let execution = target.execute(&conversation, None, hang_timeout, datagrams)?;
            self.shared
                .datagrams
                .fetch_add(execution.datagrams, Ordering::Relaxed);
            self.shared.inputs.fetch_add(1, Ordering::Relaxed);
            {
                let mut pool = self.shared.pool();
                let mut is_new = false;
                for behaviour in execution.behaviours {
                    is_new |= pool.corpus.add_behaviour(behaviour);
                }
                if is_new && execution.fault.is_none() {
                    pool.keep(group, &conversation);
                }
            }
            if let Some(fault) = execution.fault {
                target.stop();
                if let (Some(last), Some(with_burst)) = (history.last_mut(), execution.with_burst) {
                    *last = Arc::new(with_burst);
                    let [left, next] = &mut self.backoff;
                    (*left, *next) = (*next, (*next * 2).min(MAX_BACKOFF));
                }
                return self.triage(fault, &history, None);
            }
            let is_old = history.len() >= MAX_CONVERSATIONS || started.elapsed() >= MAX_AGE;
            if is_old || self.shared.is_over() {
                break;
            }
            next = self.next(group);
        }
        let fault = match target
            .check_liveness(hang_timeout)
            .or_else(|| target.check_memory())
        {
            Some(fault) => Some((fault, None)),
            None => self.check(&mut target, group)?,
        };
        target.stop();
        match fault {
            Some((fault, then)) => self.triage(fault, &history, then.as_ref()),
            None => Ok(()),
        }
    }

    /// Time without a response that is a hang: shorter once one is known.
    fn hang_timeout(&self) -> Duration {
        match self.shared.findings().causes.contains(Fault::HANG) {
            true => HANG_TIMEOUT / 6,
            false => HANG_TIMEOUT,
        }
    }

    /// Plays a scenario with a process that was fuzzed, within the share of time for checks.
    fn check(
        &mut self,
        target: &mut Target<'a>,
        group: &str,
    ) -> Result<Option<(Fault, Option<Scenario>)>, String> {
        let spent = self.checking.as_secs_f64() > CHECK_SHARE * self.begun.elapsed().as_secs_f64();
        let candidates = self.shared.healthy.get(group).filter(|all| !all.is_empty());
        let Some(candidates) = candidates
            .filter(|_| !spent && !self.shared.setup.is_client() && !self.shared.is_late())
        else {
            return Ok(None);
        };
        let begun = Instant::now();
        let scenario = candidates[self.mutator.below(candidates.len())].clone();
        let known = self.independent.get(&scenario.id).copied();
        let independent = match known {
            Some(known) => Some(known),
            None => {
                let others = self.shared.seeds.get(group).map_or(&[][..], Vec::as_slice);
                let is_late = || self.shared.is_late();
                is_independent(&self.shared.setup, others, &scenario, &is_late)?
            }
        };
        if let Some(independent) = independent {
            self.independent.insert(scenario.id.clone(), independent);
        }
        let independent = independent.unwrap_or_default();
        let fault = match independent {
            true => target.check_service(&scenario, self.shared.setup.recovery_time())?,
            false => None,
        };
        self.shared
            .checks
            .fetch_add(u64::from(independent), Ordering::Relaxed);
        self.checking += begun.elapsed();
        Ok(fault.map(|fault| (fault, Some(scenario))))
    }

    /// Reproduces, reduces and writes a fault that was observed after the last conversation of `history`, and after `then`
    /// if there is one.
    fn triage(
        &self,
        fault: Fault,
        history: &[Arc<Conversation>],
        then: Option<&Scenario>,
    ) -> Result<(), String> {
        let setup = &self.shared.setup;
        let last = history.last().map(|last| last.last_frame(setup.protocol));
        let cause = fault.cause(last.as_deref().unwrap_or_default());
        if setup.is_stopped() || !self.shared.findings().causes.insert(cause.clone()) {
            return Ok(());
        }
        let position = self.shared.position();
        self.shared.emit(FuzzEvent::FuzzSuspicion {
            fault: fault.clone(),
            position,
        });
        if fault.is_normal_exit() && self.exits_after_one_peer(history)? {
            return Ok(());
        }
        let history = match setup.is_client() {
            true => &history[history.len().saturating_sub(1)..],
            false => history,
        };
        let culprits = bisect(setup, history, fault.kind(), then)?;
        let reduced = match culprits.as_slice() {
            [one] => vec![reduce(setup, Arc::clone(one), fault.kind(), then)],
            _ => culprits,
        };
        let confirmed = !reduced.is_empty();
        if !confirmed && !matches!(fault, Fault::Exit { .. } | Fault::Report { .. }) {
            let mut findings = self.shared.findings();
            // Another conversation may reproduce it.
            findings.causes.remove(&cause);
            findings
                .notes
                .insert(format!("not reproduced with a fresh process: {fault}"));
            return Ok(());
        }
        // Different conversations may have one cause once they are reduced.
        let last = reduced.last().map(|last| last.last_frame(setup.protocol));
        let reduced_cause = fault.cause(last.as_deref().unwrap_or_default());
        if confirmed
            && reduced_cause != cause
            && !self.shared.findings().causes.insert(reduced_cause)
        {
            return Ok(());
        }
        let shown = match confirmed {
            true => &reduced[..],
            false => &history[history.len().saturating_sub(1)..],
        };
        let finding = self.write(fault, shown, then, confirmed, position)?;
        self.shared.findings().count += 1;
        self.shared.emit(FuzzEvent::FuzzFinding(Box::new(finding)));
        Ok(())
    }

    /// Whether the implementation exits after unmutated conversations, too: it may serve one peer only.
    fn exits_after_one_peer(&self, history: &[Arc<Conversation>]) -> Result<bool, String> {
        let setup = &self.shared.setup;
        let needs = history
            .last()
            .map(|last| group(&last.scenario().asked_of(&setup.iut).iut));
        let seeds = needs.and_then(|needs| self.shared.seeds.get(&needs));
        let seeds = seeds.map_or(&[][..], Vec::as_slice);
        let fault = reproduce(setup, seeds, None, Timeouts::SHORT, None)?;
        Ok(fault.is_some_and(|fault| fault.is_normal_exit()))
    }

    /// Writes the conversations of a finding, and a capture of the last.
    fn write(
        &self,
        fault: Fault,
        conversations: &[Arc<Conversation>],
        then: Option<&Scenario>,
        confirmed: bool,
        position: FuzzPosition,
    ) -> Result<FuzzFinding, String> {
        let folder = &self.shared.findings_folder;
        let unwritten =
            |error: std::io::Error| format!("{} cannot be written: {error}", folder.display());
        fs::create_dir_all(folder).map_err(unwritten)?;
        let texts: Vec<_> = conversations.iter().map(|one| one.text()).collect();
        let stem = format!("{}-{:016x}", fault.kind(), fingerprint(&texts.concat()));
        let mut files = Vec::new();
        let mut steps = Vec::new();
        for (n, conversation) in conversations.iter().enumerate() {
            let name = match conversations.len() {
                1 => stem.clone(),
                _ => format!("{stem}-{}", n + 1),
            };
            let title = format!("It survives every input (it did not: {})", fault.kind());
            let renamed = conversation.renamed(&name, &title);
            let renamed = renamed.map_err(|problems| problems.render(false))?;
            let path = folder.join(format!("{name}.json"));
            fs::write(&path, &renamed.text).map_err(unwritten)?;
            steps = step_lines(&renamed.scenario, self.shared.setup.protocol.vocabulary);
            files.push(path);
        }
        let capture = self.record(&folder.join(format!("{stem}.pcapng")), conversations, then);
        Ok(FuzzFinding {
            fault,
            confirmed,
            files,
            capture,
            position,
            steps,
        })
    }

    /// Executes conversations again, and records the last.
    fn record(
        &self,
        path: &Path,
        conversations: &[Arc<Conversation>],
        then: Option<&Scenario>,
    ) -> Option<PathBuf> {
        let setup = &self.shared.setup;
        let played = reproduce(
            setup,
            conversations,
            then,
            Timeouts::long(setup),
            Some(path),
        );
        if let Err(why) = played {
            tracing::warn!("{} was not recorded: {why}", path.display());
        }
        path.exists().then(|| path.to_owned())
    }
}

/// Pins this thread, and processes that it starts, to one of the permitted processors.
fn pin(number: usize) -> nix::Result<()> {
    let own = Pid::from_raw(0);
    let permitted = sched_getaffinity(own)?;
    let all: Vec<_> = (0..CpuSet::count())
        .filter(|processor| permitted.is_set(*processor) == Ok(true))
        .collect();
    let mut one = CpuSet::new();
    if let Some(processor) = all.get(number % all.len().max(1)) {
        one.set(*processor)?;
    }
    sched_setaffinity(own, &one)
}

/// The steps of a scenario, one per line; of raw bytes also which frame they are, if any.
fn step_lines(scenario: &Scenario, vocabulary: &dyn Vocabulary) -> Vec<String> {
    let raw = |path: &str| match scenario.steps.get(path.parse::<usize>().ok()?)? {
        Step::SendRaw(raw) => {
            let mut bytes = hex::parse(&raw.hex).ok()?;
            bytes.resize(bytes.len().max(raw.pad_to.unwrap_or(0)), 0);
            Some(format!(": {}", describe(vocabulary, &bytes)))
        }
        _ => None,
    };
    let lines = scenario.in_words().into_iter();
    lines
        .map(|line| {
            let frame = raw(&line.path).unwrap_or_default();
            let indent = 2 * line.depth;
            format!("{:indent$}{} {}{frame}", "", line.path, line.text)
        })
        .collect()
}
