use std::time::Duration;

use shakedown_wire::quic::{Acknowledged, Level, Packet};

use super::{At, Close, Connection, MOST_STREAMS, index, late};
use crate::MonitorSettings;
use crate::proton::monitor::due::ExpectedClose;
use crate::proton::monitor::findings::ObservationSink;
use crate::proton::{IDENTIFICATION, IDLE_TIMEOUT, KEEP_ALIVE, Kind, OPERATION, SETUP};
use crate::requirement::Role;

impl Connection {
    /// A packet of a side, and with it what its time shows.
    pub(in super::super) fn packet(
        &mut self,
        packet: &Packet,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let by = packet.by.into();
        self.packets += 1;
        // Keys of first packets are dropped with the client's first packet of the handshake, those of the handshake
        // when it is done (RFC 9001, section 4.9): what comes later with them says nothing of the connection.
        let is_first = packet.level == Level::Initial;
        let is_past_handshake = !packet.is_of_the_application() && self.established.is_some();
        let is_stray = is_past_handshake || (is_first && self.is_past_first_packets);
        self.is_past_first_packets |= (packet.level, by) == (Level::Handshake, Role::Initiator);
        // The server takes a first packet that was delayed for a new connection.
        let is_after = |close: Close| close.at.packet < at.packet;
        let is_over = self.closed.is_some_and(is_after) || self.is_late(at.time);
        if is_first && by == Role::Initiator && (is_stray || is_over) {
            self.reborn = Some(at.time);
        }
        if is_stray && self.closed.is_none() {
            return;
        }
        self.hear(by, at.time);
        self.read[index(by)] |= packet.is_of_the_application();
        if self.is_read() && self.agreed.is_some() {
            self.findings.open(emit);
        }
        self.numbers(packet, at);
        if self.closed.is_some() {
            self.conclude(settings, emit);
            return;
        }
        if by == Role::Responder {
            self.unanswered(at, settings, emit);
        }
        self.kept_alive(by, at, settings);
        self.arm(at.time, settings);
        let round_trip = self.round_trip();
        let overdue =
            |due: &ExpectedClose| due.party == by && due.is_overdue(at.time, round_trip, settings);
        let broken: Vec<_> = self
            .dues
            .iter()
            .filter(|due| overdue(due))
            .cloned()
            .collect();
        self.dues.retain(|due| !overdue(due));
        let occurrence = self.occurrence(by, at);
        for due in broken {
            let got = format!("it goes on after packet {}", due.packet);
            self.found(due.requirement, occurrence, due.wanted(), got, emit);
        }
        self.vanished(by, at, settings, emit);
        match by {
            Role::Initiator => self.idle_restarted = None,
            Role::Responder if packet.ack_eliciting => {
                self.idle_restarted.get_or_insert(at.time);
            }
            Role::Responder => {}
        }
    }

    /// Whether the client was silent for the idle timeout.
    fn is_late(&self, now: Duration) -> bool {
        let [client, _] = self.last;
        client.is_some_and(|before| now > before + IDLE_TIMEOUT)
    }

    /// A side was heard. After the idle timeout a packet of the client counts when the server goes on.
    fn hear(&mut self, by: Role, now: Duration) {
        let is_late = self.is_late(now);
        let [client, server] = &mut self.last;
        match by {
            Role::Initiator if is_late => self.late = Some(now),
            Role::Initiator => *client = (*client).max(Some(now)),
            Role::Responder => {
                *client = (*client).max(self.late.take());
                *server = (*server).max(Some(now));
            }
        }
    }

    /// What the number of a packet and what it acknowledges say of what the sides know.
    fn numbers(&mut self, packet: &Packet, at: At) {
        let by = packet.by.into();
        let (mine, peers) = (index(by), index(by.peer()));
        // Packets of the handshake have numbers of their own.
        let Some(number) = packet.is_of_the_application().then_some(packet.number) else {
            match by {
                Role::Responder if packet.ack_eliciting => {
                    self.shaking.get_or_insert(at.time);
                }
                Role::Initiator if packet.acknowledges.is_some() => {
                    let delay = self.shaking.take().map(|sent| at.time.saturating_sub(sent));
                    self.handshake_delay = self.handshake_delay.max(delay.unwrap_or_default());
                }
                Role::Initiator | Role::Responder => {}
            }
            return;
        };
        let outstanding = &mut self.outstanding[mine];
        let first = outstanding.next();
        outstanding.sent(number);
        for due in &mut self.dues {
            due.sent(by, &(first..outstanding.next()));
        }
        // One number may be left out on purpose (RFC 9000, section 21.4), and some count their
        // handshake packets in the same row.
        let next = &mut self.next[mine];
        self.gaps |= next.is_some_and(|next| number > next + 1);
        *next = (*next).max(Some(number.saturating_add(1)));
        if packet.ack_eliciting {
            self.probes[mine].get_or_insert((number, at.time));
        }
        let Some(acknowledged) = packet.acknowledges else {
            return;
        };
        let Acknowledged {
            largest, unseen, ..
        } = acknowledged;
        self.gaps |= unseen;
        let probe = &mut self.probes[peers];
        if let Some((_, sent)) = probe.take_if(|(number, _)| *number <= largest) {
            let delay = at.time.saturating_sub(sent);
            self.delays[peers] = self.delays[peers].max(delay);
        }
        let outstanding = &mut self.outstanding[peers];
        outstanding.acknowledged(&acknowledged);
        let is_delivered = |parts: &_| outstanding.is_delivered(parts);
        if is_delivered(&(u64::MAX..u64::MAX)) {
            self.caught_up[mine] = Some(at.time);
        }
        if by == Role::Responder {
            let new = self.streams.iter_mut();
            let new = new.filter(|(_, stream)| stream.heard.is_none());
            for (_, stream) in new.filter(|(id, _)| outstanding.has_some_of(**id)) {
                stream.heard = Some(at.time);
            }
        }
        for due in self.dues.iter_mut().filter(|due| due.party == by) {
            due.acknowledged(is_delivered, at.time);
        }
        if by == Role::Responder {
            self.established.get_or_insert(at);
        }
    }

    /// PR-C-04: an idle connection that both sides kept.
    fn kept_alive(&mut self, by: Role, at: At, settings: &MonitorSettings) {
        let since = self.established.map(|since| since.time).max(self.talked);
        let peer = self.last[index(by.peer())];
        let idle = since.is_some_and(|since| at.time > since + late(IDLE_TIMEOUT, settings));
        if idle && peer.is_some_and(|peer| at.time < peer + late(KEEP_ALIVE, settings)) {
            self.findings.judge("PR-C-04");
        }
    }

    /// After how long without a packet a side is gone. QUIC makes it three of its probe timeouts where those are
    /// longer (RFC 9000, section 10.1), each of which may be three times the longest round trip, which that of a
    /// handshake with losses may be (RFC 9002, sections 5.3 and 6.2.1).
    pub(super) fn idle_timeout(&self) -> Duration {
        let longest = self.round_trip().max(self.handshake_delay);
        IDLE_TIMEOUT.max(longest * 9)
    }

    /// PR-C-05: the idle timer begins again with the first ack-eliciting packet that is sent after one that came,
    /// which keep-alive sends a second later, and a probe of the handshake later still.
    fn vanished(
        &mut self,
        by: Role,
        at: At,
        settings: &MonitorSettings,
        emit: ObservationSink<'_>,
    ) {
        let round_trip = self.round_trip();
        let gone = self.idle_timeout();
        let [Some(client), Some(_)] = self.last else {
            return;
        };
        let kept = client + KEEP_ALIVE;
        let since = self.idle_restarted.map_or(kept, |sent| sent.max(kept));
        if by == Role::Responder && at.time > since + late(gone, settings) + round_trip {
            let occurrence = self.occurrence(by, at);
            let silent = at.time.saturating_sub(client).as_secs_f64();
            let got = format!("a packet {silent:.1} s after the client's last one");
            let expected = "a client that is silent given up after 5 s";
            self.found("PR-C-05", occurrence, expected, got, emit);
        }
    }

    /// What is owed because time has passed: PR-S-05, PR-S-06, PR-T-01, PR-T-05.
    pub(super) fn arm(&mut self, now: Duration, settings: &MonitorSettings) {
        let mut owed = Vec::new();
        for (id, stream) in &self.streams {
            let waits = stream.kind.is_none() && !stream.resets && !stream.void;
            if let Some(heard) = stream.heard.filter(|_| waits && !stream.client_lost)
                && now > heard + IDENTIFICATION
            {
                let why = format!("stream {id} did not say within 1 s which it is");
                let at = At {
                    packet: stream.opened.packet,
                    time: heard,
                };
                owed.push(("PR-S-05", Role::Responder, at, IDENTIFICATION, why));
            }
        }
        if let Some(established) = self.established
            && self.named.len() < 3
            && !self.incomplete
            && now > established.time + SETUP
        {
            let at = At {
                packet: self.first.packet,
                ..established
            };
            let why = "three streams were not there within 5 s".to_owned();
            owed.push(("PR-S-06", Role::Responder, at, SETUP, why));
        }
        let all = [
            (&self.event, "event"),
            (&self.commit, "commit"),
            (&self.action, "request"),
        ];
        let pull = settings.mode.as_deref() == Some("pull");
        for (exchange, what) in all.into_iter().take(if pull { 3 } else { 2 }) {
            if let Some(message) = exchange.asked.front().filter(|_| !exchange.over)
                && now > message.time + OPERATION
            {
                let at = At {
                    packet: message.packet,
                    time: message.time,
                };
                let why = format!("{what} {} had no answer within 5 min", message.value);
                owed.push(("PR-T-01", Role::Initiator, at, OPERATION, why));
            }
        }
        let all = [self.unread(), self.unfinished(settings)];
        for due in all.into_iter().flatten() {
            if due.is_begun(now)
                && self.armed.len() < MOST_STREAMS
                && self.armed.insert((due.requirement, due.packet))
            {
                self.owe(due);
            }
        }
        for (requirement, party, at, limit, why) in owed {
            if self.armed.len() < MOST_STREAMS && self.armed.insert((requirement, at.packet)) {
                let due = ExpectedClose::new(requirement, party, at, why).within(limit);
                self.owe(match party {
                    Role::Initiator => due.with(&[4]).of_its_own(),
                    Role::Responder => {
                        let client = &self.outstanding[index(party.peer())];
                        due.with(&[3]).known_before(client.next())
                    }
                });
            }
        }
    }

    /// PR-T-05: what the server owes for the first u32 that is not complete. What it makes of bytes on
    /// the Action stream depends on the profile.
    fn unfinished(&self, settings: &MonitorSettings) -> Option<ExpectedClose> {
        let pull = settings.mode.as_deref() == Some("pull");
        let talks = |kind| pull || kind != Kind::Action;
        let streams = self.streams.values().filter(|stream| !stream.client_lost);
        let (kind, since) = streams
            .filter_map(|stream| stream.kind.filter(|kind| talks(*kind)).zip(stream.rest))
            .min_by_key(|(_, since)| since.time)?;
        let why = format!(
            "a u32 on the {} stream was not complete within 5 min",
            kind.name()
        );
        let due = ExpectedClose::new("PR-T-05", Role::Responder, since, why).within(OPERATION);
        let client = &self.outstanding[index(Role::Initiator)];
        Some(due.with(&[4]).known_before(client.next()))
    }
}
