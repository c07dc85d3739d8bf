//! When a session wants to go on, and by which rule.

use std::time::Duration;

use super::{Deviation, Purpose, Session};
use crate::proton::{IDENTIFICATION, Kind, OPERATION, SETUP};

impl Session {
    /// When something is due.
    pub(in super::super) fn deadline(&self) -> Option<Duration> {
        let commit = self.commits.front().map(|(due, _)| *due);
        let all = [
            self.setup_deadline(),
            self.operation_deadline(),
            commit,
            self.item_due,
        ];
        all.into_iter().flatten().min()
    }

    pub(super) fn setup_deadline(&self) -> Option<Duration> {
        let unknown = self.streams.values();
        let unknown = unknown.filter(|stream| {
            stream.purpose == Purpose::Unknown && !self.without.has(Deviation::UnnamedForever)
        });
        let others = [
            (Deviation::UnnamedBriefly, 400),
            (Deviation::UnnamedLonger, 3_000),
        ];
        let identification = self.without.instead(IDENTIFICATION, others);
        let unknown = unknown.map(|stream| stream.opened.saturating_add(identification));
        let waits = !self.has_all() && !self.without.has(Deviation::FewForever);
        let mut all = self.connected.filter(|_| waits);
        if self.without.has(Deviation::FewRestart) {
            let newest = self.streams.values().map(|stream| stream.opened).max();
            all = all.map(|connected| newest.map_or(connected, |newest| newest.max(connected)));
        }
        let others = [
            (Deviation::FewBriefly, 2_000),
            (Deviation::FewLonger, 8_000),
        ];
        let setup = self.without.instead(SETUP, others);
        let all = all.map(|connected| connected.saturating_add(setup));
        unknown.chain(all).min()
    }

    pub(super) fn operation_deadline(&self) -> Option<Duration> {
        let others = [
            (Deviation::RestBriefly, 200_000),
            (Deviation::RestLonger, 320_000),
        ];
        let receive = self.without.instead(OPERATION, others);
        let others = [
            (Deviation::UnreadBriefly, 280_000),
            (Deviation::UnreadLonger, 320_000),
        ];
        let send = self.without.instead(OPERATION, others);
        let streams = self.streams.values();
        let due = streams.flat_map(|stream| {
            let rest = stream.incomplete;
            let rest = rest.map(|since| since.saturating_add(receive)); // PR-T-05
            let unread = match stream.purpose {
                Purpose::Of(Kind::Event) => Deviation::UnreadAcks,
                Purpose::Of(Kind::StateCommit) => Deviation::UnreadAnswers,
                Purpose::Of(Kind::Action) | Purpose::Unknown | Purpose::Reset => {
                    Deviation::UnreadItems
                }
            };
            let sent = stream
                .sending
                .deadline(send)
                .filter(|_| !self.without.has(unread));
            [
                rest.filter(|_| !self.without.has(Deviation::RestForever)),
                sent,
            ]
        });
        let pulls = self.item_due.is_none();
        let is_limited = self.without.has(Deviation::IdleIsReceiving)
            || (pulls && self.without.has(Deviation::IdleActionIsReceiving));
        let idle = self.connected.filter(|_| is_limited);
        let idle = idle.map(|since| since.saturating_add(OPERATION));
        due.flatten().chain(idle).min()
    }
}
