//! When others kept the implementation from running, and when we were late ourselves.

use std::collections::BTreeMap;
use std::time::Duration;

use procfs::process::Process;

use super::HEARTBEAT;
use crate::kernel;

/// How often it is looked for new processes of the implementation; more often while it starts.
const SEARCH: Duration = Duration::from_secs(1);

/// How far off the system's count of what the processors did may be, at either end.
const TICK: Duration = Duration::from_millis(20);

/// What a machine did to the parties of a scenario, over its time.
#[derive(Debug, Default)]
pub struct Busy {
    samples: Vec<Sample>,
    /// When we were late, and by how much.
    late: Vec<(Duration, Duration)>,
    processes: Vec<Process>,
    /// The group of which processes were looked for, and when first and last.
    searched: Option<(i32, Duration, Duration)>,
    /// What each thread had waited and run when it was seen last.
    threads: BTreeMap<i32, Thread>,
    machine: Option<Duration>,
}

/// What happened from one look to the next.
#[derive(Debug, Clone, Copy)]
struct Sample {
    since: Duration,
    until: Duration,
    /// How long a thread of the implementation waited for a processor that others had: the worst of them.
    waited: Duration,
    /// What processors did for others than the implementation.
    others: Duration,
}

#[derive(Debug, Clone, Copy, Default)]
struct Thread {
    waited: Duration,
    ran: Duration,
}

impl Thread {
    /// How long it waited for other programs, which ran for this long: what the other threads of the
    /// implementation `ran`, itself included, made it wait as much.
    fn waited_for(&self, others: Duration, ran: Duration) -> Duration {
        let siblings = ran.saturating_sub(self.ran).as_secs_f64();
        let others = others.as_secs_f64();
        match siblings > 0.0 {
            true => self.waited.mul_f64(others / (others + siblings)),
            false => self.waited,
        }
    }
}

impl Busy {
    /// Looks at the processes of a group.
    pub fn look(&mut self, now: Duration, group: Option<i32>) {
        if let Some(group) = group.filter(|group| self.searches(now, *group)) {
            self.processes = kernel::processes_of(group).collect();
        }
        let mut threads = Vec::new();
        let tasks = self.processes.iter().filter_map(|it| it.tasks().ok());
        for task in tasks.flatten().flatten() {
            let Ok(stat) = task.schedstat() else { continue };
            let seen = Thread {
                waited: Duration::from_nanos(stat.run_delay),
                ran: Duration::from_nanos(stat.sum_exec_runtime),
            };
            let before = self.threads.insert(task.tid, seen);
            // A thread that is new at a later look began not long before; what those of the first did before it is no
            // reason.
            let new = if self.samples.is_empty() {
                seen
            } else {
                Thread::default()
            };
            let before = before.unwrap_or(new);
            threads.push(Thread {
                waited: seen.waited.saturating_sub(before.waited),
                ran: seen.ran.saturating_sub(before.ran),
            });
        }
        let ran: Duration = threads.iter().map(|thread| thread.ran).sum();
        let machine = kernel::processor_time();
        let both = machine.zip(self.machine);
        let all = both.map_or(Duration::MAX, |(now, before)| now.saturating_sub(before));
        self.machine = machine;
        let others = all.saturating_sub(ran);
        let for_others = threads.iter().map(|thread| thread.waited_for(others, ran));
        let since = self.samples.last().map_or(now, |last| last.until);
        self.samples.push(Sample {
            since,
            until: now,
            waited: for_others.max().unwrap_or_default(),
            others,
        });
    }

    /// Whether it is time to look for processes.
    fn searches(&mut self, now: Duration, group: i32) -> bool {
        // A step may have started the implementation again.
        let before = self.searched.filter(|(known, ..)| *known == group);
        let is_due = before.is_none_or(|(_, first, last)| now >= last + SEARCH.min(last - first));
        if is_due {
            self.searched = Some((group, before.map_or(now, |(_, first, _)| first), now));
        }
        is_due
    }

    /// We were late by so much.
    pub fn late(&mut self, now: Duration, by: Duration) {
        self.late.push((now, by));
    }

    /// How much of what was missed in a window may be no fault of the implementation: it waited for a
    /// processor that others had, or we were late.
    #[must_use]
    pub fn excused(&self, since: Duration, until: Duration) -> Duration {
        let until = until.saturating_add(2 * HEARTBEAT);
        let samples = self.samples.iter();
        let within = samples.filter(|it| it.until > since && it.since < until);
        let (waited, others) = within.fold((Duration::ZERO, 2 * TICK), |(waited, others), it| {
            (
                waited.saturating_add(it.waited),
                others.saturating_add(it.others),
            )
        });
        waited.min(others).max(self.late_within(since, until))
    }

    /// How late we were ourselves in a window.
    #[must_use]
    pub fn late_within(&self, since: Duration, until: Duration) -> Duration {
        let late = self.late.iter();
        let late = late.filter(|(at, by)| *at > since && at.saturating_sub(*by) < until);
        late.map(|(_, by)| *by).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Ten samples, one a second; in each it waited for 300 ms, and others ran for this many milliseconds.
    fn busy(others: u64) -> Busy {
        let sample = |second: u64| Sample {
            since: millis(1_000 * second),
            until: millis(1_000 * (second + 1)),
            waited: millis(300),
            others: millis(others),
        };
        Busy {
            samples: (0..10).map(sample).collect(),
            ..Busy::default()
        }
    }

    #[test]
    fn only_what_was_waited_around_the_window_excuses() {
        assert_eq!(
            busy(5_000).excused(millis(3_100), millis(4_900)),
            millis(600)
        );
        assert_eq!(
            busy(5_000).excused(millis(12_000), millis(13_000)),
            millis(0)
        );
    }

    #[test]
    fn what_its_own_threads_did_to_each_other_excuses_nothing() {
        let excused = busy(0).excused(millis(0), millis(10_000));
        assert_eq!(excused, 2 * TICK, "no more than the count is off");
        assert_eq!(busy(100).excused(millis(3_100), millis(4_900)), millis(240));
    }

    #[test]
    fn a_thread_that_waits_for_its_siblings_and_for_others_is_excused_for_the_others_alone() {
        let thread = Thread {
            waited: millis(900),
            ran: millis(100),
        };
        assert_eq!(thread.waited_for(millis(500), millis(100)), millis(900));
        assert_eq!(thread.waited_for(millis(500), millis(1_600)), millis(225));
        assert_eq!(thread.waited_for(millis(0), millis(1_600)), millis(0));
    }

    #[test]
    fn it_is_looked_for_processes_often_after_a_start_and_each_second_later() {
        let mut busy = Busy::default();
        let group = |now: u64| if now < 3_000 { 7 } else { 8 };
        let looks = (0..3_100).step_by(20);
        let searches: Vec<_> = looks
            .filter(|now| busy.searches(millis(*now), group(*now)))
            .collect();
        let first = [0, 20, 40, 80, 160, 320, 640, 1_280, 2_280];
        assert_eq!(
            searches,
            [&first[..], &[3_000, 3_020, 3_040, 3_080]].concat()
        );
    }

    #[test]
    fn our_own_lateness_excuses_where_it_was() {
        let mut busy = Busy::default();
        busy.late(millis(2_755), millis(755));
        assert_eq!(busy.excused(millis(2_500), millis(3_000)), millis(755));
        assert_eq!(busy.excused(millis(2_000), millis(2_010)), millis(755));
        assert_eq!(busy.excused(millis(4_000), millis(5_000)), Duration::ZERO);
    }
}
