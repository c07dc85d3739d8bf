use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Finding, Judged, MissedMoment, Observation};
use crate::requirement::Role;

/// Receives the observations of a monitor.
pub(crate) type ObservationSink<'s> = &'s mut dyn FnMut(Observation);

/// Findings about one connection: a violation is reported once for each side and then counted, a
/// doubt is reported once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Findings {
    reported: BTreeSet<(&'static str, &'static str)>,
    doubts: BTreeSet<&'static str>,
    judged: Judged,
    /// Breaches that are withheld until both sides can be read.
    held: Vec<Finding>,
    is_open: bool,
    pub(crate) more: u64,
}

/// Something that a party did or did not do, with the packet and the time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occurrence {
    pub(crate) party: Role,
    pub(crate) address: SocketAddr,
    pub(crate) packet: u64,
    pub(crate) time: Duration,
    /// Set if the lack of a packet is the evidence: since when and by how much.
    pub(crate) silence: Option<MissedMoment>,
}

impl Occurrence {
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
    pub(crate) fn judge(&mut self, requirement: &'static str) {
        let both = [Role::Initiator, Role::Responder];
        self.judged.extend(both.map(|party| (requirement, party)));
    }

    /// The requirement was exercised by one of those that it binds.
    pub(crate) fn judge_party(&mut self, requirement: &'static str, party: Role) {
        self.judged.extend([(requirement, party)]);
    }

    pub(crate) fn breach(
        &mut self,
        requirement: &'static str,
        occurrence: Occurrence,
        expected: impl Into<String>,
        got: impl Into<String>,
        emit: ObservationSink<'_>,
    ) {
        self.judge_party(requirement, occurrence.party);
        if self.reported.insert((requirement, occurrence.party.name())) {
            let finding = occurrence.finding(requirement, expected.into(), got.into());
            if self.is_open {
                emit(Observation::Finding(finding));
            } else {
                self.held.push(finding);
            }
        } else {
            self.more += 1;
        }
    }

    pub(crate) fn doubt(
        &mut self,
        requirement: &'static str,
        occurrence: Occurrence,
        expected: impl Into<String>,
        got: impl Into<String>,
        emit: ObservationSink<'_>,
    ) {
        if self.doubts.insert(requirement) {
            let finding = occurrence.finding(requirement, expected.into(), got.into());
            emit(Observation::Inconclusive(finding));
        }
    }

    /// Reports the withheld breaches, and those that follow at once.
    pub(crate) fn open(&mut self, emit: ObservationSink<'_>) {
        self.is_open = true;
        for finding in self.held.drain(..) {
            emit(Observation::Finding(finding));
        }
    }

    /// A side could not be read: withheld breaches become doubts. Returns the exercised requirements.
    pub(crate) fn close(&mut self, emit: ObservationSink<'_>) -> BTreeSet<&'static str> {
        for finding in self.held.drain(..) {
            if self.doubts.insert(finding.requirement) {
                emit(Observation::Inconclusive(finding));
            }
        }
        self.more = 0;
        std::mem::take(&mut self.judged).ids().collect()
    }

    pub(crate) fn judged(&self) -> Judged {
        self.judged.clone()
    }
}
