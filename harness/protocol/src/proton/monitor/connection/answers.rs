//! Answers that do not come, or that come late: PR-E-01, PR-K-01, PR-A-01, PR-T-02.

use std::time::Duration;

use super::{At, Connection, MOST_STREAMS, index, late};
use crate::MonitorSettings;
use crate::proton::monitor::exchange::{Exchange, Message};
use crate::proton::monitor::findings::ObservationSink;
use crate::proton::{IDLE_TIMEOUT, OPERATION};
use crate::requirement::Role;

/// A commit of this duration shows whether events continue meanwhile.
const LONG: Duration = Duration::from_secs(60);

/// Packets within this time of each other count as simultaneous.
const TOGETHER: Duration = Duration::from_secs(1);

/// A request and its answer.
pub(super) type Pair = (Message, Message);

impl Connection {
    /// Requests that the server has had for longer than it may answer them, at a packet of it.
    pub(super) fn unanswered(
        &mut self,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let limit = late(OPERATION, settings);
        for (requirement, what, message) in self.overdue(at.time, limit, settings) {
            let got = format!("none, and the connection goes on after {limit:?}");
            self.missing(requirement, what, message, got, at, settings, emit);
        }
    }

    /// The same at the client's close with code 4, which says that it waited as long as it had to.
    pub(super) fn given_up(
        &mut self,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let alive =
            self.last[index(Role::Responder)].map(|last| last + late(IDLE_TIMEOUT, settings));
        if alive < Some(at.time) {
            return;
        }
        let limit = OPERATION - TOGETHER;
        for (requirement, what, message) in self.overdue(at.time, limit, settings) {
            let got = "none until the client closed with code 4".to_owned();
            self.missing(requirement, what, message, got, at, settings, emit);
        }
    }

    /// The oldest request of each stream that the server has known for this long.
    fn overdue(
        &self,
        now: Duration,
        limit: Duration,
        settings: &MonitorSettings,
    ) -> Vec<(&'static str, &'static str, Message)> {
        let caught_up = self.caught_up[index(Role::Responder)];
        let waits = |exchange: &Exchange| {
            let first = exchange.asked.front().filter(|_| !exchange.over).copied();
            first.filter(|message| now > message.time + limit && caught_up > Some(message.time))
        };
        // What the client asks for on the Action stream is a request in pull alone.
        let pull = self.mode(settings) == "pull";
        let all = [
            ("PR-E-01", "event", waits(&self.event)),
            ("PR-K-01", "commit", waits(&self.commit)),
            ("PR-A-01", "request", waits(&self.action).filter(|_| pull)),
        ];
        let found = all.into_iter();
        found
            .filter_map(|(requirement, what, message)| Some((requirement, what, message?)))
            .collect()
    }

    #[expect(clippy::too_many_arguments, reason = "each says another thing")]
    fn missing(
        &mut self,
        requirement: &'static str,
        what: &str,
        message: Message,
        got: String,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        if self.is_held_back()
            || self.armed.len() >= MOST_STREAMS
            || !self.armed.insert((requirement, message.packet))
        {
            return;
        }
        let occurrence = self.occurrence(Role::Responder, at);
        let expected = format!(
            "an answer within 5 min to {what} {} of packet {}",
            message.value, message.packet
        );
        if requirement == "PR-A-01" && settings.mode.is_none() {
            self.findings
                .doubt(requirement, occurrence, expected, got, emit);
        } else {
            self.found(requirement, occurrence, expected, got, emit);
        }
    }

    /// An event was acked.
    pub(super) fn acked(&mut self, pair: Pair, emit: ObservationSink<'_>) {
        self.last_acked = Some(pair);
        if let Some(committed) = self.last_committed {
            self.events_go_on(committed, pair, emit);
        }
    }

    /// A commit was answered.
    pub(super) fn committed(&mut self, pair: Pair, emit: ObservationSink<'_>) {
        self.last_committed = Some(pair);
        if let Some(acked) = self.last_acked {
            self.events_go_on(pair, acked, emit);
        }
    }

    /// PR-T-02: an event that waits as long as a commit does, and is acked with its answer.
    fn events_go_on(&mut self, commit: Pair, event: Pair, emit: ObservationSink<'_>) {
        let long = |(asked, answer): Pair| answer.time > asked.time + LONG;
        let ((asked, answer), (sent, ack)) = (commit, event);
        if !long(commit) || sent.time < asked.time || sent.time > answer.time {
            return;
        }
        let together = ack.time.abs_diff(answer.time) <= TOGETHER;
        if !together && ack.time < answer.time {
            self.findings.judge("PR-T-02");
        } else if together && long(event) && !self.is_held_back() {
            let at = At {
                packet: ack.packet,
                time: ack.time,
            };
            let occurrence = self.occurrence(Role::Responder, at);
            let expected = format!(
                "event {} acked while commit {} is worked on",
                sent.value, asked.value
            );
            let waited = ack.time.saturating_sub(sent.time).as_secs();
            let got = format!("an ack after {waited} s, with the commit's answer");
            self.found("PR-T-02", occurrence, expected, got, emit);
        }
    }

    /// PR-A-01: a connection on which nothing was pushed for as long as a send may take.
    pub(super) fn nothing_pushed(&mut self, settings: &MonitorSettings, emit: ObservationSink<'_>) {
        let Some((at, heard)) = self.complete.zip(self.heard()) else {
            return;
        };
        let long = heard > at.time + late(OPERATION, settings);
        if settings.mode.as_deref() == Some("push") && long && self.items == 0 && !self.asks {
            let occurrence = self.occurrence(Role::Responder, at);
            let (expected, got) = ("items without any request", "none in 5 min");
            self.findings
                .doubt("PR-A-01", occurrence, expected, got, emit);
        }
    }
}
