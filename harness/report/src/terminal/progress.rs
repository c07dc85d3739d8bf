use std::io::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use shakedown_engine::event::{Event, LoadProgress, VerdictEvent};
use shakedown_engine::interop::PairEvent;
use shakedown_engine::verdict::Verdict;

use super::style::{self, paint};
use crate::Record;
use crate::plan_lines;
use crate::text::clean_line;

/// How a run shows that it goes on. A progress that cannot be written is no reason to stop.
pub enum Progress {
    /// A bar on standard error, which must be a terminal; what is not a pass gets a line.
    Bar(Box<ProgressBar>),
    /// A line for each verdict.
    Lines(Box<dyn Write + Send>),
    Off,
}

impl Progress {
    /// A bar on standard error.
    #[must_use]
    pub fn bar() -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let template = "{bar:24.green/dim} {pos:>3}/{len} {elapsed:>4} {wide_msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━━─"));
        }
        Self::Bar(Box::new(bar))
    }

    /// A line for each verdict; give it an `anstream` stream.
    #[must_use]
    pub fn lines(out: impl Write + Send + 'static) -> Self {
        Self::Lines(Box::new(out))
    }

    pub(super) fn event(&mut self, event: &Event, record: &Record) {
        if matches!(self, Self::Off) {
            return;
        }
        match event {
            Event::RunStarted { seed, plan, .. } => {
                for line in plan_lines(plan, *seed) {
                    self.line(&line);
                }
                if let Self::Bar(bar) = self {
                    let played = record.run.as_ref().map_or(0, |run| run.played);
                    begin(bar, played as u64);
                }
            }
            Event::InteropStarted(started) => {
                if let Self::Bar(bar) = self {
                    begin(bar, started.pairs as u64);
                }
            }
            Event::ScenarioStarted { .. } | Event::PairStarted { .. } => self.show_running(record),
            Event::Step {
                scenario,
                step,
                time,
                text,
            } => {
                let what = clean_line(&format!("{scenario} step {step}: {text}"));
                self.line(&paint(style::DIM, &format!("  {time:>9.3} s  {what}")));
            }
            // They are counted at the end.
            Event::Verdict(verdict) if verdict.was_left_out() => {}
            Event::Verdict(verdict) => self.verdict(verdict, record),
            Event::Pair(pair) => self.pair(pair, record),
            Event::LoadProgress(load) => self.load(load),
            Event::Session(_) | Event::Finding(_) | Event::LoadFinished(_) => {}
            Event::RunFinished(_)
            | Event::CheckFinished(_)
            | Event::InteropFinished(_)
            | Event::Digest { .. } => {}
        }
    }

    pub(super) fn finish(&mut self) {
        match self {
            Self::Bar(bar) => bar.finish_and_clear(),
            Self::Lines(out) => {
                let _ = out.flush();
            }
            Self::Off => {}
        }
    }

    /// A load goes on: of its plays, not of scenarios.
    fn load(&mut self, load: &LoadProgress) {
        match self {
            Self::Bar(bar) => {
                bar.set_length(load.plays);
                bar.set_position(load.completed + load.failed);
                bar.set_message(load_line(load));
            }
            Self::Lines(_) => {
                let line = format!("  {:>9.3} s  {}", load.time, load_line(load));
                self.line(&line);
            }
            Self::Off => {}
        }
    }

    fn verdict(&mut self, verdict: &VerdictEvent, record: &Record) {
        let is_loud = match verdict.verdict {
            Verdict::Pass
            | Verdict::Advice
            | Verdict::Waived
            | Verdict::NotApplicable
            | Verdict::NotObserved => false,
            Verdict::Inconclusive | Verdict::Error | Verdict::Fail => true,
        };
        if is_loud || matches!(self, Self::Lines(_)) {
            let total = record.run.as_ref().map_or(0, |run| run.played);
            self.line(&verdict_line(verdict, record.played(), total));
        }
        self.show_running(record);
    }

    fn pair(&mut self, pair: &PairEvent, record: &Record) {
        if !pair.standing.is_fine() || matches!(self, Self::Lines(_)) {
            let table = record.table.as_ref();
            let (done, wanted) = table.map_or((0, 0), |table| (table.pairs.len(), table.wanted));
            let digits = wanted.to_string().len();
            let word = format!("{:<11}  {:<20}", pair.outcome.name(), pair.standing.name());
            let word = paint(style::of_standing(pair.standing), &word);
            let name = clean_line(&pair.pair);
            self.line(&format!(
                "{done:>digits$}/{wanted}  {word}  {:>7.2} s  {name}",
                pair.seconds
            ));
        }
        self.show_running(record);
    }

    fn show_running(&self, record: &Record) {
        if let Self::Bar(bar) = self
            && record.loads.is_empty()
        {
            let pairs = record.table.as_ref().map_or(0, |table| table.pairs.len());
            bar.set_position((record.played() + pairs) as u64);
            bar.set_message(running(record));
        }
    }

    fn line(&mut self, line: &str) {
        match self {
            Self::Bar(bar) => bar.println(line),
            Self::Lines(out) => {
                let _ = writeln!(out, "{line}");
            }
            Self::Off => {}
        }
    }
}

/// Shows the bar. Its clock goes on while nothing else does.
fn begin(bar: &ProgressBar, length: u64) {
    bar.set_length(length);
    bar.tick();
    bar.enable_steady_tick(Duration::from_secs(1));
}

/// How many plays of a load are on, completed and failed.
fn load_line(load: &LoadProgress) -> String {
    let LoadProgress {
        plays,
        started,
        completed,
        failed,
        ..
    } = load;
    let on = started.saturating_sub(completed + failed);
    format!("{completed} of {plays} plays completed, {failed} failed, {on} on")
}

/// ` 12/62  FAIL           1.52 s  mediastream/3way/responder/lost-ack`.
fn verdict_line(verdict: &VerdictEvent, done: usize, total: usize) -> String {
    let digits = total.to_string().len();
    let word = paint(
        style::of(verdict.verdict),
        &format!("{:<12}", style::word(verdict.verdict)),
    );
    let name = clean_line(&verdict.scenario);
    format!(
        "{done:>digits$}/{total}  {word}  {:>7.2} s  {name}",
        verdict.seconds
    )
}

/// What runs now: how many, and the one that began first.
fn running(record: &Record) -> String {
    let failed = record
        .verdicts
        .values()
        .filter(|v| v.verdict == Verdict::Fail)
        .count();
    let mut message = match failed {
        0 => String::new(),
        failed => format!("{failed} failed, "),
    };
    if let Some(oldest) = record.running.first() {
        // The protocol says little, and room is short.
        let name = oldest
            .split_once('/')
            .map_or(oldest.as_str(), |(_, rest)| rest);
        message += &format!("{} at work: {}", record.running.len(), clean_line(name));
    }
    message
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::fixture;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn in_a_log_every_verdict_is_a_line() {
        let out = Shared::default();
        let mut progress = Progress::lines(out.clone());
        let mut record = Record::default();
        for event in fixture::run() {
            record.add(&event);
            progress.event(&event, &record);
        }
        progress.finish();
        let bytes = out.0.lock().unwrap().clone();
        let text = String::from_utf8(bytes).unwrap();
        insta::assert_snapshot!(anstream::adapter::strip_str(&text));
    }

    #[test]
    fn the_bar_names_the_oldest_of_those_that_run() {
        let mut record = Record::default();
        for scenario in ["p/a/first", "p/a/second", "p/a/third"] {
            record.running.insert(scenario.to_owned());
        }
        assert_eq!(running(&record), "3 at work: a/first");
        record.running.shift_remove("p/a/first");
        record.running.shift_remove("p/a/second");
        assert_eq!(running(&record), "1 at work: a/third");
    }
}
