use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::monitor::{Finding, Judged, MissedMoment, Observation};
use crate::requirement::Role;

/// Hears what is found.
pub(super) type Say<'s> = &'s mut dyn FnMut(Observation);

/// What was said of one connection: a breach is told once for each side and then counted, a doubt
/// is told once.
#[derive(Debug, Clone, Default)]
pub(super) struct Findings {
    told: BTreeSet<(&'static str, &'static str)>,
    doubts: BTreeSet<&'static str>,
    judged: Judged,
    /// Breaches that wait until it is seen that both sides can be read.
    held: Vec<Finding>,
    is_open: bool,
    pub(super) more: u64,
}

/// Who did something, where and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act {
    pub(super) party: Role,
    pub(super) address: SocketAddr,
    pub(super) packet: u64,
    pub(super) time: Duration,
    /// It is shown by the lack of a packet: since when and by how much.
    pub(super) silence: Option<MissedMoment>,
}

impl Act {
    fn finding(&self, requirement: &'static str, expected: String, got: String) -> Finding {
        Finding {
            requirement,
            party: self.party,
            address: self.address,
            packet: self.silence.is_none().then_some(self.packet),
            time: self.time,
            expected,
            got,
            field: None,
            off: self.silence,
        }
    }
}

impl Findings {
    /// The requirement was exercised.
    pub(super) fn judge(&mut self, requirement: &'static str) {
        let both = [Role::Initiator, Role::Responder];
        self.judged.extend(both.map(|party| (requirement, party)));
    }

    /// The requirement was exercised by one of those that it binds.
    pub(super) fn judge_party(&mut self, requirement: &'static str, party: Role) {
        self.judged.extend([(requirement, party)]);
    }

    pub(super) fn breach(
        &mut self,
        requirement: &'static str,
        act: Act,
        expected: impl Into<String>,
        got: impl Into<String>,
        say: Say<'_>,
    ) {
        self.judge_party(requirement, act.party);
        if self.told.insert((requirement, act.party.name())) {
            let finding = act.finding(requirement, expected.into(), got.into());
            if self.is_open {
                say(Observation::Finding(finding));
            } else {
                self.held.push(finding);
            }
        } else {
            self.more += 1;
        }
    }

    pub(super) fn doubt(
        &mut self,
        requirement: &'static str,
        act: Act,
        expected: impl Into<String>,
        got: impl Into<String>,
        say: Say<'_>,
    ) {
        if self.doubts.insert(requirement) {
            let finding = act.finding(requirement, expected.into(), got.into());
            say(Observation::Inconclusive(finding));
        }
    }

    /// Breaches count from here on, and those before do.
    pub(super) fn open(&mut self, say: Say<'_>) {
        self.is_open = true;
        for finding in self.held.drain(..) {
            say(Observation::Finding(finding));
        }
    }

    /// What was held and what was exercised is in doubt, because a side could not be read. Gives
    /// what is said of no breach yet.
    pub(super) fn close(&mut self, say: Say<'_>) -> BTreeSet<&'static str> {
        for finding in self.held.drain(..) {
            if self.doubts.insert(finding.requirement) {
                say(Observation::Inconclusive(finding));
            }
        }
        self.more = 0;
        std::mem::take(&mut self.judged).ids().collect()
    }

    /// What was exercised.
    pub(super) fn judged(&self) -> Judged {
        self.judged.clone()
    }
}
