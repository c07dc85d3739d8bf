use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use shakedown_engine::iut::Observe;
use shakedown_engine::verdict::{Counter, CounterValues, MEMORY_AT_MOST};
use tokio::fs::File;
use tokio::time::{Instant, sleep};

use super::job::Job;
use crate::launch::Instance;
use crate::process::{ProcessEnvironment, bounded, printed};

/// The counter that the system provides if the implementation does not.
const MEMORY: &str = "memory";

/// How often a command is asked again whose counters are not yet what they should become.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// By how much the times of files lag behind the clock.
const FILE_CLOCK: Duration = Duration::from_millis(100);

impl Job {
    /// The counters of a running implementation, or why they cannot be read. `None` if they are
    /// read after its end.
    pub(super) async fn asked(
        &self,
        instance: Option<&Instance>,
        is_shared: bool,
    ) -> Option<CounterValues> {
        if self.scenario.inside.is_empty() {
            return Some(CounterValues::new());
        }
        let unseen = |why: &str| Some(self.all_are(&Counter::Unseen(why.to_owned())));
        let how = match &self.launcher.iut.observe {
            None => return unseen("the description has no [observe]"),
            Some(_) if is_shared => return unseen("its process counts other scenarios, too"),
            Some(how) => how,
        };
        let Some(instance) = instance else {
            return unseen("it could not be started again");
        };
        let (words, surroundings) = match self.words(how.command.as_deref()?, instance) {
            Ok(words) => words,
            Err(why) => return Some(self.all_are(&Counter::Unreadable(why))),
        };
        Some(self.ask(how, &words, &surroundings).await)
    }

    /// Asks a command until the counters are what is wanted, or there is no more time: what has
    /// arrived may not be counted yet.
    async fn ask(
        &self,
        how: &Observe,
        words: &[String],
        surroundings: &ProcessEnvironment,
    ) -> CounterValues {
        let until = Instant::now() + how.within.as_fixed().unwrap_or_default();
        let mut left = until.saturating_duration_since(Instant::now());
        loop {
            let said = printed(words, surroundings, left.max(ASK_EVERY)).await;
            let counters = said.and_then(|text| self.counters(how, &text));
            let mut wanted = self.scenario.inside.iter();
            left = until.saturating_duration_since(Instant::now());
            match counters {
                Ok(counters)
                    if left.is_zero() || wanted.all(|counted| counted.is_met(&counters)) =>
                {
                    return counters;
                }
                Err(why) if left.is_zero() => {
                    let words = words.join(" ");
                    let why = format!("[observe] command `{words}`: {why}");
                    return self.all_are(&Counter::Unreadable(why));
                }
                Ok(_) | Err(_) => sleep(ASK_EVERY).await,
            }
        }
    }

    /// What an implementation left in a file when it ended, not before `since`, a time of day.
    pub(super) async fn left(&self, instance: Option<&Instance>, since: Duration) -> CounterValues {
        let observe = self.launcher.iut.observe.as_ref();
        let how = observe.and_then(|how| Some((how, how.file.as_ref()?)));
        let Some(((how, file), instance)) = how.zip(instance) else {
            return CounterValues::new();
        };
        let read = async {
            let (path, surroundings) = self.words(std::slice::from_ref(file), instance)?;
            let path = path.concat();
            let told = |why: String| format!("[observe] file `{path}`: {why}");
            let file = surroundings.directory.join(&path);
            let text = whole(&file, instance, UNIX_EPOCH + since).await;
            self.counters(how, &text.map_err(told)?).map_err(told)
        };
        let read = read.await;
        read.unwrap_or_else(|why| self.all_are(&Counter::Unreadable(why)))
    }

    fn words(
        &self,
        words: &[String],
        instance: &Instance,
    ) -> Result<(Vec<String>, ProcessEnvironment), String> {
        let words = self.launcher.words(words, &self.scenario.iut, instance);
        words.map_err(|error| format!("[observe]: {error}"))
    }

    /// The counters that the scenario looks at.
    fn counters(&self, how: &Observe, text: &[u8]) -> Result<CounterValues, String> {
        let json: Value = serde_json::from_slice(text).map_err(|error| {
            let seen = String::from_utf8_lossy(&text[..text.len().min(60)]);
            format!("it gives no JSON ({error}): {seen:?}")
        })?;
        let names = self.scenario.inside.iter().map(|counted| &counted.counter);
        let read = |name: &String| (name.clone(), Counter::read(name, &how.counters, &json));
        let mut counters: CounterValues = names.map(read).collect();
        self.limit(&mut counters);
        Ok(counters)
    }

    /// The memory of a process as the system reports it, if the description has no counter.
    pub(super) fn add_memory(
        &self,
        counters: &mut CounterValues,
        before: Option<u64>,
        after: Option<u64>,
    ) {
        let observe = self.launcher.iut.observe.as_ref();
        let is_told = observe.is_some_and(|how| how.counters.contains_key(MEMORY));
        let mut wanted = self.scenario.inside.iter();
        if !is_told && wanted.any(|counted| counted.counter == MEMORY) {
            let grown = before
                .zip(after)
                .map(|(before, after)| after.saturating_sub(before));
            let unseen = || {
                let why = "the system does not report the memory of its process";
                Counter::Unseen(why.to_owned())
            };
            counters.insert(MEMORY.to_owned(), grown.map_or_else(unseen, Counter::Is));
        }
        self.limit(counters);
    }

    fn limit(&self, counters: &mut CounterValues) {
        let most = self.launcher.iut.memory_at_most;
        counters.insert(MEMORY_AT_MOST.to_owned(), Counter::Is(most));
    }

    /// The same of all counters that the scenario looks at.
    fn all_are(&self, counter: &Counter) -> CounterValues {
        let names = self.scenario.inside.iter().map(|counted| &counted.counter);
        names.map(|name| (name.clone(), counter.clone())).collect()
    }
}

/// A file that a process wrote before it ended by itself.
async fn whole(path: &Path, instance: &Instance, since: SystemTime) -> Result<Vec<u8>, String> {
    let process = instance.process.as_ref();
    if let Some(ended) = process.and_then(|process| process.ended())
        && ended.code.is_none()
    {
        return Err(format!(
            "its process could not write it in the end ({ended}); write it on SIGTERM, or name a `command`"
        ));
    }
    let unreadable = |error: std::io::Error| format!("it cannot be read: {error}");
    // Opening what is no file may wait for ever.
    let about = tokio::fs::metadata(path).await.map_err(unreadable)?;
    if !about.is_file() {
        return Err(String::from("it is no file"));
    }
    let changed = about.modified().map_err(unreadable)?;
    if changed + FILE_CLOCK < since {
        return Err(String::from(
            "it was not written since the scenario began; each process is to write its own",
        ));
    }
    bounded(File::open(path).await.map_err(unreadable)?).await
}

#[cfg(test)]
mod tests;
