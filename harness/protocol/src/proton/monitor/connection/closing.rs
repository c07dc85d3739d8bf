use std::time::Duration;

use super::{At, Close, Connection, index, late};
use crate::MonitorSettings;
use crate::monitor::{NetworkCounts, Session};
use crate::proton::monitor::Code;
use crate::proton::monitor::exchange::Exchange;
use crate::proton::monitor::findings::{ObservationSink, Occurrence};
use crate::proton::{IDENTIFICATION, IDLE_TIMEOUT, SETUP, STARTUP_DELAY};
use crate::requirement::Role;
use crate::streams::CONNECTION_REFUSED;

/// Share of a time after which a side may take it for over: its clock began before the packet that
/// shows it, or runs a little fast.
const EARLY: f64 = 0.9;

impl Connection {
    /// A side closes the connection. Its code is judged at the end of the packet, because its
    /// acknowledgements count.
    pub(in super::super) fn close(
        &mut self,
        by: Role,
        code: Code,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let close = Close { by, code, at };
        self.over[index(by)].get_or_insert(at.time);
        let Some(first) = self.closed else {
            self.silent_until(by.peer(), at.time, settings, emit);
            self.arm(at.time, settings);
            self.closed = Some(close);
            self.closing = Some(close);
            return;
        };
        if first.by != by {
            // Both close at once, or this is the answer to the first.
            self.keeps(close, settings);
        } else if by == Role::Responder && first.code.differs_from(code) {
            // PR-R-03
            let occurrence = self.occurrence(by, at);
            let expected = format!("one close, which was with {}", first.code);
            self.found("PR-R-03", occurrence, expected, code.to_string(), emit);
        }
    }

    /// Whether the server refused it in its handshake.
    pub(in super::super) fn is_refused(&self) -> bool {
        let refused = Code::Transport(CONNECTION_REFUSED);
        let close = self.closed.map(|close| (close.by, close.code));
        close == Some((Role::Responder, refused)) && self.agreed.is_none()
    }

    /// Nothing is missing in a supervised capture of what `party` sent until `end`: a close that
    /// was due never came. A side that received nothing for the idle timeout may be gone.
    pub(in super::super) fn silent_until(
        &mut self,
        party: Role,
        end: Duration,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let heard = self.last[index(party.peer())];
        let Some(heard) = heard.filter(|_| settings.supervised && self.closed.is_none()) else {
            return;
        };
        let gone = settings.stopped.iter().chain(&settings.watched_until);
        let gone = gone.copied().find(|gone| *gone > self.first.time);
        let until = end.min(heard + IDLE_TIMEOUT).min(gone.unwrap_or(end));
        self.arm(until, settings);
        let round_trip = self.round_trip();
        let mine: Vec<_> = self.dues.extract_if(.., |due| due.party == party).collect();
        for due in mine {
            let Some(off) = due.overdue(until, round_trip, settings) else {
                self.dues.push(due);
                continue;
            };
            let at = At {
                packet: due.packet,
                time: until,
            };
            let occurrence = Occurrence {
                silence: Some(off),
                ..self.occurrence(party, at)
            };
            let got = format!("nothing of the kind after packet {}", due.packet);
            self.found(due.requirement, occurrence, due.wanted(), got, emit);
        }
    }

    /// Whether the close is one that its side owes, which then was judged.
    fn keeps(&mut self, close: Close, settings: &MonitorSettings) -> bool {
        let Close { by, code, at } = close;
        let mine = self.dues.iter().filter(|due| due.party == by);
        let mine: Vec<_> = mine.cloned().collect();
        // Only until then the application's code is hidden (RFC 9000, section 10.2.3).
        let over = self
            .established()
            .map(|since| since + late(IDENTIFICATION, settings) + self.round_trip());
        let is_hidden = code.is_hidden() && over.is_none_or(|over| at.time <= over);
        let met = mine.iter().any(|due| is_hidden || due.is_met(code));
        if met {
            for due in &mine {
                self.findings.judge(due.requirement);
            }
            self.findings.judge_party("PR-C-03", by);
            if by == Role::Responder && mine.len() > 1 {
                self.findings.judge("PR-R-03");
            }
        }
        met
    }

    /// Reports the first close.
    pub(super) fn conclude(&mut self, settings: &MonitorSettings, emit: ObservationSink<'_>) {
        let Some(close) = self.closing.take() else {
            return;
        };
        let Close { by, code, at } = close;
        if (by, code) == (Role::Initiator, Code::Application(4)) {
            self.given_up(at, settings, emit);
        }
        if self.keeps(close, settings) {
            return;
        }
        let Code::Application(number) = code else {
            self.closed_by_quic(close, emit);
            return;
        };
        let occurrence = self.occurrence(by, at);
        if let Some(due) = self.dues.iter().find(|due| due.party == by).cloned() {
            // 0xFF is an unknown discriminator for a server that offers no reset.
            let others = (number == 7 && self.superseded)
                || (number == 6 && self.second_of.is_some())
                || (number == 1 && self.streams.values().any(|stream| stream.resets))
                || self.has_rival();
            let timed = (number == 4 && (self.waits() || self.has_rest()))
                || (number == 3 && self.is_slow(at.time));
            if others || timed {
                return;
            }
            let (expected, got) = (due.wanted(), code.to_string());
            // A side may end at any time, and for what it saw before it sees what is wrong.
            let ends = by == Role::Initiator && number == 0;
            // PR-C-08: a server that has only started turns everybody away, whatever they do.
            let starts = (by, number) == (Role::Responder, 6)
                && self.first.time <= late(STARTUP_DELAY, settings);
            // It reacts to what it has so far.
            let lacks = self.outstanding[index(by.peer())].has_gap();
            let unknown = !due.is_known(at.time) && (lacks || !self.is_unexplained(by, number));
            let other = ends || starts || unknown;
            if other {
                self.findings
                    .doubt(due.requirement, occurrence, expected, got, emit);
            } else {
                self.found(due.requirement, occurrence, expected, got, emit);
            }
        } else if number > 7 {
            let expected = "a close code from 0 to 7";
            let got = code.to_string();
            self.findings
                .breach("PR-C-03", occurrence, expected, got, emit);
        } else if (by, number) == (Role::Responder, 1)
            && self.complete.is_some()
            && self.is_out_of_order()
        {
            let expected = "streams taken in any order";
            self.found("PR-S-02", occurrence, expected, code.to_string(), emit);
        } else if self.is_unexplained(by, number) {
            let expected = "what the code is for, before it";
            let got = code.to_string();
            self.findings
                .doubt("PR-C-03", occurrence, expected, got, emit);
        }
    }

    /// QUIC closes where the application owes a close.
    fn closed_by_quic(&mut self, close: Close, emit: ObservationSink<'_>) {
        let Close { by, code, at } = close;
        let Some(due) = self.dues.iter().find(|due| due.party == by).cloned() else {
            return;
        };
        let occurrence = self.occurrence(by, at);
        let (expected, got) = (due.wanted(), code.to_string());
        // Without an error a side ends, and one that began anew knows nothing of what it owes.
        let ends = matches!(code, Code::Transport(0) | Code::StatelessReset);
        if ends || due.is_with_any() || !due.is_known(at.time) {
            self.findings
                .doubt(due.requirement, occurrence, expected, got, emit);
        } else {
            self.found(due.requirement, occurrence, expected, got, emit);
        }
    }

    /// Whether a time of the set-up may be over: a close with 3 has this reason, whatever came just
    /// then.
    fn is_slow(&self, now: Duration) -> bool {
        let over = |since: Duration, limit: Duration| now >= since + limit.mul_f64(EARLY);
        // A stream opens those of its type with lower numbers (RFC 9000, section 2.1).
        let opened = |id: u64| {
            let rest = self.streams.range(id..);
            let higher = rest.filter(|(other, _)| (*other - id).is_multiple_of(4));
            higher.map(|(_, stream)| stream.opened.time).min()
        };
        let seen = self.streams.iter();
        let seen = seen.filter(|(_, stream)| stream.kind.is_none() && !stream.resets);
        let unseen = self.streams.keys().filter_map(|id| {
            let mut lower = (id % 4..*id).step_by(4);
            lower.find(|lower| !self.streams.contains_key(lower))
        });
        let mut unnamed = seen.map(|(id, _)| *id).chain(unseen);
        let fewer = self.named.len() < 3;
        let since = self.established.filter(|_| fewer).map(|at| at.time);
        unnamed.any(|id| opened(id).is_some_and(|opened| over(opened, IDENTIFICATION)))
            || since.is_some_and(|since| over(since, SETUP))
    }

    fn waits(&self) -> bool {
        [&self.event, &self.commit, &self.action]
            .iter()
            .any(|exchange| !exchange.asked.is_empty())
    }

    fn has_rest(&self) -> bool {
        self.streams.values().any(|stream| stream.rest.is_some())
    }

    /// Whether nothing that was seen is a reason for this code.
    fn is_unexplained(&self, by: Role, number: u64) -> bool {
        match (by, number) {
            (_, 1) => self.named.len() == 3,
            (_, 3) => self.named.len() == 3 && !self.slow,
            (_, 4) => {
                let has_reason = self.waits() || self.is_held_back() || self.has_rest();
                !has_reason && self.named.len() == 3
            }
            (_, 5) => !self.asks,
            (Role::Responder, 6) => self.second_of.is_none() && !self.told_why,
            (Role::Responder, 7) => !self.superseded,
            (_, _) => false,
        }
    }

    /// What shows only at the end, and what the session was.
    pub(in super::super) fn end(
        mut self,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) -> Option<Session> {
        self.conclude(settings, emit);
        if self.foreign || !(self.offered || self.agreed.is_some()) {
            return None;
        }
        self.surplus("PR-E-01", &self.event.clone(), "an ack for each id", emit);
        self.surplus(
            "PR-K-01",
            &self.commit.clone(),
            "an answer for each request",
            emit,
        );
        if settings.mode.as_deref() == Some("pull") {
            self.surplus(
                "PR-A-01",
                &self.action.clone(),
                "an item for each request",
                emit,
            );
        }
        self.nothing_pushed(settings, emit);
        if let Some(unjudged) = self.unjudged() {
            let occurrence = self.occurrence(Role::Initiator, self.first);
            let mut doubtful = self.findings.close(emit);
            doubtful.extend(["PR-C-06", "PR-E-04", "PR-S-01"]);
            for requirement in doubtful {
                let (expected, got) = ("the secrets of both sides", unjudged.to_string());
                self.findings
                    .doubt(requirement, occurrence, expected, got, emit);
            }
        } else {
            self.findings.open(emit);
        }
        Some(Session {
            protocol: "proton",
            mode: self.mode(settings),
            initiator: self.client,
            responder: self.server,
            connection_id: None,
            frames: self.messages,
            datagrams: self.packets,
            first_packet: self.first.packet,
            network: NetworkCounts::default(),
            judged: self.findings.judged(),
            more_breaches: self.findings.more,
        })
    }

    /// PR-E-01, PR-K-01, PR-A-01: an answer to nothing.
    fn surplus(
        &mut self,
        requirement: &'static str,
        exchange: &Exchange,
        expected: &str,
        emit: ObservationSink<'_>,
    ) {
        let Some(message) = exchange.early.front().filter(|_| !exchange.over) else {
            return;
        };
        let at = At {
            packet: message.packet,
            time: message.time,
        };
        let occurrence = self.occurrence(Role::Responder, at);
        let got = format!("{} beyond them", message.value);
        self.found(requirement, occurrence, expected, got, emit);
    }
}
