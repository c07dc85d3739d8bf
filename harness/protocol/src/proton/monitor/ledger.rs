use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use crate::monitor::{Finding, Observation};
use crate::requirement::Role;

/// Hears what is found.
pub(super) type Say<'s> = &'s mut dyn FnMut(Observation);

/// What was said of one connection: a breach is told once for each side and then counted, a doubt
/// is told once.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    told: BTreeSet<(&'static str, &'static str)>,
    doubts: BTreeSet<&'static str>,
    judged: BTreeSet<&'static str>,
    pub(super) more: u64,
}

/// Who did something, where and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Act {
    pub(super) party: Role,
    pub(super) address: SocketAddr,
    pub(super) packet: u64,
    pub(super) time: Duration,
}

impl Act {
    fn finding(&self, requirement: &'static str, expected: String, got: String) -> Finding {
        Finding {
            requirement,
            party: self.party,
            address: self.address,
            packet: Some(self.packet),
            time: self.time,
            expected,
            got,
            field: None,
        }
    }
}

impl Ledger {
    /// The requirement was exercised.
    pub(super) fn judge(&mut self, requirement: &'static str) {
        self.judged.insert(requirement);
    }

    pub(super) fn breach(
        &mut self,
        requirement: &'static str,
        act: Act,
        expected: impl Into<String>,
        got: impl Into<String>,
        say: Say<'_>,
    ) {
        self.judge(requirement);
        if self.told.insert((requirement, act.party.name())) {
            let finding = act.finding(requirement, expected.into(), got.into());
            say(Observation::Finding(finding));
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

    /// What was exercised, in the order of the ids.
    pub(super) fn judged(&self) -> Vec<&'static str> {
        self.judged.iter().copied().collect()
    }
}
