use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use shakedown_engine::fuzzing::{Conversation, Mutator, Volley};
use shakedown_engine::scenario::Scenario;
use shakedown_engine::script::fingerprint;

use super::Shared;
use super::confirm::{Patience, culprits, is_independent, reduced, trial};
use super::event::{FuzzEvent, FuzzFinding, FuzzMoment};
use super::life::{HANGS_AFTER, Life, group};
use super::sign::Sign;

/// Conversations of one process.
const LIFE: usize = 500;
/// For how long it lives at the most where conversations are slow.
const LIFETIME: Duration = Duration::from_secs(10);
/// Conversations without a volley, after something showed behind one: the first time, and at the most.
const FIRST_REST: u32 = 8;
const LONGEST_REST: u32 = 512;
/// The part of the time in which processes are asked to serve a peer that does everything right.
const CHECKS: f64 = 0.2;
/// How often a process that ends is started again if it never is ready.
const STARTS: u32 = 3;

/// Has conversations, one after the other.
pub(super) struct Worker<'a> {
    shared: &'a Shared,
    number: usize,
    mutator: Mutator,
    /// What follows conversations of datagrams.
    volley: Option<Volley>,
    /// Conversations that no volley follows, since something showed after one: what is known is not to be met
    /// again and again. And how many it will be the next time.
    without_volley: [u32; 2],
    /// How long was spent on checks.
    checking: Duration,
    begun: Instant,
    /// Whether a scenario passes whatever others were played before it, by its id.
    independent: BTreeMap<String, bool>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared, number: usize) -> Self {
        let seed = shared.setup.seed ^ fingerprint(&number.to_string());
        let protocol = shared.setup.protocol;
        let is_of_datagrams = protocol.transport.is_none();
        Self {
            shared,
            number,
            mutator: match shared.unstructured {
                true => Mutator::unstructured(protocol, seed),
                false => Mutator::new(protocol, seed),
            },
            volley: is_of_datagrams.then(|| match shared.unstructured {
                true => Volley::unstructured(protocol, seed),
                false => Volley::new(protocol, seed),
            }),
            without_volley: [0, FIRST_REST],
            checking: Duration::ZERO,
            begun: Instant::now(),
            independent: BTreeMap::new(),
        }
    }

    /// Works until it is over.
    ///
    /// # Errors
    /// A sentence for people, if the implementation cannot be started or spoken to.
    pub(super) fn run(mut self) -> Result<(), String> {
        if self.shared.pin {
            pin(self.number).map_err(|error| format!("it cannot be pinned: {error}"))?;
        }
        let mut failed = 0;
        while !self.shared.is_over() {
            let Some((group, first)) = self.begin_with() else {
                return Ok(());
            };
            let needs = first.scenario().asked_of(&self.shared.setup.iut).iut;
            let life = match Life::begin(&self.shared.setup, &needs) {
                Ok(life) => life,
                Err(_) if failed < STARTS => {
                    failed += 1;
                    continue;
                }
                Err(why) => return Err(why),
            };
            failed = 0;
            self.shared.starts.fetch_add(1, Ordering::Relaxed);
            self.live(life, &group, first)?;
        }
        Ok(())
    }

    /// The group whose turn it is, and its first conversation: one that was not had yet, if there is any.
    fn begin_with(&mut self) -> Option<(String, Arc<Conversation>)> {
        let mut grown = self.shared.grown();
        let waiting = grown.pending.iter().filter(|(_, all)| !all.is_empty());
        let waiting: Vec<_> = waiting.map(|(group, _)| group.clone()).collect();
        let mut groups = match waiting.is_empty() {
            true => grown.corpus.groups(),
            false => waiting,
        };
        if groups.is_empty() {
            return None;
        }
        let group = groups.swap_remove(self.mutator.below(groups.len()));
        let pending = grown
            .pending
            .get_mut(&group)
            .and_then(|all| all.pop_front());
        let first = pending.or_else(|| grown.corpus.choose(&group, &mut self.mutator))?;
        Some((group, first))
    }

    /// What is to be said next.
    fn next(&mut self, group: &str) -> Option<Arc<Conversation>> {
        let (from, other) = {
            let mut grown = self.shared.grown();
            let pending = grown.pending.get_mut(group).and_then(|all| all.pop_front());
            if pending.is_some() {
                return pending;
            }
            let from = grown.corpus.choose(group, &mut self.mutator)?;
            (from, grown.corpus.choose(group, &mut self.mutator)?)
        };
        Some(self.mutator.grown(&from, &other).map_or(from, Arc::new))
    }

    /// Has conversations with one process.
    fn live(
        &mut self,
        mut life: Life<'a>,
        group: &str,
        first: Arc<Conversation>,
    ) -> Result<(), String> {
        let (born, mut history) = (Instant::now(), Vec::new());
        let hangs_after = self.hangs_after();
        let mut next = Some(first);
        while let Some(conversation) = next {
            history.push(Arc::clone(&conversation));
            let [rest, _] = &mut self.without_volley;
            let volley = self.volley.as_mut().filter(|_| *rest == 0);
            *rest = rest.saturating_sub(1);
            let had = life.have(&conversation, None, hangs_after, volley)?;
            self.shared
                .datagrams
                .fetch_add(had.datagrams, Ordering::Relaxed);
            self.shared.inputs.fetch_add(1, Ordering::Relaxed);
            {
                let mut grown = self.shared.grown();
                let mut is_new = false;
                for behaviour in had.behaviours {
                    is_new |= grown.corpus.is_new(behaviour);
                }
                if is_new && had.sign.is_none() {
                    grown.keep(group, &conversation);
                }
            }
            if let Some(sign) = had.sign {
                life.end();
                if let (Some(last), Some(followed)) = (history.last_mut(), had.followed) {
                    *last = Arc::new(followed);
                    let [rest, next] = &mut self.without_volley;
                    (*rest, *next) = (*next, (*next * 2).min(LONGEST_REST));
                }
                return self.suspect(sign, &history, None);
            }
            let is_old = history.len() >= LIFE || born.elapsed() >= LIFETIME;
            if is_old || self.shared.is_over() {
                break;
            }
            next = self.next(group);
        }
        let sign = match life.lives(hangs_after).or_else(|| life.memory()) {
            Some(sign) => Some((sign, None)),
            None => self.check(&mut life, group)?,
        };
        life.end();
        match sign {
            Some((sign, then)) => self.suspect(sign, &history, then.as_ref()),
            None => Ok(()),
        }
    }

    /// How long an answer is waited for: not again and again for what is known.
    fn hangs_after(&self) -> Duration {
        match self.shared.found().causes.contains(Sign::HANG) {
            true => HANGS_AFTER / 6,
            false => HANGS_AFTER,
        }
    }

    /// Lets somebody who does everything right speak with a process, if there is time for it.
    fn check(
        &mut self,
        life: &mut Life<'a>,
        group: &str,
    ) -> Result<Option<(Sign, Option<Scenario>)>, String> {
        let spent = self.checking.as_secs_f64() > CHECKS * self.begun.elapsed().as_secs_f64();
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
        let sign = match independent {
            true => life.spoilt(&scenario, self.shared.setup.busy())?,
            false => None,
        };
        self.shared
            .checks
            .fetch_add(u64::from(independent), Ordering::Relaxed);
        self.checking += begun.elapsed();
        Ok(sign.map(|sign| (sign, Some(scenario))))
    }

    /// Something showed after the last of these conversations, and perhaps only when somebody played `then`.
    fn suspect(
        &self,
        sign: Sign,
        history: &[Arc<Conversation>],
        then: Option<&Scenario>,
    ) -> Result<(), String> {
        let setup = &self.shared.setup;
        let last = history.last().map(|last| last.last_said(setup.protocol));
        let cause = sign.cause(last.as_deref().unwrap_or_default());
        if setup.is_stopped() || !self.shared.found().causes.insert(cause.clone()) {
            return Ok(());
        }
        let when = self.shared.moment();
        let suspicion = sign.clone();
        self.shared.tell(FuzzEvent::FuzzSuspicion {
            sign: suspicion,
            when,
        });
        if sign.is_in_peace() && self.ends_in_peace(history)? {
            return Ok(());
        }
        let history = match setup.is_client() {
            true => &history[history.len().saturating_sub(1)..],
            false => history,
        };
        let shown = culprits(setup, history, sign.kind(), then)?;
        let small = match shown.as_slice() {
            [one] => vec![reduced(setup, Arc::clone(one), sign.kind(), then)],
            _ => shown,
        };
        let confirmed = !small.is_empty();
        if !confirmed && !matches!(sign, Sign::Ended { .. } | Sign::Complained { .. }) {
            let mut found = self.shared.found();
            // It may show again, by another conversation.
            found.causes.remove(&cause);
            found.notes.insert(format!(
                "seen once and not again with a fresh process: {sign}"
            ));
            return Ok(());
        }
        // What many conversations lead to may be one thing once they are small.
        let last = small.last().map(|last| last.last_said(setup.protocol));
        let small_cause = sign.cause(last.as_deref().unwrap_or_default());
        if confirmed && small_cause != cause && !self.shared.found().causes.insert(small_cause) {
            return Ok(());
        }
        let told = match confirmed {
            true => &small[..],
            false => &history[history.len().saturating_sub(1)..],
        };
        let finding = self.written(sign, told, then, confirmed, when)?;
        self.shared.found().findings += 1;
        self.shared.tell(FuzzEvent::FuzzFinding(Box::new(finding)));
        Ok(())
    }

    /// Whether the implementation ends so after a conversation that nobody has changed, too: it may be made for
    /// one peer in its life.
    fn ends_in_peace(&self, history: &[Arc<Conversation>]) -> Result<bool, String> {
        let setup = &self.shared.setup;
        let needs = history
            .last()
            .map(|last| group(&last.scenario().asked_of(&setup.iut).iut));
        let seeds = needs.and_then(|needs| self.shared.seeds.get(&needs));
        let seeds = seeds.map_or(&[][..], Vec::as_slice);
        let sign = trial(setup, seeds, None, Patience::SHORT, None)?;
        Ok(sign.is_some_and(|sign| sign.is_in_peace()))
    }

    /// Writes conversations that show something, and what goes over the wire in the last.
    fn written(
        &self,
        sign: Sign,
        conversations: &[Arc<Conversation>],
        then: Option<&Scenario>,
        confirmed: bool,
        when: FuzzMoment,
    ) -> Result<FuzzFinding, String> {
        let folder = &self.shared.findings;
        let unwritten =
            |error: std::io::Error| format!("{} cannot be written: {error}", folder.display());
        fs::create_dir_all(folder).map_err(unwritten)?;
        let texts: Vec<_> = conversations.iter().map(|one| one.text()).collect();
        let stem = format!("{}-{:016x}", sign.kind(), fingerprint(&texts.concat()));
        let mut files = Vec::new();
        let mut steps = Vec::new();
        for (n, conversation) in conversations.iter().enumerate() {
            let name = match conversations.len() {
                1 => stem.clone(),
                _ => format!("{stem}-{}", n + 1),
            };
            let title = format!("It outlives what it is told (it did not: {})", sign.kind());
            let named = conversation.called(&name, &title);
            let named = named.map_err(|problems| problems.render(false))?;
            let path = folder.join(format!("{name}.json"));
            fs::write(&path, &named.text).map_err(unwritten)?;
            steps = in_words(&named.scenario);
            files.push(path);
        }
        let capture = self.captured(&folder.join(format!("{stem}.pcapng")), conversations, then);
        Ok(FuzzFinding {
            sign,
            confirmed,
            files,
            capture,
            when,
            steps,
        })
    }

    /// Has them once more, and records the last.
    fn captured(
        &self,
        path: &Path,
        conversations: &[Arc<Conversation>],
        then: Option<&Scenario>,
    ) -> Option<PathBuf> {
        let setup = &self.shared.setup;
        let played = trial(
            setup,
            conversations,
            then,
            Patience::long(setup),
            Some(path),
        );
        if let Err(why) = played {
            tracing::warn!("{} was not recorded: {why}", path.display());
        }
        path.exists().then(|| path.to_owned())
    }
}

/// Keeps this thread, and what it starts, on one of the processors that it may use.
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

/// A scenario's steps, a line each.
fn in_words(scenario: &Scenario) -> Vec<String> {
    let lines = scenario.in_words().into_iter();
    lines
        .map(|line| {
            format!(
                "{:indent$}{} {}",
                "",
                line.path,
                line.text,
                indent = 2 * line.depth
            )
        })
        .collect()
}
