use super::{At, Connection};
use crate::MonitorSettings;
use crate::monitor::{NetworkCounts, Session};
use crate::proton::monitor::Code;
use crate::proton::monitor::ledger::Say;
use crate::proton::monitor::talk::Talk;
use crate::requirement::Role;

impl Connection {
    pub(in super::super) fn close(&mut self, by: Role, code: Code, at: At, say: Say<'_>) {
        if self.closed.is_some() {
            return;
        }
        self.arm(at.time);
        self.closed = Some((by, code));
        let dues = std::mem::take(&mut self.dues);
        let mine: Vec<_> = dues.iter().filter(|due| due.party == by).collect();
        let act = self.act(by, at);
        if mine.iter().any(|due| due.is_met(code)) {
            for due in mine {
                self.ledger.judge(due.requirement);
            }
            self.ledger.judge("PR-C-03");
            return;
        }
        let Code::Application(number) = code else {
            return;
        };
        if let Some(due) = mine.first() {
            let others =
                (number == 7 && self.superseded) || (number == 6 && self.second_of.is_some());
            let timed = number == 4 && self.waits();
            if others || timed {
                return;
            }
            // A client may end at any time, before it has seen what is wrong.
            if self.incomplete || self.unreadable || (by == Role::Initiator && number == 0) {
                self.ledger
                    .doubt(due.requirement, act, due.wanted(), code.to_string(), say);
            } else {
                self.ledger
                    .breach(due.requirement, act, due.wanted(), code.to_string(), say);
            }
        } else if number > 7 {
            let expected = "a close code from 0 to 7";
            self.ledger
                .breach("PR-C-03", act, expected, code.to_string(), say);
        } else if self.is_unexplained(by, number) {
            let expected = "what the code is for, before it";
            self.ledger
                .doubt("PR-C-03", act, expected, code.to_string(), say);
        }
    }

    fn waits(&self) -> bool {
        [&self.event, &self.commit, &self.action]
            .iter()
            .any(|talk| !talk.asked.is_empty())
    }

    /// Whether nothing that was seen is a reason for this code.
    fn is_unexplained(&self, by: Role, number: u64) -> bool {
        match (by, number) {
            (_, 1 | 3) => self.named.len() == 3,
            (_, 4) => !self.waits() && self.named.len() == 3,
            (_, 5) => !self.asks,
            (Role::Responder, 6) => self.second_of.is_none(),
            (Role::Responder, 7) => !self.superseded,
            (_, _) => false,
        }
    }

    /// What shows only at the end, and what the session was.
    pub(in super::super) fn end(
        mut self,
        settings: &MonitorSettings,
        say: Say<'_>,
    ) -> Option<Session> {
        if self.foreign || !(self.offered || self.agreed.is_some()) {
            return None;
        }
        if self.blind && self.agreed.is_none() {
            let act = self.act(Role::Initiator, self.first);
            for requirement in ["PR-C-06", "PR-E-04", "PR-S-01"] {
                let (expected, got) = ("its secrets", "no secrets in the capture");
                self.ledger.doubt(requirement, act, expected, got, say);
            }
        }
        self.surplus("PR-E-01", &self.event.clone(), "an ack for each id", say);
        self.surplus(
            "PR-K-01",
            &self.commit.clone(),
            "an answer for each request",
            say,
        );
        if self.asks && settings.mode.as_deref() == Some("pull") {
            self.surplus(
                "PR-A-01",
                &self.action.clone(),
                "an item for each request",
                say,
            );
        }
        Some(Session {
            protocol: "proton",
            mode: self.mode(settings),
            initiator: self.client,
            responder: self.server,
            connection_id: None,
            frames: self.words,
            datagrams: self.packets,
            first_packet: self.first.packet,
            network: NetworkCounts::default(),
            judged: self.ledger.judged(),
            more_breaches: self.ledger.more,
        })
    }

    /// PR-E-01, PR-K-01, PR-A-01: an answer to nothing.
    fn surplus(&mut self, requirement: &'static str, talk: &Talk, expected: &str, say: Say<'_>) {
        let Some(word) = talk.early.front().filter(|_| !talk.over) else {
            return;
        };
        let at = At {
            packet: word.packet,
            time: word.time,
        };
        let act = self.act(Role::Responder, at);
        let got = format!("{} beyond them", word.value);
        if self.incomplete || self.unreadable {
            self.ledger.doubt(requirement, act, expected, got, say);
        } else {
            self.ledger.breach(requirement, act, expected, got, say);
        }
    }
}
