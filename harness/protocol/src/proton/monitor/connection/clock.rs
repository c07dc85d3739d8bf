use std::time::Duration;

use super::{At, Connection, MOST_STREAMS, index, late};
use crate::MonitorSettings;
use crate::proton::monitor::due::Due;
use crate::proton::monitor::ledger::Say;
use crate::proton::{IDENTIFICATION, IDLE_TIMEOUT, KEEP_ALIVE, OPERATION, SETUP};
use crate::requirement::Role;

impl Connection {
    /// A packet of a side, and with it what its time shows.
    pub(in super::super) fn packet(
        &mut self,
        by: Role,
        at: At,
        settings: &MonitorSettings,
        say: Say<'_>,
    ) {
        self.packets += 1;
        let last = &mut self.last[index(by)];
        *last = (*last).max(Some(at.time));
        if self.closed.is_some() {
            return;
        }
        self.arm(at.time);
        let overdue = |due: &Due| due.party == by && due.is_overdue(at.time, settings);
        let broken: Vec<_> = self
            .dues
            .iter()
            .filter(|due| overdue(due))
            .cloned()
            .collect();
        self.dues.retain(|due| !overdue(due));
        let act = self.act(by, at);
        for due in broken {
            let got = format!("it goes on after packet {}", due.packet);
            if self.unreadable || self.incomplete {
                self.ledger
                    .doubt(due.requirement, act, due.wanted(), got, say);
            } else {
                self.ledger
                    .breach(due.requirement, act, due.wanted(), got, say);
            }
        }
        self.vanished(by, at, settings, say);
    }

    /// PR-C-05: the idle timer begins again with the first packet that is sent after one that came,
    /// which keep-alive sends a second later.
    fn vanished(&mut self, by: Role, at: At, settings: &MonitorSettings, say: Say<'_>) {
        let gone = IDLE_TIMEOUT + KEEP_ALIVE;
        let [Some(client), Some(_)] = self.last else {
            return;
        };
        if by == Role::Responder && at.time > client + late(gone, settings) && !self.unreadable {
            let act = self.act(by, at);
            let silent = at.time.saturating_sub(client).as_secs_f64();
            let got = format!("a packet {silent:.1} s after the client's last one");
            let expected = "a client that is silent given up after 5 s";
            self.ledger.breach("PR-C-05", act, expected, got, say);
        }
    }

    /// What is owed because time has passed: PR-S-05, PR-S-06, PR-T-01.
    pub(super) fn arm(&mut self, now: Duration) {
        let mut owed = Vec::new();
        for (id, stream) in &self.streams {
            let waits = stream.kind.is_none() && !stream.resets && !stream.void;
            if waits && !stream.client_lost && now > stream.opened.time + IDENTIFICATION {
                let why = format!("stream {id} did not say within 1 s which it is");
                owed.push((
                    "PR-S-05",
                    Role::Responder,
                    stream.opened,
                    IDENTIFICATION,
                    why,
                ));
            }
        }
        if let Some(agreed) = self.agreed
            && self.named.len() < 3
            && !self.incomplete
            && now > agreed + SETUP
        {
            let at = At {
                packet: self.first.packet,
                time: agreed,
            };
            let why = "three streams were not there within 5 s".to_owned();
            owed.push(("PR-S-06", Role::Responder, at, SETUP, why));
        }
        for (talk, what) in [(&self.event, "event"), (&self.commit, "commit")] {
            if let Some(word) = talk.asked.front().filter(|_| !talk.over)
                && now > word.time + OPERATION
            {
                let at = At {
                    packet: word.packet,
                    time: word.time,
                };
                let why = format!("{what} {} had no answer within 5 min", word.value);
                owed.push(("PR-T-01", Role::Initiator, at, OPERATION, why));
            }
        }
        for (requirement, party, at, limit, why) in owed {
            if self.armed.len() < MOST_STREAMS && self.armed.insert((requirement, at.packet)) {
                let codes: &'static [u64] = match requirement {
                    "PR-T-01" => &[4],
                    _ => &[3],
                };
                self.owe(
                    Due::new(requirement, party, at, why)
                        .within(limit)
                        .with(codes),
                );
            }
        }
    }
}
