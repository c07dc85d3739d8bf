use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;

use super::super::counters::Counters;
use super::super::settings::Settings;
use super::super::timing;
use super::hook::{Hook, Repeated, Waits};
use super::passing::{Known, Passing};
use super::table::{Deviations, HOOKS};
use crate::machine::{Failure, Outcome};
use crate::mediastream::Mode;

impl Deviations {
    /// Whether this is the reference itself.
    fn is_none(self) -> bool {
        self == Self::default()
    }

    /// The hooks of what is left out.
    fn hooks(self) -> impl Iterator<Item = &'static Hook> {
        let own = HOOKS.iter().filter(move |(of, _)| self.has(*of));
        own.map(|(_, hook)| hook)
    }

    pub(in super::super) fn change_settings(self, settings: &mut Settings) {
        for hook in self.hooks() {
            if let Hook::Setting(change) = hook {
                change(settings);
            }
        }
    }

    /// How it repeats a frame (MS-H-03, MS-H-18, MS-S-08, MS-S-13).
    pub(in super::super) fn waits(self, frame: Repeated) -> Waits {
        let mut own = self.hooks().filter_map(|hook| match hook {
            Hook::Repeats(of, waits) if *of == frame => Some(*waits),
            _ => None,
        });
        own.next().unwrap_or(timing::WAITS)
    }

    /// When a frame of media is sent, by the time at which it is due.
    pub(in super::super) fn pace(self) -> fn(Duration, u64) -> Duration {
        let mut own = self.hooks().filter_map(|hook| match hook {
            Hook::Paced(pace) => Some(*pace),
            _ => None,
        });
        own.next().unwrap_or(|due, _| due)
    }

    /// How a session of `mode` ends that failed.
    pub(in super::super) fn outcome(self, mode: Mode, failure: Failure) -> Outcome {
        let mut own = self.hooks().filter_map(|hook| match hook {
            Hook::Ends(of, cause, end) if (*of, *cause) == (mode, failure.cause) => Some(*end),
            _ => None,
        });
        own.next().map_or_else(
            || Outcome::Failed(failure.clone()),
            |end| end(failure.clone()),
        )
    }

    /// What it counts, less what it does not.
    pub(in super::super) fn counted(self, counters: &Counters) -> Value {
        let mut json = counters.to_json();
        for hook in self.hooks() {
            if let Hook::Uncounted(counter) = hook {
                json[*counter] = Value::from(0);
            }
        }
        json
    }

    /// The datagrams that go out instead of one; that one, of the reference.
    pub(in super::super) fn sent(
        self,
        to: SocketAddr,
        payload: Vec<u8>,
        known: &dyn Fn() -> Known,
    ) -> impl Iterator<Item = Vec<u8>> + use<> {
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let own = match self.is_none() {
            true => Some(payload),
            false => {
                let mut passing = Passing::new(to, payload, known());
                for hook in self.hooks() {
                    if let Hook::Sent(flags, change) = hook {
                        passing.change(flags, *change);
                    }
                }
                (before, after) = (passing.before, passing.after);
                (!passing.is_lost).then_some(passing.bytes)
            }
        };
        before.into_iter().chain(own).chain(after)
    }

    /// What a twin makes of a datagram that came; nothing, where there is no twin.
    pub(in super::super) fn taken(
        self,
        from: SocketAddr,
        payload: &[u8],
        known: &dyn Fn() -> Known,
    ) -> Option<Passing> {
        if self.is_none() {
            return None;
        }
        let mut passing = Passing::new(from, payload.to_vec(), known());
        for hook in self.hooks() {
            if let Hook::Taken(flags, change) = hook {
                passing.change(flags, *change);
            }
        }
        Some(passing)
    }
}
