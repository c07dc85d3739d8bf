//! What one connection says of another.

use std::time::Duration;

use super::at::{At, late};
use super::connection::{Connection, index};
use super::due::ExpectedClose;
use super::findings::ObservationSink;
use super::{Code, Monitor};
use crate::proton::{ALPN, CloseCode, IDENTIFICATION, IDLE_TIMEOUT, KEEP_ALIVE, STARTUP_DELAY};
use crate::requirement::Role;
use crate::streams::CONNECTION_REFUSED;

/// How long a server may take for a commit.
const COMMIT: Duration = Duration::from_secs(240);

/// A packet this soon after another connection's end may be processed first.
const SAME_MOMENT: Duration = Duration::from_millis(50);

/// A server is not restarted within this time.
const AT_ONCE: Duration = Duration::from_secs(2);

impl Monitor {
    /// The connection that the same server has when this one comes.
    pub(super) fn alive(&self, new: &Connection) -> Option<u64> {
        let now = new.first.time;
        let stopped = |old: &Connection| {
            let mut stops = self.settings.stopped.iter();
            stops.any(|stop| (old.first.time..now).contains(stop))
        };
        let of_server = |old: &Connection| old.server == new.server && !stopped(old);
        let lives = |old: &Connection| of_server(old) && old.may_live(now);
        let is_reborn = |old: &Connection| of_server(old) && old.may_be_reborn(now);
        let mut all = self.connections.iter().rev();
        let mut reborn = all.clone();
        let living = all.find(|(_, old)| lives(old));
        let (mut number, mut newest) = living.or_else(|| reborn.find(|(_, old)| is_reborn(old)))?;
        // One that came while another was served is not yet what the server has.
        while let Some(first) = newest.second_of.filter(|first| first < number)
            && !newest.reset
            && newest.served.is_none()
            && let Some((first, old)) = self.connections.get_key_value(&first)
            && lives(old)
            && !old.superseded
        {
            (number, newest) = (first, old);
        }
        Some(*number)
    }

    /// PR-C-07
    pub(super) fn agreed(
        &mut self,
        number: u64,
        alpn: Option<&[u8]>,
        at: At,
        emit: ObservationSink<'_>,
    ) {
        let known = |server| {
            let mut all = self.connections.values();
            all.any(|other| other.server == server && other.agreed.is_some())
        };
        let is_known = self
            .connections
            .get(&number)
            .is_some_and(|one| known(one.server));
        let Some(connection) = self.connections.get_mut(&number) else {
            return;
        };
        if alpn == Some(ALPN.as_bytes()) {
            connection.agreed = Some(at.time);
            return;
        }
        if alpn.is_none() && (is_known || self.settings.supervised) {
            let occurrence = connection.occurrence(Role::Responder, at);
            // The handshake says it all.
            connection.findings.open(emit);
            let expected = "the handshake to fail without the protocol proton";
            let got = "a handshake that goes on with none";
            connection
                .findings
                .breach("PR-C-07", occurrence, expected, got, emit);
        }
        connection.foreign = true;
    }

    /// The first byte of a connection is there: PR-R-01, PR-C-06.
    pub(super) fn spoke(&mut self, number: u64, at: At, emit: ObservationSink<'_>) {
        let Some(new) = self.connections.get(&number) else {
            return;
        };
        let (reset, old, opened) = (new.reset, new.second_of, new.first);
        let (client, server) = (new.client, new.server);
        if reset {
            let old = old.and_then(|old| self.connections.get_mut(&old));
            // One that is in its handshake is not an old connection.
            let is_there =
                |old: &&mut Connection| old.closed.is_none() && old.established().is_some();
            if let Some(old) = old.filter(is_there) {
                old.superseded = true;
                let why = "another connection reset this one".to_owned();
                let (party, limit) = (Role::Responder, IDENTIFICATION);
                let due = ExpectedClose::new("PR-R-01", party, at, why).within(limit);
                old.owe(due.with(&[7]).of_another());
            }
            return;
        }
        let soon = STARTUP_DELAY.saturating_sub(self.settings.tolerance.of(STARTUP_DELAY));
        let silence = KEEP_ALIVE * 2;
        // A client has lost nothing but the connection that it had before this one.
        let earlier = self.connections.range(..number).rev();
        let earlier = earlier.map(|(_, old)| old);
        let mut same = earlier.filter(|old| old.server == server && old.client.ip() == client.ip());
        let newest = same.clone().find(|old| old.client == client);
        let lost = newest.or_else(|| same.next()).and_then(|old| {
            let heard = old.heard()?;
            // Without the other's packets in between, a close may be what the capture lacks.
            let [client_heard, server_heard] = old.last;
            let alone = client_heard?.abs_diff(server_heard?) > silence;
            let seen = old.is_read() && !old.is_unsure();
            let gone = alone && old.closed.is_none() && old.agreed.is_some() && seen;
            let between = opened.time.checked_sub(heard)?;
            (gone && between > silence).then_some((between, old.client == client))
        });
        let supervised = self.settings.supervised;
        let Some(new) = self.connections.get_mut(&number) else {
            return;
        };
        if let Some((between, is_same_socket)) = lost {
            new.findings.judge("PR-C-06");
            if between < soon {
                let occurrence = new.occurrence(Role::Initiator, opened);
                let got = format!("a new connection after {:.1} s", between.as_secs_f64());
                let expected = "10 s, or a reset, after a lost connection";
                // Another process of the same machine has lost nothing.
                if is_same_socket || supervised {
                    new.found("PR-C-06", occurrence, expected, got, emit);
                } else {
                    new.findings
                        .doubt("PR-C-06", occurrence, expected, got, emit);
                }
            }
        }
    }

    /// PR-E-04: the same socket is most often the same process.
    pub(super) fn ids_go_on(&mut self, number: u64, at: At, emit: ObservationSink<'_>) {
        let supervised = self.settings.supervised;
        let before = |client| {
            let earlier = self.connections.range(..number);
            let same = earlier.filter(|(_, old)| old.client == client);
            same.map(|(_, old)| old.last_id).max()
        };
        let last = self
            .connections
            .get(&number)
            .and_then(|new| before(new.client));
        let Some((new, last)) = self.connections.get_mut(&number).zip(last) else {
            return;
        };
        let Some(first) = new.first_id.filter(|first| first.value <= last) else {
            return;
        };
        let occurrence = new.occurrence(Role::Initiator, at);
        let expected = format!("an id above {last}, the last one of the connection before");
        let got = first.value.to_string();
        if supervised {
            new.findings
                .breach("PR-E-04", occurrence, expected, got, emit);
        } else {
            new.findings
                .doubt("PR-E-04", occurrence, expected, got, emit);
        }
    }

    /// PR-C-01, PR-R-02: a second connection that is still served, and the first one too.
    pub(super) fn second(&mut self, number: u64, by: Role, at: At, emit: ObservationSink<'_>) {
        let Some(new) = self.connections.get(&number) else {
            return;
        };
        let (Some(old), Some(since)) = (new.second_of, new.established()) else {
            return;
        };
        if new.reset && by == Role::Responder && new.caught_up[index(by)] == Some(at.time) {
            let old = self.connections.get_mut(&old);
            let dues = old.into_iter().flat_map(|old| &mut old.dues);
            dues.for_each(|due| due.learn(at.time));
            return;
        }
        let Some((old, first)) = self.connections.get(&old).and_then(|old| {
            // A handshake under way is no connection yet: it may be done after that of the second.
            Some((old, old.established()?))
        }) else {
            return;
        };
        let since = since.max(first);
        let open = by == Role::Responder && new.closed.is_none();
        let served = open && !new.reset && !new.both_served;
        let until = since + late(IDENTIFICATION * 2, &self.settings) + new.round_trip();
        if !served || at.time <= until {
            return;
        }
        let since = since + IDENTIFICATION;
        let lives = |heard: &Option<_>| heard.is_some_and(|heard| heard > since);
        let both = old.closed.is_none() && old.last.iter().all(lives) && !old.is_unsure();
        let Some(new) = self.connections.get_mut(&number).filter(|_| both) else {
            return;
        };
        let occurrence = new.occurrence(by, at);
        let got = "two connections that are both served";
        for (requirement, expected) in [
            ("PR-C-01", "one connection at a time"),
            (
                "PR-R-02",
                "the second connection closed with code 6 within 1 s",
            ),
        ] {
            new.found(requirement, occurrence, expected, got, emit);
        }
        new.both_served = true;
    }

    /// PR-C-01, PR-C-02, PR-R-01, PR-R-02: what the end of one connection says of another.
    pub(super) fn closed(
        &mut self,
        number: u64,
        by: Role,
        code: Code,
        at: At,
        emit: ObservationSink<'_>,
    ) {
        if by != Role::Responder {
            return;
        }
        let refused = Code::Application(CloseCode::AlreadyConnected.number());
        let superseded = Code::Application(CloseCode::ResetByClient.number());
        let is_refused = code == refused || code == Code::Transport(CONNECTION_REFUSED);
        let one = self.connections.get(&number);
        let (second_of, resets) = one.map_or((None, false), |one| (one.second_of, one.reset));
        // A server without reset refuses the second connection whatever it says. Where both reset, the reset of the
        // older one may be the later.
        if let Some(old) = second_of.and_then(|old| self.connections.get_mut(&old))
            && ((is_refused && resets) || (code == superseded && old.reset))
        {
            old.dues.retain(|due| due.requirement != "PR-R-01");
        }
        if !is_refused {
            self.wrongly_refused(number, code, at, emit);
            return;
        }
        let seconds = |one: &&Connection| one.second_of == Some(number) && one.closed.is_none();
        let second = self.connections.values().find(seconds);
        let second = second.map(|second| second.first.time);
        let kept = second_of.filter(|old| self.connections.contains_key(old));
        let Some(one) = self.connections.get_mut(&number) else {
            return;
        };
        if second_of.is_some() {
            self.refusing.extend(kept);
            one.findings.judge("PR-C-01");
            if code == refused {
                one.findings.judge("PR-R-02");
            }
        } else if let Some(second) = second {
            one.told_why = true;
            let occurrence = one.occurrence(by, at);
            let expected = "the first connection unharmed by the second";
            let got = code.to_string();
            // PR-C-08: a server that has only started waits for a reset, and turns the client away when none comes.
            let is_taken = one.had_first_word(at.time.saturating_sub(SAME_MOMENT));
            let starts = !is_taken && one.first.time <= late(STARTUP_DELAY, &self.settings);
            // Of two handshakes at once either may be the first for the server.
            if !starts && one.established().is_some_and(|since| since < second) {
                one.found("PR-C-01", occurrence, expected, got, emit);
            } else {
                one.findings
                    .doubt("PR-C-01", occurrence, expected, got, emit);
            }
        } else {
            self.left_behind(number, code, at, emit);
        }
    }

    /// PR-R-02: a second connection that says nothing, closed with another code.
    fn wrongly_refused(&mut self, number: u64, code: Code, at: At, emit: ObservationSink<'_>) {
        let Some(new) = self.connections.get(&number) else {
            return;
        };
        let Code::Application(1..) = code else {
            return;
        };
        let old = new.second_of.and_then(|old| self.connections.get(&old));
        let recent = |heard: &Option<Duration>| {
            heard.is_some_and(|heard| heard + late(KEEP_ALIVE, &self.settings) > at.time)
        };
        // A handshake under way is no connection yet: it may be done after that of the second.
        let was_first = |old: &Connection| {
            old.established()
                .is_some_and(|first| Some(first) < new.established())
        };
        let lives = |old: &Connection| {
            was_first(old) && old.is_read() && old.closed.is_none() && old.last.iter().all(recent)
        };
        if new.spoke || new.reset || !old.is_some_and(lives) {
            return;
        }
        let Some(new) = self.connections.get_mut(&number) else {
            return;
        };
        let occurrence = new.occurrence(Role::Responder, at);
        let expected = "the second connection closed with code 6";
        new.found("PR-R-02", occurrence, expected, code.to_string(), emit);
    }

    /// The newest connection before this one, to the same server, that ended when it had refused a
    /// second one. One that was turned away itself never was the first: what was there, or whether the server
    /// has only started (PR-C-08), the capture does not show.
    fn ended_before(&self, number: u64) -> Option<&Connection> {
        let new = self.connections.get(&number)?;
        let before = self.refusing.range(..number).rev();
        let mut before = before.filter_map(|old| self.connections.get(old));
        before.find(|old| {
            let over = old.over.into_iter().flatten().min();
            let turned_away = Code::Application(CloseCode::AlreadyConnected.number());
            let was_turned_away = old.closed.is_some_and(|close| close.code == turned_away);
            let is_over = over.is_some_and(|over| over <= new.first.time);
            old.server == new.server && is_over && !was_turned_away
        })
    }

    /// PR-C-02: a connection is refused, and none is there.
    fn left_behind(&mut self, number: u64, code: Code, at: At, emit: ObservationSink<'_>) {
        let Some((new, old)) = self.connections.get(&number).zip(self.ended_before(number)) else {
            return;
        };
        // One that fell silent may be there for the server.
        let mut before = self.connections.range(..number);
        let is_there =
            |other: &Connection| other.closed.is_none() || other.may_be_reborn(new.first.time);
        if before.any(|(_, other)| other.server == new.server && is_there(other)) {
            return;
        }
        let [by_client, by_server] = old.over;
        let stops = old
            .closed
            .is_some_and(|close| (close.by, close.code) == (Role::Responder, Code::Application(0)));
        let soon = |over: Duration| {
            let since = new.first.time.checked_sub(over);
            since.is_some_and(|since| (SAME_MOMENT..=AT_ONCE).contains(&since))
        };
        // PR-C-08: who resets is let in while a server that has only started turns others away, and so is who
        // does not get as far as to say whether it resets.
        let is_let_in = old.reset || !old.spoke || old.established().is_none();
        let starts =
            is_let_in && new.first.time <= old.first.time + late(STARTUP_DELAY, &self.settings);
        let sure = !stops && !starts && by_server.is_some_and(soon);
        let since = by_server.or(by_client).unwrap_or(new.first.time);
        let since = new.first.time.saturating_sub(since).as_secs_f64();
        let Some(new) = self.connections.get_mut(&number) else {
            return;
        };
        new.told_why = true;
        let occurrence = new.occurrence(Role::Responder, at);
        let expected =
            "a new connection served at once after the first, which had a second refused";
        let got = format!("{code} for one that came {since:.1} s after its end");
        if sure {
            new.found("PR-C-02", occurrence, expected, got, emit);
        } else {
            new.findings
                .doubt("PR-C-02", occurrence, expected, got, emit);
        }
    }

    /// PR-C-02, PR-C-05: the server answers on a connection for the first time.
    pub(super) fn served(&mut self, number: u64, at: At) {
        let Some(new) = self.connections.get(&number) else {
            return;
        };
        let over = self
            .ended_before(number)
            .and_then(|old| old.over.into_iter().flatten().min());
        let at_once = over.is_some_and(|over| at.time < over + STARTUP_DELAY);
        let mut before = self.connections.range(..number);
        let vanished = before.any(|(_, old)| {
            let heard = old.last[index(Role::Initiator)].map(|heard| heard + IDLE_TIMEOUT);
            let gone = heard.is_some_and(|until| until < new.first.time);
            gone && old.server == new.server && old.closed.is_none() && old.agreed.is_some()
        });
        let Some(new) = self.connections.get_mut(&number) else {
            return;
        };
        if at_once {
            new.findings.judge("PR-C-02");
        }
        if vanished && !new.reset {
            new.findings.judge("PR-C-05");
        }
    }

    /// PR-T-03: the oldest connection ended before a commit was answered, and when the answer was
    /// there at the latest the server served another one.
    pub(super) fn harmless(&mut self) {
        let Some((number, gone)) = self.connections.first_key_value() else {
            return;
        };
        let (number, server) = (*number, gone.server);
        let Some(until) = gone.commit.asked.back().map(|asked| asked.time + COMMIT) else {
            return;
        };
        let mut later = self.connections.range(number + 1..);
        let ended = match (gone.closed, gone.heard()) {
            (Some(close), _) => close.at.time,
            (None, heard) => heard.unwrap_or(until) + IDLE_TIMEOUT,
        };
        let since = Some(until.max(ended));
        let lives = later.any(|(_, other)| other.server == server && other.served > since);
        if let Some(gone) = self.connections.get_mut(&number)
            && lives
        {
            gone.findings.judge("PR-T-03");
        }
    }
}
